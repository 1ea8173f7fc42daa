package healthlake

import "github.com/fhirhose/fhirhose/pipeline/verify"

// Marks are what HealthLake adds to resources of its own accord, by its
// documentation: what it reads from the text of documents, and what minimal
// validation has let in.
func Marks() verify.Marks {
	return verify.Marks{
		Extensions: []string{
			"http://healthlake.amazonaws.com/aws-cm/",
			"http://healthlake.amazonaws.com/system-generated-resources/",
			"http://healthlake.amazonaws.com/fhir/StructureDefinition/validation-issue",
		},
		Tags: []string{`{"display":"SYSTEM_GENERATED"}`},
	}
}
