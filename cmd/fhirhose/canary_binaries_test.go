package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// canaryBinary is a row of type Binary; replace changes one part of it.
func canaryBinary(n int, replace ...string) string {
	return canaryRow(n, append([]string{`"resourceType":{"S":"Patient"}`, `"resourceType":{"S":"Binary"}`}, replace...)...)
}

// withContents gives a cage contents: keys and bytes are canaries too.
func (c *cage) withContents(t *testing.T, names ...string) {
	t.Helper()
	c.contents = "contents"
	if err := os.MkdirAll(filepath.Join(c.dir, "contents"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		c.write(t, "contents/"+name, strings.Repeat(canary, 100))
	}
}

// object is the file of the content of a canary row.
func (c *cage) object(n int) string {
	return filepath.Join(c.dir, "contents", fmt.Sprintf("%s-%d_1.pdf", canary, n))
}

// objectName is the object's name of the row n.
func objectName(n int, extension string) string {
	return fmt.Sprintf("%s-%d_1.%s", canary, n, extension)
}

// TestCanaryOfContents: keys, ids and bytes of contents are in nothing that is
// said, whatever is wrong with them (I10).
func TestCanaryOfContents(t *testing.T) {
	rows := []string{
		canaryBinary(1), canaryBinary(2), canaryBinary(3), canaryBinary(4, "AVAILABLE", "DELETED"),
		canaryBinary(5, "AVAILABLE", "PENDING"), canaryRow(6), canaryBinary(7, `{"N":"3"}`, `{"N":"`+canary+`"}`),
	}
	all := []string{objectName(1, "pdf"), objectName(2, "pdf"), objectName(3, "pdf"), objectName(99, "pdf"), canary + "/" + canary}
	f := func(name string, wantExit int, names []string, meanwhile func(c *cage) error) {
		t.Run(name, func(t *testing.T) {
			c := newCage(t, rows)
			c.withContents(t, names...)
			exit := c.moveAndLook(t, "listed", meanwhile)
			if exit != wantExit {
				t.Errorf("exit %d, want %d\n%s", exit, wantExit, c.out.String())
			}
			c.inspect(t)
			if wantExit == 3 && !c.inSink(canary) {
				t.Error("the sink has no canary: this proves nothing")
			}
		})
	}
	at := func(do func(path string) error) func(c *cage) error {
		return func(c *cage) error { return do(c.object(1)) }
	}
	f("some missing", 3, all[:2], nil)
	f("all missing", 3, nil, nil)
	f("ambiguous", 3, append([]string{objectName(1, "false")}, all...), nil)
	f("changed", 3, all, at(func(path string) error { return os.WriteFile(path, []byte(canary), 0o600) }))
	f("gone", 3, all, at(os.Remove))
	f("a folder in its place", 3, all, at(func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Mkdir(path, 0o700)
	}))
	f("a link to itself", 5, all, at(func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Symlink(path, path)
	}))
}

// moveAndLook moves, does something when a point is passed for the first time,
// and runs every verb that tells of the job.
func (c *cage) moveAndLook(t *testing.T, point string, meanwhile func(c *cage) error) int {
	t.Helper()
	var once sync.Once
	remove := faultpoint.Set(func(at string) error {
		if at == point && meanwhile != nil {
			once.Do(func() {
				if err := meanwhile(c); err != nil {
					t.Error(err)
				}
			})
		}
		return nil
	})
	exit := c.run("move", "--metrics-textfile", filepath.Join(c.dir, "metrics.prom"))
	remove()
	for _, verb := range []string{"check", "status", "report"} {
		c.run(verb)
		c.run(verb, "--json")
	}
	return exit
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

// TestCanaryOfContentsUnderFaults fails I/Os of a small job with contents: every
// fifth, for the others differ in their number only.
func TestCanaryOfContentsUnderFaults(t *testing.T) {
	for n := int64(1); ; n += 5 {
		c := newCage(t, []string{canaryBinary(1), canaryBinary(2)})
		c.withContents(t, objectName(1, "pdf"), objectName(3, "pdf"))
		var passed atomic.Int64
		remove := faultpoint.Set(func(string) error {
			if passed.Add(1) == n {
				return syscall.EIO
			}
			return nil
		})
		c.run("move")
		remove()
		c.inspect(t)
		if passed.Load() < n {
			return
		}
	}
}
