package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// What follows imports folders that the FHIR Works tool has written. They come with
// migration_output.json alone: no ledger, no manifest, no count of lines.

// foreign are the folders of another tool, [<tenant>/]<jobId> of a bucket.
type foreign struct {
	at    objectstore.Location
	files map[string][]string // names below at, by folder
	sum   string              // of migration_output.json
}

// foreignFolder is a folder's name: v1-0, Binary-v1, Binary-v1-0.
var foreignFolder = regexp.MustCompile(`^(Binary-)?v([0-9]{1,9})(-[0-9]{1,9})?$`)

// foreignFile is a file's name; its type ends at the last -v.
var foreignFile = regexp.MustCompile(`^([A-Z][A-Za-z]*)-.*\.ndjson$`)

// readForeign reads which folders and files there are said to be.
func readForeign(ctx context.Context, sink *objectstore.Store) (*foreign, error) {
	f := &foreign{at: sink.Location(), files: map[string][]string{}}
	name := f.at.Key(announceName)
	refuse := func(format string, args ...any) error {
		return &pipeline.Error{
			Op: "read", Object: "s3://" + f.at.Bucket + "/" + name, Kind: pipeline.KindConfig,
			Err: fmt.Errorf(format, args...), Hint: "name the folder of the FHIR Works tool that holds its migration_output.json",
		}
	}
	content, err := sink.Get(ctx, name, mostAnnouncement)
	switch {
	case isAbsent(err):
		return nil, refuse("there is no " + announceName)
	case err != nil:
		return nil, err
	}
	sum := sha256.Sum256(content)
	f.sum = hex.EncodeToString(sum[:])
	var announced struct {
		Names map[string][]string `json:"file_names"`
	}
	if json.Unmarshal(content, &announced) != nil || len(announced.Names) == 0 {
		return nil, refuse("it names no folders")
	}
	for folder, keys := range announced.Names {
		if !foreignFolder.MatchString(folder) {
			return nil, refuse("it names a folder that is none of a version")
		}
		for _, key := range keys {
			below, ok := strings.CutPrefix(key, f.at.Key(folder)+"/")
			if !ok || !foreignFile.MatchString(below) {
				return nil, refuse("a file of folder %s does not lie in it", folder)
			}
			f.files[folder] = append(f.files[folder], folder+"/"+below)
		}
		slices.Sort(f.files[folder])
		if len(slices.Compact(slices.Clone(f.files[folder]))) < len(keys) {
			return nil, refuse("it names a file of folder %s twice", folder)
		}
	}
	return f, nil
}

// openCheckpoint opens the checkpoint of an import of other folders, or makes it.
func (f *foreign) openCheckpoint(job *jobfile.Job) (*checkpoint.Store, error) {
	return checkpoint.Open(filepath.Join(job.State, checkpointFile), checkpoint.NewIdentity(map[string]string{
		"from": f.at.String(), announceName: f.sum,
	}, nil))
}

// linesBucket of the checkpoint has what was read of each file, by name.
const linesBucket = "from-files"

// foreignLines is a file as it was read.
type foreignLines struct {
	ETag  string `json:"etag"`
	Size  int64  `json:"size"`
	Lines int64  `json:"lines"`
}

// lineReaders is how many files are read at the same time.
const lineReaders = 4

// count reads every file for its number of lines, once: what was read is kept.
func (f *foreign) count(ctx context.Context, sink *objectstore.Store, store *checkpoint.Store) (files []output.File, err error) {
	known := map[string]foreignLines{}
	err = store.Each(linesBucket, func(key string, value []byte) error {
		var l foreignLines
		err := json.Unmarshal(value, &l)
		known[key] = l
		return err
	})
	if err != nil {
		return nil, output.Damaged(err)
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lineReaders)
	for _, folder := range slices.Sorted(maps.Keys(f.files)) {
		for _, name := range f.files[folder] {
			group.Go(func() error {
				l, err := f.linesOf(ctx, sink, name, known[name])
				if err != nil {
					return err
				}
				value, err := json.Marshal(l)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				if files = append(files, foreignRecord(folder, name, l)); l == known[name] {
					return nil
				}
				return store.Commit([]output.Change{{Bucket: linesBucket, Key: name, Value: value}})
			})
		}
	}
	err = group.Wait()
	slices.SortFunc(files, func(a, b output.File) int { return strings.Compare(a.Name, b.Name) })
	return files, err
}

func foreignRecord(folder, name string, l foreignLines) (file output.File) {
	file.Name, file.Size, file.Lines = name, l.Size, uint32(l.Lines)
	file.Type = foreignFile.FindStringSubmatch(strings.TrimPrefix(name, folder+"/"))[1]
	version, _ := strconv.ParseUint(foreignFolder.FindStringSubmatch(folder)[2], 10, 32) // digits
	file.Version = uint32(version)
	return file
}

// linesOf counts the lines that are not blank, unless the file is as it was known.
func (f *foreign) linesOf(ctx context.Context, sink *objectstore.Store, name string, known foreignLines) (foreignLines, error) {
	key := f.at.Key(name)
	info, err := sink.Head(ctx, key)
	if errors.Is(err, objectstore.ErrNotFound) {
		return foreignLines{}, &pipeline.Error{
			Op: "count the lines of", Object: "s3://" + f.at.Bucket + "/" + key, Kind: pipeline.KindFatal,
			Err: errors.New("it is not there, and migration_output.json names it"), Hint: "have the FHIR Works tool write it, or move the export with fhirhose move",
		}
	}
	if err != nil || known.ETag == info.ETag && known.Size == info.Size {
		return known, err
	}
	l := foreignLines{ETag: info.ETag, Size: info.Size}
	err = sink.Stream(ctx, key, info.ETag, func(r io.Reader) (err error) {
		l.Lines, err = countLines(r)
		return err
	})
	return l, err
}

// countLines counts the lines with anything but blanks in them.
func countLines(r io.Reader) (n int64, err error) {
	lines, begun := bufio.NewReaderSize(r, 1<<20), false
	for {
		piece, err := lines.ReadSlice('\n')
		begun = begun || len(bytes.TrimSpace(piece)) > 0
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if begun {
			n++
		}
		begun = false
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

// openFrom opens what an import of other folders stands on.
func (i *importRun) openFrom(ctx context.Context) (closeStore func() error, err error) {
	w := wiring{job: i.job, seen: newObservation(i.job)}
	sink, err := w.openSinkStore(ctx)
	if err != nil {
		return nil, err
	}
	defer sink.Close()
	f, err := readForeign(ctx, sink)
	if err != nil {
		return nil, err
	}
	if i.store, err = f.openCheckpoint(i.job); err != nil {
		return nil, err
	}
	i.log.Info("reading the files for their numbers of lines", "from", f.at.String(), "folders", len(f.files))
	files, err := f.count(ctx, sink, i.store)
	if err != nil {
		return i.store.Close, err
	}
	d := &destination{foreign: true, sink: i.job.From, files: files, folders: foldersOf(files)}
	d.datastore, err = i.job.Datastore("")
	i.to = []*destination{d}
	return i.store.Close, err
}
