package s3test_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/removal"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
)

// TestRemovalUnderFaults removes what a run has written, uploads included, while
// a fifth of all calls fail; what others wrote stays.
func TestRemovalUnderFaults(t *testing.T) {
	r := newRig(t)
	sink, stop := r.open()
	defer stop()
	claim := []byte("{}\n")
	check(t, sink.Claim(t.Context(), claim))
	small := random(1, 1000)
	for i := range 40 {
		f := sink.Create(fmt.Sprintf("v1-0/Type%c-v1-%05d.ndjson", 'a'+i%20, i/20))
		check(t, f.Append(t.Context(), small))
		check(t, f.Seal(t.Context(), sha256.Sum256(small)))
	}
	long := sink.Create("v2-0/Patient-v2-00000.ndjson")
	check(t, long.Append(t.Context(), random(2, 2*minPart)))
	_, err := long.Mark()(t.Context())
	check(t, err)
	if len(r.leftovers()) == 0 {
		t.Fatal("no upload is open")
	}
	const foreign = "v1-0/notes.txt"
	r.server.Put(t, bucketName, prefix+"/"+foreign, small)

	state := filepath.Dir(r.tails)
	r.server.Faults.Decide(objecttest.Seeded(5, 0.2, objecttest.Transient()...))
	// The checkpoint cannot be read: the claim alone says that there was a run.
	check(t, os.WriteFile(filepath.Join(state, "checkpoint.db"), []byte("no checkpoint"), 0o600))
	plan, err := removal.Find(t.Context(), removal.Options{
		Sink: sink, Output: "s3", Claim: claim, State: state, Checkpoint: "checkpoint.db",
	})
	check(t, err)
	check(t, plan.Remove(t.Context()))
	r.server.Faults.Decide(nil)
	if left := r.visible(""); len(left) != 1 || left[foreign] == nil {
		t.Errorf("%d files are left", len(left))
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// TestLooks: what an S3 look-alike does not know of its configuration is told
// apart from what it knows to be unset.
func TestLooks(t *testing.T) {
	r := newRig(t)
	lies, _, err := r.store.Region(t.Context())
	check(t, err)
	versions, err := r.store.Versions(t.Context())
	check(t, err)
	locked, err := r.store.Locked(t.Context())
	check(t, err)
	if lies != "us-east-1" || versions || locked {
		t.Errorf("region %q, versions %v, locked %v", lies, versions, locked)
	}
	for what, look := range map[string]func() error{
		"encryption": func() error { _, err := r.store.Encryption(t.Context()); return err },
		"lifecycle":  func() error { _, err := r.store.Lifecycle(t.Context()); return err },
	} {
		refused, ok := errors.AsType[*objectstore.Scrubbed](look())
		if !ok || refused.Status != http.StatusNotImplemented {
			t.Errorf("%s: %v", what, look())
		}
	}
}
