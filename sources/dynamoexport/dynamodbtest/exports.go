package dynamodbtest

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// startRequest is ExportTableToPointInTimeInput, as far as it is known here.
type startRequest struct {
	TableARN     string   `json:"TableArn"`
	Bucket       string   `json:"S3Bucket"`
	BucketOwner  string   `json:"S3BucketOwner"`
	Prefix       string   `json:"S3Prefix"`
	SSEAlgorithm string   `json:"S3SseAlgorithm"`
	KMSKey       string   `json:"S3SseKmsKeyId"`
	Format       string   `json:"ExportFormat"`
	Type         string   `json:"ExportType"`
	Time         *float64 `json:"ExportTime"` // epoch seconds
	Token        string   `json:"ClientToken"`
}

// export is an export that was started.
type export struct {
	startRequest
	number  int
	folder  string // of AWSDynamoDB; "" is the bucket itself
	arn     string
	started time.Time
	at      time.Time // the moment that it shows
	status  string
	ended   time.Time
	code    string // of a failure
	message string
	items   int64
	bytes   int64
}

func (e *export) id() string {
	_, id, _ := strings.Cut(e.arn, "/export/")
	return id
}

// key is that of a file of the export.
func (e *export) key(name string) string {
	key := "AWSDynamoDB/" + e.id() + "/" + name
	return path.Join(e.folder, key)
}

const tokenLife = 8 * time.Hour

func (s *Simulation) start(in startRequest) (any, *apiError) {
	table := s.tables[in.TableARN]
	switch {
	case in.Bucket == "" || in.Format != "" && in.Format != "DYNAMODB_JSON" && in.Format != "ION":
		return nil, refused("ValidationException", "A parameter is not valid.")
	case in.KMSKey != "" && in.SSEAlgorithm != "KMS":
		return nil, refused("ValidationException", "S3SseKmsKeyId without S3SseAlgorithm KMS.")
	case table == nil:
		return nil, refused("TableNotFoundException", "Table not found: %s", in.TableARN)
	}
	now := s.options.Now()
	for _, e := range slices.Backward(s.exports) {
		if in.Token == "" || e.Token != in.Token || now.Sub(e.started) >= orElse(s.traps.TokenLife, tokenLife) {
			continue
		}
		if !e.same(in) {
			return nil, refused("ExportConflictException", "The client token was used with other parameters.")
		}
		return described(e), nil
	}
	if table.NoRecovery {
		return nil, refused("PointInTimeRecoveryUnavailableException", "Point in time recovery is not enabled for table %s", in.TableARN)
	}
	if in.Time != nil && int64(*in.Time) > now.Unix() {
		return nil, refused("InvalidExportTimeException", "ExportTime is in the future.")
	}
	e := &export{
		startRequest: in, number: len(s.exports) + 1, folder: path.Join(in.Prefix, s.traps.Below), started: now, at: now.Truncate(time.Second), status: "IN_PROGRESS",
		arn: fmt.Sprintf("%s/export/%014d-%08x", in.TableARN, now.UnixMilli(), 0x2d8752fd+len(s.exports)),
	}
	if in.Time != nil {
		e.at = time.Unix(int64(*in.Time), 0)
	}
	s.exports = append(s.exports, e)
	return described(e), nil
}

func (e *export) same(in startRequest) bool {
	ours := e.startRequest
	ours.Time, in.Time = nil, nil
	return ours == in
}

type describeRequest struct {
	ARN string `json:"ExportArn"`
}

func (s *Simulation) describe(in describeRequest) (any, *apiError) {
	for _, e := range s.exports {
		if e.arn == in.ARN && s.options.Now().Sub(e.started) >= s.traps.SeeLag {
			s.settle(e)
			return described(e), nil
		}
	}
	return nil, refused("ExportNotFoundException", "Export not found: %s", in.ARN)
}

type listRequest struct {
	TableARN   string `json:"TableArn"`
	NextToken  string `json:"NextToken"`
	MaxResults int    `json:"MaxResults"`
}

// mostListed is how many exports a page holds.
const mostListed = 25

func (s *Simulation) list(in listRequest) (any, *apiError) {
	if in.MaxResults < 0 || in.MaxResults > mostListed {
		return nil, refused("ValidationException", "MaxResults must be from 1 to 25.")
	}
	most := orElse(in.MaxResults, mostListed)
	from, _ := strconv.Atoi(in.NextToken)
	answer, page := map[string]any{}, []map[string]any{}
	for i := from; i < len(s.exports); i++ {
		e := s.exports[i]
		if in.TableARN != "" && e.TableARN != in.TableARN || s.options.Now().Sub(e.started) < s.traps.ListLag {
			continue
		}
		if len(page) == most {
			answer["NextToken"] = strconv.Itoa(i)
			break
		}
		page = append(page, map[string]any{"ExportArn": e.arn, "ExportStatus": e.status, "ExportType": "FULL_EXPORT"})
	}
	answer["ExportSummaries"] = page
	return answer, nil
}

type backupsRequest struct {
	Table string `json:"TableName"` // name or ARN
}

func (s *Simulation) backups(in backupsRequest) (any, *apiError) {
	table := s.tables[in.Table]
	if table == nil {
		return nil, refused("TableNotFoundException", "Table not found: %s", in.Table)
	}
	status := "ENABLED"
	if table.NoRecovery {
		status = "DISABLED"
	}
	return map[string]any{"ContinuousBackupsDescription": map[string]any{
		"ContinuousBackupsStatus":        "ENABLED",
		"PointInTimeRecoveryDescription": map[string]any{"PointInTimeRecoveryStatus": status},
	}}, nil
}

// described is the answer that holds an ExportDescription. Counts come with the
// end of an export alone.
func described(e *export) any {
	d := map[string]any{
		"ExportArn": e.arn, "ExportStatus": e.status, "StartTime": epoch(e.started), "TableArn": e.TableARN,
		"TableId": "00000000-0000-4000-8000-000000000000", "ExportTime": epoch(e.at), "ClientToken": e.Token,
		"S3Bucket": e.Bucket, "S3SseAlgorithm": orElse(e.SSEAlgorithm, "AES256"), "ExportFormat": "DYNAMODB_JSON", "ExportType": "FULL_EXPORT",
	}
	for name, value := range map[string]string{
		"S3Prefix": e.Prefix, "S3BucketOwner": e.BucketOwner, "S3SseKmsKeyId": e.KMSKey, "FailureCode": e.code, "FailureMessage": e.message,
	} {
		if value != "" {
			d[name] = value
		}
	}
	if e.status == "COMPLETED" {
		d["ExportManifest"] = e.key("manifest-summary.json")
		d["ItemCount"], d["BilledSizeBytes"] = e.items, e.bytes
	}
	if !e.ended.IsZero() {
		d["EndTime"] = epoch(e.ended)
	}
	return map[string]any{"ExportDescription": d}
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
