package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// input is an export on disk.
type input struct {
	Name    string
	Dir     string
	Files   []string // data files, empty ones too
	Items   int64
	Bytes   int64 // decompressed
	Gzipped int64
}

// generated returns the export that the options describe, from the cache if
// the last run made the same. size, if any, decides the number of resources.
func (s *settings) generated(ctx context.Context, name string, o generate.Options, size int64) (input, error) {
	o.Dir = filepath.Join(s.data, "input", name)
	if size > 0 {
		var err error
		if o, err = generate.Sized(o, size); err != nil {
			return input{}, err
		}
	}
	if in, ok := cached(o.Dir, o); ok {
		return in, nil
	}
	s.say("generating %s", name)
	if err := os.RemoveAll(o.Dir); err != nil {
		return input{}, err
	}
	made, err := generate.Write(ctx, o)
	if err != nil {
		return input{}, err
	}
	return remember(name, made, o)
}

// cacheEntry is bench.json beside the manifests.
type cacheEntry struct {
	Options generate.Options
	Input   input
}

func cached(dir string, o generate.Options) (input, bool) {
	content, err := os.ReadFile(filepath.Join(dir, "bench.json"))
	if err != nil {
		return input{}, false
	}
	var e cacheEntry
	if err := json.Unmarshal(content, &e); err != nil || !reflect.DeepEqual(e.Options, o) {
		return input{}, false
	}
	return e.Input, true
}

func remember(name string, made generate.Summary, o generate.Options) (input, error) {
	in := input{Name: name, Dir: made.Dir, Items: made.Items, Bytes: made.Bytes, Gzipped: made.Compressed}
	for _, object := range made.Objects {
		in.Files = append(in.Files, object.Path)
	}
	content, err := json.Marshal(cacheEntry{o, in})
	if err != nil {
		return in, err
	}
	return in, os.WriteFile(filepath.Join(made.Dir, "bench.json"), content, 0o644)
}

// generateCommand writes one export.
func generateCommand(ctx context.Context, args []string) error {
	var o generate.Options
	var size byteSize
	f := flag.NewFlagSet("bench generate", flag.ContinueOnError)
	f.StringVar(&o.Dir, "dir", "", "folder to write")
	f.Uint64Var(&o.Seed, "seed", 1, "seed")
	f.IntVar(&o.Resources, "resources", 0, "distinct resources (default 1000)")
	f.Var(&size, "size", "decompressed bytes, instead of -resources")
	f.IntVar(&o.Types, "types", 140, "resource types")
	f.BoolVar(&o.Even, "even", false, "all types equally often")
	f.IntVar(&o.Versions, "versions", 3, "highest version")
	f.BoolVar(&o.AllVersions, "all-versions", false, "every resource has all versions")
	f.IntVar(&o.Objects, "objects", 16, "data files")
	f.Float64Var(&o.Skew, "skew", 1, "largest to smallest object")
	f.IntVar(&o.EmptyObjects, "empty", 0, "further data files without rows")
	f.Float64Var(&o.Bad, "bad", 0, "fraction of resources that a defective row follows")
	f.StringVar(&o.Contents, "contents", "", "folder to write the contents of Binary rows to")
	f.IntVar(&o.GzipLevel, "level", 6, "gzip level")
	if err := f.Parse(args); err != nil {
		return err
	}
	if size > 0 {
		var err error
		if o, err = generate.Sized(o, int64(size)); err != nil {
			return err
		}
	}
	made, err := generate.Write(ctx, o)
	if err != nil {
		return err
	}
	fmt.Printf("%d items, %s, %s compressed (%.1f:1), %d objects in %s\n", made.Items, megabytes(made.Bytes),
		megabytes(made.Compressed), float64(made.Bytes)/float64(made.Compressed), len(made.Objects), made.Dir)
	return nil
}
