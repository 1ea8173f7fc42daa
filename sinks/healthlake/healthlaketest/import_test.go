package healthlaketest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// resultLine is what clients know of a line in SUCCESS and FAILURE.
type resultLine struct {
	LineID       int    `json:"lineId"`
	ResourceID   string `json:"resourceId"`
	ResourceType string `json:"resourceType"`
	Exception    string `json:"exception"`
	Response     struct {
		Status int `json:"statusCode"`
		Blob   struct {
			ResourceType string `json:"resourceType"`
		} `json:"jsonBlob"`
	} `json:"UpdateResourceResponse"`
}

func resultLines(t *testing.T, text string) (all []resultLine) {
	t.Helper()
	for line := range strings.Lines(text) {
		var l resultLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

func TestImport(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1.50"), "", patient("b", `"<é>"`))
	r.put("in/v1-0/Patient-v1-00001.ndjson", patient("c", "12345678901234567890.10"))
	p := r.run(request("in/v1-0/"))
	equal(t, p.JobStatus, types.JobStatusCompleted)
	equal(t, p.ValidationLevel, types.ValidationLevelStrict)
	report := p.JobProgressReport
	equal(t, *report.TotalNumberOfScannedFiles, 2)
	equal(t, *report.TotalNumberOfImportedFiles, 2)
	equal(t, *report.TotalNumberOfResourcesScanned, 3)
	equal(t, *report.TotalNumberOfResourcesImported, 3)
	equal(t, *report.TotalNumberOfResourcesWithCustomerError, 0)
	if p.EndTime.Before(*p.SubmitTime) {
		t.Error("it ended before it was submitted")
	}

	// There is no FAILURE/, and the manifest has a capital M.
	outputs := r.outputs(p.JobOutputDataConfig)
	equal(t, names(outputs), []string{"Manifest.json", "SUCCESS/v1-0/Patient-v1-00000.ndjson", "SUCCESS/v1-0/Patient-v1-00001.ndjson"})
	lines := resultLines(t, outputs["SUCCESS/v1-0/Patient-v1-00000.ndjson"])
	equal(t, len(lines), 2)
	equal(t, lines[1].LineID, 3) // the empty line counts
	equal(t, lines[1].ResourceID, "b")
	var manifest map[string]any
	r.check(json.Unmarshal([]byte(outputs["Manifest.json"]), &manifest))
	equal(t, manifest["numberOfResourcesImportedSuccessfully"].(float64), 3)
	equal(t, manifest["numberOfFilesReadWithSuccess"].(float64), 2)
	if _, ok := r.bucket.Objects()["out/.healthlake_write_access_check_file.temp"]; !ok {
		t.Error("the output was not probed")
	}

	// The target's own version and time; all else is kept, every digit of it.
	current := r.simulation.Current(store)
	equal(t, len(current), 3)
	for key, value := range map[string]string{"Patient/a": "1.50", "Patient/b": `"<é>"`, "Patient/c": "12345678901234567890.10"} {
		body := string(current[key])
		for _, part := range []string{`"value":` + value, `"versionId":"1"`, `"code":"originalLastUpdated"`} {
			if !strings.Contains(body, part) {
				t.Errorf("%s: %s lacks %s", key, body, part)
			}
		}
		if strings.Contains(body, `"lastUpdated":"2020`) {
			t.Errorf("%s: the source's lastUpdated is kept", key)
		}
	}
	equal(t, r.simulation.Violations(), nil)
}

// A line is a PUT: each makes another version, the same content too (WI3).
func TestImportIsAPutPerLine(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1"))
	r.put("in/v3-0/Patient-v3-00000.ndjson", patient("a", "3"))
	r.run(request("in/v1-0/"))
	r.run(request("in/v3-0/"))
	again := request("in/v3-0/")
	again.ClientToken = aws.String("again")
	r.run(again)
	if body := string(r.simulation.Current(store)["Patient/a"]); !strings.Contains(body, `"versionId":"3"`) {
		t.Errorf("%s is not the third version", body)
	}
	equal(t, len(r.simulation.Violations()), 1)
}

func TestImportWithErrors(t *testing.T) {
	r := newRig(t, healthlaketest.Options{Traps: healthlaketest.Traps{Refuse: func(key string, _ []byte) string {
		if key == "Patient/b" {
			return "the value is wrong"
		}
		return ""
	}}})
	r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1"), patient("b", "2"), "{nonsense", `{"resourceType":"Patient"}`, "[]")
	r.put("in/v1-0/readme.txt", "not a resource")
	p := r.run(request("in/v1-0/"))
	equal(t, p.JobStatus, types.JobStatusCompletedWithErrors)
	equal(t, *p.JobProgressReport.TotalNumberOfScannedFiles, 2)
	equal(t, *p.JobProgressReport.TotalNumberOfFilesReadWithCustomerError, 1)
	equal(t, *p.JobProgressReport.TotalNumberOfResourcesScanned, 5)
	equal(t, *p.JobProgressReport.TotalNumberOfResourcesImported, 1)
	equal(t, *p.JobProgressReport.TotalNumberOfResourcesWithCustomerError, 4)

	const file = "v1-0/Patient-v1-00000.ndjson"
	outputs := r.outputs(p.JobOutputDataConfig)
	equal(t, names(outputs), []string{"FAILURE/" + file, "Manifest.json", "SUCCESS/" + file})
	lines := resultLines(t, outputs["FAILURE/"+file])
	equal(t, len(lines), 4)
	equal(t, lines[0].LineID, 2)
	equal(t, lines[0].ResourceType+"/"+lines[0].ResourceID, "Patient/b")
	equal(t, lines[0].Response.Status, 400)
	equal(t, lines[0].Response.Blob.ResourceType, "OperationOutcome")
	if lines[1].Exception == "" || lines[1].ResourceID != "" {
		t.Errorf("%+v is not an exception", lines[1])
	}
	if !strings.Contains(outputs["FAILURE/"+file], healthlaketest.ServerText) {
		t.Error("the failures lack the words of the server")
	}
	equal(t, len(r.simulation.Current(store)), 1)
}

func TestOutputTraps(t *testing.T) {
	r := newRig(t, healthlaketest.Options{Traps: healthlaketest.Traps{SmallManifest: true, LineFromZero: true, FullPaths: true}})
	r.put("in/v1-0/Patient-v1-00000.ndjson", "{nonsense")
	outputs := r.outputs(r.run(request("in/v1-0/")).JobOutputDataConfig)
	equal(t, names(outputs), []string{"FAILURE/in/v1-0/Patient-v1-00000.ndjson", "manifest.json"})
	equal(t, resultLines(t, outputs["FAILURE/in/v1-0/Patient-v1-00000.ndjson"])[0].LineID, 0)
}

// WI11: a prefix without a slash also means v1-10.
func TestPrefixWithoutSlash(t *testing.T) {
	r := newRig(t, healthlaketest.Options{})
	r.put("in/v1-1/Patient-v1-00000.ndjson", patient("a", "1"))
	r.put("in/v1-10/Patient-v1-00000.ndjson", patient("b", "1"))
	equal(t, *r.run(request("in/v1-1")).JobProgressReport.TotalNumberOfResourcesScanned, 2)
	equal(t, r.simulation.Violations(), nil)
	r.run(request("in/v1-10/"))
	equal(t, len(r.simulation.Violations()), 1) // v1-10 came twice
}

func TestMinimalValidation(t *testing.T) {
	r := newRig(t, healthlaketest.Options{Traps: healthlaketest.Traps{SearchInvalid: func(key string) bool { return key != "Patient/c" }}})
	r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1"),
		`{"resourceType":"Patient","id":"b","extension":[{"url":"u"}]}`, patient("c", "1"))
	in := request("in/v1-0/")
	in.ValidationLevel = types.ValidationLevelMinimal
	p := r.run(in)
	equal(t, p.JobStatus, types.JobStatusCompleted)
	const file = "v1-0/Patient-v1-00000.ndjson"
	outputs := r.outputs(p.JobOutputDataConfig)
	equal(t, names(outputs), []string{"Manifest.json", "SUCCESS/" + file, "SUCCESS_WITH_SEARCH_VALIDATION_FAILURES/" + file})
	f := func(key string, want int) {
		t.Helper()
		var resource struct{ Extension []any }
		r.check(json.Unmarshal(r.simulation.Current(store)[key], &resource))
		equal(t, len(resource.Extension), want)
	}
	f("Patient/a", 1)
	f("Patient/b", 2)
	f("Patient/c", 0)
}

// What the target makes by itself, and what it writes otherwise than it came.
func TestDerivedAndRewritten(t *testing.T) {
	r := newRig(t, healthlaketest.Options{Traps: healthlaketest.Traps{
		Derive: func(_ string, _ []byte) [][]byte { return [][]byte{[]byte(`{"resourceType":"Linkage","id":"l"}`)} },
		Rewrite: func(_ string, body []byte) []byte {
			return []byte(strings.Replace(string(body), "1.50", "1.5", 1))
		},
	}})
	r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1.50"))
	p := r.run(request("in/v1-0/"))
	equal(t, *p.JobProgressReport.TotalNumberOfResourcesImported, 1)
	current := r.simulation.Current(store)
	equal(t, len(current), 2)
	if body := string(current["Patient/a"]); !strings.Contains(body, `"value":1.5}`) && !strings.Contains(body, `"value":1.5,`) {
		t.Errorf("%s is as it came", body)
	}
}

func TestQuotasOfImports(t *testing.T) {
	f := func(q healthlaketest.Quotas) {
		t.Helper()
		r := newRig(t, healthlaketest.Options{Quotas: q})
		r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1"))
		r.put("in/v1-0/Patient-v1-00001.ndjson", patient("b", "1"))
		p := r.run(request("in/v1-0/"))
		equal(t, p.JobStatus, types.JobStatusFailed)
		equal(t, len(r.simulation.Current(store)), 0)
		if aws.ToString(p.Message) == "" {
			t.Error("it does not say why")
		}
	}
	f(healthlaketest.Quotas{Files: 1})
	f(healthlaketest.Quotas{FileBytes: 10})
	f(healthlaketest.Quotas{JobBytes: 250})
}
