package records_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// TestDamagedObjects: an object-level defect fails the job, names the object and
// the remedy, and announces nothing; after the repair the same job finishes with
// the right bytes. Records that an object lacks are noticed (WE2).
func TestDamagedObjects(t *testing.T) {
	export := recordstest.SmallExport(t)
	whole := newJob(t, export)
	whole.MustRun(t)
	want := whole.Tree(t)

	f := func(name, says string, damage func(t *testing.T, e damaged)) {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, copyDir(t, export))
			e := damaged{j.Export, largest(t, j.Export)}
			damage(t, e)
			_, err := j.Run(t.Context(), nil)
			if pipeline.KindOf(err) != pipeline.KindFatal && pipeline.KindOf(err) != pipeline.KindConfig {
				t.Fatalf("kind %d: %v", pipeline.KindOf(err), err)
			}
			if pipeline.HintOf(err) == "" || !strings.Contains(err.Error(), says) {
				t.Errorf("error %q, hint %q: want %q", err, pipeline.HintOf(err), says)
			}
			if _, err := os.Stat(filepath.Join(j.Sink, "migration_output.json")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("the output was announced")
			}
			restore(t, j.Export, export)
			j.MustRun(t)
			recordstest.SameTree(t, j.Tree(t), want)
		})
	}
	object := filepath.Base(largest(t, export))
	f("truncated", object, func(t *testing.T, e damaged) {
		e.rewrite(t, e.object, func(b []byte) []byte { return b[:len(b)-20] })
	})
	f("flipped bit", object, func(t *testing.T, e damaged) {
		e.rewrite(t, e.object, func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
	})
	f("missing", object, func(t *testing.T, e damaged) { remove(t, e.object) })
	f("wrong MD5", object, func(t *testing.T, e damaged) {
		e.manifest(t, e.sum(t), base64.StdEncoding.EncodeToString(make([]byte, md5.Size)))
	})
	f("manifest missing", "manifest-summary.json", func(t *testing.T, e damaged) {
		remove(t, filepath.Join(e.export, "manifest-summary.json"))
	})
	f("manifest is not JSON", "manifest-files.json", func(t *testing.T, e damaged) {
		e.rewrite(t, filepath.Join(e.export, "manifest-files.json"), func([]byte) []byte { return []byte("<html>") })
		e.dropChecksums(t)
	})
	f("right MD5, broken gzip at its end", object, func(t *testing.T, e damaged) {
		e.replace(t, func(b []byte) []byte { b[len(b)-6] ^= 1; return b }) // in the CRC of the last member
	})
	f("right MD5, one record too many", object, func(t *testing.T, e damaged) {
		e.replace(t, func(b []byte) []byte { return append(b, zipped(t, "{}\n")...) })
	})
}

// TestObjectChangesAfterItsProof: an object that is touched between its proof and
// its reading fails the job, with the same contents too.
func TestObjectChangesAfterItsProof(t *testing.T) {
	export := recordstest.SmallExport(t)
	whole := newJob(t, export)
	whole.MustRun(t)

	j := newJob(t, copyDir(t, export))
	object := largest(t, j.Export)
	touching := j.disk
	touching.wrap = func(s pipeline.Source) pipeline.Source { return touchingSource{s, object} }
	j.Place = touching
	_, err := j.Run(t.Context(), nil)
	if pipeline.KindOf(err) != pipeline.KindFatal || pipeline.HintOf(err) == "" ||
		!strings.Contains(err.Error(), filepath.Base(object)) {
		t.Fatalf("kind %d, hint %q: %v", pipeline.KindOf(err), pipeline.HintOf(err), err)
	}
	j.Place = j.disk
	j.MustRun(t)
	recordstest.SameTree(t, j.Tree(t), whole.Tree(t))
}

// touchingSource touches a file as soon as it is proved.
type touchingSource struct {
	pipeline.Source
	path string
}

func (s touchingSource) Stage(ctx context.Context, i int) (pipeline.Staged, error) {
	staged, err := s.Source.Stage(ctx, i)
	if filepath.Base(s.Objects()[i].Key) == filepath.Base(s.path) {
		err = errors.Join(err, os.Chtimes(s.path, time.Time{}, time.Now().Add(time.Hour)))
	}
	return staged, err
}

// TestObjectBreaksAfterCuts: the gzip of an object with the right MD5 breaks in
// its last block, after three cuts. Repaired, the job goes on; repaired to
// something else than what is moved, it refuses.
func TestObjectBreaksAfterCuts(t *testing.T) {
	export := recordstest.SmallExport(t)
	whole := newJob(t, export)
	whole.MustRun(t)

	j := newJob(t, copyDir(t, export))
	e := damaged{j.Export, largest(t, j.Export)}
	e.replace(t, func(b []byte) []byte { b[len(b)-6] ^= 1; return b })
	gate := newGate()
	gated := j.disk
	gated.wrap = gate.wrap
	j.Place, j.Options.OnCut = gated, gate.cut
	_, err := j.Run(t.Context(), nil)
	if pipeline.KindOf(err) != pipeline.KindFatal {
		t.Fatal(err)
	}
	if gate.cuts < 3 {
		t.Errorf("only %d cuts before the break", gate.cuts)
	}
	j.Place, j.Options.OnCut = j.disk, nil
	other := j
	other.Export = copyDir(t, j.Export)
	other.Place = other.disk
	damaged{other.Export, largest(t, other.Export)}.replaceLines(t)
	if _, err := other.Run(t.Context(), nil); pipeline.KindOf(err) != pipeline.KindFatal || pipeline.HintOf(err) == "" {
		t.Errorf("another content was accepted: %v", err)
	}
	restore(t, j.Export, export)
	j.MustRun(t)
	recordstest.SameTree(t, j.Tree(t), whole.Tree(t))
}

// gate lets a source be read quarter by quarter: the second quarter of an object
// only after the first cut, the third after the second, the last after the third.
type gate struct {
	mu   sync.Mutex
	more sync.Cond
	cuts int
}

func newGate() *gate {
	g := &gate{}
	g.more.L = &g.mu
	return g
}

func (g *gate) cut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cuts++
	g.more.Broadcast()
	return nil
}

func (g *gate) pass(quarter int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.cuts < quarter {
		g.more.Wait()
	}
}

func (g *gate) wrap(s pipeline.Source) pipeline.Source { return gatedSource{s, g} }

type gatedSource struct {
	pipeline.Source
	gate *gate
}

func (s gatedSource) Stage(ctx context.Context, i int) (pipeline.Staged, error) {
	staged, err := s.Source.Stage(ctx, i)
	return gatedStaged{staged, s.gate, s.Objects()[i].Size}, err
}

type gatedStaged struct {
	pipeline.Staged
	gate *gate
	size int64
}

func (s gatedStaged) Open() (io.ReadCloser, error) {
	r, err := s.Staged.Open()
	return &gatedReader{ReadCloser: r, gate: s.gate, quarter: s.size/4 + 1}, err
}

type gatedReader struct {
	io.ReadCloser
	gate          *gate
	quarter, read int64
}

func (r *gatedReader) Read(p []byte) (int, error) {
	r.gate.pass(int(r.read / r.quarter))
	n, err := r.ReadCloser.Read(p[:min(int64(len(p)), r.quarter-r.read%r.quarter)])
	r.read += int64(n)
	return n, err
}

// damaged is an export on which a test lays hands.
type damaged struct {
	export string
	object string // path of its largest data file
}

func (e damaged) rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace changes the object and makes the manifest agree: the MD5 is right.
func (e damaged) replace(t *testing.T, change func([]byte) []byte) {
	t.Helper()
	before := e.sum(t)
	e.rewrite(t, e.object, change)
	e.manifest(t, before, e.sum(t))
}

// replaceLines makes the object another one of the same number of records.
func (e damaged) replaceLines(t *testing.T) {
	t.Helper()
	e.replace(t, func(b []byte) []byte {
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		var plain bytes.Buffer
		_, _ = plain.ReadFrom(r) // its end is broken
		return zipped(t, strings.Replace(plain.String(), "synthetic", "different", 1)+" ")
	})
}

func (e damaged) sum(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(e.object)
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum(content)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (e damaged) manifest(t *testing.T, from, to string) {
	t.Helper()
	e.rewrite(t, filepath.Join(e.export, "manifest-files.json"), func(b []byte) []byte {
		if !bytes.Contains(b, []byte(from)) {
			t.Fatal("the manifest does not hold what is to be replaced")
		}
		return bytes.ReplaceAll(b, []byte(from), []byte(to))
	})
	e.dropChecksums(t)
}

func (e damaged) dropChecksums(t *testing.T) {
	t.Helper()
	sums, err := filepath.Glob(filepath.Join(e.export, "*.checksum"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sums {
		remove(t, path)
	}
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// largest returns the path of the largest data file.
func largest(t *testing.T, export string) (path string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(export, "data", "*.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no data files: %v", err)
	}
	var most int64
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > most {
			most, path = info.Size(), file
		}
	}
	return path
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(filepath.Join(to, "export"), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, "export")
}

// restore repairs an export from its original.
func restore(t *testing.T, export, original string) {
	t.Helper()
	if err := os.RemoveAll(export); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(export, os.DirFS(original)); err != nil {
		t.Fatal(err)
	}
}
