package generate

// weightedType is a resource type, how often a server holds it among 10,000
// resources, and the template of its body.
type weightedType struct {
	name     string
	weight   int
	template string
}

// frequentTypes are the types of a server that is fed by an EHR and a claims
// system, weighted as Synthea's output is, with its own templates.
var frequentTypes = [...]weightedType{
	{"Observation", 4300, "Observation"},
	{"Claim", 1150, "Claim"},
	{"Encounter", 900, "Encounter"},
	{"ExplanationOfBenefit", 850, "ExplanationOfBenefit"},
	{"Procedure", 550, "Procedure"},
	{"MedicationRequest", 450, "MedicationRequest"},
	{"DiagnosticReport", 400, "DiagnosticReport"},
	{"Immunization", 250, "Immunization"},
	{"DocumentReference", 220, "DocumentReference"},
	{"Condition", 220, "Condition"},
	{"Patient", 120, "Patient"},
	{"Provenance", 110, "Provenance"},
	{"CarePlan", 80, "CarePlan"},
	{"CareTeam", 80, "CareTeam"},
	{"AllergyIntolerance", 60, "AllergyIntolerance"},
	{"Practitioner", 50, "Practitioner"},
	{"Organization", 50, "Organization"},
	{"Binary", 40, "Binary"},
	{"Subscription", 10, "Subscription"},
	{"QuestionnaireResponse", 40, "QuestionnaireResponse"},
}

// rareTypes are the other types of R4 that a server stores. Their bodies come
// from the generic templates in turn. Bundle and Parameters are never stored.
var rareTypes = [...]string{
	"Location", "Device", "Medication", "Coverage", "ServiceRequest", "Specimen",
	"MedicationAdministration", "MedicationDispense", "MedicationStatement", "Goal",
	"ImagingStudy", "Appointment", "AppointmentResponse", "Task", "Communication",
	"CommunicationRequest", "Composition", "Consent", "Questionnaire", "RelatedPerson",
	"PractitionerRole", "FamilyMemberHistory", "Flag", "EpisodeOfCare", "Group",
	"HealthcareService", "Schedule", "Slot", "ClaimResponse", "Media", "List",
	"RiskAssessment", "ClinicalImpression", "DetectedIssue", "AdverseEvent",
	"NutritionOrder", "DeviceRequest", "DeviceUseStatement", "DeviceMetric",
	"DeviceDefinition", "Person", "Endpoint", "Account", "ChargeItem", "Invoice",
	"Contract", "CoverageEligibilityRequest", "CoverageEligibilityResponse",
	"EnrollmentRequest", "EnrollmentResponse", "PaymentNotice", "PaymentReconciliation",
	"InsurancePlan", "SupplyRequest", "SupplyDelivery", "Substance", "BodyStructure",
	"MolecularSequence", "ImmunizationEvaluation", "ImmunizationRecommendation",
	"VisionPrescription", "ResearchStudy", "ResearchSubject", "Measure", "MeasureReport",
	"Library", "PlanDefinition", "ActivityDefinition", "RequestGroup", "GuidanceResponse",
	"DocumentManifest", "AuditEvent", "MessageHeader", "OperationOutcome", "Basic",
	"Linkage", "OrganizationAffiliation", "VerificationResult", "BiologicallyDerivedProduct",
	"CatalogEntry", "ChargeItemDefinition", "CapabilityStatement", "CodeSystem",
	"CompartmentDefinition", "ConceptMap", "EffectEvidenceSynthesis", "EventDefinition",
	"Evidence", "EvidenceVariable", "ExampleScenario", "GraphDefinition",
	"ImplementationGuide", "MedicationKnowledge", "MedicinalProduct",
	"MedicinalProductAuthorization", "MedicinalProductContraindication",
	"MedicinalProductIndication", "MedicinalProductIngredient",
	"MedicinalProductInteraction", "MedicinalProductManufactured",
	"MedicinalProductPackaged", "MedicinalProductPharmaceutical",
	"MedicinalProductUndesirableEffect", "MessageDefinition", "NamingSystem",
	"ObservationDefinition", "OperationDefinition", "ResearchDefinition",
	"ResearchElementDefinition", "RiskEvidenceSynthesis", "SearchParameter",
	"SpecimenDefinition", "StructureDefinition", "StructureMap", "SubstanceNucleicAcid",
	"SubstancePolymer", "SubstanceProtein", "SubstanceReferenceInformation",
	"SubstanceSourceMaterial", "SubstanceSpecification", "TerminologyCapabilities",
	"TestReport", "TestScript", "ValueSet",
}

const rareWeight = 3

var genericTemplates = [...]string{"generic-record", "generic-event", "generic-definition"}

// R4Types lists the resource types that can be generated, the commonest first.
func R4Types() []string {
	var names []string
	for _, t := range weightedTypes() {
		names = append(names, t.name)
	}
	return names
}

func weightedTypes() []weightedType {
	all := append([]weightedType(nil), frequentTypes[:]...)
	for i, name := range rareTypes {
		all = append(all, weightedType{name, rareWeight, genericTemplates[i%len(genericTemplates)]})
	}
	return all
}
