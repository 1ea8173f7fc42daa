package statedir

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

func TestOneOwnerAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "state")
	if _, held := Holder(dir); held {
		t.Error("nobody holds what does not exist")
	}
	lock, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("state is %v, %v", info.Mode(), err)
	}
	me := strconv.Itoa(os.Getpid())
	if pid, held := Holder(dir); !held || pid != me {
		t.Errorf("holder %q, %v", pid, held)
	}
	_, err = Take(dir)
	if pipeline.KindOf(err) != pipeline.KindClaimed || !strings.Contains(err.Error(), "process "+me) || pipeline.HintOf(err) == "" {
		t.Errorf("second owner: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, held := Holder(dir); held {
		t.Error("held after release")
	}
	again, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Release()
}

func TestTakeWhereAFileStands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(path); pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestVolatile(t *testing.T) {
	const shm = "/dev/shm"
	if _, err := os.Stat(shm); err == nil {
		if got := Volatile(filepath.Join(shm, "not", "there")); got != "tmpfs" {
			t.Errorf("%s: %q", shm, got)
		}
	}
	if free := Free(filepath.Join(t.TempDir(), "x", "y")); free <= 0 {
		t.Errorf("free = %d", free)
	}
}
