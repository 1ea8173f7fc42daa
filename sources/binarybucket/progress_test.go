package binarybucket

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

var update = flag.Bool("update", false, "rewrite golden files")

func content() pipeline.Content {
	return pipeline.Content{Key: "a_1.x", VersionID: "v", ETag: `"e"`, Size: 20_500, Modified: time.Unix(1693685827, 463000001)}
}

// A stored format: this file changes only together with progressVersion.
func TestProgressGolden(t *testing.T) {
	const golden = "testdata/progress.golden.json"
	path := filepath.Join(t.TempDir(), "copy")
	p := newProgress(content(), 1000)
	for _, i := range []int{0, 3, 8, 20} {
		p.add(i)
	}
	check(t, p.save(path))
	got, err := os.ReadFile(path + progressSuffix)
	check(t, err)
	if *update {
		check(t, os.WriteFile(golden, got, 0o600))
	}
	want, err := os.ReadFile(golden)
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %swant %s", got, want)
	}
}

// What is noted counts only for the same object, in the same ranges, and beside a
// copy that can hold it. Everything else is read again.
func TestProgressIsNotBelieved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy")
	noted := newProgress(content(), 1000)
	noted.add(20)
	check(t, noted.save(path))
	sized := func(n int64) {
		t.Helper()
		check(t, durable.WriteAt(path+".part", 0, nil))
		check(t, os.Truncate(path+".part", n))
	}
	load := func(c pipeline.Content, rangeBytes int64) bool {
		p := newProgress(c, rangeBytes)
		return p.load(path, path+".part")
	}
	if load(content(), 1000) {
		t.Error("believed without a copy")
	}
	sized(20_500)
	if !load(content(), 1000) {
		t.Error("not believed")
	}
	for what, change := range map[string]func(c *pipeline.Content){
		"key": func(c *pipeline.Content) { c.Key = "b" }, "version": func(c *pipeline.Content) { c.VersionID = "w" },
		"ETag": func(c *pipeline.Content) { c.ETag = "f" }, "time": func(c *pipeline.Content) { c.Modified = time.Unix(1, 0) },
		"size": func(c *pipeline.Content) { c.Size-- },
	} {
		c := content()
		if change(&c); load(c, 1000) {
			t.Errorf("believed of another %s", what)
		}
	}
	if load(content(), 1001) {
		t.Error("believed of other ranges")
	}
	for _, n := range []int64{0, 20_499, 20_501} {
		if sized(n); load(content(), 1000) {
			t.Errorf("believed of a copy of %d bytes", n)
		}
	}
	sized(20_500)
	for _, torn := range []string{"", "{", `{"version":1}`, `{"version":1,"size":20500,"range_bytes":1000,"done":"AAAA"}`} {
		check(t, os.WriteFile(path+progressSuffix, []byte(torn), 0o600))
		if load(content(), 1000) {
			t.Errorf("believed %q", torn)
		}
	}
}

// I1: ranges are noted only after they are durable, and the copy has its name only
// after that.
func TestDurableBeforeNoted(t *testing.T) {
	d := newCopied(t)
	d.Put("a_1.x", make([]byte, 20_000))
	s, err := Open(Options{Location: d.root, StateDir: d.state, Streams: 1, RangeBytes: 1000})
	check(t, err)
	check(t, s.List(t.Context(), func(int64) {}))
	t.Cleanup(func() { check(t, s.Close()) })
	found, _, err := s.Find("a_1.")
	check(t, err)
	var points []string
	remove := faultpoint.Set(func(point string) error {
		points = append(points, point)
		return nil
	})
	err = s.Stage(t.Context(), found[0], filepath.Join(t.TempDir(), "copy"))
	remove()
	check(t, err)
	eight := strings.Repeat("range write ", 8)
	noted := "fsync write written fsync rename syncdir "
	want := "stage syncdir " + eight + noted + eight + noted + strings.Repeat("range write ", 4) + "fsync rename syncdir staged"
	if got := strings.Join(points, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
