package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// TestLargeContent moves a content that is larger than limits.memory, with small
// ones behind it, through the binary that users run, and decodes what is written
// (I7, WB2): 200 MB in 128 MiB, or FHIRHOSE_LARGE bytes in 256 MiB.
func TestLargeContent(t *testing.T) {
	const small, smallBytes = 300, 100_000
	size, memory, lanes := int64(200_000_001), int64(128<<20), 4
	if text := os.Getenv("FHIRHOSE_LARGE"); text != "" {
		var err error
		if size, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		memory, lanes = 256<<20, 16
	}
	dir := t.TempDir()
	rows := []string{recordstest.CanaryBinary(0)}
	for n := range small {
		rows = append(rows, recordstest.CanaryBinary(n+1))
		putRandom(t, filepath.Join(dir, "contents", recordstest.CanaryKey(n+1)+"pdf"), byte(n), smallBytes)
	}
	if _, err := generate.WriteObjects(filepath.Join(dir, "export"), [][]string{rows}); err != nil {
		t.Fatal(err)
	}
	want := putRandom(t, filepath.Join(dir, "contents", recordstest.CanaryKey(0)+"pdf"), 0, size)

	job := fmt.Sprintf("job: large\nsource: {binaries: contents, dynamodb_export: {location: export}}\nsink: {location: out}\n"+
		"limits: {memory: %d}\nlayout: {lanes: %d, max_binary_file_size: 5GB}\nhttp: {listen: \"\"}\n", memory, lanes)
	file := filepath.Join(dir, "fhirhose.yaml")
	if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	binary, begin := buildBinary(t), time.Now()
	peak, exit, out := peakMemory(t, exec.CommandContext(t.Context(), binary, "move", "-c", file))
	if exit != 0 {
		t.Fatalf("exit %d: %s", exit, out)
	}
	t.Logf("%d bytes in %v", size, time.Since(begin).Round(10*time.Millisecond))
	within(t, peak, memory)

	output, err := os.Open(filepath.Join(dir, "out", "large", "Binary-v1-0", "Binary-v1-00000.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = output.Close() }()
	got, rest := firstData(t, output, size)
	if got != want {
		t.Error("the data decode to another content")
	}
	if len(rest) != 1+small || rest[0] != "\"}\n" {
		t.Errorf("%d lines, the first ends in %.80q", len(rest), rest[0])
	}
}

// putRandom writes a file of n random bytes, and returns their SHA-256.
func putRandom(t *testing.T, path string, seed byte, n int64) (sum [sha256.Size]byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	_, err = io.CopyN(io.MultiWriter(file, hash), rand.NewChaCha8([32]byte{seed}), n)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// firstData decodes the data of the first line as a stream. It returns the SHA-256
// of so many bytes, what stands behind them, and the other lines.
func firstData(t *testing.T, file io.Reader, size int64) (sum [sha256.Size]byte, rest []string) {
	t.Helper()
	in, mark := bufio.NewReaderSize(file, 1<<20), []byte(`"data":"`)
	head, err := in.Peek(4096)
	at := bytes.Index(head, mark)
	if err != nil || at < 0 {
		t.Fatalf("no data in %.1000q (%v)", head, err)
	}
	_, _ = in.Discard(at + len(mark)) // it was peeked at
	hash := sha256.New()
	encoded, decoded := make([]byte, 64<<10), make([]byte, 48<<10) // no base64.NewDecoder: with the race detector it is slow
	for left := (size + 2) / 3 * 4; left > 0; left -= int64(len(encoded)) {
		encoded = encoded[:min(left, int64(len(encoded)))]
		_, err := io.ReadFull(in, encoded)
		n, wrong := base64.StdEncoding.Decode(decoded, encoded)
		if err := errors.Join(err, wrong); err != nil {
			t.Fatal(err)
		}
		hash.Write(decoded[:n])
	}
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(hash.Sum(nil)), strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
}
