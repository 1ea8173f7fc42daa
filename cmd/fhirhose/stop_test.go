package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// realMove runs a verb over the real pipeline. The n-th step that a promise
// depends on makes the operator send a signal; 0 never does.
func realMove(t *testing.T, dir string, n int64, signals int, args ...string) (code int, stderr string) {
	t.Helper()
	sent := make(chan os.Signal, 2)
	var steps atomic.Int64
	remove := faultpoint.Set(func(string) error {
		if steps.Add(1) == n {
			for range signals {
				sent <- syscall.SIGTERM
			}
		}
		return nil
	})
	defer remove()
	var out lockedBuffer
	code = run(context.Background(), process{
		args:  append(args, "-c", filepath.Join(dir, jobfile.DefaultFile)),
		stdin: strings.NewReader(""), stdout: &bytes.Buffer{}, stderr: &out, setenv: os.Setenv, signals: sent, open: openMover,
	})
	return code, out.String()
}

// stopJob is an export that takes a few hundred steps, and its job file.
func stopJob(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	_, err := generate.Write(t.Context(), generate.Options{Dir: filepath.Join(dir, "export"), Resources: 1500, Objects: 6})
	if err != nil {
		t.Fatal(err)
	}
	file := "job: a\nsource: {binaries: none, dynamodb_export: {location: export}}\nsink: {location: out}\n" +
		"layout: {lanes: 2, max_file_size: 100kB}\nlimits: {memory: 128MiB}\nhttp: {listen: \"\"}\n"
	if err := os.WriteFile(filepath.Join(dir, jobfile.DefaultFile), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestStopAndGoOn stops the real pipeline at many moments, softly and hard; the
// finished output is that of a run that was never stopped.
func TestStopAndGoOn(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := stopJob(t)
	if code, stderr := realMove(t, dir, 0, 0, "move", "--sink.location=want", "--state=want-state"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, signals := range []int{1, 2} {
		stopped := 0
		out := filepath.Join(dir, "out")
		for n := int64(8); ; n = 2*n + 1 { // before that the audit log begins
			code, stderr := realMove(t, dir, n, signals, "move")
			if code == 0 {
				break
			}
			if code != 143 {
				t.Fatalf("%d signals at step %d: exit %d: %s", signals, n, code, stderr)
			}
			if s, err := metrics.ReadStatus(filepath.Join(dir, "state")); err != nil || s.Exit != 143 {
				t.Errorf("%d signals at step %d: status %v, %v", signals, n, s, err)
			}
			if _, held := statedir.Holder(filepath.Join(dir, "state")); held {
				t.Error("the state directory is still locked")
			}
			stopped++
		}
		if stopped < 3 {
			t.Errorf("stopped only %d times: this proves little", stopped)
		}
		if a, b := tree(t, filepath.Join(dir, "want")), tree(t, out); a != b {
			t.Errorf("after %d stops the output differs", stopped)
		}
		t.Logf("%d signals: stopped %d times", signals, stopped)
		for _, name := range []string{"out", "state"} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// tree is every name and byte below dir, claims apart.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "claim.json" {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all.WriteString(name + "\n" + string(data))
		return err
	})
	if err != nil || all.Len() == 0 {
		t.Fatalf("nothing in %s: %v", dir, err)
	}
	return all.String()
}

// TestStatusBesideAProcess: before the first cut, after it, and after its death.
func TestStatusBesideAProcess(t *testing.T) {
	i := newInvocation(t)
	lock, err := statedir.Take(i.state())
	if err != nil {
		t.Fatal(err)
	}
	status := func() string {
		i.stdout.Reset()
		run(context.Background(), process{args: []string{"status", "-c", filepath.Join(i.dir, jobfile.DefaultFile)}, stdout: &i.stdout, stderr: &i.stderr, setenv: os.Setenv})
		return i.stdout.String()
	}
	if got := status(); !strings.Contains(got, "has started; nothing is committed yet") {
		t.Errorf("before the first cut: %s", got)
	}
	s := metrics.Status{Job: "a", Phase: metrics.PhaseMoving, WaitingFor: "object data/x.json.gz", StateFree: -1}
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(i.state(), metrics.StatusFile), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := status(); !strings.Contains(got, "job a: at work: process ") || !strings.Contains(got, "waits for object data/x.json.gz") {
		t.Errorf("at work: %s", got)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if got := status(); !strings.Contains(got, "job a: interrupted") {
		t.Errorf("after its death: %s", got)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false, "y": true} {
		c := &cli{process: &process{stdin: strings.NewReader(answer), stderr: &bytes.Buffer{}}}
		if err := c.confirm(t.Context(), "restart", "Remove?", "nothing was removed"); (err == nil) != want {
			t.Errorf("%q: %v", answer, err)
		}
	}
}
