package tableexport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// RecordFile is the name of the record in the state directory.
const RecordFile = "export.json"

// recordVersion changes with the meaning of a record's fields.
const recordVersion = 1

// Record is what a job knows of its export. It holds no PHI.
type Record struct {
	Version int `json:"version"`
	Request
	Token  string    `json:"client_token"` // durable before DynamoDB is asked
	Asked  time.Time `json:"asked"`        // when the token was made
	ARN    string    `json:"export_arn,omitempty"`
	Status string    `json:"status,omitempty"` // IN_PROGRESS, COMPLETED or FAILED
	// Time is the moment that the export shows: the watermark.
	Time    time.Time `json:"export_time,omitzero"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Items   int64     `json:"items,omitempty"`
	Billed  int64     `json:"billed_bytes,omitempty"`
	Folder  string    `json:"folder,omitempty"`  // its prefix in Bucket
	Failure string    `json:"failure,omitempty"` // code of DynamoDB and scrubbed words
	// Earlier are exports that this one came after. They may still hold data.
	Earlier []Earlier `json:"earlier,omitempty"`
}

// Earlier is an export that was given up for another.
type Earlier struct {
	ARN      string `json:"export_arn"`
	Location string `json:"location"` // s3://bucket/prefix
}

// Left returns where exports lie that are over, whatever became of them.
func (r *Record) Left() (locations []string) {
	for _, e := range r.Earlier {
		locations = append(locations, e.Location)
	}
	if r.Finished() || r.Failed() {
		locations = append(locations, r.Location().String())
	}
	return locations
}

// Finished tells whether the export is whole in S3.
func (r *Record) Finished() bool { return r.Status == string(types.ExportStatusCompleted) }

// Failed tells whether DynamoDB gave up.
func (r *Record) Failed() bool { return r.Status == string(types.ExportStatusFailed) }

// Location is the folder of the export, once it is known.
func (r *Record) Location() objectstore.Location {
	return objectstore.Location{Bucket: r.Bucket, Prefix: r.Folder}
}

// Is tells whether the record is of an export of this table to this place.
func (r *Record) Is(request Request) bool {
	return r.Table == request.Table && r.Bucket == request.Bucket && r.Prefix == request.Prefix
}

// ReadRecord returns the record of a state directory, nil if there is none. One
// that cannot be read is KindCheckpoint.
func ReadRecord(state string) (*Record, error) {
	file := filepath.Join(state, RecordFile)
	e := &pipeline.Error{
		Op: "read record of the export", Object: file, Kind: pipeline.KindCheckpoint,
		Hint: "look at the table's exports in the console of DynamoDB; name a finished one as source.dynamodb_export.location",
	}
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, durable.Failure("read record of the export", file, err)
	}
	var r Record
	switch err := json.Unmarshal(data, &r); {
	case err != nil:
		e.Err = errors.New("it is damaged")
		return nil, e
	case r.Version != recordVersion:
		e.Err = fmt.Errorf("it is of version %d, and this release knows %d", r.Version, recordVersion)
		return nil, e
	}
	return &r, nil
}

func (r *Record) write(state string) error {
	file := filepath.Join(state, RecordFile)
	data, err := json.MarshalIndent(r, "", "  ") //nolint:gosec // the token of a request is no secret
	if err == nil {
		err = durable.WriteFile(file, append(data, '\n'))
	}
	if err != nil {
		return durable.Failure("write record of the export", file, err)
	}
	return nil
}

// learn takes over what DynamoDB tells of the export, and tells whether that was
// new.
func (r *Record) learn(e Export) bool {
	status, arn := r.Status, r.ARN
	r.ARN, r.Time, r.Started, r.Ended, r.Items, r.Billed = e.ARN, e.Time.UTC(), e.Started.UTC(), e.Ended.UTC(), e.Items, e.Billed
	r.Folder = r.folder(e.Manifest)
	switch e.Status {
	case types.ExportStatusCompleted:
		r.Status = string(e.Status)
	case types.ExportStatusFailed:
		r.Status, r.Failure = string(e.Status), failure(e)
	default: // and what later releases of DynamoDB may say
		r.Status = string(types.ExportStatusInProgress)
	}
	return r.Status != status || r.ARN != arn
}

// folder returns the prefix of the export's folder: that of its manifest, which
// must be that of its id.
func (r *Record) folder(manifest string) string {
	_, id, _ := strings.Cut(r.ARN, "/export/")
	if dir := path.Dir(manifest); path.Base(dir) == id {
		return dir
	}
	return path.Join(r.Prefix, "AWSDynamoDB", id)
}
