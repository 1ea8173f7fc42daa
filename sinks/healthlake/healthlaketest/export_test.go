package healthlaketest_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

func exportRequest(token string) *healthlake.StartFHIRExportJobInput {
	return &healthlake.StartFHIRExportJobInput{
		DatastoreId: aws.String(store), DataAccessRoleArn: aws.String(role), JobName: &token, ClientToken: &token,
		OutputDataConfig: outputConfig(output, key),
	}
}

func (r *rig) export(in *healthlake.StartFHIRExportJobInput) *types.ExportJobProperties {
	r.Helper()
	started, err := r.client.StartFHIRExportJob(r.Context(), in)
	r.check(err)
	for {
		out, err := r.client.DescribeFHIRExportJob(r.Context(), &healthlake.DescribeFHIRExportJobInput{DatastoreId: aws.String(store), JobId: started.JobId})
		r.check(err)
		if out.ExportJobProperties.EndTime != nil {
			return out.ExportJobProperties
		}
		r.rest()
	}
}

func TestExport(t *testing.T) {
	r := newRig(t, healthlaketest.Options{Quotas: healthlaketest.Quotas{ExportLines: 2}})
	r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1"), patient("b", "1"), patient("c", "1.0"), patient("d", "1"))
	r.put("in/v1-0/Observation-v1-00000.ndjson", `{"resourceType":"Observation","id":"a"}`)
	r.put("in/v2-0/Patient-v2-00000.ndjson", patient("a", "2"))
	r.run(request("in/v1-0/"))
	r.run(request("in/v2-0/"))
	r.call("DELETE", "Patient/b", "")

	p := r.export(exportRequest("e1"))
	equal(t, p.JobStatus, types.JobStatusCompleted)
	outputs := r.outputs(p.OutputDataConfig)
	equal(t, names(outputs), []string{"Observation/Observation-0.ndjson", "Patient/Patient-0.ndjson", "Patient/Patient-1.ndjson"})
	patients := outputs["Patient/Patient-0.ndjson"] + outputs["Patient/Patient-1.ndjson"]
	equal(t, strings.Count(outputs["Patient/Patient-0.ndjson"], "\n"), 2)
	equal(t, strings.Count(patients, "\n"), 3)
	f := func(part string, want int) {
		t.Helper()
		equal(t, strings.Count(patients, part), want)
	}
	f(`"id":"a"`, 1)
	f(`"value":2`, 1)   // the current version alone
	f(`"value":1.0`, 1) // every digit
	f(`"id":"b"`, 0)

	list, err := r.client.ListFHIRExportJobs(t.Context(), &healthlake.ListFHIRExportJobsInput{DatastoreId: aws.String(store), JobName: aws.String("e1")})
	r.check(err)
	equal(t, len(list.ExportJobPropertiesList), 1)
	equal(t, *list.ExportJobPropertiesList[0].JobId, *p.JobId)
	equal(t, *r.export(exportRequest("e1")).JobId, *p.JobId)
	if again := r.export(exportRequest("e2")); *again.JobId == *p.JobId {
		t.Error("another token is answered with the same job")
	}
	wrong := exportRequest("e3")
	wrong.OutputDataConfig = outputConfig(output, "")
	_, err = r.client.StartFHIRExportJob(t.Context(), wrong)
	equal(t, code(err), "ValidationException")
}

func TestExportFails(t *testing.T) {
	fail := func(string) (int64, string) { return 0, "it broke" }
	r := newRig(t, healthlaketest.Options{Traps: healthlaketest.Traps{Fail: fail}})
	p := r.export(exportRequest("e1"))
	equal(t, p.JobStatus, types.JobStatusFailed)
	equal(t, *p.Message, "it broke")
}
