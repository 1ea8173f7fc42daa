package verification

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

func TestResult(t *testing.T) {
	state := t.TempDir()
	r := New(Export, "t1", "arn:store", "root", verify.Classes()...)
	r.Add("Patient", verify.Equal, 3)
	r.Add("Patient", verify.Missing, 0)
	if r.Passed() {
		t.Error("it passed before its end")
	}
	r.Ended = r.Begun.Add(time.Second)
	if !r.Passed() || r.Checked != 3 || len(r.Classes) != len(verify.Classes()) || len(r.Types["Patient"]) != 1 {
		t.Errorf("%+v", r)
	}
	for _, class := range verify.Classes() {
		other := New(Export, "", "", "", class)
		other.Ended = other.Begun
		other.Add("Patient", class, 1)
		if other.Passed() != class.OK() {
			t.Errorf("%s: passed %t", class, other.Passed())
		}
	}
	r.Add("Sarah Connor", verify.Extra, 1)
	r.Add("", verify.Unchecked, 2)
	if r.Passed() || r.NotOK() != 3 || r.Types["other"]["extra"] != 1 || r.Types["unreadable"]["could not be checked"] != 2 {
		t.Errorf("%+v", r)
	}
	older := New(Counts, "t1", "arn:store", "root")
	older.Begun = r.Begun.Add(-time.Hour)
	for _, it := range []*Result{r, older, New(Sample, "", "arn:store", "root")} {
		if err := it.Save(state); err != nil {
			t.Fatal(err)
		}
	}
	known, err := Load(state, "t1")
	if err != nil || len(known) != 2 || !reflect.DeepEqual(known[0], r) || known[1].Mode != Counts {
		t.Errorf("%+v, %v", known, err)
	}
	info, err := os.Stat(filepath.Join(Dir(state, "t1"), "export.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestResultOf: of other data, another store or another time, a result says nothing.
func TestResultOf(t *testing.T) {
	base := func() *Result { return &Result{Mode: Export, Target: "a", LedgerRoot: "l", Changed: time.Unix(9, 0)} }
	if other := base(); !base().Of(other) {
		t.Error("it is of itself")
	}
	for name, change := range map[string]func(*Result){
		"mode": func(r *Result) { r.Mode = Full }, "tenant": func(r *Result) { r.Tenant = "t" }, "target": func(r *Result) { r.Target = "b" },
		"share": func(r *Result) { r.Share = "2%" }, "ledger": func(r *Result) { r.LedgerRoot = "m" },
		"changed": func(r *Result) { r.Changed = time.Unix(10, 0) }, "changes": func(r *Result) { r.Changes++ },
	} {
		other := base()
		change(other)
		if base().Of(other) {
			t.Errorf("%s: it is of another", name)
		}
	}
}

// TestResultProves: what passed stands, as long as it is known that nothing came since.
func TestResultProves(t *testing.T) {
	at := time.Unix(9, 0)
	r := &Result{Mode: Export, Ended: at, Changed: at}
	other := &Result{Mode: Export, Changed: at}
	if !r.Proves(other, (*Result).Passed) || other.Proves(r, (*Result).Passed) || (&Result{Mode: Export, Ended: at}).Proves(&Result{Mode: Export}, (*Result).Passed) {
		t.Error("proves what it cannot, or not what it can")
	}
	r.Classes = map[string]int64{"missing": 1}
	if r.Proves(other, (*Result).Passed) {
		t.Error("it did not pass")
	}
}

// TestLeftOut: what may be accepted never hides what may not.
func TestLeftOut(t *testing.T) {
	leftOut, refused := verify.LeftOut.String(), verify.VersionRefused.String()
	for _, f := range []struct {
		classes, causes map[string]int64
		want            int64
	}{
		{map[string]int64{"missing": 3}, nil, 0},
		{map[string]int64{"missing": 3, "could not be checked": 1}, map[string]int64{leftOut: 2, refused: 1, "unreadable line": 1}, 3},
		{map[string]int64{"known stale": 1}, map[string]int64{refused: 1}, 0},
		{map[string]int64{"known stale": 1, "missing": 1}, map[string]int64{refused: 1, leftOut: 1}, 1},
		{map[string]int64{"equal": 9}, map[string]int64{leftOut: 1}, 0},
	} {
		if got := (&Result{Classes: f.classes, Causes: f.causes}).LeftOut(); got != f.want {
			t.Errorf("%v %v: %d, want %d", f.classes, f.causes, got, f.want)
		}
	}
}

// TestDirOfTenants: two tenants have two places also where the file system takes a for
// A, and no tenant's name is a path.
func TestDirOfTenants(t *testing.T) {
	a, b := Dir("state", "a"), Dir("state", "A")
	if strings.EqualFold(a, b) || filepath.Dir(Dir("state", "../..")) != filepath.Dir(a) {
		t.Errorf("%s and %s", a, b)
	}
}

func TestLoadDamaged(t *testing.T) {
	for _, text := range []string{"", "{}", `{"mode":"counts"}`, `{"mode":"export","tenant":"t"}`} {
		state := t.TempDir()
		if err := os.MkdirAll(Dir(state, ""), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(Dir(state, ""), "export.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(state, ""); pipeline.KindOf(err) != pipeline.KindCheckpoint || pipeline.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestFindings: what a killed run wrote beyond what is known to be durable is
// written again, and a new run begins with none.
func TestFindings(t *testing.T) {
	state := t.TempDir()
	open := func(size int64) *Findings {
		t.Helper()
		f, err := OpenFindings(state, "", Full, size)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	add := func(f *Findings, id string) int64 {
		t.Helper()
		if err := f.Add(&Finding{Class: "missing", ID: id}); err != nil {
			t.Fatal(err)
		}
		size, err := f.Sync()
		if err != nil {
			t.Fatal(err)
		}
		return size
	}
	f := open(0)
	size := add(f, "a")
	add(f, "lost"+strings.Repeat("-", 100))
	f = open(size)
	add(f, "b")
	name, err := f.Close(state)
	if err != nil || name != filepath.Join("verify", "full.findings.ndjson") {
		t.Error(name, err)
	}
	path := filepath.Join(state, name)
	const want = `{"class":"missing","id":"a"}` + "\n" + `{"class":"missing","id":"b"}` + "\n"
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := OpenFindings(state, "", Full, 1000); err == nil {
		t.Error("findings that are not there any more")
	}
	if name, err := open(0).Close(state); err != nil || name != "" {
		t.Error(name, err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("old findings are still there")
	}
}
