package main

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// object is the file of the content of a canary row.
func (c *cage) object(n int) string {
	return filepath.Join(c.dir, "contents", recordstest.CanaryKey(n)+"pdf")
}

// TestCanaryOfContents: keys, ids and bytes of contents are in nothing that is
// said, whatever is wrong with them (I10).
func TestCanaryOfContents(t *testing.T) {
	row, key := recordstest.CanaryBinary, recordstest.CanaryKey
	rows := []string{
		row(1), row(2), row(3), row(4, "AVAILABLE", "DELETED"),
		row(5, "AVAILABLE", "PENDING"), recordstest.CanaryRow(6), row(7, `{"N":"3"}`, `{"N":"`+canary+`"}`),
	}
	all := []string{key(1) + "pdf", key(2) + "pdf", key(3) + "pdf", key(99) + "pdf", canary + "/" + canary}
	f := func(name string, wantExit int, names []string, meanwhile func(path string) error) {
		t.Run(name, func(t *testing.T) {
			c := newCage(t, rows)
			c.withContents(t, names...)
			var once sync.Once
			exit := c.moveAndTell(func(point string) error {
				if point == "listed" && meanwhile != nil {
					once.Do(func() {
						if err := meanwhile(c.object(1)); err != nil {
							t.Error(err)
						}
					})
				}
				return nil
			}, "check", "status", "report")
			if exit != wantExit {
				t.Errorf("exit %d, want %d\n%s", exit, wantExit, c.out.String())
			}
			c.inspect(t)
			if wantExit == 3 && !c.inSink(canary) {
				t.Error("the sink has no canary: this proves nothing")
			}
		})
	}
	f("some missing", 3, all[:2], nil)
	f("all missing", 3, nil, nil)
	f("ambiguous", 3, append([]string{key(1) + "false"}, all...), nil)
	f("changed", 3, all, func(path string) error { return os.WriteFile(path, []byte(canary), 0o600) })
	f("gone", 3, all, os.Remove)
	f("a folder in its place", 3, all, func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Mkdir(path, 0o700)
	})
	f("a link to itself", 5, all, func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Symlink(path, path)
	})
}

func TestCanaryOfContentsInTrouble(t *testing.T) {
	row, key := recordstest.CanaryBinary, recordstest.CanaryKey
	troubleAtEveryIO(t, func(t *testing.T) *cage {
		c := newCage(t, []string{row(1), row(2)})
		c.withContents(t, key(1)+"pdf", key(3)+"pdf")
		return c
	})
}

// TestCanaryWithinLargeContent: stopped within a content, a job keeps nothing of
// it in its checkpoint.
func TestCanaryWithinLargeContent(t *testing.T) {
	c := newCage(t, []string{recordstest.CanaryBinary(1)})
	c.withContents(t)
	c.write(t, "contents/"+recordstest.CanaryKey(1)+"pdf", string(recordstest.CanaryContent(8_000_000)))
	chunks := 0
	exit := c.moveAndTell(func(point string) error {
		if point == "chunk" {
			if chunks++; chunks == 3 {
				c.signals <- syscall.SIGTERM
			}
		}
		return nil
	}, "status", "report")
	if exit != 143 {
		t.Errorf("exit %d, want 143\n%s", exit, c.out.String())
	}
	c.inspect(t)
}
