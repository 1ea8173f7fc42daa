package binaries

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// TestMisbehaving: an object that is not what was listed when it is read, small
// or large.
func TestMisbehaving(t *testing.T) {
	f := func(name string, change func(j *job, b []byte) ([]byte, error), status string, line bool, reason string, totals Totals) {
		for _, size := range []int{0, 1000, 30_000} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				b := newBucket()
				for _, id := range []string{"a", "b", "c"} {
					b.put(id+"_1.pdf", bytes.Repeat([]byte(id), size))
				}
				j := newJob(t, []row{{"a", 1, "AVAILABLE", "", ""}, {"b", 1, status, "", ""}, {"c", 1, "AVAILABLE", "", ""}}, b)
				b.change = func(key string, body []byte) ([]byte, error) {
					if key != "b_1.pdf" {
						return body, nil
					}
					return change(j, body)
				}
				p, _ := j.mustRun()
				tree := j.tree()
				lines, _ := inOrder(tree, "Binary-v1-")
				if got := strings.Count(lines, "\n") == 3; got != line {
					t.Errorf("%d lines", strings.Count(lines, "\n"))
				}
				var q struct{ Reason string }
				_ = json.Unmarshal([]byte(tree["_fhirhose/quarantine-Binary-00000.ndjson"]), &q)
				if q.Reason != reason {
					t.Errorf("quarantined for %q, want %q", q.Reason, reason)
				}
				got := p.Status().Tenants[""]
				if got.Erased != totals.Erased || got.Recovered != totals.Recovered {
					t.Errorf("totals %+v", got)
				}
			})
		}
	}
	none := Totals{}
	f("changed", func(*job, []byte) ([]byte, error) { return nil, pipeline.ErrContentChanged }, "AVAILABLE", false, "content-changed", none)
	f("wrapped", func(*job, []byte) ([]byte, error) { return nil, fmt.Errorf("read: %w", pipeline.ErrContentChanged) }, "AVAILABLE", false, "content-changed", none)
	f("longer", func(_ *job, b []byte) ([]byte, error) { return append(bytes.Clone(b), 'x'), nil }, "AVAILABLE", false, "content-changed", none)
	gone := func(*job, []byte) ([]byte, error) { return nil, pipeline.ErrContentGone }
	f("gone", gone, "AVAILABLE", false, "content-missing", none)
	f("gone with its row", gone, "DELETED", true, "", Totals{Erased: 1})
	f("gone, but kept", func(j *job, b []byte) ([]byte, error) {
		j.bucket.old["b_1.pdf"] = object{body: b}
		return nil, pipeline.ErrContentGone
	}, "AVAILABLE", true, "", Totals{Recovered: 1})
	f("gone, and another one kept", func(j *job, b []byte) ([]byte, error) {
		j.bucket.old["b_1.pdf"] = object{body: append(bytes.Clone(b), 'x')}
		return nil, pipeline.ErrContentGone
	}, "AVAILABLE", false, "content-changed", none)
}

// TestTruncated: WB6, a content that ends early is never written short.
func TestTruncated(t *testing.T) {
	for _, size := range []int{1, 1000, 30_000} {
		b := newBucket()
		b.put("a_1.pdf", make([]byte, size))
		b.change = func(_ string, body []byte) ([]byte, error) { return body[:size-1], nil }
		j := newJob(t, []row{{"a", 1, "AVAILABLE", "", ""}}, b)
		p, _ := j.mustRun()
		if got := p.Status().Tenants[""]; got.Written != 0 || got.Quarantined["content-changed"] != 1 {
			t.Errorf("%d bytes: %+v", size, got)
		}
	}
}

// TestReadFails: what fails ends the job, names the record, and says nothing of
// the object (I10).
func TestReadFails(t *testing.T) {
	for _, size := range []int{1000, 30_000} {
		b := newBucket()
		b.put("canary-id_1.pdf", make([]byte, size))
		b.change = func(string, []byte) ([]byte, error) { return nil, errors.New("connection reset") }
		j := newJob(t, []row{{"canary-id", 1, "AVAILABLE", "", ""}}, b)
		_, _, err := j.run(nil)
		if err == nil || !strings.Contains(err.Error(), "data/aaaa.json.gz:1: connection reset") ||
			pipeline.KindOf(err) != pipeline.KindRetryLater || pipeline.HintOf(err) == "" {
			t.Fatalf("%v (kind %d)", err, pipeline.KindOf(err))
		}
		if strings.Contains(err.Error()+pipeline.HintOf(err), "canary") {
			t.Errorf("the error names the object: %v", err)
		}
		b.change = nil
		p, orphans := j.mustRun()
		j.check(p, orphans)
	}
}

// TestLimits: what cannot fit is said at once.
func TestLimits(t *testing.T) {
	b := newBucket()
	b.put("a_1.pdf", make([]byte, 30_000))
	j := newJob(t, []row{{"a", 1, "AVAILABLE", "", ""}}, b)
	j.options.Spool = 29_999
	if _, _, err := j.run(nil); pipeline.KindOf(err) != pipeline.KindConfig || !strings.Contains(pipeline.HintOf(err), "limits.spool") {
		t.Errorf("a spool that is too small: %v", err)
	}
	j.options.Spool, j.options.Memory = 1<<20, MinMemory-1
	if _, _, err := j.run(nil); pipeline.KindOf(err) != pipeline.KindConfig || !strings.Contains(pipeline.HintOf(err), "limits.memory") {
		t.Errorf("a memory that is too small: %v", err)
	}
}

// TestSpoolIsReused: contents that together are larger than the spool pass through
// it, cut by cut.
func TestSpoolIsReused(t *testing.T) {
	b := newBucket()
	var rows []row
	for i := range 8 {
		rows = append(rows, row{fmt.Sprint(i), 1, "AVAILABLE", "", ""})
		b.put(fmt.Sprintf("%d_1.x", i), bytes.Repeat([]byte{byte(i)}, 20_000+i))
	}
	j := newJob(t, rows, b)
	j.options.Spool, j.options.CutEvery = 45_000, time.Millisecond
	p, orphans := j.mustRun()
	j.check(p, orphans)
}

// TestSlowBucket: contents that arrive in any order are placed in that of rows.
func TestSlowBucket(t *testing.T) {
	want := randomJob(t, 7)
	want.mustRun()
	j := randomJob(t, 7)
	j.options.Fetches = 16
	j.bucket.delay = func(string) { time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) }
	p, orphans := j.mustRun()
	j.check(p, orphans)
	if !maps.Equal(j.tree(), want.tree()) {
		t.Error("another output")
	}
}

// TestSTU3: WB14, the content goes where STU3 has it, and the digest covers it.
func TestSTU3(t *testing.T) {
	b := newBucket()
	b.put("a_1.pdf", []byte("hello"))
	b.put("b_1.pdf", make([]byte, 10_000))
	j := newJob(t, []row{{"a", 1, "AVAILABLE", "", ""}, {"b", 1, "AVAILABLE", "", ""}}, b)
	j.options.Field = "content"
	p, _ := j.mustRun()
	lines, _ := inOrder(j.tree(), "Binary-v1-")
	first, second, _ := strings.Cut(lines, "\n")
	if !strings.HasSuffix(first, `,"content":"aGVsbG8="}`) || strings.Contains(lines, `"data"`) {
		t.Error(first)
	}
	want := []string{"a 1  " + sumsOf(t, first), "b 1  " + sumsOf(t, strings.TrimSuffix(second, "\n"))}
	if got := sortedCopy(j.entries(p)); !slices.Equal(got, want) {
		t.Errorf("ledger %v, want %v", got, want)
	}
}

// sumsOf are the digests of a line, as they are computed from any FHIR JSON.
func sumsOf(t *testing.T, line string) string {
	var d digest.Digester
	sums, bad := d.Resource([]byte(line))
	if bad != pipeline.NoReason {
		t.Fatal(bad)
	}
	return fmt.Sprintf("%x%x%x", sums.Content, sums.Label, sums.Form)
}

// TestFileCap: a line that just fits is written; one byte less of room, and its
// content is not even opened.
func TestFileCap(t *testing.T) {
	for _, size := range []int{0, 1000, 30_000} {
		b := newBucket()
		b.put("a_1.pdf", make([]byte, size))
		fits := newJob(t, []row{{"a", 1, "AVAILABLE", "", ""}}, b)
		p, _ := fits.mustRun()
		line := p.Status().Tenants[""].WrittenBytes
		for _, room := range []int64{line, line - 1} {
			clear(b.opened)
			j := newJob(t, fits.rows, b)
			j.options.Caps.FileBytes = room
			p, orphans := j.mustRun()
			j.check(p, orphans)
			over := room < line
			if got := p.Status().Tenants[""]; (got.Quarantined["over-file-cap"] == 1) != over || (len(b.opened) == 0) != over {
				t.Errorf("a line of %d bytes, room for %d: %+v, opened %v", line, room, got, b.opened)
			}
		}
	}
}

// TestNamedIsDurable: I1, what a row names is durable before the cut that covers
// the row is committed, also where the job writes nothing else.
func TestNamedIsDurable(t *testing.T) {
	b := newBucket()
	b.put("a_1.pdf", nil)
	j := newJob(t, []row{{"a", 1, "PENDING", "", ""}}, b)
	j.log()
	synced := 0
	defer faultpoint.Set(func(point string) error {
		switch point {
		case "write": // the last one is that of the list
			synced = 0
		case "fsync":
			synced++
		case "commit":
			if synced == 0 {
				t.Error("committed, and nothing was durable")
			}
		}
		return nil
	})()
	_, orphans := j.mustRun()
	if orphans != (Orphans{}) {
		t.Errorf("%+v", orphans)
	}
}
