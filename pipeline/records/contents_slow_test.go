package records_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// door stands before contents.
type door struct {
	pipeline.Contents
	list, open func(ctx context.Context) error // nil: open
}

func (d door) List(ctx context.Context, progress func(int64)) error {
	if err := pass(ctx, d.list); err != nil {
		return err
	}
	return d.Contents.List(ctx, progress)
}

func (d door) Open(ctx context.Context, c pipeline.Content, offset int64) (io.ReadCloser, error) {
	if err := pass(ctx, d.open); err != nil {
		return nil, err
	}
	return d.Contents.Open(ctx, c, offset)
}

func (d door) Stage(ctx context.Context, c pipeline.Content, path string) error {
	if err := pass(ctx, d.open); err != nil {
		return err
	}
	return d.Contents.Stage(ctx, c, path)
}

func pass(ctx context.Context, gate func(context.Context) error) error {
	if gate == nil {
		return nil
	}
	return gate(ctx)
}

func behind(d door) func(pipeline.Contents) pipeline.Contents {
	return func(c pipeline.Contents) pipeline.Contents {
		d.Contents = c
		return d
	}
}

// shut lets nothing through, and tells when the first one is at it.
func shut() (gate func(context.Context) error, reached <-chan struct{}) {
	at := make(chan struct{})
	var once sync.Once
	return func(ctx context.Context) error {
		once.Do(func() { close(at) })
		<-ctx.Done()
		return ctx.Err()
	}, at
}

// recordFiles counts the visible files of records of other types.
func recordFiles(j contentsJob) (n int) {
	_ = filepath.WalkDir(j.root(), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && recordFile.MatchString(filepath.ToSlash(path)) && strings.HasSuffix(path, ".ndjson") {
			n++
		}
		return nil
	})
	return n
}

// lastObject is staged only once something is reached.
type lastObject struct {
	pipeline.Source
	after <-chan struct{}
}

func (l lastObject) Stage(ctx context.Context, i int) (pipeline.Staged, error) {
	if i == len(l.Objects())-1 {
		select {
		case <-l.after:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return l.Source.Stage(ctx, i)
}

// TestSlowBucketHoldsUpNoRecord: a bucket that answers nothing, to a listing or a
// fetch, until every record of other types is visible; and an object of the export
// that does not come before the bucket was asked. A pipeline that waited for the
// other would wait here forever.
func TestSlowBucketHoldsUpNoRecord(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newTable(t, 60_000, "a", "ab")
	whole := newContentsJob(t, b, "*")
	whole.MustRun(t)
	want, files := whole.Tree(t), recordFiles(whole)
	for _, at := range []string{"list", "open"} {
		t.Run(at, func(t *testing.T) {
			j := newContentsJob(t, b, "*")
			asked := make(chan struct{})
			var once sync.Once
			wait := func(ctx context.Context) error {
				once.Do(func() { close(asked) })
				for recordFiles(j) < files && ctx.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				return ctx.Err()
			}
			d := door{open: wait}
			if at == "list" {
				d = door{list: wait}
			}
			j.wrap = func(s pipeline.Source) pipeline.Source { return lastObject{s, asked} }
			j.with(behind(d)).MustRun(t)
			recordstest.SameTree(t, j.Tree(t), want)
		})
	}
}

// TestStopWhileTheBucketIsSilent: a stop drains both pipelines whatever the bucket
// does, and the next run ends the job.
func TestStopWhileTheBucketIsSilent(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newTable(t, 60_000, "")
	whole := newContentsJob(t, b, "")
	whole.MustRun(t)
	want, files := whole.Tree(t), recordFiles(whole)
	f := func(name string, list, late bool) {
		t.Run(name, func(t *testing.T) {
			j := newContentsJob(t, b, "")
			wait, reached := shut()
			d := door{open: wait}
			if list {
				d = door{list: wait}
			}
			stop := make(chan struct{})
			over := make(chan struct{})
			defer func() { <-over }()
			go func() {
				defer close(over)
				<-reached
				for late && recordFiles(j) < files {
					time.Sleep(time.Millisecond)
				}
				close(stop)
			}()
			if _, err := j.with(behind(d)).Run(t.Context(), stop); !errors.Is(err, records.ErrStopped) {
				t.Fatal(err)
			}
			if j.Announced(t) {
				t.Fatal("announced")
			}
			j.MustRun(t)
			recordstest.SameTree(t, j.Tree(t), want)
		})
	}
	f("while it lists", true, false)
	f("while it lists, the records are done", true, true)
	f("while it sends", false, false)
	f("while it sends, the records are done", false, true)
}

// TestBucketFails: the job ends with the error of the bucket, and a repaired one
// is read to the end.
func TestBucketFails(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newTable(t, 60_000, "")
	whole := newContentsJob(t, b, "")
	whole.MustRun(t)
	want := whole.Tree(t)
	denied := &pipeline.Error{Op: "read content in", Object: "s3://contents", Kind: pipeline.KindAuth, Err: errors.New("access denied"), Hint: "grant s3:GetObject"}
	f := func(name string, list bool, after int64) {
		t.Run(name, func(t *testing.T) {
			j := newContentsJob(t, b, "")
			var asked atomic.Int64
			fail := func(context.Context) error {
				if asked.Add(1) > after {
					return denied
				}
				return nil
			}
			d := door{open: fail}
			if list {
				d = door{list: fail}
			}
			m, err := j.with(behind(d)).Run(t.Context(), nil)
			if !errors.Is(err, denied) || pipeline.KindOf(err) != pipeline.KindAuth || pipeline.HintOf(err) != denied.Hint {
				t.Fatalf("kind %d, hint %q: %v", pipeline.KindOf(err), pipeline.HintOf(err), err)
			}
			if j.Announced(t) {
				t.Fatal("announced")
			}
			_ = m.Status() // of a failed job it can be asked, too
			j.MustRun(t)
			recordstest.SameTree(t, j.Tree(t), want)
		})
	}
	f("at the listing", true, 0)
	f("at the first content", false, 0)
	f("in the middle", false, 6)
}

// TestFailEveryIOOfContents is TestFailEveryIO where each pipeline has a few rows.
func TestFailEveryIOOfContents(t *testing.T) {
	b := &table{t: t, export: filepath.Join(t.TempDir(), "export"), contents: t.TempDir(), old: t.TempDir()}
	b.rows = []string{
		binaryRow("", "large", 1, "AVAILABLE"), version("p", 1, "AVAILABLE"),
		binaryRow("", "a", 1, "AVAILABLE"), binaryRow("", "gone", 1, "AVAILABLE"),
	}
	b.put(b.contents, "large_1.bin", 7000)
	b.put(b.contents, "a_1.pdf", 10)
	b.put(b.contents, "stray.pdf", 1)
	if _, err := generate.WriteObjects(b.export, [][]string{b.rows[:2], b.rows[2:]}); err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	failEveryIO(t, func() diskJob {
		j := newContentsJob(t, b, "")
		j.Options.Lanes, j.Options.Binaries.Fetches = 1, 1
		return diskJob{j.Job, j.disk}
	})
}
