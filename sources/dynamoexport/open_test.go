package dynamoexport

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
)

func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(export)
		kind  pipeline.Kind
		says  []string // in the error
		hint  string
	}{
		"incremental": {
			func(e export) {
				e.setSummary(map[string]any{"itemCount": 3, "exportType": "INCREMENTAL_EXPORT"})
			},
			pipeline.KindConfig,
			[]string{summaryName, "INCREMENTAL_EXPORT"},
			"FULL_EXPORT",
		},
		"ion": {
			func(e export) { e.setSummary(map[string]any{"itemCount": 3, "outputFormat": "ION"}) },
			pipeline.KindConfig,
			[]string{summaryName, `"ION"`},
			"DYNAMODB_JSON",
		},
		"no summary": {
			func(e export) { delete(e, summaryName) },
			pipeline.KindConfig,
			[]string{summaryName},
			"the folder that holds manifest-summary.json",
		},
		"no list of files": {
			func(e export) { delete(e, filesName) },
			pipeline.KindFatal,
			[]string{filesName},
			"restore it",
		},
		"summary not JSON": {
			func(e export) { e[summaryName] = []byte("<html>") },
			pipeline.KindFatal,
			[]string{summaryName, "not JSON"},
			"copy the whole export folder",
		},
		"summary truncated": {
			func(e export) { e[summaryName] = e[summaryName][:40] },
			pipeline.KindFatal,
			[]string{summaryName, "truncated"},
			"copy the whole export folder",
		},
		"summary empty": {
			func(e export) { e[summaryName] = nil },
			pipeline.KindFatal,
			[]string{summaryName, "truncated"},
			"copy the whole export folder",
		},
		"summary without count": {
			func(e export) { e[summaryName] = []byte("{}") },
			pipeline.KindFatal,
			[]string{summaryName, "itemCount"},
			"copy the whole export folder",
		},
		"list not JSON": {
			func(e export) { e[filesName] = []byte("a,b,c\n") },
			pipeline.KindFatal,
			[]string{filesName, "line 1", "not JSON"},
			"copy the whole export folder",
		},
		"list truncated within a line": {
			func(e export) { e[filesName] = e[filesName][:len(e[filesName])-20] },
			pipeline.KindFatal,
			[]string{filesName, "line 3", "truncated"},
			"copy the whole export folder",
		},
		"list truncated between lines": {
			func(e export) { e[filesName] = e[filesName][:bytes.LastIndex(e[filesName], []byte("{"))] },
			pipeline.KindFatal,
			[]string{filesName, "2 data files hold 1 items", "says 3"},
			"copy the whole export folder",
		},
		"counts disagree": {
			func(e export) { e.setSummary(map[string]any{"itemCount": 4}) },
			pipeline.KindFatal,
			[]string{filesName, "hold 3 items", "says 4"},
			"copy the whole export folder",
		},
		"same key twice": {
			func(e export) {
				e[filesName] = append(e[filesName], bytes.SplitAfter(e[filesName], []byte("\n"))[0]...)
			},
			pipeline.KindFatal,
			[]string{filesName, "lines 1 and 4", "same data file", "a.json.gz"},
			"copy the whole export folder",
		},
		"same file under two keys": {
			func(e export) {
				line := bytes.SplitAfter(e[filesName], []byte("\n"))[0]
				e[filesName] = append(e[filesName], bytes.Replace(line, []byte("AWSDynamoDB"), []byte("p/AWSDynamoDB"), 1)...)
			},
			pipeline.KindFatal,
			[]string{filesName, "same data file", "a.json.gz"},
			"copy the whole export folder",
		},
		"MD5 not base64": {
			func(e export) {
				e[filesName] = bytes.Replace(e[filesName], []byte(`"md5Checksum":"`), []byte(`"md5Checksum":"?`), 1)
			},
			pipeline.KindFatal,
			[]string{filesName, "line 1", "md5Checksum"},
			"copy the whole export folder",
		},
		"negative count": {
			func(e export) {
				e[filesName] = bytes.Replace(e[filesName], []byte(`"itemCount":1`), []byte(`"itemCount":-1`), 1)
			},
			pipeline.KindFatal,
			[]string{filesName, "line 2", "itemCount"},
			"copy the whole export folder",
		},
		"key leads out": {
			func(e export) {
				e[filesName] = bytes.ReplaceAll(e[filesName], []byte("AWSDynamoDB/"), []byte("../"))
			},
			pipeline.KindFatal,
			[]string{filesName, "line 1", "dataFileS3Key"},
			"copy the whole export folder",
		},
		"one data file missing": {
			func(e export) { delete(e, "data/b.json.gz") },
			pipeline.KindFatal,
			[]string{"b.json.gz", "not exist"},
			"restore it from the bucket and run the same command again",
		},
		"all data files missing": {
			func(e export) {
				for _, o := range three() {
					delete(e, "data/"+o.Name)
				}
			},
			pipeline.KindFatal,
			[]string{"c.json.gz", "and 2 more data files are missing"},
			"restore it",
		},
		"checksum differs": {
			func(e export) {
				e["manifest-files.checksum"] = []byte(base64.StdEncoding.EncodeToString(make([]byte, 16)))
			},
			pipeline.KindFatal,
			[]string{filesName, "manifest-files.checksum"},
			"copy the whole export folder",
		},
		"checksum is none": {
			func(e export) { e["manifest-summary.md5"] = []byte("hello") },
			pipeline.KindFatal,
			[]string{"manifest-summary.md5", "no MD5"},
			"copy the whole export folder",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExport("", three())
			test.spoil(e)
			folder := e.write(t)
			_, err := openExport(t, folder)
			if err == nil {
				t.Fatal("accepted")
			}
			if pipeline.KindOf(err) != test.kind || !strings.Contains(pipeline.HintOf(err), test.hint) {
				t.Errorf("kind %d, want %d; hint %q, want %q", pipeline.KindOf(err), test.kind, pipeline.HintOf(err), test.hint)
			}
			for _, part := range append(test.says, folder) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			for file, data := range newExport("", three()) { // the repair
				writeFile(t, filepath.Join(folder, file), data)
			}
			for _, optional := range []string{"manifest-files.checksum", "manifest-summary.md5"} {
				_ = os.Remove(filepath.Join(folder, optional))
			}
			if _, err := openExport(t, folder); err != nil {
				t.Errorf("after the repair: %v", err)
			}
		})
	}
}

func TestOpenTolerates(t *testing.T) {
	for name, spoil := range map[string]func(export){
		"as it is":               func(export) {},
		"older: no exportType":   func(e export) { e.setSummary(map[string]any{"itemCount": 3, "exportType": "absent"}) },
		"no exportArn":           func(e export) { e.setSummary(map[string]any{"itemCount": 3, "exportArn": "absent"}) },
		"another id in the list": func(e export) { e.setSummary(map[string]any{"itemCount": 3, "exportArn": "arn:x/export/other"}) },
		"empty lines, no last LF": func(e export) {
			e[filesName] = bytes.TrimSpace(bytes.ReplaceAll(e[filesName], []byte("\n"), []byte("\r\n\n")))
		},
		"keys below the folder": func(e export) {
			e[filesName] = bytes.ReplaceAll(e[filesName], []byte("AWSDynamoDB/"+testID+"/"), nil)
		},
		"prefix that ends in a slash": func(e export) {
			e[filesName] = bytes.ReplaceAll(e[filesName], []byte("AWSDynamoDB/"), []byte("p//AWSDynamoDB/"))
		},
		"checksums in base64": func(e export) {
			for _, name := range []string{summaryName, filesName} {
				sum := md5.Sum(e[name])
				e[strings.TrimSuffix(name, ".json")+".checksum"] = []byte(base64.StdEncoding.EncodeToString(sum[:]) + "\n")
			}
		},
		"checksums in hex": func(e export) {
			for _, name := range []string{summaryName, filesName} {
				sum := md5.Sum(e[name])
				e[strings.TrimSuffix(name, ".json")+".md5"] = []byte(hex.EncodeToString(sum[:]) + "  " + name + "\n")
			}
		},
		"no prefix in keys": func(e export) {
			e.setSummary(map[string]any{"itemCount": 3, "s3Prefix": "some/prefix"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExport("", three())
			spoil(e)
			source, err := openExport(t, e.write(t))
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{"c.json.gz", "b.json.gz", "a.json.gz"} {
				object := source.Objects()[i]
				if !strings.HasSuffix(object.Key, "/"+want) || object.Size != int64(len("bytes of "+want)) {
					t.Errorf("object %d is %+v, want %s", i, object, want)
				}
			}
			if want := time.Date(2023, 9, 2, 20, 16, 50, 0, time.UTC); !source.ExportTime().Equal(want) {
				t.Errorf("export time %v, want %v", source.ExportTime(), want)
			}
		})
	}
}

func TestUnknownExportTime(t *testing.T) {
	e := newExport("", three())
	e.setSummary(map[string]any{"itemCount": 3, "exportTime": "yesterday"})
	if source := must[*Source](t)(openExport(t, e.write(t))); !source.ExportTime().IsZero() {
		t.Errorf("export time %v", source.ExportTime())
	}
}

func TestExportWithoutObjects(t *testing.T) {
	source := must[*Source](t)(openExport(t, newExport("", nil).write(t)))
	if len(source.Objects()) != 0 {
		t.Errorf("%d objects", len(source.Objects()))
	}
}

func TestLocations(t *testing.T) {
	folder := newExport("p/", three()).write(t)
	root := filepath.Dir(filepath.Dir(folder))
	mirror := filepath.Join(t.TempDir(), "some", "prefix", "AWSDynamoDB", testID)
	for name, data := range newExport("some/prefix/", three()) {
		writeFile(t, filepath.Join(mirror, name), data)
	}
	for name, location := range map[string]string{
		"the export":       folder,
		"with a slash":     folder + "/",
		"its data folder":  filepath.Join(folder, "data"),
		"its summary":      filepath.Join(folder, summaryName),
		"AWSDynamoDB":      filepath.Dir(folder),
		"root of a copy":   root,
		"root of a mirror": filepath.Join(mirror, "..", "..", "..", ".."),
	} {
		t.Run(name, func(t *testing.T) {
			source, err := openExport(t, location)
			if err != nil {
				t.Fatal(err)
			}
			if got := source.Folder(); got != folder && got != mirror {
				t.Errorf("found %s", got)
			}
		})
	}
}

func TestLocationsThatAreNone(t *testing.T) {
	several := filepath.Dir(newExport("", three()).write(t))
	writeFile(t, filepath.Join(several, "second", summaryName), nil)
	for name, test := range map[string]struct {
		location string
		says     []string
		hint     string
	}{
		"absent":  {filepath.Join(t.TempDir(), "nowhere"), []string{"nowhere", "no such file"}, "folder that holds manifest-summary.json"},
		"empty":   {t.TempDir(), []string{"no manifest-summary.json here or below"}, "folder that holds manifest-summary.json"},
		"several": {several, []string{"several exports", testID, "second"}, "name one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openExport(t, test.location)
			if pipeline.KindOf(err) != pipeline.KindConfig || !strings.Contains(pipeline.HintOf(err), test.hint) {
				t.Fatalf("got %v, hint %q", err, pipeline.HintOf(err))
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}
