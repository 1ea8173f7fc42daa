package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// outputOf is what a job has written, in memory.
type outputOf struct {
	t       *testing.T
	files   map[string]string
	opened  map[string]int
	entries []ledger.Entry
}

func newOutput(t *testing.T) *outputOf {
	return &outputOf{t: t, files: map[string]string{}, opened: map[string]int{}}
}

// write adds a version to the output and to the ledger.
func (o *outputOf) write(typ, id string, version uint32, line string) {
	o.t.Helper()
	e := body{typ: typ, id: id, value: "1", text: "t"}.entry(o.t, version, pipeline.Available, pipeline.NoReason)
	e.File = 0
	_, name := e.Place()
	e.Line = uint32(strings.Count(o.files[name], "\n"))
	o.files[name] += line + "\n"
	o.entries = append(o.entries, e)
}

func (o *outputOf) Open(_ context.Context, name string) (io.ReadCloser, error) {
	o.opened[name]++
	text, found := o.files[name]
	if !found {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (o *outputOf) explainer() *Explainer {
	return &Explainer{
		Options: Options{Dir: o.t.TempDir(), Memory: minMemory, Imported: imported, Marks: Marks{
			Extensions: []string{"http://healthlake.amazonaws.com/"}, Tags: []string{generatedTag},
		}},
		Book: openLedger(o.t, o.entries, 100), Open: o.Open,
	}
}

func resourceText(typ, id, rest string) string {
	return fmt.Sprintf(`{"resourceType":%q,"id":%q%s}`, typ, id, rest)
}

// words is the answer for a subject in one line.
func words(s *Subject) string {
	all := []string{}
	for _, d := range s.Differences {
		all = append(all, d.String())
	}
	if s.Failure != NoFailure {
		all = append(all, "("+string(s.Failure)+")")
	}
	return strings.Join(all, ", ")
}

func subjectsOf(names ...string) (all []*Subject) {
	for _, name := range names {
		typ, id, _ := strings.Cut(name, "/")
		all = append(all, &Subject{Type: typ, ID: id})
	}
	return all
}

// TestExplainCurrent: each difference is named, each file of the output is opened at
// most once, and of what cannot be read it is said why.
func TestExplainCurrent(t *testing.T) {
	o := newOutput(t)
	target := &asked{bodies: map[string]string{}}
	var names, want []string
	add := func(id, ours, theirs, says string) {
		o.write("Patient", id, 1, resourceText("Patient", id, ours))
		if theirs != "" {
			target.bodies["Patient/"+id] = resourceText("Patient", id, theirs)
		}
		names, want = append(names, "Patient/"+id), append(want, says)
	}
	add("a", `,"gender":"male"`, `,"gender":"other"`, "Patient.gender: changed")
	add("same", `,"gender":"male"`, `, "gender" : "\u006dale","meta":{"versionId":"2"}`, "("+string(Alike)+")")
	add("marked", `,"gender":"male"`, `,"extension":[`+cmExtension+`],"meta":{"tag":[`+generatedTag+`]}`, "Patient.gender: missing")
	add("gone", ``, ``, "("+string(UnreadTheirs)+")")
	add("fails", ``, `,"gender":"male"`, "("+string(UnreadTheirs)+")")
	add("large", ``, `,"name":["`+strings.Repeat(strings.Repeat("x", 4000)+`","`, 300)+`"]`, "("+string(TooLarge)+")")
	add("broken", `,"gender":"male"`, `,"gender":"male`, "("+string(UnreadTheirs)+")")
	add("z", `,"meta":{"security":[{"code":"R"}]}`, ``, "Patient.meta.security[0]: lost")
	target.bodies["Patient/gone"], target.bodies["Patient/z"] = "", resourceText("Patient", "z", "")
	target.answer = func(name string, _ int) (string, error, bool) {
		return "", &pipeline.Error{Op: "read", Kind: pipeline.KindFatal, Err: errors.New("refused")}, name == "Patient/fails"
	}
	many := resourceText("Patient", "many", `,"name":[1,2,3,4,5,6,7,8,9,10,11,12]`)
	o.write("Patient", "many", 1, many)
	target.bodies["Patient/many"] = resourceText("Patient", "many", `,"name":[]`)
	o.write("Patient", "other line", 1, resourceText("Patient", "a", ""))
	target.bodies["Patient/other line"] = resourceText("Patient", "other line", "")
	o.write("Observation", "no file", 1, resourceText("Observation", "no file", ""))
	delete(o.files, "v1-0/Observation-v1-00000.ndjson")
	target.bodies["Observation/no file"] = resourceText("Observation", "no file", "")
	o.write("Patient", "short", 2, "")
	o.files["v2-0/Patient-v2-00000.ndjson"] = ""
	target.bodies["Patient/short"] = resourceText("Patient", "short", "")
	o.write("Binary", "b", 1, "")
	o.files["Binary-v1-0/Binary-v1-00000.ndjson"] = resourceText("Binary", "b", `,"data":"`+strings.Repeat("QUJD", 10<<20)+`"`) + "\n"
	target.bodies["Binary/b"] = resourceText("Binary", "b", `,"data":"`+strings.Repeat("QUJD", 1<<20)+`"`)
	target.bodies["Patient/unknown"] = "{}"
	names = append(names, "Patient/many", "Patient/other line", "Observation/no file", "Patient/short", "Binary/b", "Patient/unknown")
	unread := "(" + string(UnreadOurs) + ")"
	ten := []string{}
	for i := range MostPaths {
		ten = append(ten, fmt.Sprintf("Patient.name[%d]: missing", i))
	}
	want = append(want, strings.Join(ten, ", "), unread, unread, unread, "Binary.data: truncated", unread)
	subjects := subjectsOf(names...)
	if err := o.explainer().Current(t.Context(), subjects, target); err != nil {
		t.Fatal(err)
	}
	for i, s := range subjects {
		if got := words(s); got != want[i] {
			t.Errorf("%s: %q, want %q", names[i], got, want[i])
		}
		if s.ID == "many" && s.More != 2 {
			t.Error(s.More)
		}
	}
	for name, n := range o.opened {
		if n != 1 {
			t.Errorf("%s was opened %d times", name, n)
		}
	}
}

// TestExplainWhereTheTargetFails: it is not asked again and again, and that is no
// failure of the verification; a signal is one.
func TestExplainWhereTheTargetFails(t *testing.T) {
	o := newOutput(t)
	target := &asked{bodies: map[string]string{}}
	var names []string
	for i := range 10 {
		id := fmt.Sprint(i)
		o.write("Patient", id, 1, resourceText("Patient", id, `,"gender":"male"`))
		target.bodies["Patient/"+id] = resourceText("Patient", id, "")
		names = append(names, "Patient/"+id)
	}
	calls := 0
	target.answer = func(string, int) (string, error, bool) {
		calls++
		return "", &pipeline.Error{Op: "read", Kind: pipeline.KindRetryLater, Err: errors.New("throttled")}, calls > 3
	}
	subjects := subjectsOf(names...)
	if err := o.explainer().Current(t.Context(), subjects, target); err != nil || calls != 4 {
		t.Errorf("%v, %d calls", err, calls)
	}
	named := 0
	for _, s := range subjects {
		if words(s) == "Patient.gender: missing" {
			named++
		} else if s.Failure != UnreadTheirs {
			t.Error(words(s))
		}
	}
	if named != 3 {
		t.Errorf("%d are named", named)
	}
	ctx, cancel := context.WithCancel(t.Context())
	target.answer = func(string, int) (string, error, bool) { cancel(); return "", nil, false }
	if err := o.explainer().Current(ctx, subjects, target); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestExplainMemory: what is held does not grow with resources, and what does not fit
// is not compared.
func TestExplainMemory(t *testing.T) {
	o := newOutput(t)
	target := &asked{bodies: map[string]string{}}
	names := strings.Repeat(`"`+strings.Repeat("x", 4000)+`",`, 230) + "1"
	var subjects []string
	for i := range 40 {
		id := fmt.Sprint(i)
		o.write("Patient", id, 1, resourceText("Patient", id, `,"name":[`+names+`]`))
		target.bodies["Patient/"+id] = resourceText("Patient", id, `,"name":[`+names+`2]`)
		subjects = append(subjects, "Patient/"+id)
	}
	all := subjectsOf(subjects...)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	x := o.explainer()
	if err := x.Current(t.Context(), all, target); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	counts := map[string]int{}
	for _, s := range all {
		counts[words(s)]++
	}
	if got := counts["Patient.name[230]: changed digits"]; got != minMemory/2/920_000 || got+counts["("+string(TooLarge)+")"] != 40 {
		t.Error(counts)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes are still held", grown)
	}
}

// TestExplainExported: lines of an export, blank ones counted, the last without its LF.
func TestExplainExported(t *testing.T) {
	o := newOutput(t)
	var lines [2][]string
	var subjects []*Subject
	for i := range 40 {
		id := fmt.Sprint(i)
		o.write([]string{"Patient", "Observation"}[i%2], id, uint32(1+i%3), resourceText([]string{"Patient", "Observation"}[i%2], id, fmt.Sprintf(`,"status":"%d"`, i)))
		object := i / 2 % 2
		lines[object] = append(lines[object], []string{"", " \t"}[i%2], resourceText([]string{"Patient", "Observation"}[i%2], id, `,"status":"x"`))
		subjects = append(subjects, &Subject{Type: []string{"Patient", "Observation"}[i%2], ID: id, Object: fmt.Sprintf("export/%05d.ndjson", object), Line: int64(len(lines[object]))})
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(subjects), func(i, j int) { subjects[i], subjects[j] = subjects[j], subjects[i] })
	subjects = append(subjects, &Subject{Type: "Patient", ID: "0", Object: "export/00009.ndjson", Line: 1})
	export := newExport([][]byte{[]byte(strings.Join(lines[0], "\n")), []byte(strings.Join(lines[1], "\n") + "\n")})
	if err := o.explainer().Exported(t.Context(), subjects[:40], export); err != nil {
		t.Fatal(err)
	}
	for _, s := range subjects[:40] {
		if got := words(s); got != s.Type+".status: changed" {
			t.Errorf("%s: %s", s.ID, got)
		}
	}
	for i, n := range export.read {
		if n > int64(len(export.objects[i])) {
			t.Errorf("object %d: %d bytes were read", i, n)
		}
	}
	if err := o.explainer().Exported(t.Context(), subjects[40:], export); err != nil || subjects[40].Failure != UnreadTheirs {
		t.Error(err, words(subjects[40]))
	}
}

// TestExplainHistories: of a history, the version that is not as it was is compared
// with the one that stands in its place.
func TestExplainHistories(t *testing.T) {
	version := func(n int, more string) string {
		return resourceText("Patient", "p", fmt.Sprintf(`,"multipleBirthInteger":%d%s`, n, more))
	}
	f := func(kept []string, ofVersion uint32, want string) {
		t.Helper()
		o := newOutput(t)
		d := NewDigester(&Marks{})
		for n := range 3 {
			text := version(n+1, `,"meta":{"security":[{"code":"R"}]}`)
			o.write("Patient", "p", uint32(n+1), text)
			sums, _ := d.Sums(bytes.Clone([]byte(text)))
			e := &o.entries[n]
			e.Content, e.Label = sums[0].Content, sums[0].Label
		}
		history := slices.Clone(kept)
		s := subjectsOf("Patient/p")
		if err := o.explainer().Histories(t.Context(), s, past{"Patient/p": history}); err != nil {
			t.Fatal(err)
		}
		if got := words(s[0]); got != want || s[0].Version != ofVersion {
			t.Errorf("%q of version %d, want %q of %d", got, s[0].Version, want, ofVersion)
		}
	}
	labels := `,"meta":{"security":[{"code":"R"}]}`
	one, two, three := version(1, labels), version(2, labels), version(3, labels)
	f([]string{one, version(2, `,"gender":"x"`+labels), three}, 2, "Patient.gender: added")
	f([]string{two, version(3, `,"gender":"x"`+labels)}, 3, "Patient.gender: added") // version 1 is missing
	f([]string{one, two, version(3, "")}, 3, "Patient.meta.security[0]: lost")
	f([]string{version(7, labels), version(2, ""), three}, 2, "Patient.meta.security[0]: lost")
	f([]string{version(7, labels), two, "", three}, 1, "Patient.multipleBirthInteger: changed digits")
	f([]string{three, two, one}, 0, "("+string(NoCounterpart)+")") // the order is told by the cause
	f([]string{one, two, three}, 0, "("+string(NoCounterpart)+")")
}
