package survey

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// made is a generated export and the way to look into it.
func made(t *testing.T, o generate.Options) ([]pipeline.Object, Peek) {
	t.Helper()
	o.Dir = t.TempDir()
	summary, err := generate.Write(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	objects := make([]pipeline.Object, len(summary.Objects))
	for i, object := range summary.Objects {
		objects[i] = pipeline.Object{Key: object.Key, Items: object.Items, MD5: object.MD5, Size: object.Compressed}
	}
	return objects, func(_ context.Context, i int, limit int64) ([]byte, error) {
		data, err := os.ReadFile(summary.Objects[i].Path)
		return data[:min(limit, int64(len(data)))], err
	}
}

func options() convert.Options { return convert.Options{Deleted: true} }

// TestSampleCountsEveryRecordOnce: of a small source the sample is the whole.
func TestSampleCountsEveryRecordOnce(t *testing.T) {
	objects, peek := made(t, generate.Options{Resources: 200, Objects: 3, EmptyObjects: 2, Bad: 0.2})
	s, err := Take(t.Context(), objects, options(), peek)
	if err != nil {
		t.Fatal(err)
	}
	records, _ := Totals(objects)
	if s.Records != records || s.Objects != 3 {
		t.Errorf("%d of %d records, %d objects", s.Records, records, s.Objects)
	}
	if got := s.Written + sum(s.Filtered) + sum(s.Quarantined); got != s.Records || sum(s.Quarantined) == 0 || sum(s.Types) != s.Records {
		t.Errorf("does not balance: %+v", s)
	}
}

// TestSampleOfPlainLines: a source that promises no number of records is sampled as
// far as whole lines were fetched, and its records are estimated by its bytes.
func TestSampleOfPlainLines(t *testing.T) {
	line := `{"resourceType":"Patient","id":"p","meta":{"versionId":"3"}}` + "\n"
	text := strings.Repeat(line, 200_000) // more than is fetched
	objects := []pipeline.Object{{Key: "empty", Items: pipeline.Unpromised}, {Key: "large", Items: pipeline.Unpromised, Size: int64(len(text)), Version: 3}}
	o := options()
	o.Resources = true
	s, err := Take(t.Context(), objects, o, func(_ context.Context, i int, limit int64) ([]byte, error) {
		if i == 0 {
			t.Error("an empty object was looked at")
		}
		return []byte(text[:limit]), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Written != s.Records || s.Records < 1000 || s.Objects != 1 {
		t.Errorf("%d of %d records written, %d objects", s.Written, s.Records, s.Objects)
	}
	if records, stored := Totals(objects); records != pipeline.Unpromised || s.Extrapolate(stored) != 200_000 {
		t.Errorf("%d records, or about %d", records, s.Extrapolate(stored))
	}
	if s, err := Take(t.Context(), objects, o, func(context.Context, int, int64) ([]byte, error) { return []byte(text[:20]), nil }); err != nil || s.Records != 0 || s.Extrapolate(100) != 0 {
		t.Errorf("of a part of a line: %+v, %v", s, err)
	}
	objects[1].Key = "7f/v3-0/Patient-v3-00000.ndjson"
	objects[0] = pipeline.Object{Key: "7f/v12-0/Goal-v12-00000.ndjson", Items: pipeline.Unpromised, Size: 7, Version: 12} // too small to be looked at
	job := &jobfile.Job{Layout: jobfile.Layout{MaxFileSize: 1 << 30, MaxFolderSize: 1 << 30, MaxFolderFiles: 10}, Limits: jobfile.Limits{Spool: 1 << 40}}
	if e := Project(s, nil, objects, false, job); e.LedgerBytes != 200_000*ledger.EstimatedBytes || e.Folders["v3"] != 1 || e.Folders["v12"] != 1 || e.ImportJobs != 2 {
		t.Errorf("estimate %+v", e)
	}
}

// TestTenantsOfTheSample: each is seen, with folders of its own.
func TestTenantsOfTheSample(t *testing.T) {
	objects, peek := made(t, generate.Options{
		Resources: 200, Objects: 3, Versions: 1, Tenants: []string{"a", "ab"}, Plant: []generate.Defect{generate.TenantMismatch, generate.NotJSON},
	})
	o := options()
	o.Tenant = convert.AllTenants
	s, err := Take(t.Context(), objects, o, peek)
	if err != nil {
		t.Fatal(err)
	}
	if s.Tenants["a"] == 0 || s.Tenants["ab"] == 0 || s.Tenants[""] != 2 || sum(s.Tenants) != s.Records || len(s.Tenants) != 3 {
		t.Errorf("%v of %d", s.Tenants, s.Records)
	}
	roomy := job()
	roomy.Layout = jobfile.Layout{MaxFileSize: 1 << 30, MaxFolderSize: 1 << 40, MaxFolderFiles: 10_000}
	if e := Project(s, nil, objects, false, roomy); e.Folders["v1"] != 2 {
		t.Errorf("folders %v", e.Folders)
	}
	r := Result{Sample: s, Output: "out/a"}
	r.Judge()
	if len(r.Problems) > 0 || !strings.Contains(strings.Join(r.Warnings, "\n"), "no certain tenant; they are quarantined in out/a") {
		t.Errorf("%v %v", r.Problems, r.Warnings)
	}
}

func TestSampleStopsAfterAThousandOfEachObject(t *testing.T) {
	objects, peek := made(t, generate.Options{Resources: 8000, Objects: 5})
	s, err := Take(t.Context(), objects, options(), peek)
	if err != nil || s.Records != 3000 || s.Objects != 3 {
		t.Errorf("%d records of %d objects, %v", s.Records, s.Objects, err)
	}
}

func TestTakesTheLargest(t *testing.T) {
	got := largest([]pipeline.Object{{Items: 9, Size: 1}, {Items: 0, Size: 99}, {Items: 1, Size: 50}, {Items: 1, Size: 40}, {Items: 1, Size: 60}})
	if len(got) != 3 || got[0] != 4 || got[1] != 2 || got[2] != 3 {
		t.Errorf("got %v", got)
	}
}

// TestCutOffPeek: a prefix that ends in the middle of the gzip is no defect, a
// whole object that is broken is.
func TestCutOffPeek(t *testing.T) {
	objects, peek := made(t, generate.Options{Resources: 3000, Objects: 1})
	short := func(ctx context.Context, i int, _ int64) ([]byte, error) { return peek(ctx, i, objects[i].Size/2) }
	s, err := Take(t.Context(), objects, options(), short)
	if err != nil || s.Records == 0 {
		t.Errorf("%d records, %v", s.Records, err)
	}
	broken := func(ctx context.Context, i int, limit int64) ([]byte, error) {
		data, err := peek(ctx, i, limit)
		return append(data[:20:20], make([]byte, len(data)-20)...), err
	}
	_, err = Take(t.Context(), objects, options(), broken)
	if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(err.Error(), objects[0].Key) {
		t.Errorf("got %v", err)
	}
	failing := func(context.Context, int, int64) ([]byte, error) { return nil, errors.New("no") }
	if _, err := Take(t.Context(), objects, options(), failing); err == nil {
		t.Error("no error")
	}
}

func TestMultiTenantRecords(t *testing.T) {
	objects, peek := made(t, generate.Options{Resources: 100, Tenants: []string{"a1", "b2"}})
	s, err := Take(t.Context(), objects, options(), peek)
	if err != nil || s.MultiTenant != s.Records || s.Written != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	one := options()
	one.Tenant = "a1"
	s, err = Take(t.Context(), objects, one, peek)
	if err != nil || s.MultiTenant != 0 || s.Written == 0 || s.Filtered["other-tenant"] == 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func job() *jobfile.Job {
	return &jobfile.Job{
		Layout: jobfile.Layout{MaxFileSize: 1000, MaxFolderSize: 10_000, MaxFolderFiles: 100, Lanes: 4},
		Limits: jobfile.Limits{Memory: 512 << 20, Spool: 1 << 30},
	}
}

// TestProject scales a sample of a tenth: 10 records of Patient v1, 100 bytes
// each, and 1 of Binary v2.
func TestProject(t *testing.T) {
	s := &Sample{Records: 10, files: map[file]*size{{"Patient", 1, ""}: {9, 900}, {"Binary", 2, ""}: {1, 50}}}
	objects := []pipeline.Object{{Items: 100, Size: 5000}, {Items: 900, Size: 1 << 40}}
	e := Project(s, nil, objects, true, job())
	if e.OutputBytes != 95_000 || e.Files != 95 || e.LedgerBytes != 69_000 {
		t.Errorf("got %+v", e)
	}
	if e.Folders["v1"] != 9 || e.Folders["Binary-v2"] != 1 || e.ImportJobs != 10 {
		t.Errorf("folders %v", e.Folders)
	}
	if e.ImportHours < 2.5 || e.ImportHours > 2.51 {
		t.Errorf("%f hours", e.ImportHours)
	}
	if want := int64(1<<30) + stateFixed + 95*perFile; e.StateBytes != want {
		t.Errorf("state %d, want %d: what is staged stays within limits.spool", e.StateBytes, want)
	}
	few := job()
	few.Layout.MaxFolderFiles = 10
	if e := Project(s, nil, objects, false, few); e.Folders["v1"] != 9 || e.StateBytes != stateFixed+95*perFile {
		t.Errorf("got %+v", e)
	}
	few.Layout.MaxFolderFiles = 3
	if e := Project(s, nil, objects, false, few); e.Folders["v1"] != 30 {
		t.Errorf("got %+v", e)
	}
	if e := Project(&Sample{}, nil, nil, false, job()); e.ImportJobs != 0 || e.OutputBytes != 0 {
		t.Errorf("nothing: %+v", e)
	}
}

// TestDivide: each type takes a file of each folder's cap.
func TestDivide(t *testing.T) {
	f := func(files int, folders, want int64, types ...int64) {
		t.Helper()
		layout := jobfile.Layout{MaxFileSize: 100, MaxFolderSize: 10_000, MaxFolderFiles: files}
		gotFolders, gotFiles := divide(types, layout)
		if gotFolders != folders || gotFiles != want {
			t.Errorf("%d files: %d folders, %d files, want %d, %d", files, gotFolders, gotFiles, folders, want)
		}
	}
	f(10, 1, 1, 0)
	f(10, 1, 10, 1000)
	f(9, 2, 10, 1000)
	f(10, 1, 10, 910-99, 1)       // 9 and 1
	f(5, 3, 15, 1000, 1)          // 4 and 1 in each
	f(3, 10, 30, 1000, 1, 1)      // one of each
	f(2, 6, 12, 1000, 1, 1)       // more types than files: at least
	f(1000, 2, 150, 10_000, 5000) // by size
}

func tenantsOf(n int) map[string]int64 {
	counts := map[string]int64{}
	for i := range n {
		counts[strconv.Itoa(i)] = 1
	}
	return counts
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		result   Result
		problem  string
		warnings []string
	}{
		"fine":         {Result{StateFree: 1 << 40, SinkFree: -1, Sample: &Sample{Records: 1, Written: 1}, Estimate: &Estimate{}}, "", nil},
		"nothing read": {Result{}, "", nil},
		"tenants":      {Result{Sample: &Sample{Records: 3, MultiTenant: 2, Written: 1}}, "2 of 3 sampled records belong to a tenant", nil},
		"wrong tenant": {
			Result{Sample: &Sample{Records: 3, Filtered: map[string]int64{"other-tenant": 3}}},
			"",
			[]string{"none of 3 sampled records belongs to source.tenant", "no sampled record would be written"},
		},
		"binaries":       {Result{BinaryRows: jobfile.BinariesNone, Sample: &Sample{Records: 3, Written: 3, Binaries: 2}}, "", []string{"without data"}},
		"binaries unset": {Result{BinaryRows: jobfile.BinariesUnset, Sample: &Sample{Records: 3, Written: 3, Binaries: 2}}, "source.binaries is not set", nil},
		"binaries later": {Result{BinaryRows: jobfile.BinariesUnset, mayHoldBinaries: true, Sample: &Sample{Records: 3, Written: 3}}, "", []string{"stops at the first"}},
		"never binaries": {Result{BinaryRows: jobfile.BinariesUnset, Sample: &Sample{Records: 3, Written: 3}}, "", nil},
		"bad":            {Result{Sample: &Sample{Records: 200, Written: 199, Quarantined: map[string]int64{"bad-id": 1}}}, "", []string{"about 0.5 % of the records"}},
		"long":           {Result{StateFree: -1, SinkFree: -1, Estimate: &Estimate{ImportHours: 201, ImportJobs: 804}}, "", []string{"about 201 hours: 804 folders"}},
		"full": {
			Result{StateFree: 1, SinkFree: 99, Estimate: &Estimate{StateBytes: 2, OutputBytes: 50, LedgerBytes: 50}},
			"",
			[]string{"state has 1 B free and may need 2 B", "the sink has 99 B free and may need 100 B"},
		},
		"enough tenants": {Result{Sample: &Sample{Records: 3, Written: 3, Tenants: tenantsOf(manyTenants)}}, "", []string{"only the sampled tenants"}},
		"many tenants":   {Result{Sample: &Sample{Records: 3, Written: 3, Tenants: tenantsOf(manyTenants + 1)}}, "", []string{"only the sampled tenants", "1,001 tenants"}},
	} {
		r := c.result
		r.Judge()
		if len(r.Problems) > 1 || c.problem == "" != (len(r.Problems) == 0) || c.problem != "" && !strings.Contains(r.Problems[0].Error, c.problem) {
			t.Errorf("%s: problems %v", name, r.Problems)
		}
		if len(r.Warnings) != len(c.warnings) {
			t.Errorf("%s: warnings %q", name, r.Warnings)
			continue
		}
		for i, want := range c.warnings {
			if !strings.Contains(r.Warnings[i], want) {
				t.Errorf("%s: warning %q, want %q", name, r.Warnings[i], want)
			}
		}
	}
}

func TestLongListsAreBounded(t *testing.T) {
	counts := map[string]int64{}
	for i := range 20 {
		counts[filepath.Base(strings.Repeat("x", i+1))] = int64(i)
	}
	if got := listing(counts); !strings.HasSuffix(got, "and 8 more") || !strings.HasPrefix(got, strings.Repeat("x", 20)+" 19, ") {
		t.Error(got)
	}
	var text bytes.Buffer
	r := Result{Job: "a", Ready: true, StateFree: -1, SinkFree: -1}
	if err := r.Text(&text); err != nil || !strings.HasPrefix(text.String(), "job a: ready to move\n") {
		t.Errorf("%s, %v", &text, err)
	}
}
