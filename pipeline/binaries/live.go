package binaries

import (
	"encoding/json"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Totals are the counters of one tenant's Binaries. They cover the whole job,
// also what earlier processes of it did.
type Totals struct {
	Written      int64            `json:"written"`
	WrittenBytes int64            `json:"bytes_written"` // NDJSON
	ContentBytes int64            `json:"content_bytes"` // of the objects that these hold
	Quarantined  map[string]int64 `json:"quarantined,omitempty"`
	// Erased are written without data: DELETED, and so is their object.
	Erased    int64 `json:"content_erased_at_source,omitempty"`
	Recovered int64 `json:"content_recovered,omitempty"` // from noncurrent objects
	metrics.Mentions
}

// Status is the pipeline as an operator may see it at any time. It holds no id
// but those of tenants (I10).
type Status struct {
	Tenants map[string]Totals // "" in a job without tenants
	Rows    int64             // placed: written, quarantined, or only naming

	// Of this process.

	InFlight     int64   // contents being fetched or staged now
	FetchedBytes int64   // of contents
	Waiting      int64   // rows between read and placed
	WaitingFor   string  // "contents of Binaries" or ""
	WaitSeconds  float64 // that the next row has waited for its content

	BytesInMemory           int64
	SpooledBytes            int64
	Files, OpenFiles        int64
	FilesSealed             int64
	Folders, TenantFolders  map[string]int // as shard.Sharder.Count has them
	Cuts                    int64
	CutSeconds, LastSeconds float64
	LastCut, LastProgress   time.Time
	Stages                  []*output.Stage
}

// live is the state behind Status.
type live struct {
	inFlight, fetched, waiting atomic.Int64

	mu     sync.Mutex
	status Status
	totals map[string]*Totals
	since  time.Time // when the placer began to wait for a content; zero if it does not
}

func newLive() *live { return &live{totals: make(map[string]*Totals)} }

func (v *live) of(it *item) *Totals {
	t := v.totals[string(it.stub.Tenant)]
	if t == nil {
		t = &Totals{Quarantined: make(map[string]int64)}
		v.totals[string(it.stub.Tenant)] = t
	}
	return t
}

func (v *live) written(it *item, lineBytes int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.of(it)
	t.Written++
	t.WrittenBytes += lineBytes
	t.Mention(it.stub.Mentions)
	if it.fill {
		t.ContentBytes += it.content.Size
	}
	if it.erased {
		t.Erased++
	}
	if it.recovered {
		t.Recovered++
	}
}

func (v *live) quarantined(it *item) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.of(it).Quarantined[it.reason.String()]++
}

// wait notes whether the placer waits for a content.
func (v *live) wait(forContent bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.since.IsZero() {
		v.status.WaitSeconds += time.Since(v.since).Seconds()
	}
	if v.since = (time.Time{}); forContent {
		v.since = time.Now()
	}
}

func (v *live) placed() {
	v.waiting.Add(-1)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.Rows++
	v.status.LastProgress = time.Now()
}

func (v *live) foldersAre(versions, tenants map[string]int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.Folders, v.status.TenantFolders = versions, tenants
}

// snapshot returns the totals as a cut stores them.
func (v *live) snapshot() (json.RawMessage, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return json.Marshal(v.totals)
}

func (v *live) restore(stored json.RawMessage, rows int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.Rows = rows
	if err := json.Unmarshal(stored, &v.totals); err != nil {
		return err
	}
	for _, t := range v.totals {
		if t.Quarantined == nil {
			t.Quarantined = make(map[string]int64)
		}
	}
	return nil
}

// Status returns the pipeline as it is now. Any goroutine may call it.
func (p *Pipeline) Status() Status {
	v := p.live
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.status
	s.Tenants = make(map[string]Totals, len(v.totals))
	for tenant, t := range v.totals {
		c := *t
		c.Quarantined = maps.Clone(t.Quarantined)
		s.Tenants[tenant] = c
	}
	s.InFlight, s.FetchedBytes, s.Waiting = v.inFlight.Load(), v.fetched.Load(), v.waiting.Load()
	if !v.since.IsZero() && time.Since(v.since) >= time.Second {
		s.WaitingFor = "contents of Binaries"
	}
	s.BytesInMemory = p.out.InMemory() + p.lines.inUse() + p.stubs.inUse()
	s.SpooledBytes = p.spool.held.Load()
	s.Folders, s.TenantFolders = maps.Clone(v.status.Folders), maps.Clone(v.status.TenantFolders)
	s.Stages = []*output.Stage{&p.finding, &p.fetching, &p.staging, &p.out.Write, &p.out.Ledger, &p.out.Cuts}
	return s
}

// watch tells the operator's view what the output does.
type watch struct{ p *Pipeline }

var _ output.Watch = watch{}

func (w watch) FileOpened() {
	v := w.p.live
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.Files++
	v.status.OpenFiles++
}

func (w watch) FileSealed() {
	v := w.p.live
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.OpenFiles--
	v.status.FilesSealed++
}

func (w watch) FileKnown(sealed bool) {
	v := w.p.live
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.Files++
	if sealed {
		v.status.FilesSealed++
	} else {
		v.status.OpenFiles++
	}
}

func (w watch) CutDone(took time.Duration) error {
	v := w.p.live
	v.mu.Lock()
	v.status.Cuts++
	v.status.CutSeconds += took.Seconds()
	v.status.LastSeconds, v.status.LastCut = took.Seconds(), time.Now()
	v.mu.Unlock()
	if w.p.options.OnCut == nil {
		return nil
	}
	return w.p.options.OnCut()
}
