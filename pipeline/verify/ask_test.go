package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// asked is a target that is asked for single resources, by Type/id.
type asked struct {
	mu     sync.Mutex
	bodies map[string]string
	calls  map[string]int
	// answer, if there is one, changes what becomes of the n-th call for a resource.
	answer func(name string, n int) (body string, err error, changed bool)
}

func (a *asked) next(typ, id string) (body string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := typ + "/" + id
	if a.calls == nil {
		a.calls = make(map[string]int)
	}
	a.calls[name]++
	if a.answer != nil {
		if body, err, changed := a.answer(name, a.calls[name]); changed {
			return body, err
		}
	}
	return a.bodies[name], nil
}

func (a *asked) Read(_ context.Context, typ, id string, take func(io.Reader) error) (bool, error) {
	body, err := a.next(typ, id)
	if err != nil || body == "" {
		return false, err
	}
	return true, take(&chunks{[]byte(body), 700})
}

// inquiry is an inquiry that keeps what it reports, as the verb does.
type inquiry struct {
	Inquiry
	findings  []string
	committed struct {
		progress string
		findings int
	}
	fails func() error // in Commit; may be nil
}

func newInquiry(dir string) *inquiry {
	q := &inquiry{}
	q.Options = Options{Dir: dir, Imported: imported, Refused: refused, Marks: Marks{
		Extensions: []string{"http://healthlake.amazonaws.com/"}, Tags: []string{generatedTag},
	}}
	q.Report = func(f *Finding) error {
		what := f.Class.String()
		if f.Cause != NoCause {
			what += ": " + f.Cause.String()
		}
		q.findings = append(q.findings, f.Type+"/"+string(f.Source.ID)+" "+what)
		return nil
	}
	q.Commit = func(p *Progress) error {
		if q.fails != nil {
			if err := q.fails(); err != nil {
				return err
			}
		}
		text, err := json.Marshal(p)
		q.committed.progress, q.committed.findings = string(text), len(q.findings)
		return err
	}
	return q
}

// resume goes back to what was committed.
func (q *inquiry) resume(t interface{ Fatal(...any) }) *Progress {
	p := new(Progress)
	if text := q.committed.progress; text != "" && json.Unmarshal([]byte(text), p) != nil {
		t.Fatal(text)
	}
	q.findings = q.findings[:q.committed.findings]
	return p
}

// TestCurrentFindsWhatIsPlanted: of every defect that can be planted, all that
// single reads can find are found and named, whatever kills come, and however many
// are asked for at a time. The oracle is who planted them.
func TestCurrentFindsWhatIsPlanted(t *testing.T) {
	names := sortedKeys(defects)
	rapid.Check(t, func(r *rapid.T) {
		w := &world{t: t, rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 1)), want: map[string]string{}, known: map[string]bool{}}
		for range rapid.IntRange(0, 60).Draw(r, "resources") {
			name := rapid.SampledFrom(names).Draw(r, "defect")
			if name != "two lines that differ" { // REST has one answer
				defects[name](w, w.body())
			}
		}
		target := &asked{bodies: map[string]string{}}
		for _, l := range w.lines {
			target.bodies[l.name] = strings.ReplaceAll(l.text, ",", ",\n ")
		}
		q := newInquiry(t.TempDir())
		q.Workers, q.chunk = rapid.IntRange(1, 4).Draw(r, "workers"), rapid.IntRange(1, 30).Draw(r, "chunk")
		kills := rapid.IntRange(0, 5).Draw(r, "kills")
		q.fails = func() error {
			if kills > 0 && w.rand.IntN(2) == 0 {
				kills--
				return errKilled
			}
			return nil
		}
		book := openLedger(t, w.entries, 7)
		p := new(Progress)
		for {
			err := q.Current(t.Context(), book, target, p)
			if err == nil {
				break
			}
			if !errors.Is(err, errKilled) {
				r.Fatal(err)
			}
			p = q.resume(r)
		}
		w.checkAsked(r, q, p)
	})
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// checkAsked compares what single reads say of the resources that the ledger knows
// with what was planted.
func (w *world) checkAsked(t interface{ Fatalf(string, ...any) }, q *inquiry, p *Progress) {
	want, counts := map[string]bool{}, map[string]int64{}
	for name, what := range w.want {
		if !w.known[name] {
			continue
		}
		class, _, _ := strings.Cut(what, ":")
		counts[class]++
		ok := false
		for _, c := range Classes() {
			ok = ok || c.OK() && c.String() == what
		}
		if !ok {
			want[name+" "+what] = true
		}
	}
	got, all := map[string]bool{}, map[string]int64{}
	for _, f := range q.findings {
		if got[f] {
			t.Fatalf("%s is found twice", f)
		}
		got[f] = true
	}
	for _, of := range p.Types {
		for class, n := range of {
			if n > 0 {
				all[Class(class).String()] += n
			}
		}
	}
	if !maps.Equal(got, want) || !maps.Equal(all, counts) || !p.Done {
		t.Fatalf("found   %v %v\nplanted %v %v", got, all, want, counts)
	}
}

// simple is a job of n equal Patients.
func simple(t *testing.T, n int) (*ledger.Ledger, *asked) {
	var entries []ledger.Entry
	target := &asked{bodies: map[string]string{}}
	r := rand.New(rand.NewPCG(1, 2))
	for k := range n {
		b := body{typ: "Patient", id: fmt.Sprint("p", k), value: fmt.Sprint(k), text: "x"}
		entries = append(entries, b.entry(t, 1, pipeline.Available, pipeline.NoReason))
		target.bodies["Patient/"+b.id] = b.exported(r, imported, "")
	}
	return openLedger(t, entries, 100), target
}

// TestShare: a sample is the same every time, a larger one holds the smaller, and
// it is the ones with the smallest hashes.
func TestShare(t *testing.T) {
	book, target := simple(t, 400)
	ask := func(s Share) map[string]int {
		target.calls = map[string]int{}
		q := newInquiry(t.TempDir())
		q.Share = s
		p := new(Progress)
		if err := q.Current(t.Context(), book, target, p); err != nil {
			t.Fatal(err)
		}
		if int(p.Checked()) != len(target.calls) {
			t.Errorf("%d are counted, %d were asked for", p.Checked(), len(target.calls))
		}
		return target.calls
	}
	before := map[string]int{}
	for _, c := range []struct {
		share Share
		n     int
	}{
		{Share{Number: 1}, 1},
		{Share{Number: 57}, 57},
		{Share{Part: 0.0001}, leastShare},
		{Share{Part: 0.5}, -1},
		{Share{Number: 399}, 399},
		{Share{Number: 4000}, 400},
		{Share{Part: 1}, 400},
		{Share{}, 400},
	} {
		now := ask(c.share)
		if c.n >= 0 && len(now) != c.n || c.n < 0 && (len(now) < 150 || len(now) > 250) {
			t.Errorf("%+v is %d resources", c.share, len(now))
		}
		largest := uint64(0)
		for name := range now {
			largest = max(largest, keyOf([]byte(name[len("Patient/"):])).high)
		}
		for name := range target.bodies {
			if _, in := now[name]; !in && keyOf([]byte(name[len("Patient/"):])).high < largest {
				t.Errorf("%+v leaves out a smaller hash", c.share)
			}
		}
		for name := range before {
			if now[name] == 0 {
				t.Errorf("%+v does not hold a smaller share", c.share)
			}
		}
		before = now
	}
}

// TestLag: an answer that lacks something is asked for again until the target has
// had its time, once for all resources.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book, target := simple(t, 100)
		began := time.Now()
		target.answer = func(name string, _ int) (string, error, bool) {
			switch since := time.Since(began); {
			case name == "Patient/p1": // never comes
			case strings.HasSuffix(name, "5") && since < 20*time.Second: // comes late
			default:
				return "", nil, false
			}
			return "", nil, true
		}
		q := newInquiry(t.TempDir())
		q.chunk, q.Lag = 10, time.Minute
		p := new(Progress)
		if err := q.Current(t.Context(), book, target, p); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != q.Lag || fmt.Sprint(q.findings) != "[Patient/p1 missing]" || p.Checked() != 100 {
			t.Errorf("%v after %v", q.findings, took)
		}
	})
}

func TestTargetThatFails(t *testing.T) {
	fault := func(kind pipeline.Kind) error { return &pipeline.Error{Op: "read", Kind: kind, Err: errors.New("no")} }
	for _, c := range []struct {
		name  string
		kind  pipeline.Kind
		which string // resource; "" is all of them
		want  string
	}{
		{"one is refused", pipeline.KindFatal, "Patient/p3", "[Patient/p3 could not be checked: no answer for this resource]"},
		{"one is too large", pipeline.KindOther, "Patient/p3", "[Patient/p3 could not be checked: no answer for this resource]"},
		{"one fails, others do not", pipeline.KindRetryLater, "Patient/p3", "[Patient/p3 could not be checked: no answer for this resource]"},
		{"nobody answers", pipeline.KindRetryLater, "", "read: no"},
		{"no access", pipeline.KindAuth, "Patient/p3", "read: no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				book, target := simple(t, 40)
				q := newInquiry(t.TempDir())
				q.Workers = 2
				slow := &slowly{asked: target, slow: func(name string) error {
					if c.which == "" || name == c.which {
						time.Sleep(time.Hour) // as long as calls are repeated
						return fault(c.kind)
					}
					return nil
				}}
				var got string
				if err := q.Current(t.Context(), book, slow, new(Progress)); err != nil {
					got = err.Error()
				} else {
					got = fmt.Sprint(q.findings)
				}
				if got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		})
	}
}

type slowly struct {
	*asked
	slow func(name string) error
}

func (s *slowly) Read(ctx context.Context, typ, id string, take func(io.Reader) error) (bool, error) {
	if err := s.slow(typ + "/" + id); err != nil {
		return false, err
	}
	return s.asked.Read(ctx, typ, id, take)
}

// broken gives half of a body before the whole of it.
type broken struct{ *asked }

func (b broken) Read(ctx context.Context, typ, id string, take func(io.Reader) error) (bool, error) {
	body := b.bodies[typ+"/"+id]
	half := io.MultiReader(strings.NewReader(body[:len(body)/2]), failingReader{})
	if err := take(half); !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fmt.Errorf("half a body is taken: %w", err)
	}
	return b.asked.Read(ctx, typ, id, take)
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestBodies: of any size, in any form, the right one and whole (WV1: a Binary).
func TestBodies(t *testing.T) {
	large := strings.Repeat("QUJD", 10<<20) // 40 MiB of base64
	sameLength := large[:len(large)-4] + "QUJE"
	for name, c := range map[string]struct {
		text, body string
		want       string
	}{
		"large":           {large, "", "[]"},
		"large, changed":  {large, sameLength, "[Binary/b different]"},
		"large, cut off":  {large, large[:len(large)-4], "[Binary/b different]"},
		"many large ones": {"x", `"},{"` + large, "[Binary/b could not be checked: unreadable line]"},
	} {
		b := body{typ: "Binary", id: "b", value: "1", text: c.text}
		book := openLedger(t, []ledger.Entry{b.entry(t, 1, pipeline.Available, pipeline.NoReason)}, 1)
		if c.body != "" {
			b.text = c.body
		}
		line := `{"meta":{"lastUpdated":"2020-01-01T00:00:00Z"},` + strings.Join(b.members(nil, ""), ",\n\t") + "\n}\n\n"
		q := newInquiry(t.TempDir())
		if err := q.Current(t.Context(), book, broken{&asked{bodies: map[string]string{"Binary/b": line}}}, new(Progress)); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(q.findings); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
		if left, _ := filepath.Glob(filepath.Join(q.Dir, "*")); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
	for name, text := range map[string]string{
		"another id": `{"resourceType":"Patient","id":"other"}`, "another type": `{"resourceType":"Group","id":"p0"}`,
		"two resources": `{"resourceType":"Patient","id":"p0"}` + "\n" + `{"resourceType":"Patient","id":"p0"}`,
		"white space":   "\n\n", "none": `{"resourceType":"OperationOutcome"}`,
	} {
		book, target := simple(t, 1)
		target.bodies["Patient/p0"] = text
		q := newInquiry(t.TempDir())
		if err := q.Current(t.Context(), book, target, new(Progress)); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(q.findings); got != "[Patient/p0 could not be checked: unreadable line]" {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// TestManyLongBodies: many workers with long bodies wait for their turn (I7).
func TestManyLongBodies(t *testing.T) {
	var entries []ledger.Entry
	target := &asked{bodies: map[string]string{}}
	for k := range 20 {
		b := body{typ: "Binary", id: fmt.Sprint("b", k), value: "1", text: strings.Repeat("QUJD", 200<<10)}
		entries = append(entries, b.entry(t, 1, pipeline.Available, pipeline.NoReason))
		target.bodies["Binary/"+b.id] = "{" + strings.Join(b.members(nil, ""), ",") + "}"
	}
	q := newInquiry(t.TempDir())
	p := new(Progress)
	if err := q.Current(t.Context(), openLedger(t, entries, 7), target, p); err != nil || len(q.findings) > 0 || p.Checked() != 20 {
		t.Errorf("%v %v", err, q.findings)
	}
}

func TestStop(t *testing.T) {
	book, target := simple(t, 40)
	ctx, cancel := context.WithCancel(t.Context())
	target.answer = func(string, int) (string, error, bool) {
		cancel()
		return "", nil, false
	}
	q := newInquiry(t.TempDir())
	q.chunk = 5
	if err := q.Current(ctx, book, target, new(Progress)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if bytes.Contains([]byte(q.committed.progress), []byte("Done\":true")) {
		t.Error("a stopped inquiry is done")
	}
}
