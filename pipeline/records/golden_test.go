package records_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// TestGolden holds everything that is stored as text to its golden file. What
// differs between two runs of a job, and nothing else, is masked: run id and
// times.
func TestGolden(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "01693685827463-2d8752fd") // the generator's names follow the folder
	rows := [][]string{
		{version("a", 1, "DELETED"), version("a", 2, "AVAILABLE"), version("b", 1, "PENDING"), "not JSON"},
		{version("c", 1, "LOCKED"), version("d", 1, "AVAILABLE", `"multipleBirthInteger":{"N":"none"}`)},
	}
	if _, err := generate.WriteObjects(dir, rows); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, dir)
	j.MustRun(t)
	for _, name := range []string{
		"migration_output.json", "_fhirhose/manifest.json", "_fhirhose/quarantine-00000.ndjson",
		"v1-0/Patient-v1-00000.ndjson", "_fhirhose/claim.json",
	} {
		content, err := os.ReadFile(filepath.Join(j.Sink, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		sameGolden(t, filepath.Base(name), content)
	}
	sameGolden(t, "checkpoint.txt", dumpCheckpoint(t, j))
}

// varies is what two runs of a job may differ in.
var varies = regexp.MustCompile(`("(?:run_id|elapsed_seconds|started|updated|last_cut|last_progress|last_cut_seconds|cut_seconds|cuts|busy_seconds|bytes_in_flight|queue|capacity)":)("[^"]*"|[0-9.e+-]+)`)

func sameGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	got = varies.ReplaceAll(got, []byte(`$1"*"`))
	path := filepath.Join("testdata", "golden", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s changed:\n%s\nwant\n%s", name, got, want)
	}
}

// dumpCheckpoint lists every entry of a checkpoint.
func dumpCheckpoint(t *testing.T, j diskJob) []byte {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(j.State, "checkpoint.db"), 0, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var dump bytes.Buffer
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(bucket []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(key, value []byte) error {
				_, err := fmt.Fprintf(&dump, "%s %s %s\n", bucket, key, value)
				return err
			})
		})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return dump.Bytes()
}
