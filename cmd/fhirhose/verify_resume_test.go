package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// plant makes the data store hold what no verification passes.
func (r *verifyRig) plant() map[string]int64 {
	r.Helper()
	r.change(patient(1), `"given"`, `"prefix"`)
	r.send("DELETE", patient(2), "")
	r.send("PUT", "Flag/x", `{"resourceType":"Flag","id":"x"}`)
	want := allEqual("equal", "changed after import", "equal", "missing")
	want["extra"] = 1
	return want
}

// TestVerifyServiceFaults: answers that are lost, throttled or late start no second
// export, and credentials are asked for anew (WI1, WI4, WI6, WV9).
func TestVerifyServiceFaults(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Submitted, traps.Queued, traps.Running = time.Millisecond, 2*time.Millisecond, time.Millisecond
		traps.ListLag, traps.ThrottleEvery = time.Hour, 3
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			switch {
			case c.Op == "StartFHIRExportJob" && c.N == 1:
				return healthlaketest.Lost
			case c.Op == "DescribeFHIRExportJob" && c.N == 1:
				return healthlaketest.Unauthorized
			}
			return healthlaketest.NoFault
		}
	})
	faults := objecttest.NewFaults(r.memory)
	faults.Decide(objecttest.Once(objecttest.Truncated, func(q *http.Request) bool {
		return q.Method == http.MethodGet && strings.HasSuffix(q.URL.Path, ".ndjson") && strings.Contains(q.URL.Path, "/verified/")
	}))
	server := httptest.NewServer(faults)
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	r.run(0, "verify")
	r.classes("export", allEqual())
	if n := r.exported(); n != 1 {
		t.Errorf("%d exports", n)
	}
	if _, injected := faults.Counts(); injected[objecttest.Truncated] != 1 {
		t.Error(injected)
	}
}

// exported counts the export jobs of the data store, by their folders.
func (r *verifyRig) exported() int {
	folders := map[string]bool{}
	for key := range r.memory.Objects() {
		if rest, below := strings.CutPrefix(key, "verified/"); below {
			folder, _, deep := strings.Cut(rest, "/")
			folders[folder] = folders[folder] || deep
		}
	}
	n := 0
	for _, deep := range folders {
		if deep {
			n++
		}
	}
	return n
}

// TestVerifyGivenUp: an export that failed is not read, and not repeated before
// somebody says so.
func TestVerifyGivenUp(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fail = func(string) (int64, string) { return 0, "because of " + recordstest.Canary }
	})
	for range 2 {
		r.run(7, "verify")
		r.says("the target gave up", "is FAILED", "try: mend what", "fhirhose verify --again")
	}
	if n := r.exports(); n != 1 {
		t.Errorf("%d exports", n)
	}
	if got := r.result("export"); got.Passed() || !got.Ended.IsZero() {
		t.Errorf("%+v", got)
	}
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) { traps.Fail = nil })
	r.run(0, "verify", "--again")
	if n := r.exports(); n != 2 {
		t.Errorf("%d exports", n)
	}
}

// TestVerifyStopped: a signal ends us, not the export, which the next run takes up.
func TestVerifyStopped(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Running = time.Hour
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "DescribeFHIRExportJob" && c.N == 2 {
				r.signals <- syscall.SIGTERM
			}
			return healthlaketest.NoFault
		}
	})
	r.run(143, "verify")
	r.says("goes on in HealthLake", "try: fhirhose verify -c ")
	asked := false
	r.simulation.SetTraps(func(traps *healthlaketest.Traps) {
		traps.Fault = func(c healthlaketest.Call) healthlaketest.Fault {
			if c.Op == "DescribeFHIRExportJob" && !asked {
				asked = true
				r.signals <- syscall.SIGINT
			}
			return healthlaketest.NoFault
		}
	})
	r.run(130, "verify")
	if n := r.exports(); n != 1 {
		t.Errorf("%d exports", n)
	}
}

// TestVerifyChangedExport: what is not what was listed is not believed.
func TestVerifyChangedExport(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	r.plant()
	remove := r.killWith("run-00000001")
	r.run(5, "verify", "--limits.workers=1")
	remove()
	changed := 0
	for key, content := range r.memory.Objects() {
		if strings.Contains(key, "verified/") && strings.Contains(key, "Patient") {
			r.memory.Put(key, append(content, content...))
			changed++
		}
	}
	r.run(7, "verify")
	r.says("Patient/Patient-0.ndjson")
	if changed != 1 {
		t.Errorf("%d objects", changed)
	}
	r.run(2, "verify", "--verify.export_to=s3://other/place")
	r.says("verify.export_to", "not in the bucket")
	r.run(4, "verify", "--again")
}

// TestVerifyAnewAfterKill: what was digested of one export is no answer about
// another.
func TestVerifyAnewAfterKill(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	remove := r.killWith("complete.json")
	r.run(5, "verify")
	remove()
	r.run(0, "verify", "--mode", "counts")
	if _, err := os.Stat(filepath.Join(r.dir, "state", "verify", "export.work", "complete.json")); err != nil {
		t.Errorf("another mode took the digests away: %v", err)
	}
	want := r.plant()
	r.run(4, "verify", "--again")
	r.classes("export", want)
	if n := r.exports(); n != 2 {
		t.Errorf("%d exports", n)
	}
}

// TestVerifyUnreadable: a line of which nobody knows whose it is proves no delete,
// and is never good.
func TestVerifyUnreadable(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	remove := r.killWith("")
	r.run(5, "verify")
	remove()
	r.memory.Put(strings.TrimPrefix(r.result("export").Output, "s3://bucket/")+"x.ndjson", []byte("\n{\"resourceType\":\"Pat\n"))
	r.run(4, "verify")
	r.says("! could not be checked  3", "unreadable 1", "1 of them: unreadable line", "2 of them: unreadable line elsewhere")
	r.classes("export", map[string]int64{"equal": live, "could not be checked": 3})
	if n := r.exports(); n != 1 || len(r.findings()) != 3 || r.findings()[0].Object != "x.ndjson" || r.findings()[0].Line != 2 || r.findings()[0].Reason == "" {
		t.Errorf("%d exports, %+v", n, r.findings())
	}
}

// killWith ends the verb as soon as a file of its work is there.
func (r *verifyRig) killWith(name string) (remove func()) {
	return faultpoint.Set(func(string) error {
		if _, err := os.Stat(filepath.Join(r.dir, "state", "verify", "export.work", name)); err == nil {
			return errors.New("killed")
		}
		return nil
	})
}

// TestVerifyKilledAtEveryStep lets the disk fail at each step in turn, for good, as
// if the process had died there. The next run has the same answer, from the same
// export.
func TestVerifyKilledAtEveryStep(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	want := r.plant()
	r.run(4, "verify")
	answer, found := r.result("export"), r.findings()
	r.classes("export", want)
	steps := map[string]bool{}
	for n := 1; ; n++ {
		var passed atomic.Int64
		var at atomic.Pointer[string]
		remove := faultpoint.Set(func(point string) error {
			if passed.Add(1) < int64(n) {
				return nil
			}
			at.CompareAndSwap(nil, &point)
			return errors.New("killed")
		})
		exit := r.end("verify")
		remove()
		if at.Load() == nil {
			if exit != 4 {
				t.Errorf("exit %d", exit)
			}
			break
		}
		steps[*at.Load()] = true
		if exit != 5 && exit != 4 { // 4: all was over but the audit
			t.Fatalf("step %d, %s: exit %d\n%s", n, *at.Load(), exit, r.err.String())
		}
		r.run(4, "verify")
		got := r.result("export")
		if !reflect.DeepEqual(got.Types, answer.Types) || !reflect.DeepEqual(got.Causes, answer.Causes) || len(r.findings()) != len(found) {
			t.Fatalf("step %d, %s: %+v, want %+v", n, *at.Load(), got, answer)
		}
		if jobs := r.exported(); jobs != got.Attempt {
			t.Fatalf("step %d, %s: %d exports by attempt %d", n, *at.Load(), jobs, got.Attempt)
		}
		if left, _ := filepath.Glob(filepath.Join(r.dir, "state", "verify", "*.work")); len(left) > 0 {
			t.Fatalf("step %d, %s: digests are left", n, *at.Load())
		}
	}
	for _, step := range []string{"mkdir", "write", "fsync", "rename", "syncdir", "commit", "committed"} {
		if !steps[step] {
			t.Errorf("step %s was never met", step)
		}
	}
}

// TestVerifyKilled kills the verb with SIGKILL at one request after the other: at
// the next start it finds its export again.
func TestVerifyKilled(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{ListLag: time.Millisecond})
	want := r.plant()
	var child atomic.Pointer[exec.Cmd]
	var left atomic.Int64 // requests until the kill
	deadly := func(next http.Handler) *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if strings.Contains(q.URL.Path, "_fhirhose/audit/") { // the verification has come to its end
				next.ServeHTTP(w, q)
				return
			}
			n := left.Add(-1)
			if n < 0 || n == 0 && q.ContentLength%2 == 0 { // before or after it is carried out
				_ = child.Load().Process.Kill()
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, q)
			if n == 0 {
				_ = child.Load().Process.Kill()
			}
		}))
		t.Cleanup(server.Close)
		return server
	}
	t.Setenv("AWS_ENDPOINT_URL_HEALTHLAKE", deadly(r.simulation).URL)
	t.Setenv("AWS_ENDPOINT_URL_S3", deadly(r.memory).URL)
	kills, exit := 0, -1
	for exit != 4 {
		left.Store(int64(2 + 2*kills))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		process := exec.CommandContext(ctx, os.Args[0], "verify", "-c", filepath.Join(r.dir, "fhirhose.yaml"))
		process.Args[0] = "fhirhose"
		var said strings.Builder
		process.Stdout, process.Stderr = &said, &said
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		child.Store(process)
		err := process.Wait()
		cancel()
		if ended, ok := errors.AsType[*exec.ExitError](err); ok {
			exit = ended.ExitCode()
		}
		if exit != 4 && exit != -1 || recordstest.HoldsCanary([]byte(said.String())) {
			t.Fatalf("exit %d\n%s", exit, said.String())
		}
		if exit < 0 {
			kills++
		}
	}
	r.classes("export", want)
	if n := r.exported(); n != 1 || kills < 5 {
		t.Errorf("%d exports, %d kills", n, kills)
	}
	if got := r.result(verification.Export); got.Attempt != 1 {
		t.Errorf("%+v", got)
	}
	t.Logf("%d kills", kills)
}
