package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// What the one large content takes unless -content says otherwise.
const (
	largeContent   = 400e6
	nightlyContent = 3.7e9
)

func measureContent(ctx context.Context, s *settings) (string, error) {
	return s.measureLarge(ctx, "content", largeContent, min(3, s.rounds))
}

func measureNightlyContent(ctx context.Context, s *settings) (string, error) {
	return s.measureLarge(ctx, "nightly content", nightlyContent, 1)
}

// measureLarge moves one content from disk to disk in 256 MiB, and compares what
// is written with its source.
func (s *settings) measureLarge(ctx context.Context, name string, size int64, rounds int) (string, error) {
	if s.content > 0 {
		size = int64(s.content)
	}
	dir := filepath.Join(s.work, name)
	c, sum, err := s.large(ctx, dir, size)
	if err != nil {
		return "", err
	}
	move := s.move("move of "+megabytes(size), c.export, moveOptions{memory: binaryMemory, binaries: c.bucket})
	contest := &contest{settings: s, name: name, input: c.export, rounds: rounds, entries: []*contender{move}}
	if err := contest.run(ctx); err != nil {
		return "", err
	}
	if move.failed() {
		return "", errors.New(move.failure)
	}
	verdict := "equal"
	if err := sameContent(filepath.Join(move.out, "sink", "bench", "Binary-v1-0", "Binary-v1-00000.ndjson"), size, sum); err != nil {
		verdict = "DIFFERENT: " + cell(err.Error())
	}
	u := move.median()
	return fmt.Sprintf("\n| content MB | wall s | MB/s of content | CPU s | peak RSS MiB, limit 256 | decoded, by SHA-256 |\n|--:|--:|--:|--:|--:|---|\n"+
		"| %.0f | %v | %.0f | %.2f | %s | %s |\n\nFrom a directory, with its copy in state and synced; %d cuts. Busy: %s.\n", float64(size)/1e6, move.of(wallOf),
		float64(size)/1e6/u.Wall.Seconds(), u.CPU.Seconds(), rssCell(move, binaryMemory), verdict, move.status.Cuts, move.status.busy()), nil
}

// sameContent tells whether a file holds one Binary whose data decodes to so many
// bytes with this hash. It reads the file as a stream.
func sameContent(path string, size int64, want [sha256.Size]byte) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	in := bufio.NewReaderSize(file, 1<<20)
	mark := []byte(`"data":"`)
	var line []byte // without its data
	for !bytes.HasSuffix(line, mark) {
		c, err := in.ReadByte()
		if err != nil {
			return fmt.Errorf("there is no data: %w", err)
		}
		line = append(line, c)
	}
	hash := sha256.New()
	n, err := io.Copy(hash, base64.NewDecoder(base64.StdEncoding, &untilQuote{in: in}))
	if err != nil {
		return err
	}
	if n != size || !bytes.Equal(hash.Sum(nil), want[:]) {
		return fmt.Errorf("the data are %d bytes of other content, want %d", n, size)
	}
	rest, err := io.ReadAll(in)
	line = append(line, rest...)
	if err == nil && (!json.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1) {
		err = errors.New("around the data is not one line of JSON")
	}
	return err
}

// untilQuote ends before a quote, which it leaves.
type untilQuote struct{ in *bufio.Reader }

func (u *untilQuote) Read(p []byte) (int, error) {
	if _, err := u.in.Peek(1); err != nil {
		return 0, io.ErrUnexpectedEOF // a string ends with a quote
	}
	next, _ := u.in.Peek(min(len(p), u.in.Buffered()))
	if at := bytes.IndexByte(next, '"'); at == 0 {
		return 0, io.EOF
	} else if at > 0 {
		next = next[:at]
	}
	n := copy(p, next)
	_, err := u.in.Discard(n)
	return n, err
}
