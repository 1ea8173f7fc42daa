package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// again is a job that is moved again and again.
type again struct {
	dir, sink string
	tenant    string
	tree      func(t *testing.T) map[string]string // everything in the sink, by name
}

func newAgain(t *testing.T) *again {
	t.Helper()
	a := &again{dir: t.TempDir(), sink: "out"}
	_, err := generate.Write(t.Context(), generate.Options{Dir: filepath.Join(a.dir, "export"), Resources: 40, Objects: 2, Versions: 2})
	if err != nil {
		t.Fatal(err)
	}
	a.tree = func(t *testing.T) map[string]string {
		tree := map[string]string{}
		_ = filepath.WalkDir(filepath.Join(a.dir, a.sink, "a"), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			name, _ := filepath.Rel(filepath.Join(a.dir, a.sink, "a"), path)
			tree[name] = string(content)
			return err
		})
		return tree
	}
	return a
}

// ofAllTenants makes it a job of all tenants: what is in the sink is named from
// its root.
func (a *again) ofAllTenants(t *testing.T) {
	t.Helper()
	a.dir, a.tenant = t.TempDir(), "*"
	_, err := generate.Write(t.Context(), generate.Options{
		Dir: filepath.Join(a.dir, "export"), Resources: 40, Objects: 2, Versions: 2, Tenants: []string{"a", "a-", "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.tree = func(t *testing.T) map[string]string {
		tree := map[string]string{}
		root := filepath.Join(a.dir, a.sink)
		_ = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			name, _ := filepath.Rel(root, path)
			tree[name] = string(content)
			return err
		})
		return tree
	}
}

// inBucket moves the job's sink to an S3 in memory.
func (a *again) inBucket(t *testing.T) *objecttest.Memory {
	t.Helper()
	memory := objecttest.NewMemory()
	server := httptest.NewServer(memory)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
		"AWS_ENDPOINT_URL_S3": server.URL, "FHIRHOSE_SINK_S3_PATH_STYLE": "true",
	} {
		t.Setenv(name, value)
	}
	a.sink = "s3://bucket"
	a.tree = func(*testing.T) map[string]string {
		tree := map[string]string{}
		for key, content := range memory.Objects() {
			if a.tenant == "" {
				key = strings.TrimPrefix(key, "a/")
			}
			tree[key] = string(content)
		}
		for _, key := range memory.Uploads() {
			tree["upload of "+key] = ""
		}
		return tree
	}
	return memory
}

func (a *again) move(args ...string) (code int, said string) {
	file := filepath.Join(a.dir, "fhirhose.yaml")
	job := "job: a\nsource: {binaries: none, tenant: \"" + a.tenant + "\", dynamodb_export: {location: export}}\nsink: {location: \"" + a.sink + "\"}\n" +
		"limits: {memory: 128MiB}\nhttp: {listen: \"\"}\n"
	if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
		return -1, err.Error()
	}
	var out bytes.Buffer
	code = run(context.Background(), process{
		args: append([]string{"move", "-c", file}, args...), stdin: strings.NewReader(""),
		stdout: &out, stderr: &out, setenv: os.Setenv, environ: os.Environ(), open: openMover,
	})
	return code, out.String()
}

const claimFile = "_fhirhose/claim.json"

// dieAtRemoval lets every step of a removal fail from the nth on, as if the
// process had been killed there. passed counts the steps.
func dieAtRemoval(n int64) (passed *atomic.Int64, undo func()) {
	passed = new(atomic.Int64)
	var began atomic.Bool
	return passed, faultpoint.Set(func(point string) error {
		switch point {
		case "remove", "remove state":
			began.Store(true)
		case "commit", "committed": // of the checkpoint that is condemned; later ones are the move's
			if began.Load() {
				return nil
			}
		default:
			return nil
		}
		if passed.Add(1) >= n {
			return syscall.EIO
		}
		return nil
	})
}

// TestRestartSurvivesAKillAnywhere: after a kill within the removal, a move
// without --restart either refuses or has everything, nothing is announced that
// is not whole, and another --restart ends as a fresh run.
func TestRestartSurvivesAKillAnywhere(t *testing.T) {
	f := func(name string, prepare func(*testing.T, *again)) {
		t.Run(name, func(t *testing.T) {
			a := newAgain(t)
			prepare(t, a)
			if code, said := a.move(); code != 0 {
				t.Fatalf("exit %d: %s", code, said)
			}
			want := a.tree(t)
			steps := a.steps(t)
			if least := int64(len(want)); steps < least {
				t.Fatalf("%d steps to remove %d files", steps, least)
			}
			// The first and the last steps, and some of the many between.
			for n := int64(1); n <= steps; n++ {
				if n <= 4 || n > steps-10 || n%(steps/4) == 0 {
					a.killAt(t, n, want)
				}
			}
		})
	}
	f("disk", func(*testing.T, *again) {})
	f("bucket", func(t *testing.T, a *again) { a.inBucket(t) })
	f("tenants on disk", func(t *testing.T, a *again) { a.ofAllTenants(t) })
	f("tenants in a bucket", func(t *testing.T, a *again) { a.ofAllTenants(t); a.inBucket(t) })
}

// steps counts those of a removal.
func (a *again) steps(t *testing.T) int64 {
	t.Helper()
	const asking = 1 << 40
	passed, undo := dieAtRemoval(asking)
	defer undo()
	if code, said := a.move("--restart", "--yes"); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	return passed.Load()
}

func (a *again) killAt(t *testing.T, n int64, want map[string]string) {
	t.Helper()
	_, undo := dieAtRemoval(n)
	code, said := a.move("--restart", "--yes")
	undo()
	if code == 0 {
		t.Fatalf("step %d: it did not notice its death: %s", n, said)
	}
	half := a.tree(t)
	announced := announcements(half)
	if whole := len(want) - announcements(want) + announced; announced > 0 && len(half) < whole {
		t.Errorf("step %d: %d of %d files are announced", n, len(half), whole)
	}
	claim := claimFile
	if a.tenant != "" {
		claim = "a/" + claimFile
	}
	if _, claimed := half[claim]; !claimed && len(half) > 0 {
		t.Errorf("step %d: %d files are nobody's", n, len(half))
	}
	if code, said := a.move(); code != exitCheckpoint && code != 0 {
		t.Errorf("step %d: exit %d of a move in between: %s", n, code, said)
	} else if code == 0 {
		a.wantTree(t, fmt.Sprintf("step %d, move", n), want)
	}
	if code, said := a.move("--restart", "--yes"); code != 0 {
		t.Errorf("step %d: exit %d of the second restart: %s", n, code, said)
	}
	a.wantTree(t, fmt.Sprintf("step %d, restart", n), want)
}

func announcements(tree map[string]string) (n int) {
	for name := range tree {
		if strings.HasSuffix(name, "migration_output.json") {
			n++
		}
	}
	return n
}

func (a *again) wantTree(t *testing.T, when string, want map[string]string) {
	t.Helper()
	got := a.tree(t)
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		t.Fatalf("%s: %d files, want %d", when, len(got), len(want))
	}
	for name, content := range want {
		if got[name] != content && !strings.HasSuffix(name, claimFile) {
			t.Errorf("%s: %s has other bytes", when, name)
		}
	}
}

// TestRestartInABucket: files of others stay, uploads of the run go, and what
// the bucket keeps is said.
func TestRestartInABucket(t *testing.T) {
	a := newAgain(t)
	memory := a.inBucket(t)
	if code, said := a.move(); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	want := a.tree(t)
	memory.Configure("versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
	memory.Configure("object-lock", "AccessDenied")
	memory.Put("a/v1-0/notes.txt", []byte("another's"))
	memory.Put("a/v1-0/", nil)
	memory.Put("ab/v1-0/Patient-v1-00000.ndjson", []byte("of another job"))
	code, said := a.move("--restart", "--yes")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, words := range []string{
		"  v1-0/, v1-0/notes.txt\n", "the bucket keeps old versions", "whether the bucket locks objects cannot be seen",
	} {
		if !strings.Contains(said, words) {
			t.Errorf("%q is not said: %s", words, said)
		}
	}
	for _, key := range []string{"a/v1-0/notes.txt", "a/v1-0/", "ab/v1-0/Patient-v1-00000.ndjson"} {
		if _, ok := memory.Objects()[key]; !ok {
			t.Errorf("%s is gone", key)
		}
	}
	if got := len(a.tree(t)); got != len(want)+3 {
		t.Errorf("%d files, want %d", got, len(want)+3)
	}
}
