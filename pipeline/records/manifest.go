package records

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/fhirhose/fhirhose/pipeline"
)

// ManifestName is the file that names all others of a finished job, or of one of
// its tenants, below its folder.
const ManifestName = manifestName

// ManifestFile is a file as the manifest tells of it.
type ManifestFile = manifestFile

// EachInManifest calls f for every file that a manifest names, in its order. It
// holds one of them at a time. What is no manifest is KindFatal; an error of f or of
// the reader is returned as it is.
func EachInManifest(r io.Reader, f func(ManifestFile) error) error {
	reading := &failing{Reader: r}
	in := json.NewDecoder(reading)
	unreadable := func() error {
		if reading.err != nil {
			return reading.err
		}
		return &pipeline.Error{
			Op: "read", Object: manifestName, Kind: pipeline.KindFatal, Err: errors.New("it is no manifest"),
			Hint: "put it back as the move has left it",
		}
	}
	if token, err := in.Token(); err != nil || token != json.Delim('{') {
		return unreadable()
	}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return unreadable()
		}
		if key != "files" {
			var skipped json.RawMessage
			if in.Decode(&skipped) != nil {
				return unreadable()
			}
			continue
		}
		if token, err := in.Token(); err != nil || token != json.Delim('[') {
			return unreadable()
		}
		for in.More() {
			var file ManifestFile
			if in.Decode(&file) != nil || file.Name == "" {
				return unreadable()
			}
			if err := f(file); err != nil {
				return err
			}
		}
		if _, err := in.Token(); err != nil {
			return unreadable()
		}
	}
	if _, err := in.Token(); err != nil {
		return unreadable()
	}
	return nil
}

// failing remembers an error of its reader, to tell it from bytes that are wrong.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}
