package healthlaketest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

func (r *rig) violation(parts ...string) {
	r.Helper()
	got := r.simulation.Violations()
	if len(got) != 1 {
		r.Fatalf("%q is not one violation", got)
	}
	for _, part := range parts {
		if !strings.Contains(got[0], part) {
			r.Errorf("%q lacks %q", got[0], part)
		}
	}
}

func versions(t *testing.T, traps healthlaketest.Traps) *rig {
	r := newRig(t, healthlaketest.Options{Traps: traps})
	r.put("in/v1-0/Patient-v1-00000.ndjson", patient("a", "1"))
	r.put("in/v2-0/Patient-v2-00000.ndjson", patient("a", "2"), patient("b", "2"))
	r.put("in/v3-0/Patient-v3-00000.ndjson", patient("b", "3"))
	return r
}

func TestVersionsInOrder(t *testing.T) {
	r := versions(t, healthlaketest.Traps{})
	for _, folder := range []string{"in/v1-0/", "in/v2-0/", "in/v3-0/"} {
		r.run(request(folder))
	}
	equal(t, r.simulation.Violations(), nil)
}

func TestOlderAfterNewer(t *testing.T) {
	r := versions(t, healthlaketest.Traps{})
	r.run(request("in/v2-0/"))
	r.run(request("in/v1-0/"))
	r.violation("Patient/a", "version 1", "after version 2")
}

// A newer version that was refused or that was deleted since is newer all the
// same.
func TestOlderAfterNewerThatIsNotThere(t *testing.T) {
	refuse := func(key string, body []byte) string {
		return map[bool]string{true: "no"}[strings.Contains(string(body), `"value":2`)]
	}
	r := versions(t, healthlaketest.Traps{Refuse: refuse})
	r.run(request("in/v2-0/"))
	r.run(request("in/v1-0/"))
	r.violation("Patient/a", "version 1", "after version 2")

	r = versions(t, healthlaketest.Traps{})
	r.run(request("in/v2-0/"))
	r.call("DELETE", "Patient/a", "")
	r.run(request("in/v1-0/"))
	r.violation("Patient/a", "version 1", "after version 2")
}

// A prefix that holds two versions is imported in no order.
func TestTwoVersionsInAJob(t *testing.T) {
	r := versions(t, healthlaketest.Traps{})
	r.run(request("in/"))
	equal(t, len(r.simulation.Violations()), 2)
}

// WI4: a folder is started again while its first job runs.
func TestFolderTwice(t *testing.T) {
	r := versions(t, healthlaketest.Traps{})
	r.run(request("in/v1-0/"))
	again := request("in/v1-0/")
	again.ClientToken = aws.String("again")
	r.run(again)
	r.violation("in/v1-0", "by job")
}

func TestNextVersionTooEarly(t *testing.T) {
	bubble(t, healthlaketest.Options{Traps: healthlaketest.Traps{Running: time.Hour}}, func(r *rig) {
		r.start(request("in/v1-0/"))
		r.start(request("in/v1-1/"))
		r.start(request("in/Binary-v2-0/")) // Binaries have versions of their own
		equal(r.T, r.simulation.Violations(), nil)
		time.Sleep(150 * time.Minute)
		r.start(request("in/v2-0/"))
		time.Sleep(24 * time.Hour)
		equal(r.T, r.simulation.Violations(), nil)
		r.start(request("in/v9-0/"))
		r.start(request("in/v10-0/"))
		r.violation("v10-0", "v9-0")
	})
}

// A folder that failed blocks later versions until it is imported.
func TestNextVersionAfterFailure(t *testing.T) {
	broken := true
	r := versions(t, healthlaketest.Traps{Fail: func(string) (int64, string) { return 0, map[bool]string{true: "it broke"}[broken] }})
	r.run(request("in/v1-0/"))
	r.simulation.SetTraps(func(*healthlaketest.Traps) { broken = false })
	again := request("in/v1-0/")
	again.ClientToken = aws.String("again")
	r.run(request("in/v2-0/"))
	r.violation("in/v2-0", "in/v1-0", "FAILED")
	r.run(again)
	r.run(request("in/v3-0/"))
	equal(t, len(r.simulation.Violations()), 2) // v1 came after v2, and v3 was not too early
}
