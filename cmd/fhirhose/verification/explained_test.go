package verification

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/digest/diff"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// TestExplainable: faults come before what somebody else has changed, and what is
// beyond the cap is counted.
func TestExplainable(t *testing.T) {
	f := func(faults, changes, wantFaults, wantAll int, wantLeft int64) {
		t.Helper()
		state := t.TempDir()
		r := New(Full, "", "", "")
		file, err := OpenFindings(state, "", Full, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := range changes {
			err = errors.Join(err, file.Add(&Finding{Class: "changed after import", Type: "Patient", ID: fmt.Sprint("c", i)}))
		}
		for i := range faults {
			err = errors.Join(err,
				file.Add(&Finding{Class: []string{"different", "label lost"}[i%2], Type: "Patient", ID: fmt.Sprint("f", i), Object: "o", Line: 7}),
				file.Add(&Finding{Class: "missing", Type: "Patient", ID: fmt.Sprint("m", i)}))
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Findings, err = file.Close(state); err != nil {
			t.Fatal(err)
		}
		subjects, left, err := r.Explainable(state)
		if err != nil || len(subjects) != wantAll || left != wantLeft {
			t.Errorf("%d, %d left, %v", len(subjects), left, err)
		}
		for i, s := range subjects {
			if fault := strings.HasPrefix(s.ID, "f"); fault != (i < wantFaults) || fault && (s.Object != "o" || s.Line != 7) {
				t.Errorf("%d: %+v", i, s)
			}
		}
	}
	f(0, 0, 0, 0, 0)
	f(3, 4, 3, 7, 0)
	f(250, 4, 100, 100, 154)
	f(90, 250, 90, 100, 240)
	f(100, 100, 100, 100, 100)
}

// TestExplain: totals name elements, without a resource; each resource's are in a file
// of mode 0600, and go with its finding.
func TestExplain(t *testing.T) {
	state := t.TempDir()
	r := New(Full, "t1", "", "")
	file, err := OpenFindings(state, "t1", Full, 0)
	if err != nil {
		t.Fatal(err)
	}
	var subjects []*verify.Subject
	for i := range 30 {
		id := fmt.Sprint("secret", i)
		if err := file.Add(&Finding{Class: "different", Type: "Patient", ID: id}); err != nil {
			t.Fatal(err)
		}
		s := &verify.Subject{Type: "Patient", ID: id}
		switch i {
		case 0:
			s.Failure = verify.UnreadOurs
		default:
			s.Differences = []diff.Difference{
				{Path: "Patient.name[0].given[1]", Kind: diff.Changed},
				{Path: "Patient.name[1].given[0]", Kind: diff.Changed},
				{Path: fmt.Sprintf("Patient.e%02d", i), Kind: diff.Missing},
			}
			s.More = 2
		}
		subjects = append(subjects, s)
	}
	if r.Findings, err = file.Close(state); err != nil {
		t.Fatal(err)
	}
	if err := r.Explain(state, subjects, 5); err != nil {
		t.Fatal(err)
	}
	e := r.Explained
	if e.Resources != 29 || len(e.Elements) != 20 || e.More != 29*2+10 || e.Left != 5 || e.Elements[0] != (Element{"Patient.name.given", diff.Changed, 29}) {
		t.Errorf("%+v", e)
	}
	text := strings.Join(e.Words(Full), "\n")
	for _, want := range []string{
		"what differs, in 29 resources:\n  Patient.name.given: changed, in 29 resources\n  Patient.e01: missing in target, in 1 resource\n",
		"and 68 differences more", "what differs is not known of 1 resource: our line could not be read",
		"5 more were not compared element by element: the first 100 are",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("without %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") || !strings.Contains(strings.Join(e.Words(Source), "\n"), "missing in live source") {
		t.Error(text)
	}
	path := filepath.Join(state, e.File)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	var told []string
	if err := r.EachFinding(state, func(f *Finding) error {
		told = append(told, f.ID+" "+DifferenceWords(f.Explained, Full))
		return nil
	}); err != nil || len(told) != 30 || told[0] != "secret0 what differs is not known: our line could not be read" ||
		told[7] != "secret7 Patient.name[0].given[1]: changed, Patient.name[1].given[0]: changed, Patient.e07: missing in target, and 2 more" {
		t.Errorf("%q, %v", told, err)
	}
	past := verify.Explained{Version: 2, Differences: []diff.Difference{{Path: "Patient.active", Kind: diff.OtherType}}}
	if got := DifferenceWords(&past, History); got != "version 2: Patient.active: changed in type" {
		t.Error(got)
	}
	if err := r.Explain(state, nil, 0); err != nil || r.Explained != nil {
		t.Error(r.Explained, err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("old explanations are still there")
	}
}

// TestManyFindings: a target that has lost everything makes a large file, and nothing
// large in memory.
func TestManyFindings(t *testing.T) {
	state := t.TempDir()
	r := New(Full, "", "", "")
	file, err := OpenFindings(state, "", Full, 0)
	if err != nil {
		t.Fatal(err)
	}
	const many = 200_000
	var begin, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&begin)
	grown := func() {
		t.Helper()
		runtime.GC()
		runtime.ReadMemStats(&now)
		if n := int64(now.HeapAlloc) - int64(begin.HeapAlloc); n > 4<<20 {
			t.Errorf("%d bytes are held", n)
		}
	}
	for i := range many {
		if err := file.Add(&Finding{Class: "different", Type: "Patient", ID: fmt.Sprintf("%036d", i), Version: 1}); err != nil {
			t.Fatal(err)
		}
	}
	grown()
	if r.Findings, err = file.Close(state); err != nil {
		t.Fatal(err)
	}
	subjects, left, err := r.Explainable(state)
	if err != nil || len(subjects) != MostExplained || left != many-MostExplained {
		t.Errorf("%d, %d left, %v", len(subjects), left, err)
	}
	grown()
	runtime.KeepAlive(subjects)
	if info, err := os.Stat(filepath.Join(state, r.Findings)); err != nil || info.Size() > 110*many {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
}

// TestKindWords: every kind has words of its own.
func TestKindWords(t *testing.T) {
	var all []string
	for _, kind := range []diff.Kind{diff.Changed, diff.Digits, diff.Truncated, diff.OtherType, diff.Missing, diff.Added, diff.Order, diff.Lost} {
		all = append(all, KindWords(kind, Export))
	}
	want := []string{
		"changed", "changed digits", "truncated (target shorter)", "changed in type",
		"missing in target", "added in target", "in another order", "lost",
	}
	if !slices.Equal(all, want) {
		t.Errorf("%q", all)
	}
}
