package dynamoexport

import (
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/staging"
)

const (
	summaryBytes = 1 << 20
	filesBytes   = 256 << 20 // a million data files
)

// Options say where an export lies and where to stage it.
type Options struct {
	// Location is the directory that holds manifest-summary.json, or exactly one
	// export below it.
	Location string
	// Bucket is read instead of a directory. Its own location is the folder that
	// holds manifest-summary.json.
	Bucket staging.Bucket
	// StateDir is the job's state directory; its sub-folder in is ours.
	StateDir string
	// Staged is told the compressed bytes that Stage fetches or hashes, as it
	// goes, from several goroutines. Optional.
	Staged func(bytes int64)
}

// Source is a DynamoDB full export.
type Source struct {
	*staging.Files
	summary *summary
}

var _ pipeline.Source = (*Source)(nil)

// Open reads the manifest and finds every data file. It reads no data and writes
// nothing.
//
// Errors: KindConfig where the location holds no export that can be moved,
// KindFatal where the export is damaged or lacks a file, KindAuth, KindRetryLater.
func Open(ctx context.Context, options Options) (*Source, error) {
	p, err := openPlace(ctx, options)
	if err != nil {
		return nil, err
	}
	m, entries, err := readManifest(ctx, p)
	if err != nil {
		return nil, err
	}
	id := m.exportID()
	all := make([]staging.Entry, len(entries))
	for i, e := range entries {
		all[i] = staging.Entry{Key: e.key, Items: e.items, MD5: e.md5, Names: below(e.key, id), Keys: m.original(e.key)}
	}
	objects, err := staging.Find(ctx, p, all, staging.Options{StateDir: options.StateDir, Extension: ".gz", Staged: options.Staged})
	if err != nil {
		return nil, err
	}
	if first, second, twice := objects.Twice(); twice { // one with and one without the prefix
		return nil, broken(p.Name(filesName), "the keys %s and %s name the same data file", first, second)
	}
	return &Source{objects, m}, nil
}

func openPlace(ctx context.Context, o Options) (staging.Place, error) {
	if o.Bucket != nil {
		return openBucket(ctx, o.Bucket)
	}
	if strings.HasPrefix(o.Location, "s3://") {
		return nil, &pipeline.Error{Op: "open", Object: o.Location, Err: errors.New("no bucket was opened for it")}
	}
	return openDirectory(o.Location)
}

func readManifest(ctx context.Context, p staging.Place) (*summary, []entry, error) {
	data, err := readVerified(ctx, p, summaryName, summaryBytes)
	if err != nil {
		return nil, nil, err
	}
	m, err := parseSummary(p.Name(summaryName), data)
	if err != nil {
		return nil, nil, err
	}
	name := filesName
	if m.FilesKey != "" && localKey(m.FilesKey) {
		name = path.Base(m.FilesKey)
	}
	data, err = readVerified(ctx, p, name, filesBytes)
	if err != nil {
		return nil, nil, err
	}
	entries, err := parseFiles(p.Name(name), data, *m.Items)
	return m, entries, err
}

func readVerified(ctx context.Context, p staging.Place, name string, limit int64) ([]byte, error) {
	data, err := p.Read(ctx, name, limit)
	if err != nil {
		return nil, err
	}
	return data, verifyChecksum(ctx, p, name, data)
}

// ExportTime returns the moment that the export shows, zero if unknown.
func (s *Source) ExportTime() time.Time { return s.summary.exportTime() }
