package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// record is the hash of a normalised resource with its type and version.
type record [sha256.Size]byte

// outputName is the name of a file with resources of one type and version.
var outputName = regexp.MustCompile(`^([A-Z][A-Za-z0-9]*-v[0-9]+)[^/]*\.ndjson$`)

// readRecords hashes every resource below dir and sorts the hashes, so that
// outputs of any size can be compared as multisets: 32 bytes per resource.
func readRecords(dir string) ([]record, error) {
	var all []record
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := outputName.FindStringSubmatch(d.Name())
		if d.IsDir() || name == nil {
			return nil
		}
		all, err = appendRecords(all, path, name[1])
		return err
	})
	slices.SortFunc(all, func(a, b record) int { return bytes.Compare(a[:], b[:]) })
	return all, err
}

func appendRecords(all []record, path, name string) ([]record, error) {
	file, err := os.Open(path)
	if err != nil {
		return all, err
	}
	defer func() { _ = file.Close() }()
	scan := bufio.NewScanner(file)
	scan.Buffer(make([]byte, 1<<20), 64<<20)
	for scan.Scan() {
		normal, err := normalise(scan.Bytes())
		if err != nil {
			return all, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, sha256.Sum256(append([]byte(name+"\n"), normal...)))
	}
	return all, scan.Err()
}

// normalise sorts keys, unifies escapes, and writes each number as the shortest
// text of its double: FHIR Works stores doubles, and most peers read them so.
func normalise(resource []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(resource))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(normalNumbers(value))
}

func normalNumbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, x := range v {
			v[key] = normalNumbers(x)
		}
	case []any:
		for i, x := range v {
			v[i] = normalNumbers(x)
		}
	case json.Number:
		if f, err := strconv.ParseFloat(string(v), 64); err == nil {
			return f
		}
		return string(v)
	}
	return value
}

// difference counts what only one of two sorted lists holds.
func difference(a, b []record) (onlyA, onlyB int) {
	for len(a) > 0 && len(b) > 0 {
		switch cmp.Compare(bytes.Compare(a[0][:], b[0][:]), 0) {
		case 0:
			a, b = a[1:], b[1:]
		case -1:
			onlyA, a = onlyA+1, a[1:]
		default:
			onlyB, b = onlyB+1, b[1:]
		}
	}
	return onlyA + len(a), onlyB + len(b)
}

// sameOutput says how an output compares with fhirhose's.
func sameOutput(want []record, dir string) string {
	got, err := readRecords(dir)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	missing, extra := difference(want, got)
	if missing+extra == 0 && len(got) > 0 {
		return "equal"
	}
	return fmt.Sprintf("DIFFERENT: %d missing, %d extra of %d", missing, extra, len(want))
}

// compareCommand compares two output folders by hand.
func compareCommand(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: bench compare DIR DIR")
	}
	want, err := readRecords(args[0])
	if err != nil {
		return err
	}
	verdict := sameOutput(want, args[1])
	fmt.Println(verdict)
	if !strings.HasPrefix(verdict, "equal") {
		return errors.New("the outputs differ")
	}
	return nil
}
