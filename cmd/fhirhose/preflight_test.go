package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

const hl = "--target.healthlake."

// TestPreflight: WI8 and WI13. What stands in the way is said by `check` and
// refused by `import`, before anything is sent.
func TestPreflight(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{}).moved()
	f := func(code int, words, hint string, args ...string) {
		t.Helper()
		r.run(code, append([]string{"import"}, args...)...)
		r.says(words, hint)
		r.run(code, append([]string{"check"}, args...)...)
		r.says("NOT READY", words, hint)
	}
	f(2, "prepare the import of v1-0: it has 2 files, and HealthLake takes 1 in one job", "layout.max_folder_files", hl+"quotas.files_per_job=1")
	f(2, "prepare the import of Binary-v1-0: it has a file of", "layout.max_file_size", hl+"quotas.file_size=400")
	f(2, "prepare the import of v3-0: it has", "layout.max_folder_size", hl+"quotas.job_size=900")
	f(2, "resources of type Binary in 1 file are over target.healthlake.quotas.resource_size (200 B); the largest has", "on_import_error: continue imports all others", hl+"quotas.resource_size=200B")
	f(2, "the key lies in eu-west-1, and the data store in us-east-1", "name a key of us-east-1", hl+"kms_key=arn:aws:kms:eu-west-1:123456789012:key/k")
	f(2, "sink.kms_key: the key lies in eu-west-1, and the data store in us-east-1", "name a key of us-east-1", "--sink.kms_key=arn:aws:kms:eu-west-1:123456789012:key/k")
	f(2, "the role is of account 999999999999, and the data store of account 123456789012", "name a role of account 123456789012",
		hl+"role_arn=arn:aws:iam::999999999999:role/r")
	f(2, "the data store takes no resource of type Observation (1 resource)", "on_import_error: continue", hl+"datastore=few")

	r.memory.Configure("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration")
	f(2, "does not block all public access", "aws s3api put-public-access-block --bucket bucket")
	r.memory.Configure("publicAccessBlock", "NotImplemented") // a look-alike
	r.memory.Configure("region", "eu-west-1")
	f(2, "the bucket of the results lies in eu-west-1, and the data store in us-east-1", "use a bucket in us-east-1")
	r.memory.Configure("region", "us-east-1")

	r.deny("search")
	r.run(12, "import")
	r.says("count the resources of data store", "allow this identity healthlake:SearchWithGet")
	r.deny("DescribeFHIRDatastore")
	f(12, "describe data store", "allow this identity healthlake:DescribeFHIRDatastore")
	r.deny("")

	objects := r.memory.Objects()
	const key = "out/a/v2-0/Patient-v2-00000.ndjson"
	for words, spoil := range map[string]func(){
		"1 file missing, 0 of another size, 0 that nobody":  func() { r.memory.Delete(key) },
		"0 files missing, 1 of another size, 0 that nobody": func() { r.memory.Put(key, objects[key][1:]) },
		"0 files missing, 0 of another size, 1 that nobody": func() { r.memory.Put("out/a/v2-0/a/b.ndjson", nil) },
	} {
		spoil()
		f(7, "prepare the import of s3://bucket/out/a/v2-0: it is not as the move has left it: "+words, "put back")
		r.memory.Delete("out/a/v2-0/a/b.ndjson")
		r.memory.Put(key, objects[key])
	}
	if n := r.starts(); n != 0 {
		t.Errorf("%d jobs", n)
	}
	r.run(0, "check")
	r.says("proved  the largest resource for the data store, ", " in v1-0/Patient-v1-00000.ndjson, is of a size that FHIR Works took in one request",
		"the data store holds no resource of these types", "data store and buckets lie in one region, us-east-1", "a key that AWS owns",
		"unseen  whether the bucket of the results blocks public access")
	r.memory.Configure("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration")
	f(2, "the bucket of the verification does not block all public access, and will hold PHI", "--bucket other", "--verify.export_to=s3://other/v")
	r.memory.Configure("publicAccessBlock", "NotImplemented")
	r.run(3, "import", hl+"datastore=few", hl+"on_import_error=continue")
	r.says("they will be refused", "16 imported, 1 refused", "encrypts with the key arn:aws:kms")
}

// TestMentions: what is moved may say what will not hold in the target. It is counted
// on its way, so that nothing is read again, and counts alone are told.
func TestMentions(t *testing.T) {
	refer := func(to string) []string {
		return []string{`"contentType":{"S":"` + recordstest.Canary + `"}`, `"subject":{"M":{"reference":{"S":"` + to + `"}}}`}
	}
	r := newImportRig(t, healthlaketest.Traps{},
		recordstest.CanaryRow(7, append(refer("https://old.example/Patient/1"), "Patient", "Encounter")...),
		recordstest.CanaryRow(8, append(refer("Patient/1/_history/3"), "Patient", "Encounter")...),
		recordstest.CanaryRow(9, `"resourceType":{"S":"Patient"}`, `"resourceType":{"S":"Subscription"}`, `"_ttl":{"S":"`+recordstest.Canary+`"}`, `"status":{"S":"active"}`))
	told := []string{
		"1 active Subscription: after the cut-over", "1 reference to a server by its URL", "1 reference to one version of a resource",
	}
	r.run(0, "check")
	r.says(told...)
	r.says("(in the sample)")
	r.moved()
	manifest := string(r.memory.Objects()["out/a/_fhirhose/manifest.json"])
	for _, want := range []string{`"absolute_references":1`, `"versioned_references":1`, `"active_subscriptions":1`} {
		if !strings.Contains(manifest, want) {
			t.Errorf("the manifest lacks %s: %s", want, manifest)
		}
	}
	r.run(0, "check")
	r.says(told...)
	if strings.Contains(r.out.String(), "(in the sample)") {
		t.Error("the sample is told, though all is known")
	}
	r.run(4, "report") // nothing is imported
	r.says(told...)
	r.run(0, "import")
	r.says(told...)
}

// deny makes HealthLake refuse an operation for want of a permission.
func (r *importRig) deny(op string) {
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == op {
				return healthlaketest.Forbidden
			}
			return healthlaketest.NoFault
		}
	})
}

// TestPreflightBeforeTheMove: settings are held to the quotas, and the data store is
// looked at, as far as it is known what is to come.
func TestPreflightBeforeTheMove(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	r.run(0, "check")
	r.says("is active, in us-east-1", "takes resources of each of the 3 types to come", "holds no resource of these types")
	r.run(2, "check", "--layout.max_file_size=6GB", "--layout.max_folder_files=20000", "--layout.max_folder_size=600GB")
	for _, key := range []string{"max_file_size", "max_folder_files", "max_folder_size"} {
		r.says("prepare the import of layout." + key)
	}
	r.run(2, "check", hl+"datastore=ffff")
	r.says("not found")
	r.run(2, "check", hl+"role_arn=")
	r.says("target.healthlake.role_arn: is missing")

	r.jobFile = importJobFile[:strings.Index(importJobFile, "target:")]
	r.run(0, "check")
	if strings.Contains(r.out.String(), "data store") {
		t.Error(r.out.String())
	}
}

// TestPreflightOnResume: a data store that holds what we have sent is not asked
// again whether it is empty.
func TestPreflightOnResume(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{}).moved()
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "StartFHIRImportJob" && c.N == 3 {
				r.signals <- os.Signal(syscall.SIGTERM)
				return healthlaketest.Reset
			}
			return healthlaketest.NoFault
		}
	})
	r.run(143, "import")
	counted := r.simulation.Calls()["search"]
	r.run(0, "import")
	if again := r.simulation.Calls()["search"]; counted == 0 || again != counted {
		t.Errorf("counted %d times, then %d", counted, again-counted)
	}
	r.arrived()
	asked := r.simulation.Calls()["capabilities"]
	r.run(0, "import")
	if r.simulation.Calls()["capabilities"] != asked {
		t.Error("a finished import looks again")
	}
}
