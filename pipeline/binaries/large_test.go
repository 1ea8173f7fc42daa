package binaries

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// generated is a bucket with one object that is made as it is read.
type generated struct {
	*bucket
	size int64
}

func (g *generated) content() pipeline.Content {
	return pipeline.Content{Key: "large_1.bin", ETag: "x", Size: g.size}
}

func (g *generated) Totals() (int64, int64) { return 1, g.size }

func (g *generated) Find(prefix string) ([]pipeline.Content, int64, error) {
	if prefix != "large_1." {
		return nil, 0, nil
	}
	return []pipeline.Content{g.content()}, 0, nil
}

func (g *generated) Each(_ context.Context, _ string, f func(int64, pipeline.Content) error) error {
	return f(0, g.content())
}

func (g *generated) body() io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), g.size)
}

func (g *generated) Stage(_ context.Context, _ pipeline.Content, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{file}, g.body(), make([]byte, 256<<10))
	return errors.Join(err, file.Close())
}

// TestLarge moves one content of FHIRHOSE_LARGE bytes, by default 50 MB, and reads
// it back. WB2: it is never whole in memory.
func TestLarge(t *testing.T) {
	size := int64(50_000_000)
	if text := os.Getenv("FHIRHOSE_LARGE"); text != "" {
		var err error
		if size, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	contents := &generated{newBucket(), size}
	j := newJob(t, []row{{id: "large", version: 1, status: "AVAILABLE"}}, nil)
	j.contents = contents
	o := &j.options
	o.Caps = shard.Caps{FileBytes: 5_000_000_000, FolderBytes: 500e9, FolderFiles: 10_000}
	o.Spool, o.SmallBytes, o.ChunkBytes, o.CutEvery, o.CutRest = size, 0, 0, 0, 0
	p, _ := j.mustRun()
	if s := p.Status(); s.Tenants[""].ContentBytes != size {
		t.Fatalf("%+v", s)
	}
	file, err := os.Open(filepath.Join(j.dir, "sink", "Binary-v1-0", "Binary-v1-00000.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	in := bufio.NewReaderSize(file, 1<<20)
	head, err := in.ReadString(':')
	for err == nil && !strings.HasSuffix(head, `,"data":`) {
		var part string
		part, err = in.ReadString(':')
		head += part
	}
	if quote, quoteErr := in.ReadByte(); err != nil || quoteErr != nil || quote != '"' {
		t.Fatal(head, err, quoteErr)
	}
	got, want := sha256.New(), sha256.New()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != int64(len(head))+1+encodedLen(size)+int64(len(filledEnd)) {
		t.Fatalf("%d bytes", info.Size())
	}
	if _, err := io.Copy(got, base64.NewDecoder(base64.StdEncoding, io.LimitReader(in, encodedLen(size)))); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(want, contents.body())
	if rest, err := io.ReadAll(in); !bytes.Equal(got.Sum(nil), want.Sum(nil)) || string(rest) != filledEnd {
		t.Errorf("another content, and behind it %q (%v)", rest, err)
	}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		peak, _, _ = strings.Cut(peak, "\n")
		t.Logf("%d bytes, peak RSS%s", size, strings.TrimSpace(peak))
	}
}
