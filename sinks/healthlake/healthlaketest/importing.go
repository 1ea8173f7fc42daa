package healthlaketest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

const probe = ".healthlake_write_access_check_file.temp"

const megabyte = 1 << 20

// importing is an import job at work.
type importing struct {
	s      *Simulation
	job    *job
	traps  Traps
	bucket string
	fails  int64  // after so many lines, with message
	why    string // message; "" does not fail
}

// runImport runs an import job and returns how it ends.
func (s *Simulation) runImport(ctx context.Context, j *job, traps Traps) (status, message string) {
	bucket, prefix, _ := splitURI(j.start.input())
	r := &importing{s: s, job: j, traps: traps, bucket: bucket}
	if traps.Fail != nil {
		r.fails, r.why = traps.Fail(j.start.JobName)
	}
	objects, err := s.options.S3.List(ctx, bucket, prefix)
	if err != nil {
		return failed, "The input cannot be listed: " + err.Error()
	}
	if err := s.write(ctx, j.start.output().S3Uri, probe, nil); err != nil {
		return failed, "The output cannot be written: " + err.Error()
	}
	if message := s.overQuota(objects); message != "" {
		return failed, message
	}
	// Nothing promises an order within a job: the last key comes first here.
	slices.Reverse(objects)
	share := traps.Running
	if len(objects) > 0 {
		share /= time.Duration(len(objects))
	} else if !s.pause(ctx, j, share) {
		return cancelCompleted, ""
	}
	for _, object := range objects {
		if !s.pause(ctx, j, share) {
			return cancelCompleted, ""
		}
		if err := r.object(ctx, object); err != nil {
			return failed, err.Error()
		}
	}
	if r.why != "" {
		return failed, r.why
	}
	if err := r.manifest(ctx); err != nil {
		return failed, err.Error()
	}
	if p := j.progress; p.ResourcesFailed+p.FilesFailed > 0 {
		return completedWithErrors, ""
	}
	return completed, ""
}

func (s *Simulation) overQuota(objects []Object) string {
	var sum int64
	for _, object := range objects {
		if sum += object.Size; object.Size > s.options.Quotas.FileBytes {
			return "A file is larger than the service takes."
		}
	}
	if len(objects) > s.options.Quotas.Files || sum > s.options.Quotas.JobBytes {
		return "The input is larger than the service takes in one job."
	}
	return ""
}

// results are the lines that an import writes about one object.
type results map[string]*bytes.Buffer // by folder

const (
	successFolder = "SUCCESS"
	failureFolder = "FAILURE"
	markedFolder  = "SUCCESS_WITH_SEARCH_VALIDATION_FAILURES"
)

// object imports one object. An error fails the job.
func (r *importing) object(ctx context.Context, object Object) error {
	mb := float64(object.Size) / megabyte
	if !strings.HasSuffix(object.Key, ".ndjson") {
		r.count(func(p *progress) { p.ScannedFiles++; p.ScannedMB += mb; p.FilesFailed++ })
		return nil
	}
	r.s.mu.Lock()
	r.s.watchFolder(r.job, r.bucket, object.Key)
	r.s.mu.Unlock()
	body, err := r.s.options.S3.Get(ctx, r.bucket, object.Key)
	if err != nil {
		return fmt.Errorf("the input cannot be read: %w", err)
	}
	defer func() { _ = body.Close() }()
	out := results{}
	version := fileVersion(object.Key)
	lines := bufio.NewReaderSize(body, megabyte)
	for n := int64(1); ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("the input cannot be read: %w", err)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			if r.why != "" && r.job.progress.ResourcesScanned >= r.fails {
				return fmt.Errorf("%s", r.why)
			}
			r.line(line, n, version, out)
		}
		if err == io.EOF {
			break
		}
	}
	for folder, content := range out {
		if err := r.s.write(ctx, r.job.output, folder+"/"+r.relative(object.Key), content.Bytes()); err != nil {
			return fmt.Errorf("the output cannot be written: %w", err)
		}
	}
	r.count(func(p *progress) { p.ScannedFiles++; p.ScannedMB += mb; p.ImportedFiles++ })
	return nil
}

func (r *importing) count(change func(*progress)) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	change(&r.job.progress)
}

// relative is where in SUCCESS and FAILURE the lines about an object lie.
func (r *importing) relative(key string) string {
	if r.traps.FullPaths {
		return key
	}
	return path.Base(path.Dir(key)) + "/" + path.Base(key)
}

// resultLine is a line of SUCCESS or FAILURE.
type resultLine struct {
	LineID       int64     `json:"lineId"`
	ResourceID   string    `json:"resourceId,omitempty"`
	ResourceType string    `json:"resourceType,omitempty"`
	Response     *response `json:"UpdateResourceResponse,omitempty"`
	Exception    string    `json:"exception,omitempty"`
}

type response struct {
	Blob   any `json:"jsonBlob"`
	Status int `json:"statusCode"`
}

// line imports line n, counted from 1.
func (r *importing) line(line []byte, n int64, version int, out results) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.traps.LineFromZero {
		n--
	}
	folder, result := r.update(line, version)
	result.LineID = n
	r.job.progress.ResourcesScanned++
	if folder == failureFolder {
		r.job.progress.ResourcesFailed++
	} else {
		r.job.progress.ResourcesImported++
	}
	if out[folder] == nil {
		out[folder] = &bytes.Buffer{}
	}
	_ = json.NewEncoder(out[folder]).Encode(result) // of strings and numbers, to memory
}

// update puts the resource in a line, and says where it is told of.
func (r *importing) update(line []byte, version int) (folder string, result resultLine) {
	body, err := compact(line)
	if err != nil {
		return failureFolder, resultLine{Exception: "The line is not JSON: " + string(line)}
	}
	result.ResourceType, result.ResourceID, err = identity(body)
	if err != nil {
		result.Response = &response{outcome("structure", err.Error()), 400}
		return failureFolder, result
	}
	store, key := r.s.stores[r.job.start.DatastoreID], result.ResourceType+"/"+result.ResourceID
	r.s.watchLine(key, store.make(key), version, r.job.id)
	if store.Types != nil && !slices.Contains(store.Types, result.ResourceType) {
		result.Response = &response{outcome("not-supported", key+" is of a type that is not supported"), 400}
		return failureFolder, result
	}
	if r.traps.Refuse != nil {
		if reason := r.traps.Refuse(key, body); reason != "" {
			result.Response = &response{outcome("invalid", key+": "+reason), 400}
			return failureFolder, result
		}
	}
	mark := r.job.start.ValidationLevel == "minimal" && (r.traps.SearchInvalid == nil || r.traps.SearchInvalid(key))
	number, err := r.s.store(store, r.traps, key, body, mark)
	if err != nil {
		result.Response = &response{outcome("structure", err.Error()), 400}
		return failureFolder, result
	}
	status := 200
	if number == 1 {
		status = 201
	}
	result.Response = &response{map[string]string{"resourceType": result.ResourceType, "id": result.ResourceID}, status}
	if mark {
		return markedFolder, result
	}
	return successFolder, result
}

// store puts a resource, and what the service makes of it.
func (s *Simulation) store(d *datastore, traps Traps, key string, body []byte, mark bool) (int, error) {
	now := s.options.Now()
	if traps.Rewrite != nil {
		body = traps.Rewrite(key, body)
	}
	n, err := d.put(key, body, now, mark)
	if err != nil || traps.Derive == nil {
		return n, err
	}
	for _, derived := range traps.Derive(key, body) {
		kind, id, err := identity(derived)
		if err != nil {
			return n, err
		}
		if _, err := d.put(kind+"/"+id, derived, now, false); err != nil {
			return n, err
		}
	}
	return n, nil
}

// write puts an object under an URI.
func (s *Simulation) write(ctx context.Context, uri, name string, content []byte) error {
	bucket, prefix, _ := splitURI(uri)
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return s.options.S3.Put(ctx, bucket, prefix+name, content)
}
