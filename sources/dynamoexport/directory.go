package dynamoexport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/staging"
)

const (
	// searchDepth is how far below a location an export is looked for:
	// prefix/prefix/AWSDynamoDB/id.
	searchDepth    = 5
	searchMost     = 10
	hintLocation   = "the location must be the folder that holds " + summaryName
	dataFolderName = "data"
)

// openDirectory finds the export's folder: location itself, the folder around
// its data, or the only export below it.
func openDirectory(location string) (staging.Place, error) {
	location = filepath.Clean(location)
	if _, err := os.Stat(location); err != nil {
		return nil, locationError(location, err)
	}
	if base := filepath.Base(location); base == summaryName || base == dataFolderName && !holdsExport(location) {
		location = filepath.Dir(location)
	}
	if holdsExport(location) {
		return staging.InDirectory(location), nil
	}
	below, err := exportsBelow(location)
	switch {
	case err != nil:
		return nil, locationError(location, err)
	case len(below) == 0:
		return nil, locationError(location, fmt.Errorf("no %s here or below: %w", summaryName, fs.ErrNotExist))
	case len(below) > 1:
		return nil, &pipeline.Error{
			Op: "find export in", Object: location, Kind: pipeline.KindConfig,
			Err:  errors.New("several exports: " + strings.Join(below, ", ")),
			Hint: "name one of them as the location",
		}
	}
	return staging.InDirectory(below[0]), nil
}

func holdsExport(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, summaryName))
	return err == nil
}

// exportsBelow returns at most searchMost folders. It does not look into data
// folders, which may hold a hundred thousand files.
func exportsBelow(root string) ([]string, error) {
	var exports []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(root, path)
		switch {
		case len(exports) == searchMost:
			return fs.SkipAll
		case d.IsDir() && (d.Name() == dataFolderName || strings.Count(relative, string(filepath.Separator)) >= searchDepth):
			return fs.SkipDir
		case !d.IsDir() && d.Name() == summaryName:
			exports = append(exports, filepath.Dir(path))
		}
		return nil
	})
	return exports, err
}

func locationError(location string, err error) error {
	e := &pipeline.Error{Op: "find export in", Object: location, Kind: pipeline.KindConfig, Err: err, Hint: hintLocation}
	if errors.Is(err, fs.ErrPermission) {
		e.Kind, e.Hint = pipeline.KindAuth, "make it readable for the user that runs fhirhose"
	}
	return e
}
