package verify

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// world is a source and a target, and what became of each resource, known from
// how it was made.
type world struct {
	t       testing.TB
	rand    *rand.Rand
	n       int
	entries []ledger.Entry
	lines   []line
	// want holds one class per resource: Type/id to class, with its cause.
	want map[string]string
	// known are the resources that the ledger knows.
	known     map[string]bool
	anonymous int
	repeated  int64
}

type line struct {
	text, name string // name is "" if nobody can know whose it is
}

func (w *world) expect(b body, c Class, cause Cause) {
	what := c.String()
	if cause != NoCause {
		what += ": " + cause.String()
	}
	w.want[b.typ+"/"+b.id] = what
}

// row adds a version to the source.
func (w *world) row(b body, version uint32, status pipeline.DocumentStatus, reason pipeline.Reason) {
	w.entries = append(w.entries, b.entry(w.t, version, status, reason))
	w.known[b.typ+"/"+b.id] = true
}

func (w *world) put(b body, text string) { w.lines = append(w.lines, line{text, b.typ + "/" + b.id}) }

// target adds b to the export as it is after the import, or after a change.
func (w *world) target(b body) { w.put(b, b.exported(w.rand, w.before(), "")) }

func (w *world) before() time.Time {
	return imported.Add(-time.Duration(w.rand.IntN(1e9)) * time.Millisecond)
}

func (w *world) after() time.Time {
	return imported.Add(time.Duration(1+w.rand.IntN(1e9)) * time.Millisecond)
}

// body returns a new resource.
func (w *world) body() body {
	w.n++
	b := body{
		typ: []string{"Patient", "Observation", "Binary"}[w.rand.IntN(3)], id: fmt.Sprintf("id-%d-%d", w.n, w.rand.Uint32()),
		value: fmt.Sprintf("%d.%d1234567890123456789", w.rand.IntN(100), w.rand.IntN(1000)), text: fmt.Sprintf("text%d", w.rand.Uint64()),
	}
	for range w.rand.IntN(3) {
		b.security = append(b.security, []string{"R", "V", "N"}[w.rand.IntN(3)])
		b.tags = append(b.tags, []string{"t1", "t2"}[w.rand.IntN(2)])
	}
	return b
}

// versions adds a history of superseded versions and the last one, b.
func (w *world) versions(b body) (last uint32) {
	for v := range uint32(w.rand.IntN(3)) {
		old := b
		old.text += fmt.Sprint("old", v)
		w.row(old, v+1, []pipeline.DocumentStatus{pipeline.Deleted, pipeline.Available}[w.rand.IntN(2)], pipeline.NoReason)
		last = v + 1
	}
	w.row(b, last+1, []pipeline.DocumentStatus{pipeline.Available, pipeline.Locked, pipeline.PendingDelete}[w.rand.IntN(3)], pipeline.NoReason)
	return last + 1
}

const (
	cmExtension         = `{"url":"http://healthlake.amazonaws.com/aws-cm/","extension":[{"url":"http://healthlake.amazonaws.com/aws-cm/status/","valueString":"SUCCESS"}]}`
	validationExtension = `{"url":"http://healthlake.amazonaws.com/fhir/StructureDefinition/validation-issue","valueString":"{\"resourceType\":\"OperationOutcome\"}"}`
	generatedTag        = `{"display":"SYSTEM_GENERATED"}`
)

// Beginnings of ids of which the target's import has refused every version, or the
// first.
const (
	refusedAll   = "refused-all-"
	refusedFirst = "refused-first-"
)

func refused(e *ledger.Entry) bool {
	id := string(e.ID)
	return strings.HasPrefix(id, refusedAll) || strings.HasPrefix(id, refusedFirst) && e.Version == 1
}

// defects are everything that may become of a resource. Names in capitals are
// weaknesses of the verifier that this one replaces.
var defects = map[string]func(w *world, b body){
	"equal": func(w *world, b body) { w.versions(b); w.target(b); w.expect(b, Equal, NoCause) },
	"changed after, but equal": func(w *world, b body) {
		w.versions(b)
		w.put(b, b.exported(w.rand, w.after(), ""))
		w.expect(b, Equal, NoCause)
	},
	"number form (WV6)": func(w *world, b body) {
		b.value = "1.50"
		w.versions(b)
		b.value = []string{"1.5", "15e-1", "0.15E+1", "1.500000000000000000000000000000000000000"}[w.rand.IntN(4)]
		w.target(b)
		w.expect(b, EqualNumbers, NoCause)
	},
	"number form of ours alone": func(w *world, b body) {
		b.value = "1.5"
		w.versions(b)
		b.value = "1.50"
		w.target(b)
		w.expect(b, EqualNumbers, NoCause)
	},
	"number form kept": func(w *world, b body) {
		b.value = "1.50"
		w.versions(b)
		w.target(b)
		w.expect(b, Equal, NoCause)
	},
	"number form of either row": func(w *world, b body) {
		values := []string{"1.5", "1.50"}
		k := w.rand.IntN(2)
		b.value = values[k]
		last := w.versions(b)
		b.value = values[1-k]
		w.row(b, last, pipeline.Available, pipeline.NoReason)
		w.target(b)
		w.expect(b, Equal, NoCause)
	},
	"number form of neither row": func(w *world, b body) {
		b.value = "1.5"
		last := w.versions(b)
		b.value = "1.50"
		w.row(b, last, pipeline.Available, pipeline.NoReason)
		b.value = "1.500"
		w.target(b)
		w.expect(b, EqualNumbers, NoCause)
	},
	"number form beside a mark": func(w *world, b body) {
		w.versions(b)
		b.value += "0"
		w.put(b, b.exported(w.rand, w.before(), cmExtension))
		w.expect(b, MadeByTarget, NoCause)
	},
	"lost digit (WV6)": func(w *world, b body) {
		w.versions(b)
		b.value = b.value[:len(b.value)-1]
		w.target(b)
		w.expect(b, Different, NoCause)
	},
	"changed field": func(w *world, b body) {
		w.versions(b)
		b.text += "x"
		w.target(b)
		w.expect(b, Different, NoCause)
	},
	"truncated Binary (WV1)": func(w *world, b body) {
		b.typ = "Binary"
		w.versions(b)
		b.text = b.text[:len(b.text)-1]
		w.target(b)
		w.expect(b, Different, NoCause)
	},
	"missing": func(w *world, b body) { w.versions(b); w.expect(b, Missing, NoCause) },
	"extra (WV10)": func(w *world, b body) {
		w.put(b, b.exported(w.rand, []time.Time{w.before(), w.after()}[w.rand.IntN(2)], ""))
		w.expect(b, Extra, NoCause)
	},
	"lost label (WV4)": func(w *world, b body) {
		b.security = append(b.security, "secret")
		w.versions(b)
		b.security = b.security[:len(b.security)-1]
		w.target(b)
		w.expect(b, LabelLost, NoCause)
	},
	"lost label later": func(w *world, b body) {
		b.tags = append(b.tags, "mine")
		w.versions(b)
		b.tags[len(b.tags)-1] = "theirs"
		w.put(b, b.exported(w.rand, w.after(), cmExtension, generatedTag))
		w.expect(b, LabelLost, NoCause)
	},
	"added label": func(w *world, b body) {
		b.security, b.tags = nil, nil
		w.versions(b)
		b.security = []string{"R"}
		w.target(b)
		w.expect(b, MadeByTarget, NoCause)
	},
	"added label later": func(w *world, b body) {
		b.security, b.tags = nil, nil
		w.versions(b)
		b.security = []string{"R"}
		w.put(b, b.exported(w.rand, w.after(), ""))
		w.expect(b, ChangedAfterImport, NoCause)
	},
	"stale": func(w *world, b body) {
		w.versions(b)
		v := w.entries[len(w.entries)-1].Version
		now := b
		now.text += "new"
		w.row(now, v+1, pipeline.Available, pipeline.NoReason)
		w.put(b, b.exported(w.rand, []time.Time{w.before(), w.after()}[w.rand.IntN(2)], ""))
		w.expect(b, KnownStale, NoCause)
	},
	"stale labels": func(w *world, b body) {
		w.versions(b)
		v := w.entries[len(w.entries)-1].Version
		now := b
		now.security = append(slices.Clone(b.security), "new")
		w.row(now, v+1, pipeline.Available, pipeline.NoReason)
		w.target(b)
		w.expect(b, KnownStale, NoCause)
	},
	"stale with other labels": func(w *world, b body) {
		w.versions(b)
		v := w.entries[len(w.entries)-1].Version
		now := b
		now.text += "new"
		w.row(now, v+1, pipeline.Available, pipeline.NoReason)
		b.tags = append(b.tags, "other")
		w.target(b)
		w.expect(b, KnownStale, NoCause)
	},
	"changed later": func(w *world, b body) {
		w.versions(b)
		b.text += "x"
		w.put(b, b.exported(w.rand, w.after(), ""))
		w.expect(b, ChangedAfterImport, NoCause)
	},
	"validation extension": func(w *world, b body) {
		w.versions(b)
		w.put(b, b.exported(w.rand, w.after(), validationExtension))
		w.expect(b, MadeByTarget, NoCause)
	},
	"NLP extension": func(w *world, b body) {
		w.versions(b)
		w.put(b, b.exported(w.rand, w.after(), cmExtension+","+validationExtension, generatedTag))
		w.expect(b, MadeByTarget, NoCause)
	},
	"extension and change": func(w *world, b body) {
		w.versions(b)
		b.text += "x"
		w.put(b, b.exported(w.rand, w.before(), cmExtension))
		w.expect(b, Different, NoCause)
	},
	"NLP resource": func(w *world, b body) {
		w.put(b, b.exported(w.rand, w.after(), "", generatedTag))
		w.expect(b, MadeByTarget, NoCause)
	},
	"deleted (WV1)": func(w *world, b body) {
		v := w.versions(b)
		w.entries[len(w.entries)-1].Status = pipeline.Deleted
		if w.rand.IntN(2) == 0 {
			w.row(b, v+1, pipeline.Pending, pipeline.IsPending)
		}
		w.expect(b, DeletedGone, NoCause)
	},
	"superseded but AVAILABLE, then deleted (WV5)": func(w *world, b body) {
		w.row(b, 1, pipeline.Available, pipeline.NoReason)
		w.row(b, 2, pipeline.Deleted, pipeline.NoReason)
		w.expect(b, DeletedGone, NoCause)
	},
	"lost delete (WV1)": func(w *world, b body) {
		w.versions(b)
		w.entries[len(w.entries)-1].Status = pipeline.Deleted
		w.put(b, b.exported(w.rand, []time.Time{w.before(), w.after()}[w.rand.IntN(2)], ""))
		w.expect(b, DeletedPresent, NoCause)
	},
	"lost delete of another content": func(w *world, b body) {
		w.versions(b)
		w.entries[len(w.entries)-1].Status = pipeline.Deleted
		b.text += "x"
		w.target(b)
		w.expect(b, DeletedPresent, NoCause)
	},
	"created again later": func(w *world, b body) {
		w.versions(b)
		w.entries[len(w.entries)-1].Status = pipeline.Deleted
		b.text += "x"
		w.put(b, b.exported(w.rand, w.after(), ""))
		w.expect(b, ChangedAfterImport, NoCause)
	},
	"pending on top": func(w *world, b body) {
		v := w.versions(b)
		w.row(b, v+1, pipeline.Pending, pipeline.IsPending)
		w.target(b)
		w.expect(b, Equal, NoCause)
	},
	"only pending": func(w *world, b body) { w.row(b, 1, pipeline.Pending, pipeline.IsPending) },
	"only pending, present": func(w *world, b body) {
		w.row(b, 1, pipeline.Pending, pipeline.IsPending)
		delete(w.known, b.typ+"/"+b.id)
		w.target(b)
		w.expect(b, Extra, NoCause)
	},
	"filtered": func(w *world, b body) {
		w.row(b, 1, pipeline.Deleted, pipeline.IsDeleted)
		w.row(b, 2, pipeline.Available, pipeline.AfterUntil)
		w.expect(b, NotMoved, NoCause)
	},
	"last version quarantined": func(w *world, b body) {
		v := w.versions(b)
		w.row(b, v+1, pipeline.Available, pipeline.BadNumber)
		w.target(b)
		w.expect(b, KnownStale, NoCause)
	},
	"last version quarantined, absent": func(w *world, b body) {
		v := w.versions(b)
		w.row(b, v+1, pipeline.Available, pipeline.BadNumber)
		w.expect(b, Missing, NoCause)
	},
	"only version quarantined": func(w *world, b body) {
		w.row(b, 1, pipeline.Available, pipeline.ContentMissing)
		w.expect(b, Missing, LeftOut)
	},
	"only version quarantined, a delete": func(w *world, b body) {
		w.row(b, 1, pipeline.Deleted, pipeline.BadNumber)
		w.expect(b, Unchecked, LeftOut)
	},
	"only version quarantined, entered by hand": func(w *world, b body) {
		w.row(b, 1, pipeline.Available, pipeline.BadNumber)
		w.target(b)
		w.expect(b, Unchecked, LeftOut)
	},
	"every version refused": func(w *world, b body) {
		b.id = refusedAll + b.id
		w.versions(b)
		w.expect(b, Missing, LeftOut)
	},
	"refused, then quarantined": func(w *world, b body) {
		b.id = refusedAll + b.id
		w.row(b, w.versions(b)+1, pipeline.Available, pipeline.BadNumber)
		w.expect(b, Missing, LeftOut)
	},
	"the first version refused, the second lost": func(w *world, b body) {
		b.id = refusedFirst + b.id
		w.row(b, 1, pipeline.Available, pipeline.NoReason)
		w.row(b, 2, pipeline.Available, pipeline.NoReason)
		w.expect(b, Missing, NoCause)
	},
	"one of two rows refused, nobody knows which": func(w *world, b body) {
		b.id = refusedAll + b.id
		w.row(b, 1, pipeline.Available, pipeline.NoReason)
		w.row(b, 1, pipeline.Available, pipeline.NoReason)
		w.expect(b, Missing, NoCause)
	},
	"last version quarantined, unknown content": func(w *world, b body) {
		v := w.versions(b)
		w.row(b, v+1, pipeline.Available, pipeline.BadNumber)
		b.text += "x"
		w.target(b)
		w.expect(b, Unchecked, Unsettled)
	},
	"filtered delete": func(w *world, b body) {
		v := w.versions(b)
		w.row(b, v+1, pipeline.Deleted, pipeline.IsDeleted)
		w.expect(b, Unchecked, Unsettled)
	},
	"rows that differ in labels": func(w *world, b body) {
		v := w.versions(b)
		b.security = append(slices.Clone(b.security), "second")
		w.row(b, v, pipeline.Available, pipeline.NoReason)
		w.target(b)
		w.expect(b, Equal, NoCause)
	},
	"rows that disagree": func(w *world, b body) {
		v := w.versions(b)
		w.target(b)
		b.text += "x"
		w.row(b, v, pipeline.Available, pipeline.NoReason)
		w.expect(b, Unchecked, Unsettled)
	},
	"ambiguous": func(w *world, b body) {
		b.typ = "Patient"
		other := b
		other.typ = "Observation"
		w.row(b, 1, pipeline.Available, pipeline.NoReason)
		w.row(b, 2, pipeline.Deleted, pipeline.NoReason)
		w.row(other, 3, pipeline.Available, pipeline.NoReason)
		w.target(other)
		w.expect(other, Equal, NoCause)
		if w.rand.IntN(2) == 0 {
			w.target(b)
		}
		w.expect(b, Unchecked, AmbiguousID)
	},
	"two lines": func(w *world, b body) {
		w.versions(b)
		w.target(b)
		w.target(b)
		w.repeated++
		w.expect(b, Equal, NoCause)
	},
	"two lines that differ": func(w *world, b body) {
		w.versions(b)
		w.target(b)
		b.value = "7"
		w.target(b)
		w.repeated++
		w.expect(b, Unchecked, Contradiction)
	},
	"unreadable": func(w *world, b body) {
		w.versions(b)
		w.put(b, `{"resourceType":"`+b.typ+`","id":"`+b.id+`","a":{"x":1,"x":2}}`)
		w.expect(b, Unchecked, UnreadableLine)
	},
	"unreadable beside a good line": func(w *world, b body) {
		w.versions(b)
		w.target(b)
		w.put(b, `{"resourceType":"`+b.typ+`","id":"`+b.id+`","a":nul}`)
		w.expect(b, Unchecked, UnreadableLine)
	},
	"unreadable and unknown": func(w *world, b body) {
		w.put(b, `{"resourceType":"`+b.typ+`","id":"`+b.id+`","a":nul}`)
		w.expect(b, Unchecked, UnreadableLine)
	},
}

// anonymousLines could be anybody's.
var anonymousLines = []string{`{"resourceType":"Patient"`, `{}`, `null`, `{"id":"x","resourceType":"Patient","id":"y"}`, "\x00"}

func (w *world) addAnonymous() {
	w.lines = append(w.lines, line{anonymousLines[w.rand.IntN(len(anonymousLines))], ""})
	w.anonymous++
}

// objects deals the lines out to n objects, and returns where each one is.
func (w *world) objects(n int) (objects [][]byte, places map[string]string) {
	w.rand.Shuffle(len(w.lines), func(i, j int) { w.lines[i], w.lines[j] = w.lines[j], w.lines[i] })
	objects, places = make([][]byte, n), make(map[string]string)
	counts := make([]int, n)
	for _, l := range w.lines {
		i := w.rand.IntN(n)
		if w.rand.IntN(10) == 0 { // blank lines are none, but they count
			objects[i] = append(objects[i], " \r\n"...)
			counts[i]++
		}
		objects[i] = append(append(objects[i], l.text...), '\n')
		counts[i]++
		places[fmt.Sprintf("%d:%d", i, counts[i])] = l.name
	}
	if last := objects[n-1]; len(last) > 0 && w.rand.IntN(2) == 0 {
		objects[n-1] = last[:len(last)-1]
	}
	return objects, places
}

// check compares what verification says with what was planted.
func (w *world) check(t interface{ Fatalf(string, ...any) }, a *answer, places map[string]string) {
	want := maps.Clone(w.want)
	counts := make(map[string]map[string]int64)
	for name, what := range want {
		if w.anonymous > 0 && what == DeletedGone.String() {
			what = Unchecked.String() + ": " + UnreadableElsewhere.String()
			want[name] = what
		}
		typ, _, _ := strings.Cut(name, "/")
		class, _, _ := strings.Cut(what, ":")
		if counts[typ] == nil {
			counts[typ] = make(map[string]int64)
		}
		counts[typ][class]++
	}
	for typ, tally := range a.result.Types {
		// What sums alone have settled may be fewer.
		spelled := EqualNumbers.String()
		if n, planted := tally.Classes[EqualNumbers], counts[typ][spelled]; n < planted && n > 0 {
			counts[typ][spelled] = n
			counts[typ][Equal.String()] += planted - n
		}
		for class, n := range tally.Classes {
			if n != counts[typ][Class(class).String()] {
				t.Fatalf("%d %s are %v, want %d", n, typ, Class(class), counts[typ][Class(class).String()])
			}
		}
		delete(counts, typ)
	}
	if len(counts) > 0 {
		t.Fatalf("types without an answer: %v", counts)
	}
	anonymous := 0
	for found, what := range a.findings {
		name := found
		if !strings.Contains(name, "/") {
			name = places[found]
		}
		if name == "" {
			if anonymous++; what != Unchecked.String()+": "+UnreadableLine.String() {
				t.Fatalf("line %s is %q", found, what)
			}
			continue
		}
		if strings.Contains(found, "/") != w.known[name] {
			t.Fatalf("%s is reported as %s; the ledger knows it: %v", name, found, w.known[name])
		}
		if want[name] != what {
			t.Fatalf("%s is %q, want %q", name, what, want[name])
		}
		delete(want, name)
	}
	for name, what := range want {
		class, _, _ := strings.Cut(what, ":")
		if i := slices.Index(classNames[:], class); !Class(i).OK() {
			t.Fatalf("%s is not reported, want %q", name, what)
		}
	}
	if anonymous != w.anonymous || a.result.Anonymous != int64(w.anonymous) || a.result.Repeated != w.repeated {
		t.Fatalf("%d anonymous lines, %d reported, want %d; %d repeated, want %d", a.result.Anonymous, anonymous, w.anonymous, a.result.Repeated, w.repeated)
	}
	if a.result.ok() != (len(a.findings) == 0) {
		t.Fatalf("OK is %v with %d findings", a.result.ok(), len(a.findings))
	}
}

func newWorld(t testing.TB, seed uint64) *world {
	return &world{t: t, rand: rand.New(rand.NewPCG(seed, 1)), want: make(map[string]string), known: make(map[string]bool)}
}

func options(dir string) Options {
	return Options{Dir: dir, Workers: 2, Memory: minMemory, Imported: imported, Marks: healthLake, Refused: refused}
}

// TestEveryDefect plants each defect alone and among equal resources.
func TestEveryDefect(t *testing.T) {
	for name, plant := range defects {
		for _, equal := range []int{0, 300} {
			t.Run(fmt.Sprint(name, " ", equal), func(t *testing.T) {
				w := newWorld(t, 1)
				plant(w, w.body())
				for range equal {
					defects["equal"](w, w.body())
					defects["deleted (WV1)"](w, w.body())
				}
				objects, places := w.objects(3)
				a := verifyAll(t, openLedger(t, w.entries, 100), newExport(objects), options(t.TempDir()))
				w.check(t, a, places)
			})
		}
	}
}

// TestNumberForms: sums alone tell of how many resources numbers are spelled in
// another way: of all where one side spells all in the shortest form, and else of no
// more than there are.
func TestNumberForms(t *testing.T) {
	for _, test := range []struct {
		name           string
		ours, theirs   []string // values in turn
		least, details int64    // what sums tell, and a comparison one by one
	}{
		{"the target's are shortest", []string{"1.50", "1.5", "15e-1"}, []string{"1.5"}, 200, 200},
		{"ours are shortest", []string{"1.5"}, []string{"1.50", "1.500", "1.5"}, 200, 200},
		{"as they were", []string{"1.50", "1.5", "15e-1"}, []string{"1.50", "1.5", "15e-1"}, 0, 0},
		{"both have some", []string{"1.50", "1.5", "15e-1"}, []string{"1.500", "1.50", "15e-1"}, 100, 200},
	} {
		w := newWorld(t, 7)
		for i := range 300 {
			b := w.body()
			b.typ, b.value = "Patient", test.ours[i%len(test.ours)]
			w.row(b, 1, pipeline.Available, pipeline.NoReason)
			b.value = test.theirs[i%len(test.theirs)]
			w.target(b)
		}
		objects, _ := w.objects(2)
		tally := verifyAll(t, openLedger(t, w.entries, 100), newExport(objects), options(t.TempDir())).result.Types["Patient"]
		if n := tally.Classes[EqualNumbers]; n < test.least || n > test.details || n+tally.Classes[Equal] != 300 {
			t.Errorf("%s: sums tell of %d, %d are equal", test.name, n, tally.Classes[Equal])
		}
		// Rows that disagree in their form make sums say nothing.
		for _, e := range w.entries[:300] {
			e.Form++
			w.entries = append(w.entries, e)
		}
		tally = verifyAll(t, openLedger(t, w.entries, 100), newExport(objects), options(t.TempDir())).result.Types["Patient"]
		if n := tally.Classes[EqualNumbers]; n != test.details || n+tally.Classes[Equal] != 300 {
			t.Errorf("%s: %d, want %d, and %d are equal", test.name, n, test.details, tally.Classes[Equal])
		}
	}
}

// TestUnknownEndOfImport: without it, nothing is excused by its time.
func TestUnknownEndOfImport(t *testing.T) {
	for name, want := range map[string]Class{
		"changed later": Different, "changed field": Different, "added label later": MadeByTarget, "created again later": DeletedPresent,
	} {
		w := newWorld(t, 2)
		b := w.body()
		defects[name](w, b)
		w.expect(b, want, NoCause)
		objects, places := w.objects(1)
		o := options(t.TempDir())
		o.Imported = time.Time{}
		w.check(t, verifyAll(t, openLedger(t, w.entries, 100), newExport(objects), o), places)
	}
}

// TestPlantedDefects plants many at random; runs, merges and objects are small.
func TestPlantedDefects(t *testing.T) {
	names := slices.Sorted(maps.Keys(defects))
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rapid.Uint64().Draw(rt, "seed"))
		for range rapid.IntRange(0, 30).Draw(rt, "resources") {
			defects[rapid.SampledFrom(names).Draw(rt, "defect")](w, w.body())
		}
		for range rapid.IntRange(0, 200).Draw(rt, "equal") {
			defects["equal"](w, w.body())
		}
		for range max(0, rapid.IntRange(-4, 3).Draw(rt, "anonymous")) {
			w.addAnonymous()
		}
		w.rand.Shuffle(len(w.entries), func(i, j int) { w.entries[i], w.entries[j] = w.entries[j], w.entries[i] })
		objects, places := w.objects(rapid.IntRange(1, 7).Draw(rt, "objects"))
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		o := options(dir)
		o.Workers = rapid.IntRange(1, 3).Draw(rt, "workers")
		o.runTuples = rapid.IntRange(8, 100).Draw(rt, "tuples")
		o.mostRuns = rapid.IntRange(2, 5).Draw(rt, "runs")
		book := openLedger(t, w.entries, rapid.IntRange(10, 1000).Draw(rt, "segment"))
		a := verifyAll(t, book, newExport(objects), o)
		w.check(rt, a, places)
		checkSums(rt, book, a)
	})
}

// checkSums compares the sums of both sides with the ledger's own.
func checkSums(t *rapid.T, book *ledger.Ledger, a *answer) {
	totals, err := book.Summarize(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for typ, tally := range a.result.Types {
		set := totals.Types[typ].Set
		if tally.Source.Hex() != set.Hex() || tally.Source.Count != set.Count {
			t.Fatalf("sum of %s is not the ledger's", typ)
		}
		if clean := tally.Classes[Equal] == int64(tally.Target.Count) && tally.Source.Count == tally.Target.Count; clean && tally.Source != tally.Target {
			t.Fatalf("all %s are equal, but the sums differ", typ)
		}
	}
	if a.result.Uncommitted != totals.Uncommitted {
		t.Fatalf("%d uncommitted, want %d", a.result.Uncommitted, totals.Uncommitted)
	}
}
