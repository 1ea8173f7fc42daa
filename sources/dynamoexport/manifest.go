package dynamoexport

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	summaryName = "manifest-summary.json"
	filesName   = "manifest-files.json"

	hintCopyManifest = "copy the whole export folder again from the bucket and run the same command again"
	// mostItems keeps sums of item counts far from overflow.
	mostItems = 1e15
)

// summary is what we read of manifest-summary.json (DynamoDB developer guide,
// "DynamoDB table export output format"). Unknown fields are tolerated.
type summary struct {
	ExportARN    string `json:"exportArn"`
	ExportTime   string `json:"exportTime"` // RFC 3339
	Prefix       string `json:"s3Prefix"`   // null without one
	FilesKey     string `json:"manifestFilesS3Key"`
	Items        *int64 `json:"itemCount"`
	OutputFormat string `json:"outputFormat"`
	ExportType   string `json:"exportType"` // absent in older full exports
}

// entry is one data file of manifest-files.json.
type entry struct {
	key   string
	items int64
	md5   [16]byte // of the compressed bytes
}

// parseSummary refuses what is no full export in DynamoDB JSON. name is the
// manifest's, for errors.
func parseSummary(name string, data []byte) (*summary, error) {
	var s summary
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, broken(name, "not JSON, or truncated: %w", err)
	}
	const hint = "export the table again with --export-type FULL_EXPORT --export-format DYNAMODB_JSON"
	switch s.ExportType {
	case "", "FULL_EXPORT":
	default:
		return nil, refused(name, hint, "exportType is %.40q; only a full export can be moved", s.ExportType)
	}
	switch s.OutputFormat {
	case "", "DYNAMODB_JSON":
	default:
		return nil, refused(name, hint, "outputFormat is %.40q; only DYNAMODB_JSON can be moved", s.OutputFormat)
	}
	if s.Items == nil || *s.Items < 0 || *s.Items > mostItems {
		return nil, broken(name, "no usable itemCount")
	}
	return &s, nil
}

// exportTime returns the moment that the export shows, zero if unknown.
func (s *summary) exportTime() time.Time {
	t, err := time.Parse(time.RFC3339, s.ExportTime)
	if err != nil {
		return time.Time{}
	}
	return t
}

// exportID returns the name of the export's folder, such as
// 01693685827463-2d8752fd, or "".
func (s *summary) exportID() string {
	if _, id, ok := strings.Cut(s.ExportARN, "/export/"); ok {
		return id
	}
	if dir := path.Base(path.Dir(s.FilesKey)); dir != "." && dir != "/" {
		return dir
	}
	return ""
}

// parseFiles returns the data files in the order in which a job takes them: by
// items descending, then by key. Together they hold want items.
func parseFiles(name string, data []byte, want int64) ([]entry, error) {
	var entries []entry
	line, sum := 0, int64(0)
	seen := make(map[string]int)
	for text := range bytes.Lines(data) {
		line++
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		e, err := parseEntry(text)
		if err != nil {
			return nil, broken(name, "line %d: %w", line, err)
		}
		if first, twice := seen[e.key]; twice {
			return nil, broken(name, "lines %d and %d name the same data file %s", first, line, e.key)
		}
		seen[e.key] = line
		entries = append(entries, e)
		sum += min(e.items, mostItems)
		if sum > mostItems {
			return nil, broken(name, "line %d: no usable itemCount", line)
		}
	}
	if sum != want {
		return nil, broken(name, "its %d data files hold %d items, but %s says %d; it may be truncated",
			len(entries), sum, summaryName, want)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.items != b.items {
			return int(min(max(b.items-a.items, -1), 1))
		}
		return strings.Compare(a.key, b.key)
	})
	return entries, nil
}

func parseEntry(text []byte) (entry, error) {
	var fields struct {
		Items *int64 `json:"itemCount"`
		MD5   string `json:"md5Checksum"`
		Key   string `json:"dataFileS3Key"`
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		return entry{}, fmt.Errorf("not JSON, or truncated: %w", err)
	}
	if fields.Items == nil || *fields.Items < 0 {
		return entry{}, errors.New("no usable itemCount")
	}
	sum, err := base64.StdEncoding.DecodeString(fields.MD5)
	if err != nil || len(sum) != 16 {
		return entry{}, errors.New("md5Checksum is not 16 bytes in base64")
	}
	if !localKey(fields.Key) {
		return entry{}, errors.New("no usable dataFileS3Key")
	}
	return entry{key: fields.Key, items: *fields.Items, md5: [16]byte(sum)}, nil
}

// localKey refuses a key that would lead out of the export, or into nowhere.
func localKey(key string) bool {
	return path.Base(key) != "." && !strings.HasSuffix(key, "/") &&
		!strings.ContainsAny(key, "\\\x00\r\n") && !slices.Contains(strings.Split(key, "/"), "..")
}

// below lists, best first, where below the export's folder a data file may lie.
// Manifests name it by its key in the original bucket, some with the export's
// prefix and some without; what comes behind the export's id is the same in every
// copy.
func below(key, exportID string) []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if exportID != "" {
		_, rest, _ := strings.Cut("/"+key, "/"+exportID+"/")
		add(rest)
	}
	add("data/" + path.Base(key))
	add(key)
	return names
}

// original lists the keys that a data file may have in the bucket that the export
// was made in.
func (s *summary) original(key string) []string {
	if s.Prefix == "" || strings.HasPrefix(key, s.Prefix) {
		return []string{key}
	}
	return []string{key, strings.TrimSuffix(s.Prefix, "/") + "/" + key}
}

// broken says that the export contradicts itself or is damaged.
func broken(name, format string, args ...any) error {
	return &pipeline.Error{
		Op: "read manifest", Object: name, Kind: pipeline.KindFatal,
		Err: fmt.Errorf(format, args...), Hint: hintCopyManifest,
	}
}

// refused says that this is no export that can be moved.
func refused(name, hint, format string, args ...any) error {
	return &pipeline.Error{
		Op: "read manifest", Object: name, Kind: pipeline.KindConfig,
		Err: fmt.Errorf(format, args...), Hint: hint,
	}
}
