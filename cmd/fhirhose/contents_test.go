package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// binaryRow is a row of type Binary in an export.
type binaryRow struct {
	key     string // of its object, but for the extension
	deleted bool
}

// binaryRows reads an export the way it is documented, not the way we read it.
func binaryRows(export string) (rows []binaryRow, err error) {
	files, err := filepath.Glob(filepath.Join(export, "data", "*.json.gz"))
	for _, name := range files {
		data, readErr := os.ReadFile(name)
		unzipped, zipErr := gzip.NewReader(bytes.NewReader(data))
		if err = errors.Join(err, readErr, zipErr); err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(unzipped); lines.Scan(); {
			var line struct {
				Item map[string]struct{ S, N string } `json:"Item"`
			}
			_ = json.Unmarshal(lines.Bytes(), &line) // values of other kinds do not matter here
			item := line.Item
			status := item["documentStatus"].S
			if item["resourceType"].S != "Binary" || status == "PENDING" {
				continue
			}
			key := item["id"].S + "_" + item["vid"].N + "."
			if tenant := item["_tenantId"].S; tenant != "" {
				key = tenant + "/" + item["_id"].S + "_" + item["vid"].N + "."
			}
			rows = append(rows, binaryRow{key, status == "DELETED"})
		}
	}
	return rows, err
}

// makeContents is the command contents EXPORT DIR [missing=N] [twice=N] [bytes=N]:
// write an object for each Binary row of an export, and one that no row names.
// Of the rows that are not DELETED the first lack it, the next have two.
func makeContents(ts *testscript.TestScript, _ bool, args []string) {
	options := map[string]int{"bytes": 200}
	for _, arg := range args[2:] {
		name, text, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(text)
		ts.Check(err)
		options[name] = n
	}
	rows, err := binaryRows(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(rows) < 4 {
		ts.Fatalf("%d Binary rows prove nothing", len(rows))
	}
	put := func(key string) {
		path := filepath.Join(ts.MkAbs(args[1]), filepath.FromSlash(key))
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
		ts.Check(os.WriteFile(path, bytes.Repeat([]byte(fmt.Sprint(len(key))), options["bytes"])[:options["bytes"]], 0o600))
	}
	put("nobody_1.pdf")
	for _, row := range rows {
		switch {
		case !row.deleted && options["missing"] > 0:
			options["missing"]--
			continue
		case !row.deleted && options["twice"] > 0:
			options["twice"]--
			put(row.key + "pdf")
		}
		put(row.key + "false")
	}
}
