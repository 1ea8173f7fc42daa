package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// memoryExport is an export in memory.
type memoryExport struct {
	objects [][]byte
	mu      sync.Mutex
	read    []int64 // bytes that were read, by object
}

func newExport(objects [][]byte) *memoryExport {
	return &memoryExport{objects: objects, read: make([]int64, len(objects))}
}

func (e *memoryExport) Objects(context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for i, o := range e.objects {
			if !yield(Object{Name: fmt.Sprintf("export/%05d.ndjson", i), Size: int64(len(o)), Tag: fmt.Sprint(len(o))}, nil) {
				return
			}
		}
	}
}

func (e *memoryExport) Open(_ context.Context, o Object, offset int64) (io.ReadCloser, error) {
	var i int
	if _, err := fmt.Sscanf(o.Name, "export/%d.ndjson", &i); err != nil {
		return nil, err
	}
	return &counting{e: e, i: i, rest: chunks{bytes.Clone(e.objects[i][offset:]), 700}}, nil
}

type counting struct {
	e    *memoryExport
	i    int
	rest chunks
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.rest.Read(p)
	c.e.mu.Lock()
	c.e.read[c.i] += int64(n)
	c.e.mu.Unlock()
	return n, err
}

func (c *counting) Close() error { return nil }

// imported is the end of the import in tests.
var imported = time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)

// body is one version of a resource, apart from what the systems add to it.
type body struct {
	typ, id  string
	value    string   // a number
	text     string   // a string's content
	security []string // codes of meta.security
	tags     []string // codes of meta.tag
}

func (b body) members(r *rand.Rand, extension string) []string {
	m := []string{`"resourceType":"` + b.typ + `"`, `"id":"` + b.id + `"`, `"data":"` + b.text + `"`, `"value":{"b":[1,true,null],"a":` + b.value + `}`}
	if extension != "" {
		m = append(m, `"extension":[`+extension+`]`)
	}
	if r != nil {
		r.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
	}
	return m
}

func (b body) labels(ours ...string) (m []string) {
	if len(b.security) > 0 {
		m = append(m, `"security":[{"code":"`+strings.Join(b.security, `"},{"code":"`)+`"}]`)
	}
	var tags []string
	for _, tag := range b.tags {
		tags = append(tags, `{"code":"`+tag+`"}`)
	}
	if tags = append(tags, ours...); len(tags) > 0 {
		m = append(m, `"tag":[`+strings.Join(tags, ",")+`]`)
	}
	return m
}

// sums are the digests that the ledger has of b.
func (b body) sums(t testing.TB) digest.Sums {
	t.Helper()
	var d digest.Digester
	line := "{" + strings.Join(append(b.members(nil, ""), `"meta":{`+strings.Join(b.labels(), ",")+`}`), ",") + "}"
	sums, reason := d.Resource([]byte(line))
	if reason != pipeline.NoReason {
		t.Fatalf("%v: %s", reason, line)
	}
	return sums
}

// exported returns the line of b as the target writes it.
func (b body) exported(r *rand.Rand, at time.Time, extension string, tags ...string) string {
	ours := []string{`{"display":"2023-01-01T00:00:00Z","code":"originalLastUpdated"}`}
	if r.IntN(2) == 0 {
		ours = append(ours, `{"display":"DELETED","code":"DELETED"}`)
	}
	meta := append([]string{`"versionId":"` + fmt.Sprint(1+r.IntN(9)) + `"`, `"lastUpdated":"` + at.Format(time.RFC3339Nano) + `"`}, b.labels(append(ours, tags...)...)...)
	r.Shuffle(len(meta), func(i, j int) { meta[i], meta[j] = meta[j], meta[i] })
	m := append(b.members(r, extension), `"meta":{`+strings.Join(meta, ",")+`}`)
	r.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
	return "{" + strings.Join(m, ",") + "}"
}

// entry is a row of the ledger, of b if it was written.
func (b body) entry(t testing.TB, version uint32, status pipeline.DocumentStatus, reason pipeline.Reason) ledger.Entry {
	t.Helper()
	e := ledger.Entry{
		Type: []byte(b.typ), ID: []byte(b.id), Version: version, LastUpdated: int64(version), Status: status, Reason: reason,
		Folder: 0, File: version, Line: version,
	}
	if e.Written() {
		sums := b.sums(t)
		e.Content, e.Label, e.Form = sums.Content, sums.Label, sums.Form
	}
	return e
}

// openLedger seals entries in segments of so many and opens them.
func openLedger(t testing.TB, entries []ledger.Entry, each int) *ledger.Ledger {
	t.Helper()
	var files []ledger.File
	for part := range slices.Chunk(entries, max(1, each)) {
		var rows []byte
		for i := range part {
			start := len(rows)
			rows = ledger.AppendRow(rows, &part[i])
			if part[i].Written() {
				ledger.Row(rows[start:]).SetPlace(part[i].Folder, part[i].File, part[i].Line)
			}
		}
		var sealed bytes.Buffer
		if _, err := ledger.Seal(&sealed, rows, len(part)); err != nil {
			t.Fatal(err)
		}
		files = append(files, bytes.NewReader(sealed.Bytes()))
	}
	book, err := ledger.Open(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// answer is what Compare says, in a form that can be compared.
type answer struct {
	result   *Result
	findings map[string]string // resource, or object:line, to class and cause
	order    []string
}

func compareAll(ctx context.Context, book *ledger.Ledger, o Options) (*answer, error) {
	a := &answer{findings: make(map[string]string)}
	var err error
	a.result, err = Compare(ctx, book, o, func(f *Finding) error {
		name := fmt.Sprintf("%d:%d", f.Object, f.Line)
		if f.Source != nil {
			name = f.Type + "/" + string(f.Source.ID)
		}
		what := f.Class.String()
		if f.Cause != NoCause {
			what += ": " + f.Cause.String()
		}
		if _, twice := a.findings[name]; twice {
			return errors.New(name + " is found twice")
		}
		a.findings[name] = what
		a.order = append(a.order, name+" "+what)
		return nil
	})
	return a, err
}

// verifyAll digests and compares.
func verifyAll(t testing.TB, book *ledger.Ledger, export Export, o Options) *answer {
	t.Helper()
	if err := Digest(t.Context(), export, o); err != nil {
		t.Fatal(err)
	}
	a, err := compareAll(t.Context(), book, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// count returns how many resources, and lines that could not be read, are in a
// class.
func (r *Result) count(c Class) (n int64) {
	for _, t := range r.Types {
		n += t.Classes[c]
	}
	if c == Unchecked {
		n += r.Anonymous
	}
	return n
}

// ok tells whether nothing needs attention.
func (r *Result) ok() bool {
	for _, c := range Classes() {
		if !c.OK() && r.count(c) > 0 {
			return false
		}
	}
	return true
}
