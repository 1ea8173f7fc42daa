package survey

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/stub"
	"github.com/fhirhose/fhirhose/sources/binarybucket"
)

// rows are names of rows of version 1; those of deleted ids are DELETED.
func rows(tenant string, ids ...string) names {
	n := names{}
	for _, id := range ids {
		r := &convert.Record{ID: []byte(strings.TrimPrefix(id, "deleted ")), Version: 1, Status: pipeline.Available}
		if strings.HasPrefix(id, "deleted ") {
			r.Status = pipeline.Deleted
		}
		if id, of, found := strings.Cut(string(r.ID), " of "); found {
			r.ID, r.Tenant = []byte(id), []byte(of)
		}
		n.add(tenant, r)
	}
	return n
}

// TestOutcomes: WB7 ids with dots and any extension, WB8 no object of another
// tenant, WB9 and WB10 no row is lost for want of its object.
func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		tenant           string
		ids              []string
		current, erased  string
		recover          bool
		found, recovered int64
		gone, missing    int64
		ambiguous        int64
	}{
		"one each":                {"", []string{"a", "b"}, "a_1.pdf b_1.false", "", false, 2, 0, 0, 0, 0},
		"id with dots":            {"", []string{"a.b.c"}, "a.b.c_1.x", "", false, 1, 0, 0, 0, 0},
		"dots behind":             {"", []string{"a"}, "a_1.tar.gz", "", false, 1, 0, 0, 0, 0},
		"no extension":            {"", []string{"a"}, "a_1", "", false, 0, 0, 0, 1, 0},
		"empty extension":         {"", []string{"a"}, "a_1.", "", false, 1, 0, 0, 0, 0},
		"another version":         {"", []string{"a"}, "a_11.pdf a_2.pdf aa_1.pdf", "", false, 0, 0, 0, 1, 0},
		"a folder is no part":     {"", []string{"a"}, "x/a_1.pdf a_1.d/e", "", false, 0, 0, 0, 1, 0},
		"two":                     {"", []string{"a"}, "a_1.pdf a_1.txt", "", false, 0, 0, 0, 0, 1},
		"duplicate rows":          {"", []string{"a", "a"}, "a_1.pdf", "", false, 2, 0, 0, 0, 0},
		"deleted by prefix":       {"", []string{"a"}, "", "a_1.pdf", false, 0, 1, 0, 0, 0},
		"deleted by prefix twice": {"", []string{"a"}, "", "a_1.pdf a_1.txt", false, 0, 0, 0, 0, 1},
		"current goes first":      {"", []string{"a"}, "a_1.pdf", "a_1.txt", false, 1, 0, 0, 0, 0},
		"DELETED":                 {"", []string{"deleted a"}, "", "a_1.pdf", false, 0, 0, 1, 0, 0},
		"DELETED with object":     {"", []string{"deleted a"}, "a_1.pdf", "", false, 1, 0, 0, 0, 0},
		"DELETED recovered":       {"", []string{"deleted a"}, "", "a_1.pdf", true, 0, 1, 0, 0, 0},
		"DELETED for good":        {"", []string{"deleted a"}, "", "", true, 0, 0, 1, 0, 0},
		"one tenant":              {"t", []string{"a", "b"}, "t/a_1.pdf a_1.pdf u/b_1.pdf", "", false, 1, 0, 0, 1, 0},
		"all tenants":             {"*", []string{"a of t", "a of u", "b of u"}, "t/a_1.pdf u/a_1.pdf t/b_1.pdf", "", false, 2, 0, 0, 1, 0},
	} {
		n := rows(c.tenant, c.ids...)
		for key := range strings.FieldsSeq(c.current) {
			n.see(key, true)
		}
		for key := range strings.FieldsSeq(c.erased) {
			n.see(key, false)
		}
		want := RowContents{Found: c.found, Recovered: c.recovered, Erased: c.gone, Missing: c.missing, Ambiguous: c.ambiguous}
		if got := n.outcomes(c.recover); *got != want {
			t.Errorf("%s: got %+v, want %+v", name, *got, want)
		}
	}
}

func contentsStore(t *testing.T, memory *objecttest.Memory, prefix string) *objectstore.Store {
	t.Helper()
	server := httptest.NewServer(memory)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	store, err := objectstore.Open(t.Context(), objectstore.Location{Bucket: "b", Prefix: prefix}, objectstore.Options{
		Region: "us-east-1", PathStyle: true, MaxBackoff: time.Millisecond, Attempts: 2,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

func lister(t *testing.T, o binarybucket.Options) Lister {
	t.Helper()
	source, err := binarybucket.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return source.Walk
}

// TestLookAtContents in a bucket of two tenants that keeps versions, of which one
// is looked at: what was deleted is seen, and no key appears (I10).
func TestLookAtContents(t *testing.T) {
	memory := objecttest.NewMemory()
	put := func(key string, size int) { memory.Put("p/"+key, make([]byte, size)) }
	put("t/canary1_1.pdf", 10)
	memory.KeepVersions()
	put("t/canary1_1.pdf", 30)
	put("t/canary2_1.pdf", 3000)
	put("t/canary3_1.pdf", 5)
	put("u/canary4_1.pdf", 7)
	memory.Delete("p/t/canary3_1.pdf")
	store := contentsStore(t, memory, "p")
	look := func() *Result {
		r := &Result{Sample: &Sample{names: rows("t", "canary1", "canary2", "canary3", "canary4")}}
		r.LookAtVersions(t.Context(), store)
		r.LookAtContents(t.Context(), "s3://b/p", lister(t, binarybucket.Options{Bucket: store}), ContentsOptions{Prefix: "t/", MaxLine: 1000, Spool: 20, Patience: time.Hour})
		return r
	}
	r := look()
	c := *r.Contents
	if c.Objects != 2 || c.Bytes != 3030 || c.Encoded != 40 || c.Largest != 3000 || c.OverCap != 1 || c.Erased != 1 || c.Hidden || c.AtLeast {
		t.Errorf("got %+v", c)
	}
	if want := (RowContents{Found: 2, Recovered: 1, Missing: 1}); *c.Rows != want {
		t.Errorf("got %+v, want %+v", *c.Rows, want)
	}
	said(t, r, "keeps versions", "1 object of the binary bucket (the largest 3.00 kB) exceed", "the contents of 1 are missing and of 0 ambiguous", "takes 30 B, and 20 B are there")

	memory.Configure("versions", "AccessDenied")
	memory.Configure("versioning", "AccessDenied")
	r = look()
	if c := r.Contents; c.Erased != 0 || !c.Hidden || c.Rows.Missing != 2 || c.Objects != 2 {
		t.Errorf("got %+v", c)
	}
	said(t, r, "lacks s3:ListBucketVersions", "whether the binary bucket keeps versions: access denied")

	memory.Configure("versioning", "<VersioningConfiguration/>")
	said(t, look(), "keeps no versions")
}

// said wants texts in what a result says, and no key.
func said(t *testing.T, r *Result, wants ...string) {
	t.Helper()
	var text strings.Builder
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	text.Write(data)
	for _, want := range wants {
		if !strings.Contains(text.String(), want) {
			t.Errorf("not said: %q in\n%s", want, &text)
		}
	}
	if strings.Contains(text.String(), "canary") {
		t.Errorf("a key is said:\n%s", &text)
	}
}

// TestContentsInDirectory: folders of tenants, links to files, and what is no file.
func TestContentsInDirectory(t *testing.T) {
	dir := t.TempDir()
	for key, size := range map[string]int{"t/canary1_1.pdf": 4, "t/canary2_1.pdf": 5, "u/canary1_1.pdf": 6} {
		path := filepath.Join(dir, key)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, make([]byte, size), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	look := func(at, prefix string) *Result {
		r := &Result{Sample: &Sample{names: rows("t", "canary1", "canary3")}}
		r.LookAtContents(t.Context(), at, lister(t, binarybucket.Options{Location: at}), ContentsOptions{Prefix: prefix, MaxLine: 1000, Spool: 1000, Patience: time.Hour})
		return r
	}
	if r := look(dir, "t/"); len(r.Problems) > 0 || r.Contents.Objects != 2 || r.Contents.Bytes != 9 || r.Contents.Rows.Found != 1 || r.Contents.Rows.Missing != 1 {
		t.Errorf("got %+v of %+v", r.Problems, r.Contents)
	}
	if r := look(dir, ""); r.Contents.Objects != 3 {
		t.Errorf("got %+v", r.Contents)
	}
	if r := look(dir, "other/"); len(r.Problems) > 0 || r.Contents.Objects != 0 || r.Contents.Rows.Missing != 2 {
		t.Errorf("a tenant without contents: %+v, %+v", r.Problems, r.Contents)
	} else {
		said(t, r, "is it the right bucket and prefix?")
	}
	if err := os.Symlink(dir, filepath.Join(dir, "t", "canary9")); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{
		dir:                               "neither a file nor a folder",
		filepath.Join(dir, "none"):        "no such file",
		filepath.Join(dir, "u", "x", "y"): "no such file",
	} {
		r := look(at, "")
		if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Error, want) || r.Problems[0].Hint == "" || pipeline.KindOf(r.Errors()[0]) != pipeline.KindConfig {
			t.Errorf("%s: got %+v", want, r.Problems)
		}
		said(t, r)
	}
}

// TestLongListing: what takes too long is ended, and said to be a part.
func TestLongListing(t *testing.T) {
	calls := 0
	list := func(ctx context.Context, prefix string, f func(pipeline.Content, bool) error) (bool, error) {
		if calls++; prefix != "" {
			if prefix == "canary_1." {
				if err := f(pipeline.Content{Key: "canary_1.pdf", Size: 3}, true); err != nil {
					return false, err
				}
			}
			return false, ctx.Err()
		}
		for range 5 {
			if err := f(pipeline.Content{Key: "canary_1.pdf", Size: 3}, true); err != nil {
				return false, err
			}
		}
		<-ctx.Done()
		return false, ctx.Err()
	}
	for _, quick := range []bool{false, true} {
		r := &Result{Sample: &Sample{names: rows("", "canary", "other")}}
		r.LookAtContents(t.Context(), "s3://b", list, ContentsOptions{MaxLine: 1000, Spool: 1000, Patience: 1, Quick: quick})
		if c := r.Contents; len(r.Problems) > 0 || !c.AtLeast || c.Objects != 5 || (c.Rows != nil) != quick {
			t.Errorf("got %+v, %+v", r.Problems, r.Contents)
		}
		said(t, r, "objects at least 5 objects, 15 B", "base64  at least 20 B", "The listing was ended because it takes long")
		if want := (RowContents{Found: 1, Missing: 1}); quick && *r.Contents.Rows != want {
			t.Errorf("got %+v", r.Contents.Rows)
		}
	}
	many := names{}
	for i := range 500 {
		many[strconv.Itoa(i)] = &named{rows: 1}
	}
	r := &Result{Sample: &Sample{names: many}}
	calls = 0
	r.LookAtContents(t.Context(), "s3://b", list, ContentsOptions{MaxLine: 1000, Spool: 1000, Patience: 1, Quick: true})
	if calls != 1+quickRows || r.Contents.Rows.sum() != quickRows {
		t.Errorf("%d calls, %+v", calls, r.Contents.Rows)
	}

	stopped, stop := context.WithCancel(t.Context())
	stop()
	r = &Result{}
	r.LookAtContents(stopped, "s3://b", list, ContentsOptions{Patience: time.Hour})
	if len(r.Problems) > 0 || r.Contents != nil {
		t.Errorf("a signal is no problem of the job: %+v", r)
	}
}

// TestProjectContents: they are part of what is to expect, in files of their cap.
func TestProjectContents(t *testing.T) {
	j := job()
	j.Layout.MaxBinaryFileSize = 5000
	objects := []pipeline.Object{{Items: 10, Size: 1}}
	s := &Sample{Records: 10, files: map[file]*size{
		{"Patient", 1, ""}: {6, 600}, {"Binary", 1, ""}: {3, 30}, {"Binary", 2, ""}: {1, 10},
	}}
	c := &Contents{Objects: 4, Bytes: 30_000, Encoded: 40_000}
	e := Project(s, c, objects, false, j)
	if e.OutputBytes != 40_640 || e.Folders["v1"] != 1 || e.Folders["Binary-v1"] != 4 || e.Folders["Binary-v2"] != 2 || c.Folders != 6 {
		t.Errorf("got %+v, %+v", e, c)
	}
	if e.Files != 1+8+4 || c.Hours < 1.5 || c.Hours > 1.51 {
		t.Errorf("got %+v, %+v", e, c)
	}
	if want := int64(30_000+4*perObject+4*(usualRow+perRow)) + stateFixed + 13*perFile; e.StateBytes != want {
		t.Errorf("state %d, want %d", e.StateBytes, want)
	}
	for _, test := range []struct{ stubs, bytes, objects, records, want int64 }{
		{4, 2000, 4, 10, 4 * (500 + perRow)},
		{4, 2000, 4, 1000, 400 * (500 + perRow)},               // as many rows as the sample says
		{1, 500, 4, 10, 4 * (500 + perRow)},                    // or as there are objects
		{4, 0, 0, 10, 4 * perRow},                              // all kept back
		{0, 0, 4, 1000, 4 * (usualRow + perRow)},               // none sampled
		{4, 2000, 4, 1 << 30, (4 << 30) / 10 * (500 + perRow)}, // beyond limits.spool
	} {
		s.stubs, s.stubBytes = test.stubs, test.bytes
		e := Project(s, &Contents{Objects: test.objects}, []pipeline.Object{{Items: test.records}}, false, j)
		if d := e.RowBytes - test.want; d < -1000 || d > 1000 || e.StateBytes < e.RowBytes+stateFixed {
			t.Errorf("%+v: %d bytes of rows, %d of state", test, e.RowBytes, e.StateBytes)
		}
	}
	if e := Project(s, nil, objects, false, j); e.RowBytes != 0 {
		t.Errorf("%d bytes of rows in a job without contents", e.RowBytes)
	}
	none := &Sample{Records: 10, files: map[file]*size{{"Patient", 1, ""}: {6, 600}}}
	if e := Project(none, &Contents{Objects: 1, Bytes: 3, Encoded: 4}, objects, false, j); e.Folders["Binary-v1"] != 1 || e.OutputBytes != 604 {
		t.Errorf("of no sampled row: %+v", e)
	}
}

// TestSampledBinaries: what has its content in the row needs no object, and what
// is filtered none either.
func TestSampledBinaries(t *testing.T) {
	s := &Sample{
		Filtered: map[string]int64{}, Quarantined: map[string]int64{}, Types: map[string]int64{},
		Versions: map[uint32]int64{}, files: map[file]*size{}, names: names{},
	}
	for _, r := range []convert.Record{
		{Type: []byte("Binary"), ID: []byte("a"), Version: 1},
		{Type: []byte("Binary"), ID: []byte("b"), Version: 1, HasData: true},
		{Type: []byte("Binary"), ID: []byte("c"), Version: 1, Reason: pipeline.IsPending},
		{Type: []byte("Binary"), ID: []byte("d"), Version: 1, Reason: pipeline.BadMeta},
		{Type: []byte("Patient"), ID: []byte("e"), Version: 1},
	} {
		s.add(&r, true, 1, 1)
	}
	if len(s.names) != 1 || s.names["a_1."] == nil || s.Binaries != 2 {
		t.Errorf("got %d names, %d Binaries", len(s.names), s.Binaries)
	}
	if s.stubs != 4 || s.stubBytes != 2 {
		t.Errorf("got %d rows for the binary pipeline, %d bytes", s.stubs, s.stubBytes)
	}
}

// TestRowsInState: what check says that Binary rows take in state is what they take
// there while none of them is done, and not much more.
func TestRowsInState(t *testing.T) {
	objects, peek := made(t, generate.Options{Seed: 5, Resources: 900, Objects: 3, Versions: 2, Tenants: []string{"a", "b_2"}})
	o := options()
	o.Tenant, o.BinaryField = convert.AllTenants, "data"
	s, err := Take(t.Context(), objects, o, peek)
	if err != nil {
		t.Fatal(err)
	}
	c, err := convert.New(o)
	if err != nil {
		t.Fatal(err)
	}
	var log []byte
	rows := int64(0)
	for i, object := range objects {
		head, err := peek(t.Context(), i, object.Size)
		if err != nil {
			t.Fatal(err)
		}
		in, err := gzip.NewReader(bytes.NewReader(head))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var r convert.Record
			c.Convert(nil, bytes.TrimSuffix(line, []byte("\n")), &r)
			if string(r.Type) == binaryType && r.Reason.Identified() {
				rows++
				log = stub.Append(log, &stub.Stub{
					Tenant: r.Tenant, ID: r.ID, Version: r.Version, Status: r.Status, Reason: r.Reason, Raw: bytes.TrimSuffix(line, []byte("\n")),
				})
			}
		}
	}
	records, _ := Totals(objects)
	got := Project(s, &Contents{Objects: 1}, objects, false, job()).RowBytes
	if s.Records != records || rows < 5 || got < int64(len(log))+8*rows || got > int64(len(log))*5/4 {
		t.Errorf("%d bytes foreseen for %d rows that take %d; %d of %d sampled", got, rows, len(log), s.Records, records)
	}
}

func TestSetBinaries(t *testing.T) {
	for types, want := range map[string]bool{"": true, "Binary": true, "Patient": false} {
		r, s := &Result{}, jobfile.Source{BinaryRows: jobfile.BinariesUnset}
		if types != "" {
			s.Types = []string{types}
		}
		if r.SetBinaries(s); r.mayHoldBinaries != want || r.BinaryRows != jobfile.BinariesUnset {
			t.Errorf("%s: %v", types, r.mayHoldBinaries)
		}
	}
}
