package verify

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

// lives are what may have become of a resource at the source since the export (WV8).
var lives = map[string]struct {
	plant func(w *world, b body)
	class Class
}{
	"unchanged": {func(w *world, b body) { w.versions(b); w.target(b) }, Equal},
	"another version": {func(w *world, b body) {
		w.versions(b)
		b.text += "x"
		w.put(b, b.exported(w.rand, w.after(), ""))
	}, ChangedAtSource},
	"other labels": {func(w *world, b body) {
		b.security = append(b.security, "secret")
		w.versions(b)
		b.security = nil
		w.put(b, b.exported(w.rand, w.after(), ""))
	}, ChangedAtSource},
	"put back to an earlier version": {func(w *world, b body) {
		w.row(b, 1, pipeline.Available, pipeline.NoReason)
		now := b
		now.text += "new"
		w.row(now, 2, pipeline.Available, pipeline.NoReason)
		w.put(b, b.exported(w.rand, w.after(), ""))
	}, ChangedAtSource},
	"deleted since":      {func(w *world, b body) { w.versions(b) }, ChangedAtSource},
	"deleted before too": {func(w *world, b body) { w.versions(b); w.entries[len(w.entries)-1].Status = pipeline.Deleted }, DeletedGone},
	"made anew since": {func(w *world, b body) {
		w.versions(b)
		w.entries[len(w.entries)-1].Status = pipeline.Deleted
		w.put(b, b.exported(w.rand, w.after(), ""))
	}, ChangedAtSource},
	"not what was exported": {func(w *world, b body) { // a defect of ours
		w.versions(b)
		b.text += "x"
		w.target(b)
	}, Different},
	"number form": {func(w *world, b body) {
		w.versions(b)
		b.value += "0"
		w.target(b)
	}, EqualNumbers},
	"labels lost by us": {func(w *world, b body) {
		w.versions(b)
		b.security = slices.Concat(b.security, []string{"secret"})
		w.target(b)
	}, LabelLost},
}

func TestAtSource(t *testing.T) {
	for name, c := range lives {
		for seed := range uint64(20) {
			w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 1)), want: map[string]string{}, known: map[string]bool{}}
			b := w.body()
			b.security = append(b.security, "R")
			c.plant(w, b)
			w.expect(b, c.class, NoCause)
			live := &asked{bodies: map[string]string{}}
			for _, l := range w.lines {
				live.bodies[l.name] = l.text
			}
			q := newInquiry(t.TempDir())
			q.Marks = Marks{}
			p := new(Progress)
			if err := q.AtSource(t.Context(), openLedger(t, w.entries, 3), live, p); err != nil {
				t.Fatal(name, err)
			}
			w.checkAsked(t, q, p)
		}
	}
}

// TestSkip: what is left out is counted, and not asked for.
func TestSkip(t *testing.T) {
	book, live := simple(t, 30)
	q := newInquiry(t.TempDir())
	q.chunk, q.Skip = 4, func([]byte) bool { return true }
	p := new(Progress)
	if err := q.AtSource(t.Context(), book, live, p); err != nil || len(live.calls) > 0 || p.Skipped != 30 || p.Checked() != 0 || !p.Done {
		t.Errorf("%v %+v", err, p)
	}
}
