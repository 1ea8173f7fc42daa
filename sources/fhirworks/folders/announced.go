package folders

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/staging"
)

const (
	announcedName  = "migration_output.json"
	announcedBytes = 256 << 20 // a million files

	hintLocation = "the location must be the folder that holds " + announcedName + ": that of a job of the FHIR Works tool, [tenant/]jobId"
)

var (
	// folderName is that of a folder: v1-0, Binary-v1, Binary-v1-0.
	folderName = regexp.MustCompile(`^(?:Binary-)?v([1-9][0-9]{0,8})(?:-[0-9]{1,9})?$`)
	// fileName is that of a file: Patient-v1-00000.ndjson.
	fileName = regexp.MustCompile(`^[A-Z][A-Za-z0-9._-]*\.ndjson$`)
)

// parse returns the files that migration_output.json names. at is what an operator
// calls it. Of a tenant, if there is one, all must be.
func parse(at, tenant string, data []byte) ([]staging.Entry, error) {
	var announced struct {
		Names map[string][]string `json:"file_names"`
	}
	if err := json.Unmarshal(data, &announced); err != nil {
		return nil, broken(at, "not JSON, or truncated")
	}
	if len(announced.Names) == 0 {
		return nil, refused(at, hintLocation, "it names no folders")
	}
	var all []staging.Entry
	seen := map[string]bool{}
	root, rooted := "", false
	for _, folder := range slices.Sorted(maps.Keys(announced.Names)) {
		version, err := versionOf(folder)
		if err != nil {
			return nil, broken(at, "%w", err)
		}
		for _, key := range announced.Names[folder] {
			file := path.Base(key)
			of, ok := strings.CutSuffix(key, folder+"/"+file)
			switch {
			case !ok || of != "" && !strings.HasSuffix(of, "/") || !fileName.MatchString(file):
				return nil, broken(at, "a file of folder %s does not lie in it, or is no file of a resource type", folder)
			case rooted && of != root:
				return nil, broken(at, "its files lie in several places")
			case seen[key]:
				return nil, broken(at, "it names a file of folder %s twice", folder)
			}
			root, rooted, seen[key] = of, true, true
			all = append(all, staging.Entry{
				Key: key, Items: pipeline.Unpromised, Version: version, Names: []string{folder + "/" + file},
			})
		}
	}
	if first, _, _ := strings.Cut(root, "/"); tenant != "" && (first != tenant || strings.Count(root, "/") != 2) {
		return nil, refused(at, "name the folder of that tenant, or another tenant", "its files are not those of source.tenant")
	}
	return all, nil
}

func versionOf(folder string) (uint32, error) {
	parts := folderName.FindStringSubmatch(folder)
	if parts == nil {
		return 0, errors.New("it names a folder that is none of a version")
	}
	version, err := strconv.ParseUint(parts[1], 10, 32)
	return uint32(version), err
}

// broken says that the file is damaged, or not the tool's.
func broken(name, format string, args ...any) error {
	return &pipeline.Error{
		Op: "read", Object: name, Kind: pipeline.KindFatal, Err: fmt.Errorf(format, args...),
		Hint: "copy the whole folder again from the bucket of the FHIR Works tool, or have it write it again",
	}
}

// refused says that the folder is not the one that was meant.
func refused(name, hint, format string, args ...any) error {
	return &pipeline.Error{Op: "read", Object: name, Kind: pipeline.KindConfig, Err: fmt.Errorf(format, args...), Hint: hint}
}
