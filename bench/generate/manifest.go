package generate

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// names are the names of an export: those in its manifests and those on disk.
type names struct {
	dir      string
	exportID string
	prefix   string
	bareKeys bool // keys leave out the prefix, as one of AWS's examples has them
	seed     uint64
}

var exportIDForm = regexp.MustCompile(`^[0-9]{14}-[0-9a-f]{8}$`)

// newNames takes the folder's own name as the export's id if it looks like one.
func newNames(dir, prefix string, seed uint64) names {
	n := names{dir: dir, prefix: prefix, seed: seed, exportID: filepath.Base(dir)}
	if !exportIDForm.MatchString(n.exportID) {
		n.exportID = fmt.Sprintf("%014d-%08x", exportTime.UnixMilli(), uint32(mix(seed)))
	}
	return n
}

// key returns the key of a file of the export.
func (n names) key(name string) string {
	key := "AWSDynamoDB/" + n.exportID + "/" + name
	if n.prefix == "" || n.bareKeys {
		return key
	}
	return n.prefix + "/" + key
}

// create opens data file k.
func (n names) create(k, level int) (*objectWriter, error) {
	name := "data/" + dataName(n.seed, k) + ".json.gz"
	return createObject(filepath.Join(n.dir, filepath.FromSlash(name)), n.key(name), level)
}

// dataName is 26 letters and digits, as DynamoDB names its data files.
func dataName(seed uint64, k int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	r := newRandom(seed, forNames, uint64(k))
	name := make([]byte, 26)
	for i := range name {
		name[i] = alphabet[r.below(uint64(len(alphabet)))]
	}
	return string(name)
}

// prepare makes the folders and the marker.
func (n names) prepare() error {
	if err := os.MkdirAll(filepath.Join(n.dir, "data"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.dir, "_started"), nil, 0o644)
}

// summaryFile is manifest-summary.json of a full export.
type summaryFile struct {
	Version            string  `json:"version"`
	ExportARN          string  `json:"exportArn"`
	StartTime          string  `json:"startTime"`
	EndTime            string  `json:"endTime"`
	TableARN           string  `json:"tableArn"`
	TableID            string  `json:"tableId"`
	ExportTime         string  `json:"exportTime"`
	S3Bucket           string  `json:"s3Bucket"`
	S3Prefix           *string `json:"s3Prefix"`
	S3SSEAlgorithm     string  `json:"s3SseAlgorithm"`
	S3SSEKMSKeyID      *string `json:"s3SseKmsKeyId"`
	ManifestFilesS3Key string  `json:"manifestFilesS3Key"`
	BilledSizeBytes    int64   `json:"billedSizeBytes"`
	ItemCount          int64   `json:"itemCount"`
	OutputFormat       string  `json:"outputFormat"`
	ExportType         string  `json:"exportType"`
}

// fileLine is a line of manifest-files.json.
type fileLine struct {
	ItemCount     int64  `json:"itemCount"`
	MD5Checksum   string `json:"md5Checksum"`
	ETag          string `json:"etag"`
	DataFileS3Key string `json:"dataFileS3Key"`
}

// writeManifests writes both manifests, their checksums last, and fills in the
// summary's totals.
func (n names) writeManifests(s *Summary) error {
	var files bytes.Buffer
	enc := json.NewEncoder(&files)
	for _, o := range s.Objects {
		s.Items, s.Bytes, s.Compressed = s.Items+o.Items, s.Bytes+o.Bytes, s.Compressed+o.Compressed
		etag := md5.Sum(o.MD5[:]) // of a multipart upload with one part
		line := fileLine{o.Items, base64.StdEncoding.EncodeToString(o.MD5[:]), hex.EncodeToString(etag[:]) + "-1", o.Key}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	if err := n.writeChecked("manifest-files", files.Bytes()); err != nil {
		return err
	}
	summary, err := json.Marshal(n.summary(s))
	if err != nil {
		return err
	}
	return n.writeChecked("manifest-summary", summary)
}

func (n names) summary(s *Summary) summaryFile {
	const table = "arn:aws:dynamodb:us-east-1:000000000000:table/resource-db-synthetic"
	at := exportTime.Format("2006-01-02T15:04:05.000Z")
	file := summaryFile{
		Version: "2020-06-30", ExportARN: table + "/export/" + n.exportID,
		StartTime: at, EndTime: at, TableARN: table, TableID: "00000000-0000-4000-8000-000000000000",
		ExportTime: at, S3Bucket: "synthetic-export", S3SSEAlgorithm: "AES256",
		ManifestFilesS3Key: n.key("manifest-files.json"), BilledSizeBytes: s.Bytes, ItemCount: s.Items,
		OutputFormat: "DYNAMODB_JSON", ExportType: "FULL_EXPORT",
	}
	if n.prefix != "" {
		file.S3Prefix = &n.prefix
	}
	return file
}

// writeChecked writes name.json and name.checksum, the base64 of its MD5.
func (n names) writeChecked(name string, content []byte) error {
	if err := os.WriteFile(filepath.Join(n.dir, name+".json"), content, 0o644); err != nil {
		return err
	}
	sum := md5.Sum(content)
	checksum := base64.StdEncoding.EncodeToString(sum[:])
	return os.WriteFile(filepath.Join(n.dir, name+".checksum"), []byte(checksum), 0o644)
}
