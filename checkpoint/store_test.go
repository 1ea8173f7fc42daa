package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

func identity() checkpoint.Identity {
	return checkpoint.NewIdentity(
		map[string]string{"layout.lanes": "16", "source.tenant": ""},
		[]pipeline.Object{{Key: "data/a.json.gz", MD5: [16]byte{1}}, {Key: "data/b.json.gz", MD5: [16]byte{2}}})
}

func open(t *testing.T, path string) *checkpoint.Store {
	t.Helper()
	s, err := checkpoint.Open(path, identity())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestCommitIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint.db")
	s := open(t, path)
	claim := s.Claim()
	err := s.Commit([]output.Change{
		{Bucket: "b", Key: "2", Value: []byte("two")},
		{Bucket: "b", Key: "1", Value: []byte("one")},
		{Bucket: "b", Key: "3", Value: []byte("three")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit([]output.Change{{Bucket: "b", Key: "3"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	var got []string
	if err := s.Each("b", func(k string, v []byte) error { got = append(got, k+string(v)); return nil }); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, " ") != "1one 2two" {
		t.Errorf("got %v", got)
	}
	if !bytes.Equal(s.Claim(), claim) {
		t.Error("the run id changed")
	}
}

func TestRunIDsDiffer(t *testing.T) {
	a, b := open(t, filepath.Join(t.TempDir(), "a")), open(t, filepath.Join(t.TempDir(), "b"))
	if bytes.Equal(a.Claim(), b.Claim()) {
		t.Error("two runs would claim the same")
	}
}

// TestOtherJobIsRefusedByName: exit 10 with the difference named.
func TestOtherJobIsRefusedByName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	f := func(change func(*checkpoint.Identity), want string) {
		t.Helper()
		other := identity()
		change(&other)
		_, err := checkpoint.Open(path, other)
		if pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" {
			t.Fatalf("kind %d, hint %q: %v", pipeline.KindOf(err), pipeline.HintOf(err), err)
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	f(func(id *checkpoint.Identity) { id.Settings["layout.lanes"] = "8" }, `layout.lanes was "16", is "8"`)
	f(func(id *checkpoint.Identity) { id.Objects = id.Objects[:1] }, "the source had 2 objects, has 1")
	f(func(id *checkpoint.Identity) { id.Objects[1].Key = "data/c.json.gz" }, "object 2 was data/b.json.gz, is data/c.json.gz")
	f(func(id *checkpoint.Identity) { id.Format++ }, "format version")
}

// TestRepairIsToldAndKeptOnceAccepted: another MD5 is no other job; whoever knows
// how far the job has come decides.
func TestRepairIsToldAndKeptOnceAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint.db")
	s := open(t, path)
	claim := s.Claim()
	repaired := identity()
	repaired.Objects[1].MD5 = []byte{9}
	for _, want := range []int{1, 0} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if s, err = checkpoint.Open(path, repaired); err != nil {
			t.Fatal(err)
		}
		if got := s.Repaired(); len(got) != want {
			t.Errorf("repaired: %v, want %d", got, want)
		}
		if err := s.AcceptRepairs(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.Claim(), claim) {
			t.Error("the claim changed")
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHeldByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint.db")
	open(t, path)
	if _, err := checkpoint.Open(path, identity()); pipeline.KindOf(err) != pipeline.KindClaimed {
		t.Errorf("got %v", err)
	}
}

// TestDamagedFileIsRefusedAndKept: every way of damage is refused, and the file
// stays as it was.
func TestDamagedFileIsRefusedAndKept(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "checkpoint.db")
	s := open(t, whole)
	if err := s.Commit([]output.Change{{Bucket: "b", Key: "k", Value: bytes.Repeat([]byte("x"), 9000)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, damage func([]byte) []byte) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "checkpoint.db")
			damaged := damage(bytes.Clone(content))
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := checkpoint.Open(path, identity())
			if pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" {
				t.Errorf("kind %d, hint %q: %v", pipeline.KindOf(err), pipeline.HintOf(err), err)
			}
			again := path + ".again" // bbolt keeps a file locked over which it panicked
			if err := os.WriteFile(again, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := checkpoint.ClaimOf(again); pipeline.KindOf(err) != pipeline.KindCheckpoint {
				t.Errorf("claim: %v", err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, damaged) {
				t.Error("the file was changed")
			}
		})
	}
	f("both meta pages", func(b []byte) []byte { clear(b[:2*os.Getpagesize()]); return b })
	f("text", func([]byte) []byte { return []byte("this is not a checkpoint\n") })
	for pages := 2; pages < 6; pages++ {
		f(fmt.Sprint("cut off after ", pages), func(b []byte) []byte { return b[:pages*os.Getpagesize()] })
	}
	f("pages cleared", func(b []byte) []byte { clear(b[2*os.Getpagesize():]); return b })
	f("cut off", func(b []byte) []byte { return b[:os.Getpagesize()] })
}

// TestClaimOfAnyJob: who owns a sink can be told though the settings have
// changed, and where nobody does, nobody is named.
func TestClaimOfAnyJob(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "checkpoint.db")
	if claim, err := checkpoint.ClaimOf(path); claim != nil || err != nil {
		t.Errorf("no file: %q, %v", claim, err)
	}
	other := identity()
	other.Settings["layout.lanes"], other.Format = "8", other.Format+1
	s, err := checkpoint.Open(path, other)
	if err != nil {
		t.Fatal(err)
	}
	want := s.Claim()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if claim, err := checkpoint.ClaimOf(path); err != nil || !bytes.Equal(claim, want) {
		t.Errorf("got %q, %v, want %q", claim, err, want)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if claim, err := checkpoint.ClaimOf(empty); claim != nil || err != nil {
		t.Errorf("empty file: %q, %v", claim, err)
	}
}

// TestCondemnedIsNotGoneOnWith, but its claim can still be told.
func TestCondemnedIsNotGoneOnWith(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint.db")
	s := open(t, path)
	want := s.Claim()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := checkpoint.Condemn(path); err != nil {
			t.Fatal(err)
		}
	}
	_, err := checkpoint.Open(path, identity())
	if !errors.Is(err, checkpoint.ErrCondemned) || pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
	if claim, err := checkpoint.ClaimOf(path); err != nil || !bytes.Equal(claim, want) {
		t.Errorf("got %q, %v, want %q", claim, err, want)
	}
}

// TestReopen: a job's checkpoint is opened without its source, and nothing else
// is; whoever has begun an import is known.
func TestReopen(t *testing.T) {
	f := func(name string, kind pipeline.Kind, want string, prepare func(path string)) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "checkpoint.db")
			prepare(path)
			before, _ := os.ReadFile(path)
			s, err := checkpoint.Reopen(path)
			if err == nil {
				_ = s.Close()
			}
			if pipeline.KindOf(err) != kind || !strings.Contains(fmt.Sprint(err), want) || pipeline.HintOf(err) == "" {
				t.Errorf("kind %d, hint %q: %v", pipeline.KindOf(err), pipeline.HintOf(err), err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file has changed")
			}
		})
	}
	closed := func(path string, id checkpoint.Identity) {
		s, err := checkpoint.Open(path, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f("absent", pipeline.KindConfig, "no move of this job has started", func(string) {})
	f("empty", pipeline.KindConfig, "no move of this job has started", func(path string) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	f("damaged", pipeline.KindCheckpoint, "open checkpoint", func(path string) {
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<15), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	f("condemned", pipeline.KindCheckpoint, checkpoint.ErrCondemned.Error(), func(path string) {
		closed(path, identity())
		if err := checkpoint.Condemn(path); err != nil {
			t.Fatal(err)
		}
	})
	f("of another format", pipeline.KindCheckpoint, "format version", func(path string) {
		other := identity()
		other.Format++
		closed(path, other)
	})
	f("held", pipeline.KindClaimed, "another process holds it", func(path string) { open(t, path) })

	path := filepath.Join(t.TempDir(), "checkpoint.db")
	s := open(t, path)
	claim, run := s.Claim(), s.RunID()
	for _, begun := range []bool{false, true} {
		if begun {
			if err := s.Commit([]output.Change{{Bucket: "import", Key: "v1-0", Value: []byte("{}")}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := checkpoint.ImportBegun(path); got != begun || err != nil {
			t.Errorf("import begun: %v, %v", got, err)
		}
		var err error
		if s, err = checkpoint.Reopen(path); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.Claim(), claim) || s.RunID() != run || run == "" {
			t.Errorf("run %q of claim %s", s.RunID(), s.Claim())
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if begun, err := checkpoint.ImportBegun(filepath.Join(t.TempDir(), "none")); begun || err != nil {
		t.Errorf("without a checkpoint: %v, %v", begun, err)
	}
	open(t, path) // the move's own way stays open
}
