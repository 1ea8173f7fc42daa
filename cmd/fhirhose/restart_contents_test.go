package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRestartWithoutContents: a job whose contents cannot be listed any more says
// so before --restart shows or removes anything.
func TestRestartWithoutContents(t *testing.T) {
	a := newAgain(t)
	contents, away := filepath.Join(a.dir, "contents"), filepath.Join(a.dir, "away")
	if err := os.Mkdir(contents, 0o700); err != nil {
		t.Fatal(err)
	}
	move := func(args ...string) (int, string) {
		return a.move(append(args, "--source.binaries="+contents, "--limits.memory=256MiB")...)
	}
	if code, said := move(); code != 3 && code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	want := a.tree(t)
	if err := os.Rename(contents, away); err != nil {
		t.Fatal(err)
	}
	code, said := move("--restart", "--yes")
	if code != 2 || !strings.Contains(said, "source.binaries must name") || strings.Contains(said, "--restart removes") {
		t.Errorf("exit %d: %s", code, said)
	}
	if !maps.Equal(a.tree(t), want) {
		t.Error("something was removed")
	}
	if _, err := os.Stat(filepath.Join(a.dir, "state", checkpointFile)); err != nil {
		t.Error(err)
	}
	if err := os.Rename(away, contents); err != nil {
		t.Fatal(err)
	}
	if code, said := move("--restart", "--yes"); code != 3 && code != 0 || !strings.Contains(said, "--restart removes") {
		t.Errorf("exit %d: %s", code, said)
	}
	delete(want, claimFile)
	got := a.tree(t)
	delete(got, claimFile)
	if !maps.Equal(got, want) {
		t.Error("another output after --restart")
	}
}
