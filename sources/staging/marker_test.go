package staging

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// A stored format: this file changes only together with markerVersion.
func TestMarkerGolden(t *testing.T) {
	const golden = "testdata/marker.golden.json"
	in := inbox{dir: t.TempDir()}
	m := newMarker([16]byte{0: 0xb1, 15: 0x19}, identity{Size: 8712, ModTime: 1693685827463000001, Inode: 131074})
	if err := in.mark(42, m); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(in.dir, "000042.json"))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got  %swant %s, %v", got, want, err)
	}
	verified := func(number int, m marker) bool {
		_, ok := in.verified(number, m)
		return ok
	}
	if !verified(42, m) || verified(41, m) {
		t.Errorf("the marker is not read back")
	}
	for what, other := range map[string]marker{
		"MD5":     newMarker([16]byte{}, m.identity),
		"size":    {m.Version, m.MD5, 0, identity{m.Size + 1, m.ModTime, m.Inode}},
		"mtime":   {m.Version, m.MD5, 0, identity{m.Size, m.ModTime + 1, m.Inode}},
		"inode":   {m.Version, m.MD5, 0, identity{m.Size, m.ModTime, m.Inode + 1}},
		"version": {m.Version + 1, m.MD5, 0, m.identity},
	} {
		if verified(42, other) {
			t.Errorf("another %s is taken for verified", what)
		}
	}
}

// What was counted is read back, and is no part of what a file is known by.
func TestMarkerOfCountedFile(t *testing.T) {
	in := inbox{dir: t.TempDir()}
	m := newMarker([16]byte{1}, identity{Size: 10})
	counted := m
	counted.Records = 4
	if err := in.mark(3, counted); err != nil {
		t.Fatal(err)
	}
	if n, ok := in.verified(3, m); !ok || n != 4 {
		t.Errorf("%d records, %v", n, ok)
	}
}
