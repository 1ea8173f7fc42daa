package healthlake_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/exporting"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
)

// TestExported: what lies below the job's folder is read, and nothing beside it, at
// any offset.
func TestExported(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	for key, content := range map[string]string{
		"ver/x-1/Patient/a.ndjson": "0123456789", "ver/x-1/Patient/b.ndjson": "ab", "ver/x-1/Manifest.json": "{}",
		"ver/x-1/.healthlake_write_access_check_file.temp": "", "ver/x-10/Patient/c.ndjson": "other", "ver/d.ndjson": "other",
	} {
		r.memory.Put(key, []byte(content))
	}
	job := exporting.Job{ID: "1", Output: "s3://bucket/ver/x-1/"}
	exported, err := healthlake.OpenExport(job, r.bucket)
	r.check(err)
	var objects []verify.Object
	var names string
	for o, err := range exported.Objects(t.Context()) {
		r.check(err)
		objects = append(objects, o)
		names += fmt.Sprintf("%s %d ", o.Name, o.Size)
	}
	equal(t, names, "Patient/a.ndjson 10 Patient/b.ndjson 2 ")
	for o, err := range exported.Objects(t.Context()) {
		r.check(err)
		equal(t, o, objects[0])
		break
	}
	for offset := range objects[0].Size {
		body, err := exported.Open(t.Context(), objects[0], offset)
		r.check(err)
		content, err := io.ReadAll(body)
		r.check(err)
		r.check(body.Close())
		equal(t, string(content), "0123456789"[offset:])
	}
	r.memory.Put("ver/x-1/Patient/a.ndjson", []byte("9876543210"))
	if _, err := exported.Open(t.Context(), objects[0], 3); pipeline.KindOf(err) != pipeline.KindFatal {
		t.Error(err)
	}
	for _, elsewhere := range []string{"", "s3://other/ver/x-1/", "s3://bucket/", "http://x"} {
		if _, err := healthlake.OpenExport(exporting.Job{Output: elsewhere}, r.bucket); pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
			t.Errorf("%s: %v", elsewhere, err)
		}
	}
}
