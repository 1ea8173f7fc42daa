package folders

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/staging"
)

// Options say where folders lie and where to stage their files.
type Options struct {
	// Location is the directory that holds migration_output.json.
	Location string
	// Bucket is read instead of a directory; its location is that folder.
	Bucket staging.Bucket
	// Tenant is the only one of which files may be; "" for any.
	Tenant string
	// StateDir is the job's state directory; its sub-folder in is ours.
	StateDir string
	// Staged is told the bytes that Stage fetches or reads, as it goes, from several
	// goroutines. Optional.
	Staged func(bytes int64)
}

// Source is folders that the FHIR Works tool has written.
type Source struct {
	*staging.Files
	place staging.Place
	named map[string]bool // below the place
}

var _ pipeline.Source = (*Source)(nil)

// Open reads migration_output.json and finds every file that it names. It reads none
// of them and writes nothing.
//
// Errors: KindConfig where the location holds no such folders, KindFatal where they
// are damaged or lack a file, KindAuth, KindRetryLater.
func Open(ctx context.Context, o Options) (*Source, error) {
	p, err := openPlace(o)
	if err != nil {
		return nil, err
	}
	data, err := p.Read(ctx, announcedName, announcedBytes)
	if err != nil {
		return nil, explain(p, err)
	}
	entries, err := parse(p.Name(announcedName), o.Tenant, data)
	if err != nil {
		return nil, err
	}
	s := &Source{place: p, named: make(map[string]bool, len(entries))}
	for _, e := range entries {
		s.named[e.Names[0]] = true
	}
	s.Files, err = staging.Find(ctx, p, entries, staging.Options{StateDir: o.StateDir, Extension: ".ndjson", Staged: o.Staged})
	if err != nil {
		return nil, lost(err)
	}
	return s, nil
}

func openPlace(o Options) (staging.Place, error) {
	if o.Bucket != nil {
		at := o.Bucket.Location()
		if dir, name := path.Split(at.Prefix); name == announcedName {
			at.Prefix = strings.TrimSuffix(dir, "/")
		}
		return staging.InBucket(o.Bucket, at), nil
	}
	if strings.HasPrefix(o.Location, "s3://") {
		return nil, &pipeline.Error{Op: "open", Object: o.Location, Err: errors.New("no bucket was opened for it")}
	}
	at := filepath.Clean(o.Location)
	if filepath.Base(at) == announcedName {
		at = filepath.Dir(at)
	}
	return staging.InDirectory(at), nil
}

// explain says why migration_output.json cannot be read.
func explain(p staging.Place, err error) error {
	switch {
	case staging.IsAbsent(err):
		return &pipeline.Error{Op: "find", Object: p.Name(announcedName), Kind: pipeline.KindConfig, Err: staging.Cause(err), Hint: hintLocation}
	case staging.IsForbidden(err):
		return &pipeline.Error{
			Op: "find", Object: p.Name(announcedName), Kind: pipeline.KindAuth, Err: staging.Cause(err),
			Hint: hintLocation + ", and " + staging.HintForbidden,
		}
	}
	return err
}

// lost says of a file that is named and not there what that means (WE3 of the tool).
func lost(err error) error {
	e, ok := errors.AsType[*pipeline.Error](err)
	if !ok || !staging.IsAbsent(err) {
		return err
	}
	told := *e
	told.Hint = announcedName + " names it: the FHIR Works tool loses files and succeeds all the same; " +
		"restore it, have the tool write all again, or move the table itself with source.dynamodb_export"
	return &told
}

// ExportTime is unknown: the tool does not record it.
func (s *Source) ExportTime() time.Time { return time.Time{} }

// Unnamed is what lies beside the files that are named.
type Unnamed struct {
	Files int64
	Bytes int64
	First string // the first of their names
}

// Unnamed lists the folder for files that hold something and are not named, such as
// those that the tool did not get renamed. They are not moved. What fhirhose keeps
// beside its own folders is none of them.
func (s *Source) Unnamed(ctx context.Context) (u Unnamed, err error) {
	err = s.place.Walk(ctx, func(name string, size int64) error {
		if size == 0 || name == announcedName || s.named[name] || strings.HasPrefix(name, "_fhirhose/") {
			return nil
		}
		if u.Files == 0 || name < u.First {
			u.First = name
		}
		u.Files++
		u.Bytes += size
		return nil
	})
	return u, err
}
