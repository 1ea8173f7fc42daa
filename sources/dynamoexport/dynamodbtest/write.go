package dynamodbtest

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// settle ends an export whose time has come.
func (s *Simulation) settle(e *export) {
	running := s.traps.Status == "" || s.traps.Status == "IN_PROGRESS"
	switch {
	case !e.ended.IsZero():
		return
	case s.options.Now().Sub(e.started) < s.traps.Running || !running:
		e.status = orElse(s.traps.Status, "IN_PROGRESS")
		return
	}
	e.ended = s.options.Now()
	if s.traps.Fail != nil {
		e.code, e.message = s.traps.Fail(e.number)
	}
	if e.code == "" {
		if err := s.write(e); err != nil {
			e.code, e.message = "S3NoSuchBucket", "The export could not be written: "+err.Error()
		}
	}
	e.status = "COMPLETED"
	if e.code != "" {
		e.status = "FAILED"
		e.message += " " + ServerText
	}
}

// write writes a finished export to S3, manifest-summary.json last.
func (s *Simulation) write(e *export) error {
	dir, err := os.MkdirTemp("", "simulated-export-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	dir = filepath.Join(dir, e.id())
	if e.items, e.bytes, err = s.tables[e.TableARN].Write(dir, e.folder); err != nil {
		return err
	}
	ctx := context.Background()
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch name {
		case summaryName + ".json", summaryName + ".checksum": // of nobody's table
			return nil
		}
		return s.options.S3.Put(ctx, e.Bucket, e.key(filepath.ToSlash(name)), content)
	})
	if err != nil {
		return err
	}
	summary, err := json.Marshal(s.summary(e))
	if err != nil {
		return err
	}
	sum := md5.Sum(summary)
	if err := s.options.S3.Put(ctx, e.Bucket, e.key(summaryName+".checksum"), []byte(base64.StdEncoding.EncodeToString(sum[:]))); err != nil {
		return err
	}
	return s.options.S3.Put(ctx, e.Bucket, e.key(summaryName+".json"), summary)
}

const summaryName = "manifest-summary"

// summary is manifest-summary.json of an export.
func (s *Simulation) summary(e *export) map[string]any {
	moment := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	null := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	return map[string]any{
		"version": "2020-06-30", "exportArn": e.arn, "startTime": moment(e.started), "endTime": moment(e.ended),
		"tableArn": e.TableARN, "tableId": "00000000-0000-4000-8000-000000000000", "exportTime": moment(e.at),
		"s3Bucket": e.Bucket, "s3Prefix": null(e.Prefix), "s3SseAlgorithm": orElse(e.SSEAlgorithm, "AES256"), "s3SseKmsKeyId": null(e.KMSKey),
		"manifestFilesS3Key": e.key("manifest-files.json"), "billedSizeBytes": e.bytes, "itemCount": e.items,
		"outputFormat": "DYNAMODB_JSON", "exportType": "FULL_EXPORT",
	}
}
