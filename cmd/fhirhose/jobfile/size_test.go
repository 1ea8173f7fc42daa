package jobfile

import (
	"fmt"
	"testing"
)

func jobText(j *Job) string { return fmt.Sprintf("%+v", *j) }

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "512B": 512, "512MB": 512_000_000, "512MiB": 536_870_912, "10 GiB": 10 << 30,
		"1.5kb": 1500, "5GB": 5_000_000_000, "1TiB": 1 << 40, "1_000_000": 1_000_000, " 7mb ": 7_000_000,
		"9223372036854775806": 9223372036854775806,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MB", "1K", "1M", "-1", "-1MB", "1.2.3MB", "1e3", "0x10", "NaN", "1PB", "10000000TB", "9223372036854775808", "1 MB 2"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestLocations(t *testing.T) {
	for text, want := range map[string]string{
		"out": "/base/out", "./out/": "/base/out", "/abs": "/abs", "../up": "/up",
		"s3://bucket": "s3://bucket", "s3://bucket/": "s3://bucket", "s3://bucket/a/b/": "s3://bucket/a/b",
	} {
		got, err := parseLocation(text, "/base")
		if err != nil || got.String() != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"s3://", "s3:///x", "https://bucket/x", "s3://a b/c"} {
		if got, err := parseLocation(text, "/base"); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
	for _, c := range []struct {
		inner, outer string
		want         bool
	}{
		{"/a/b", "/a", true},
		{"/a", "/a", true},
		{"/ab", "/a", false},
		{"/a", "/", true},
		{"/a", "/a/b", false},
		{"s3://bkt/p/q", "s3://bkt/p", true},
		{"s3://bkt/p", "s3://bkt", true},
		{"s3://bkt/pq", "s3://bkt/p", false},
		{"s3://ckt/p", "s3://bkt", false},
		{"s3://bkt", "/", false},
	} {
		inner, _ := parseLocation(c.inner, "/")
		outer, _ := parseLocation(c.outer, "/")
		if inner.within(outer) != c.want {
			t.Errorf("%s within %s: %v", c.inner, c.outer, !c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{"Patients": "Patient", "Obsrevation": "Observation", "Xyzzy": ""} {
		if got := nearest(name, []string{"Observation", "Patient"}); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
