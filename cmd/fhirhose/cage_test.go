package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// canary stands in every value and every id of the exports below. It may appear
// in the sink and nowhere else (I10).
const canary = recordstest.Canary

// cage is a job whose every value is a canary, and all that was said about it.
type cage struct {
	dir      string
	tenant   string
	contents string         // source.binaries; "": none
	signals  chan os.Signal // to the verb that runs
	out      lockedBuffer
}

func newCage(t *testing.T, rows []string) *cage {
	t.Helper()
	c := &cage{dir: t.TempDir(), signals: make(chan os.Signal, 1)}
	if _, err := generate.WriteObjects(filepath.Join(c.dir, "export"), [][]string{rows}); err != nil {
		t.Fatal(err)
	}
	for _, sum := range []string{"manifest-files.checksum", "manifest-summary.checksum"} {
		if err := os.Remove(filepath.Join(c.dir, "export", sum)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// withContents gives a cage contents: keys and bytes are canaries too.
func (c *cage) withContents(t *testing.T, names ...string) {
	t.Helper()
	c.contents = "contents"
	if err := os.MkdirAll(filepath.Join(c.dir, "contents"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		c.write(t, "contents/"+name, string(recordstest.CanaryContent(1000)))
	}
}

func (c *cage) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(c.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *cage) rewrite(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.dir, "export", name))
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "export/"+name, string(change(content)))
}

// run runs one verb at debug level and keeps everything that it says.
func (c *cage) run(verb string, args ...string) int {
	memory := "256MiB"
	contents := c.contents
	if contents == "" {
		contents, memory = "none", "128MiB"
	}
	job := fmt.Sprintf("job: canary\nsource: {tenant: %q, binaries: %s, dynamodb_export: {location: export}}\n"+
		"sink: {location: out}\nlimits: {memory: %s}\nhttp: {listen: \"\"}\n", c.tenant, contents, memory)
	file := filepath.Join(c.dir, jobfile.DefaultFile)
	if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
		return -1
	}
	return run(context.Background(), process{
		args:  append([]string{verb, "-c", file, "--log-level", "debug"}, args...),
		stdin: strings.NewReader(""), stdout: &c.out, stderr: &c.out, setenv: os.Setenv, signals: c.signals, open: openMover,
	})
}

// calm is no trouble.
func calm(string) error { return nil }

// moveAndTell moves while a hook is set, and runs the verbs that tell of the job.
func (c *cage) moveAndTell(hook func(point string) error, verbs ...string) int {
	remove := faultpoint.Set(hook)
	exit := c.run("move", "--metrics-textfile", filepath.Join(c.dir, "metrics.prom"))
	remove()
	for _, verb := range verbs {
		c.run(verb)
		c.run(verb, "--json")
	}
	return exit
}

// inspect looks for canaries in everything that was said, and in every file that
// is not data.
func (c *cage) inspect(t *testing.T) {
	t.Helper()
	if recordstest.HoldsCanary(c.out.Bytes()) {
		t.Errorf("the output holds a value:\n%s", c.out.String())
	}
	for _, name := range []string{"metrics.prom", "state/status.json", "state/checkpoint.db", "state/audit.ndjson"} {
		content, err := os.ReadFile(filepath.Join(c.dir, filepath.FromSlash(name)))
		if err == nil && recordstest.HoldsCanary(content) && !strings.HasPrefix(string(content), canary) {
			t.Errorf("%s holds a value", name)
		}
	}
}

// inSink tells whether any file of the sink holds a text.
func (c *cage) inSink(text string) (found bool) {
	_ = filepath.WalkDir(filepath.Join(c.dir, "out"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			content, _ := os.ReadFile(path)
			found = found || strings.Contains(string(content), text)
		}
		return nil
	})
	return found
}

// troubleAtEveryIO fails the first I/O of a job, the second, the third, until it
// gets through; and has the operator stop it at some of them. What is then said
// and kept must hold no value either.
func troubleAtEveryIO(t *testing.T, newCage func(t *testing.T) *cage) {
	f := func(name string, step int64, trouble func(c *cage) error) {
		t.Run(name, func(t *testing.T) {
			for n := int64(1); ; n += step {
				c := newCage(t)
				var passed atomic.Int64
				c.moveAndTell(func(string) error {
					if passed.Add(1) == n {
						return trouble(c)
					}
					return nil
				})
				c.inspect(t)
				if passed.Load() < n || t.Failed() {
					t.Logf("%d I/Os", passed.Load())
					return
				}
			}
		})
	}
	f("fails", 1, func(*cage) error { return syscall.EIO })
	f("stops", 7, func(c *cage) error { c.signals <- syscall.SIGTERM; return nil })
}
