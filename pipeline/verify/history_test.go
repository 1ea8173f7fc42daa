package verify

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// past is a target's history of each resource, by Type/id, the oldest first; ""
// is a deletion.
type past map[string][]string

func (p past) History(_ context.Context, typ, id string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, v := range slices.Backward(p[typ+"/"+id]) {
			var body []byte
			if v != "" {
				body = []byte(v)
			}
			if !yield(body, nil) {
				return
			}
		}
	}
}

// chronicle is a resource of which versions were written, and what the target
// keeps of them.
type chronicle struct {
	w       *world
	b       body
	sources []body // that were written, one per version
	kept    []string
	refused map[uint32]bool
}

func (c *chronicle) exported(b body) string { return b.exported(c.w.rand, c.w.before(), "") }

// newChronicle has three to six versions, the target all of them.
func newChronicle(w *world) *chronicle {
	c := &chronicle{w: w, b: w.body(), refused: map[uint32]bool{}}
	for v := range uint32(3 + w.rand.IntN(4)) {
		b := c.b
		b.text += fmt.Sprint(" of version ", v)
		b.security = append(slices.Clone(b.security), "S")
		w.row(b, v+1, []pipeline.DocumentStatus{pipeline.Deleted, pipeline.Available}[w.rand.IntN(2)], pipeline.NoReason)
		c.sources = append(c.sources, b)
		c.kept = append(c.kept, c.exported(b))
	}
	w.entries[len(w.entries)-1].Status = pipeline.Available
	return c
}

func (c *chronicle) last() int   { return len(c.sources) - 1 }
func (c *chronicle) middle() int { return c.w.rand.IntN(c.last()) }

func (c *chronicle) drop(k int) { c.kept = slices.Delete(c.kept, k, k+1) }

func (c *chronicle) change(k int, how func(*body)) {
	b := c.sources[k]
	how(&b)
	c.kept[k] = c.exported(b)
}

func (c *chronicle) remove() { c.w.entries[len(c.w.entries)-1].Status = pipeline.Deleted }

// pasts are what may become of a history. WV2 is that the replaced verifier looks
// at the latest version alone.
var pasts = map[string]struct {
	make  func(c *chronicle)
	class Class
	cause Cause
}{
	"whole": {func(*chronicle) {}, Equal, NoCause},
	"imported twice": {func(c *chronicle) {
		c.kept = append(slices.Clone(c.kept), c.kept...)
	}, Equal, NoCause},
	"each imported twice": {func(c *chronicle) {
		var twice []string
		for _, v := range c.kept {
			twice = append(twice, v, v)
		}
		c.kept = twice
	}, Equal, NoCause},
	"changed after the import": {func(c *chronicle) {
		b := c.sources[c.last()]
		b.text = "theirs"
		c.kept = append(c.kept, b.exported(c.w.rand, c.w.after(), ""))
	}, Equal, NoCause},
	"marked by the target": {func(c *chronicle) {
		k := c.middle()
		c.kept[k] = c.sources[k].exported(c.w.rand, c.w.before(), validationExtension)
	}, MadeByTarget, NoCause},
	"a version refused at the source's side": {func(c *chronicle) {
		v := c.w.entries[len(c.w.entries)-1].Version
		old := c.b
		c.w.row(old, v+1, pipeline.Available, pipeline.BadNumber)
		c.w.row(c.sources[c.last()], v+2, pipeline.Available, pipeline.NoReason)
		c.kept = append(c.kept, c.kept[c.last()])
	}, Equal, NoCause},
	"number form in a version (WV6)": {func(c *chronicle) {
		c.change([]int{c.middle(), c.last()}[c.w.rand.IntN(2)], func(b *body) { b.value += "0" })
	}, EqualNumbers, NoCause},
	"number form, imported twice": {func(c *chronicle) {
		for k := range c.kept {
			c.change(k, func(b *body) { b.value += "00" })
		}
		c.kept = append(slices.Clone(c.kept), c.kept...)
	}, EqualNumbers, NoCause},
	"lost digit in an old version (WV2, WV6)": {func(c *chronicle) {
		c.change(c.middle(), func(b *body) { b.value = b.value[:len(b.value)-1] })
	}, Different, NoCause},
	"changed field in the last": {func(c *chronicle) {
		c.change(c.last(), func(b *body) { b.text += "x" })
	}, Different, NoCause},
	"truncated in an old version (WV2)": {func(c *chronicle) {
		c.change(c.middle(), func(b *body) { b.text = b.text[:len(b.text)-1] })
	}, Different, NoCause},
	"an old version is missing (WV2)": {func(c *chronicle) { c.drop(c.middle()) }, Missing, VersionMissing},
	"an old version was refused": {func(c *chronicle) {
		k := c.middle()
		c.refused[uint32(k)+1] = true
		c.drop(k)
	}, Missing, VersionRefused},
	"the last one is missing":       {func(c *chronicle) { c.drop(c.last()) }, KnownStale, VersionMissing},
	"the last one was refused":      {func(c *chronicle) { c.refused[uint32(c.last())+1] = true; c.drop(c.last()) }, KnownStale, VersionRefused},
	"an older one over a newer one": {func(c *chronicle) { n := c.last(); c.kept[n], c.kept[n-1] = c.kept[n-1], c.kept[n] }, KnownStale, VersionMissing},
	"older ones in another order":   {func(c *chronicle) { c.kept[0], c.kept[1] = c.kept[1], c.kept[0] }, Different, OutOfOrder},
	"a label lost in an old version (WV4)": {func(c *chronicle) {
		c.change(c.middle(), func(b *body) { b.security = b.security[:len(b.security)-1] })
	}, LabelLost, NoCause},
	"nothing of it": {func(c *chronicle) { c.kept = nil }, Missing, NoCause},
	"another one's": {func(c *chronicle) {
		for k := range c.kept {
			c.change(k, func(b *body) { b.text = fmt.Sprint("theirs", k) })
		}
	}, Different, NoCause},
	"deleted (WV1)":      {func(c *chronicle) { c.remove(); c.kept = append(c.kept, "") }, DeletedGone, NoCause},
	"lost delete (WV1)":  {func(c *chronicle) { c.remove() }, DeletedPresent, NoCause},
	"deleted by target":  {func(c *chronicle) { c.kept = append(c.kept, "") }, Missing, NoCause},
	"made anew later":    {func(c *chronicle) { c.remove(); c.kept = append(c.kept, "", c.remade()) }, ChangedAfterImport, NoCause},
	"deleted, not whole": {func(c *chronicle) { c.remove(); c.drop(0); c.kept = append(c.kept, "") }, Missing, VersionMissing},
	"unreadable": {func(c *chronicle) {
		c.kept[c.middle()] = `{"resourceType":"` + c.b.typ + `","id":"` + c.b.id + `","a":nul}`
	}, Unchecked, UnreadableLine},
	"rows that disagree": {func(c *chronicle) {
		b := c.sources[c.last()]
		b.text += "second"
		c.w.row(b, uint32(len(c.sources)), pipeline.Available, pipeline.NoReason)
	}, Unchecked, Unsettled},
	"every version was refused": {func(c *chronicle) {
		for k := range c.sources {
			c.refused[uint32(k)+1] = true
		}
		c.kept = nil
	}, Missing, LeftOut},
	"the last one is quarantined": {func(c *chronicle) {
		c.w.row(c.b, uint32(len(c.sources))+1, pipeline.Available, pipeline.BadNumber)
	}, Unchecked, Unsettled},
}

func (c *chronicle) remade() string {
	b := c.sources[c.last()]
	b.text = "theirs"
	return b.exported(c.w.rand, c.w.after(), "")
}

func TestHistoriesFindWhatIsPlanted(t *testing.T) {
	names := sortedKeys(pasts)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			checkPasts(t, t, rand.New(rand.NewPCG(1, 1)), []string{name}, newInquiry(t.TempDir()))
		})
	}
	rapid.Check(t, func(r *rapid.T) {
		q := newInquiry(t.TempDir())
		q.chunk = rapid.IntRange(1, 9).Draw(r, "chunk")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 1))
		checkPasts(t, r, random, rapid.SliceOfN(rapid.SampledFrom(names), 0, 30).Draw(r, "pasts"), q)
	})
}

func checkPasts(t *testing.T, r interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, random *rand.Rand, names []string, q *inquiry,
) {
	w := &world{t: t, rand: random, want: map[string]string{}, known: map[string]bool{}}
	target, refused := past{}, map[string]map[uint32]bool{}
	for _, name := range names {
		c := newChronicle(w)
		pasts[name].make(c)
		target[c.b.typ+"/"+c.b.id] = c.kept
		refused[c.b.typ+"/"+c.b.id] = c.refused
		w.expect(c.b, pasts[name].class, pasts[name].cause)
	}
	q.Refused = func(e *ledger.Entry) bool { return refused[string(e.Type)+"/"+string(e.ID)][e.Version] }
	p := new(Progress)
	if err := q.Histories(t.Context(), openLedger(t, w.entries, 11), target, p); err != nil {
		r.Fatal(err)
	}
	w.checkAsked(r, q, p)
}

// TestHistoryIsASubsequence: equal is exactly what an oracle that tries every way
// to lay the source's versions into the target's finds.
func TestHistoryIsASubsequence(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 1))
		letters := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 5)
		ours, theirs := letters.Draw(r, "ours"), rapid.SliceOfN(rapid.IntRange(0, 2), 1, 8).Draw(r, "theirs")
		of := func(n int) body { return body{typ: "Patient", id: "p", value: "1", text: strings.Repeat("x", n)} }
		var entries []ledger.Entry
		for v, n := range ours {
			entries = append(entries, of(n).entry(t, uint32(v)+1, pipeline.Available, pipeline.NoReason))
		}
		target := past{}
		for _, n := range theirs {
			target["Patient/p"] = append(target["Patient/p"], of(n).exported(random, imported.Add(-time.Hour), ""))
		}
		q, p := newInquiry(t.TempDir()), new(Progress)
		if err := q.Histories(t.Context(), openLedger(t, entries, 3), target, p); err != nil {
			r.Fatal(err)
		}
		if got, want := p.Types["Patient"][Equal] == 1, fits(ours, theirs); got != want {
			r.Fatalf("%v in %v is found to be %v", ours, theirs, got)
		}
		if fits(ours, theirs) {
			repeats := int64(0)
			for _, n := range theirs {
				if slices.Contains(ours, n) {
					repeats++
				}
			}
			if p.Repeats != repeats-int64(len(ours)) {
				r.Fatalf("%v in %v repeats %d", ours, theirs, p.Repeats)
			}
		}
	})
}

func fits(ours, theirs []int) bool {
	if len(ours) == 0 {
		return true
	}
	for k := range theirs {
		if theirs[k] == ours[0] && fits(ours[1:], theirs[k+1:]) {
			return true
		}
	}
	return false
}
