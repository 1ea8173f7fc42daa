package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// namesIn reads the manifest of a finished job's folder, or of a tenant's, and
// returns the names in it that are wanted.
func namesIn(ctx context.Context, sink pipeline.Sink, wanted func(name string) bool) (names []string, err error) {
	text, err := openManifest(ctx, sink)
	if err != nil {
		return nil, err
	}
	defer func() { _ = text.Close() }() // it was only read
	err = records.EachInManifest(text, func(f records.ManifestFile) error {
		if wanted(f.Name) {
			names = append(names, f.Name)
		}
		return nil
	})
	return names, err
}

// objectNames reads the names of the objects that a finished job has moved, in their
// order, from the manifest of its own folder.
func objectNames(ctx context.Context, sinks *openedSinks) ([]string, error) {
	text, err := openManifest(ctx, sinks)
	if err != nil {
		return nil, err
	}
	defer func() { _ = text.Close() }() // it was only read
	return records.ObjectsInManifest(text)
}

func openManifest(ctx context.Context, sink pipeline.Sink) (io.ReadCloser, error) {
	text, err := openWhole(ctx, sink, records.ManifestName)
	if isAbsent(err) {
		err = &pipeline.Error{
			Op: "read", Object: records.ManifestName, Kind: pipeline.KindConfig,
			Err: errors.New("it is not there: the move is not finished, or went elsewhere"), Hint: "fhirhose move; or name the right job file with -c",
		}
	}
	return text, err
}

func isSegment(name string) bool { return strings.HasPrefix(name, output.LedgerFolder) }

func isQuarantine(name string) bool { return strings.HasPrefix(name, "_fhirhose/quarantine-") }

// openWhole opens a sealed file to be read from its beginning to its end, by
// pieces of 1 MiB: each may be a call of S3.
func openWhole(ctx context.Context, sink pipeline.Sink, name string) (io.ReadCloser, error) {
	return openPieces(ctx, sink, name, 1<<20)
}

// openPieces is openWhole by pieces of another size, which is held in memory: larger
// ones are for large files of which much is passed over.
func openPieces(ctx context.Context, sink pipeline.Sink, name string, size int) (io.ReadCloser, error) {
	file, err := sink.Reader(ctx, name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{bufio.NewReaderSize(io.NewSectionReader(file, 0, file.Size()), size), file}, nil
}

// openBook opens the segments of a ledger. The function that it returns closes
// them.
func openBook(ctx context.Context, sink pipeline.Sink, names []string) (*ledger.Ledger, func(), error) {
	var opened []pipeline.FileReader
	closeAll := func() {
		for _, r := range opened {
			_ = r.Close() // it was only read
		}
	}
	var segments []ledger.File
	for _, name := range names {
		r, err := sink.Reader(ctx, name)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		opened, segments = append(opened, r), append(segments, r)
	}
	book, err := ledger.Open(ctx, segments)
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	return book, closeAll, nil
}
