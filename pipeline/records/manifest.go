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
	return readManifest(r, f, func(string) error { return nil })
}

// ObjectsInManifest returns the names of the job's objects, which stand in the
// manifest of its own folder: ledger.Entry.Object is an index of it. Errors are those
// of EachInManifest.
func ObjectsInManifest(r io.Reader) (names []string, err error) {
	err = readManifest(r, func(ManifestFile) error { return nil }, func(name string) error {
		names = append(names, name)
		return nil
	})
	return names, err
}

func readManifest(r io.Reader, file func(ManifestFile) error, object func(string) error) error {
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
		switch key {
		case "files":
			err = eachOf(in, func(f ManifestFile) bool { return f.Name != "" }, file)
		case "objects":
			err = eachOf(in, func(name string) bool { return name != "" }, object)
		default:
			var skipped json.RawMessage
			if in.Decode(&skipped) != nil {
				err = errNoManifest
			}
		}
		switch {
		case errors.Is(err, errNoManifest):
			return unreadable()
		case err != nil:
			return err
		}
	}
	if _, err := in.Token(); err != nil {
		return unreadable()
	}
	return nil
}

var errNoManifest = errors.New("no manifest")

// eachOf calls f for each element of the list that comes next, or returns
// errNoManifest.
func eachOf[T any](in *json.Decoder, whole func(T) bool, f func(T) error) error {
	if token, err := in.Token(); err != nil || token != json.Delim('[') {
		return errNoManifest
	}
	for in.More() {
		var one T
		if in.Decode(&one) != nil || !whole(one) {
			return errNoManifest
		}
		if err := f(one); err != nil {
			return err
		}
	}
	if _, err := in.Token(); err != nil {
		return errNoManifest
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
