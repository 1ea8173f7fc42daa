package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/cleaning"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
)

// TestCleanKilled kills clean after ever more calls of S3, until a run comes to its
// end: each goes on where the last was, and the certificate tells of all.
func TestCleanKilled(t *testing.T) {
	r := copied(t, true)
	r.proven(nil)
	var child *os.Process
	var starting sync.Mutex // of child
	var calls, until, erased atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.memory.ServeHTTP(w, q)
		if objecttest.Call(q) == "ERASE" {
			erased.Add(1)
		}
		if calls.Add(1) == until.Load() {
			starting.Lock()
			defer starting.Unlock()
			_ = child.Kill()
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(r.dir, "fhirhose")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	before := r.keys()
	state := filepath.Join(r.dir, "state")
	halfway, kills := 0, 0
	for ; ; kills++ {
		calls.Store(0)
		until.Store(int64(5 + 4*kills))
		cmd := exec.CommandContext(t.Context(), program, "clean", "--yes", verified, "-c", filepath.Join(r.dir, "fhirhose.yaml"))
		var said lockedBuffer
		cmd.Stdout, cmd.Stderr = &said, &said
		starting.Lock()
		err := cmd.Start()
		child = cmd.Process
		starting.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		if err == nil {
			break
		}
		if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.ExitCode() != -1 {
			t.Fatalf("after %d kills: %v\n%s", kills, err, &said)
		}
		if keys := r.keys(); len(keys) < len(before) && slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, "out/a/v") }) {
			halfway++
		}
	}
	if halfway < 2 || erased.Load() < 5 {
		t.Errorf("%d of %d kills came in the middle", halfway, kills)
	}
	r.remain("out/a/_fhirhose/")
	c := r.certificate()
	want := map[cleaning.Kind]int64{cleaning.Folders: 6, cleaning.Results: 9, cleaning.Verification: 1}
	for _, l := range c.Copies {
		if n := want[l.Kind]; n > 0 && (l.Found.Objects != n || l.Removed.Objects != n || !l.Remains.Empty()) {
			t.Errorf("%+v", l)
		}
	}
	if !c.Removed || len(c.Proofs) != 1 || len(c.Manifests) != 1 {
		t.Errorf("%+v", c)
	}
	if plan, err := cleaning.Load(state); err != nil || !plan.Begun.Equal(c.Begun) {
		t.Errorf("%+v, %v", plan, err)
	}
	if names := r.left(); slices.Contains(names, checkpointFile) {
		t.Errorf("state holds %v", names)
	}
}
