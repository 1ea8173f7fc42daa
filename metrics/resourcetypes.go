package metrics

import (
	"slices"
	"strings"
)

// resourceTypes are the resource types of FHIR STU3, R4, R4B and R5
// (https://hl7.org/fhir/resourcelist.html of each release), sorted.
var resourceTypes = strings.Fields(`
Account ActivityDefinition ActorDefinition AdministrableProductDefinition
AdverseEvent AllergyIntolerance Appointment AppointmentResponse
ArtifactAssessment AuditEvent Basic Binary BiologicallyDerivedProduct
BiologicallyDerivedProductDispense BodySite BodyStructure Bundle
CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem
ChargeItemDefinition Citation Claim ClaimResponse ClinicalImpression
ClinicalUseDefinition CodeSystem Communication CommunicationRequest
CompartmentDefinition Composition ConceptMap Condition ConditionDefinition
Consent Contract Coverage CoverageEligibilityRequest
CoverageEligibilityResponse DataElement DetectedIssue Device DeviceAssociation
DeviceComponent DeviceDefinition DeviceDispense DeviceMetric DeviceRequest
DeviceUsage DeviceUseStatement DiagnosticReport DocumentManifest
DocumentReference EffectEvidenceSynthesis EligibilityRequest
EligibilityResponse Encounter EncounterHistory Endpoint EnrollmentRequest
EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceReport
EvidenceVariable ExampleScenario ExpansionProfile ExplanationOfBenefit
FamilyMemberHistory Flag FormularyItem GenomicStudy Goal GraphDefinition Group
GuidanceResponse HealthcareService ImagingManifest ImagingSelection
ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation
ImplementationGuide Ingredient InsurancePlan InventoryItem InventoryReport
Invoice Library Linkage List Location ManufacturedItemDefinition Measure
MeasureReport Media Medication MedicationAdministration MedicationDispense
MedicationKnowledge MedicationRequest MedicationStatement
MedicinalProductAuthorization MedicinalProduct
MedicinalProductContraindication MedicinalProductDefinition
MedicinalProductIndication MedicinalProductIngredient
MedicinalProductInteraction MedicinalProductManufactured
MedicinalProductPackaged MedicinalProductPharmaceutical
MedicinalProductUndesirableEffect MessageDefinition MessageHeader
MolecularSequence NamingSystem NutritionIntake NutritionOrder
NutritionProduct Observation ObservationDefinition OperationDefinition
OperationOutcome Organization OrganizationAffiliation
PackagedProductDefinition Parameters Patient PaymentNotice
PaymentReconciliation Permission Person PlanDefinition Practitioner
PractitionerRole Procedure ProcedureRequest ProcessRequest ProcessResponse
Provenance Questionnaire QuestionnaireResponse ReferralRequest
RegulatedAuthorization RelatedPerson RequestGroup RequestOrchestration
Requirements ResearchDefinition ResearchElementDefinition ResearchStudy
ResearchSubject RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter
Sequence ServiceDefinition ServiceRequest Slot Specimen SpecimenDefinition
StructureDefinition StructureMap Subscription SubscriptionStatus
SubscriptionTopic Substance SubstanceDefinition SubstanceNucleicAcid
SubstancePolymer SubstanceProtein SubstanceReferenceInformation
SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest
Task TerminologyCapabilities TestPlan TestReport TestScript Transport ValueSet
VerificationResult VisionPrescription
`)

// Unreadable is the type under which records are counted whose type could not
// be read; Other is the label of whatever is outside a closed list.
const (
	Unreadable = "unreadable"
	Other      = "other"
)

var typeSet = func() map[string]bool {
	set := make(map[string]bool, len(resourceTypes)+1)
	for _, name := range resourceTypes {
		set[name] = true
	}
	return set
}()

// KnownType tells whether name is a resource type of FHIR STU3, R4, R4B or R5.
func KnownType(name string) bool { return typeSet[name] }

// ResourceTypes lists every type that [KnownType] knows, sorted.
func ResourceTypes() []string { return slices.Sorted(slices.Values(resourceTypes)) }

// typeLabel keeps the label set closed: a table may hold any type name.
func typeLabel(name string) string {
	if typeSet[name] || name == Unreadable {
		return name
	}
	return Other
}
