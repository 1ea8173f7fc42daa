package binaries

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/shard"
	"github.com/fhirhose/fhirhose/pipeline/stub"
	"github.com/fhirhose/fhirhose/sinks/folder"
)

// row is one Binary row of a table.
type row struct {
	id      string
	version int
	status  string
	data    string // in the row itself
	tenant  string // of a multi-tenant table
}

func (r row) json() []byte {
	data := ""
	if r.data != "" {
		data = fmt.Sprintf(`,"data":{"S":%q}`, r.data)
	}
	id := r.id
	if r.tenant != "" {
		data += fmt.Sprintf(`,"_tenantId":{"S":%q},"_id":{"S":%q}`, r.tenant, r.id)
		id = r.tenant + "|" + r.id
	}
	return fmt.Appendf(nil, `{"Item":{"resourceType":{"S":"Binary"},"contentType":{"S":"application/pdf"},"id":{"S":%q},"vid":{"N":"%d"},`+
		`"meta":{"M":{"versionId":{"S":"%[2]d"},"lastUpdated":{"S":"2023-08-02T10:00:00.123Z"},"tag":{"L":[{"M":{"code":{"S":"x<&"}}}]}}},`+
		`"documentStatus":{"S":%q},"zulu":{"S":"\\\"é"},"number":{"N":"1.50"}%s}}`, id, r.version, r.status, data)
}

// object is one object of a bucket.
type object struct {
	body     []byte
	modified time.Time
}

// bucket is a binary bucket in memory that can be told to misbehave.
type bucket struct {
	objects map[string]object // by key, as listed
	old     map[string]object // noncurrent, by key
	keys    []string          // sorted; made when first needed
	change  func(key string, b []byte) ([]byte, error)
	delay   func(key string)

	mu     sync.Mutex
	opened map[string]int // how often, by key
	read   map[string]int64
}

func newBucket() *bucket {
	return &bucket{
		objects: make(map[string]object), old: make(map[string]object),
		opened: make(map[string]int), read: make(map[string]int64),
	}
}

func (b *bucket) put(key string, body []byte) {
	b.objects[key] = object{body, time.Unix(1_600_000_000+int64(len(b.objects)), 0)}
}

func (b *bucket) List(context.Context, func(int64)) error { return nil }

func (b *bucket) Totals() (objects, size int64) {
	for _, o := range b.objects {
		objects, size = objects+1, size+int64(len(o.body))
	}
	return objects, size
}

func content(key string, o object) pipeline.Content {
	return pipeline.Content{Key: key, ETag: fmt.Sprintf("%x", len(o.body)), Size: int64(len(o.body)), Modified: o.modified}
}

func (b *bucket) sorted() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys == nil {
		b.keys = slices.Sorted(maps.Keys(b.objects))
	}
	return b.keys
}

func matches(key, prefix string) bool {
	rest, ok := strings.CutPrefix(key, prefix)
	return ok && !strings.Contains(rest, "/")
}

func (b *bucket) Find(prefix string) (found []pipeline.Content, first int64, err error) {
	keys := b.sorted()
	at, _ := slices.BinarySearch(keys, prefix)
	for i, key := range keys[at:] {
		if !strings.HasPrefix(key, prefix) || len(found) == 2 {
			break
		}
		if !matches(key, prefix) {
			continue
		}
		if len(found) == 0 {
			first = int64(at + i)
		}
		found = append(found, content(key, b.objects[key]))
	}
	return found, first, nil
}

func (b *bucket) Erased(_ context.Context, prefix string) (found []pipeline.Content, err error) {
	for _, key := range slices.Sorted(maps.Keys(b.old)) {
		if matches(key, prefix) && len(found) < 2 {
			c := content(key, b.old[key])
			c.VersionID = "old"
			found = append(found, c)
		}
	}
	return found, nil
}

func (b *bucket) Each(_ context.Context, prefix string, f func(int64, pipeline.Content) error) error {
	for i, key := range b.sorted() {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := f(int64(i), content(key, b.objects[key])); err != nil {
			return err
		}
	}
	return nil
}

func (b *bucket) body(c pipeline.Content) ([]byte, error) {
	if b.delay != nil {
		b.delay(c.Key)
	}
	b.mu.Lock()
	b.opened[c.Key]++
	b.mu.Unlock()
	from := b.objects
	if c.VersionID != "" {
		from = b.old
	}
	body := from[c.Key].body
	if b.change != nil && c.VersionID == "" {
		return b.change(c.Key, body)
	}
	return body, nil
}

func (b *bucket) Open(_ context.Context, c pipeline.Content, offset int64) (io.ReadCloser, error) {
	body, err := b.body(c)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(body[offset:])), nil
}

func (b *bucket) Stage(_ context.Context, c pipeline.Content, path string) error {
	if info, err := os.Stat(path); err == nil && info.Size() == c.Size {
		return nil
	}
	body, err := b.body(c)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, body)
}

// store is a checkpoint in memory.
type store struct {
	mu      sync.Mutex
	buckets map[string]map[string][]byte
}

func (s *store) Each(bucket string, f func(string, []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.buckets[bucket])) {
		if err := f(key, s.buckets[bucket][key]); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) Commit(changes []output.Change) error {
	if err := faultpoint.At("commit"); err != nil {
		return err
	}
	s.mu.Lock()
	for _, c := range changes {
		if s.buckets[c.Bucket] == nil {
			s.buckets[c.Bucket] = make(map[string][]byte)
		}
		s.buckets[c.Bucket][c.Key] = c.Value
	}
	s.mu.Unlock()
	return faultpoint.At("committed")
}

func (s *store) Repaired() []int      { return nil }
func (s *store) AcceptRepairs() error { return nil }

// job is one pipeline of a test, over any number of processes.
type job struct {
	t       testing.TB
	rows    []row
	bucket  *bucket
	options Options
	ring    int // bytes of lines; 0: as planned
	dir     string
	store   *store
	end     int64 // of the stubs
	started func(*Pipeline)
	orphans map[string]Orphans // of the last run

	contents pipeline.Contents // instead of bucket
}

var small = shard.Caps{FileBytes: 64 << 10, FolderBytes: 200 << 10, FolderFiles: 3}

func newJob(t testing.TB, rows []row, b *bucket) *job {
	return &job{
		t: t, rows: rows, bucket: b, dir: t.TempDir(), store: &store{buckets: make(map[string]map[string][]byte)},
		options: Options{
			Caps: small, Field: "data", Memory: 64 << 20, Spool: 1 << 30, Fetches: 3,
			CutEvery: time.Hour, SegmentEntries: 50, CutRest: -1, SmallBytes: 8 << 10, ChunkBytes: 3 << 10, Window: 64,
			Objects: []pipeline.Object{{Key: "data/aaaa.json.gz"}},
		},
	}
}

// stubs makes the stubs of the job's rows, as the record pipeline would.
func (j *job) stubs() (all []byte) {
	c, err := convert.New(convert.Options{Tenant: j.options.Tenant, Deleted: true, BinaryField: j.options.Field})
	if err != nil {
		j.t.Fatal(err)
	}
	var r convert.Record
	for i, row := range j.rows {
		raw := row.json()
		c.Convert(nil, raw, &r)
		if r.Reason == pipeline.OtherTenant {
			continue // it leaves no stub
		}
		if r.Reason.Outcome() == pipeline.Quarantined {
			j.t.Fatalf("row %d: %s", i, r.Reason)
		}
		s := stub.Stub{
			Record: int64(i + 1), Tenant: r.Tenant, ID: r.ID, Version: r.Version, LastUpdated: r.LastUpdated,
			Status: r.Status, Reason: r.Reason, Raw: raw,
		}
		all = stub.Append(all, &s)
	}
	return all
}

// log returns the road of the record pipeline, which is done.
func (j *job) log() *stub.Log {
	dir := filepath.Join(j.dir, "state", "stubs")
	l, err := stub.OpenLog(dir, j.end, j.end > 0)
	if err != nil {
		j.t.Fatal(err)
	}
	if j.end > 0 {
		return l
	}
	if err := l.Append(j.stubs()); err != nil {
		j.t.Fatal(err)
	}
	end, durably, err := l.Sync()
	if err := errors.Join(err, durably()); err != nil {
		j.t.Fatal(err)
	}
	j.end = end
	l.Commit(end, true)
	return l
}

// run is one process of the job.
func (j *job) run(stop <-chan struct{}) (*Pipeline, Orphans, error) {
	log := j.log()
	o := j.options
	o.State = filepath.Join(j.dir, "state")
	sinks := output.NewSinks(func(tenant string) (pipeline.Sink, error) {
		return folder.Open(folder.Options{Dir: filepath.Join(j.dir, "sink", tenant)})
	}, []byte("{}\n"), j.store)
	contents := j.contents
	if contents == nil {
		contents = j.bucket
	}
	p, err := New(o, contents, log, sinks, j.store)
	if err != nil {
		return nil, Orphans{}, err
	}
	if j.started != nil {
		j.started(p)
	}
	if j.ring > 0 {
		p.lines, p.plan.small = newRing(j.ring), min(p.plan.small, int64(j.ring)/2)
		p.stubs = newRing(j.ring / 4)
	}
	files, err := p.Output().Open()
	if err != nil {
		return p, Orphans{}, err
	}
	if err := sinks.Own(j.t.Context()); err != nil {
		return p, Orphans{}, err
	}
	if err := sinks.Sweep(j.t.Context(), files); err != nil {
		return p, Orphans{}, err
	}
	if err := p.Resume(files); err != nil {
		return p, Orphans{}, err
	}
	if err := p.Run(j.t.Context(), stop); err != nil {
		return p, Orphans{}, err
	}
	j.orphans, err = p.Orphans(j.t.Context(), exportTime)
	return p, j.orphans[""], err
}

var exportTime = time.Unix(1_600_000_010, 0)

func (j *job) mustRun() (*Pipeline, Orphans) {
	j.t.Helper()
	p, orphans, err := j.run(nil)
	if err != nil {
		j.t.Fatal(err)
	}
	return p, orphans
}

// tree returns the sink's files but the claim.
func (j *job) tree() map[string]string {
	all := make(map[string]string)
	root := filepath.Join(j.dir, "sink")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "claim.json" {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		all[name] = string(content)
		return err
	})
	if err != nil {
		j.t.Fatal(err)
	}
	return all
}

// inOrder joins the files whose names begin so, in the order of their numbers.
func inOrder(tree map[string]string, prefix string) (joined string, files int) {
	type place struct {
		folder, file int
		name         string
	}
	var all []place
	for name := range tree {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		p := place{name: name}
		if at := strings.TrimPrefix(name, prefix); strings.HasPrefix(prefix, "Binary") {
			version := strings.TrimSuffix(prefix, "-")
			_, err := fmt.Sscanf(at, "%d/"+version+"-%05d.ndjson", &p.folder, &p.file)
			if err != nil {
				panic(name)
			}
		} else if _, err := fmt.Sscanf(at, "%05d.ndjson", &p.file); err != nil {
			panic(name)
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b place) int { return (a.folder-b.folder)*100_000 + a.file - b.file })
	for _, p := range all {
		joined += tree[p.name]
	}
	return joined, len(all)
}
