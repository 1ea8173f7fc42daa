package generate

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readManifests checks both manifests against the files and returns them.
func readManifests(t *testing.T, s Summary) (summaryFile, []fileLine) {
	t.Helper()
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(s.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	var summary summaryFile
	if err := json.Unmarshal(read("manifest-summary.json"), &summary); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum(read("manifest-summary.json"))
	if string(read("manifest-summary.checksum")) != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Error("wrong checksum of the summary")
	}
	var files []fileLine
	var total int64
	for text := range bytes.Lines(read("manifest-files.json")) {
		var line fileLine
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatal(err)
		}
		data := read(filepath.Join("data", filepath.Base(line.DataFileS3Key)))
		if sum := md5.Sum(data); base64.StdEncoding.EncodeToString(sum[:]) != line.MD5Checksum {
			t.Errorf("wrong MD5 of %s", line.DataFileS3Key)
		}
		total += line.ItemCount
		files = append(files, line)
	}
	if total != summary.ItemCount || len(read("_started")) != 0 {
		t.Errorf("items: %d in files, %d in the summary", total, summary.ItemCount)
	}
	return summary, files
}

func TestManifestsDescribeTheFiles(t *testing.T) {
	s := write(t, Options{Resources: 100, EmptyObjects: 1, Prefix: "a/b"})
	summary, files := readManifests(t, s)
	if len(files) != 5 || summary.ItemCount != s.Items || *summary.S3Prefix != "a/b" {
		t.Errorf("%d files, %+v", len(files), summary)
	}
	for i, f := range files {
		if f.DataFileS3Key != s.Objects[i].Key || !strings.HasPrefix(f.DataFileS3Key, "a/b/AWSDynamoDB/"+s.ExportID+"/data/") {
			t.Errorf("key %s", f.DataFileS3Key)
		}
		if lines := readLines(t, s.Objects[i].Path); int64(len(lines)) != f.ItemCount {
			t.Errorf("%d lines, %d items", len(lines), f.ItemCount)
		}
	}
}

func TestExportByHand(t *testing.T) {
	objects := [][]string{{`{"Item":{}}`, "not json", "\xff"}, nil, {"one line"}}
	for _, members := range []int{0, 2, 7} {
		dir := filepath.Join(t.TempDir(), "01693685827463-2d8752fd")
		s, err := Export{Dir: dir, Objects: objects, Prefix: "p", BareKeys: members == 2, Members: members}.Write()
		if err != nil {
			t.Fatal(err)
		}
		summary, files := readManifests(t, s)
		if summary.ItemCount != 4 || s.ExportID != "01693685827463-2d8752fd" {
			t.Errorf("items %d, id %s", summary.ItemCount, s.ExportID)
		}
		if bare := strings.HasPrefix(files[0].DataFileS3Key, "AWSDynamoDB/"); bare != (members == 2) {
			t.Errorf("key %s", files[0].DataFileS3Key)
		}
		for k, o := range s.Objects {
			if got := readLines(t, o.Path); !slices.Equal(got, objects[k]) {
				t.Errorf("members %d: %q", members, got)
			}
			raw, err := os.ReadFile(o.Path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(raw, []byte{0x1f, 0x8b, 0x08}); n != max(1, members) {
				t.Errorf("%d gzip members, want %d", n, members)
			}
		}
	}
}

func TestWriteLines(t *testing.T) {
	s, err := WriteLines(t.TempDir(), 2, func(k int, add func([]byte) error) error {
		for range k + 1 {
			if err := add([]byte("line")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if summary, _ := readManifests(t, s); summary.ItemCount != 3 {
		t.Errorf("%d items", summary.ItemCount)
	}
}
