package records

import (
	"encoding/json"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/binaries"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// live is the state of the job as an operator may see it at any time. The merge
// adds to the totals; everybody else only reads them, through Status.
type live struct {
	started time.Time

	compressed atomic.Int64 // bytes read by lanes of this process
	reinflated atomic.Int64

	mu       sync.Mutex
	status   metrics.Status // fields that Status() does not compute
	totals   totals
	folders  map[string]int                   // by version
	byTenant map[string]int                   // folders by tenant
	ledgers  map[string]*metrics.LedgerTotals // by tenant, at the end
	skipped  int64                            // compressed bytes that earlier processes have done
	waiting  int                              // object that the merge waits for, -1 if it moves
	since    time.Time
	moved    time.Time                   // last progress
	listing  int64                       // objects of the binary bucket that are listed so far
	contents int64                       // their bytes, -1 until all are listed
	settled  *binaries.Status            // in totals; nil until the second pipeline is done
	orphans  map[string]binaries.Orphans // by tenant; nil until all rows are read
}

// totals are the counters that a cut stores and a restart goes on with.
type totals struct {
	tally
	// Tenants sum up to the tally; nil in a job of one tenant. "" has the records
	// without a certain tenant.
	Tenants     map[string]*tally `json:"tenants,omitempty"`
	Inflated    int64             `json:"inflated_bytes"`
	ObjectsDone int               `json:"objects_done"`
	// Counted is what the first read has found in the objects that are done, where
	// nothing promises it.
	Counted        int64   `json:"counted_records,omitempty"`
	InputBytesDone int64   `json:"input_bytes_done"`
	Elapsed        float64 `json:"elapsed_seconds"`
}

// tally is what became of records, of all or of one tenant.
type tally struct {
	Types         map[string]*metrics.TypeTotals `json:"types"`
	LockedAges    map[string]int64               `json:"locked_ages"`
	Unknown       map[string]int64               `json:"unknown_attributes"`
	NoLastUpdated int64                          `json:"no_last_updated"`
	Unidentified  int64                          `json:"unidentified"`          // without an entry in the ledger, though read
	Handed        int64                          `json:"handed_down,omitempty"` // Binary rows, to the second pipeline
}

func newTally() *tally {
	return &tally{
		Types: make(map[string]*metrics.TypeTotals), LockedAges: make(map[string]int64), Unknown: make(map[string]int64),
	}
}

func newLive(allTenants bool) *live {
	now := time.Now()
	v := &live{started: now, moved: now, waiting: -1, contents: -1, totals: totals{tally: *newTally()}}
	if allTenants {
		v.totals.Tenants = map[string]*tally{"": newTally()}
	}
	return v
}

// add counts a merged batch.
func (v *live) add(b *batch) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.moved = time.Now()
	for i := range b.counts {
		v.totals.Inflated += b.counts[i].read
		v.totals.count(&b.counts[i])
		if t := v.tenant(b.counts[i].tenant); t != nil {
			t.count(&b.counts[i])
		}
	}
	for i := range b.tenants {
		v.totals.note(&b.tenants[i].notes)
		if t := v.tenant(b.tenants[i].name); t != nil {
			t.note(&b.tenants[i].notes)
		}
	}
}

// tenant returns the tally of a tenant, nil in a job of one.
func (v *live) tenant(name string) *tally {
	if v.totals.Tenants == nil {
		return nil
	}
	t := v.totals.Tenants[name]
	if t == nil {
		t = newTally()
		v.totals.Tenants[name] = t
	}
	return t
}

func (y *tally) count(c *count) {
	t := y.Types[c.resourceType]
	if t == nil {
		t = &metrics.TypeTotals{}
		y.Types[c.resourceType] = t
	}
	t.Read += c.records
	t.BytesRead += c.read
	var by *map[string]int64
	switch c.reason.Outcome() {
	case pipeline.Written:
		t.Written += c.records - c.handed
		y.Handed += c.handed
		t.BytesWritten += c.written
		t.Mention(c.mentions)
		return
	case pipeline.Filtered:
		by = &t.Filtered
	case pipeline.Quarantined:
		by = &t.Quarantined
	}
	if *by == nil {
		*by = make(map[string]int64)
	}
	(*by)[c.reason.String()] += c.records
}

func (y *tally) note(n *notes) {
	for age, records := range n.lockedAges {
		y.LockedAges[age] += records
	}
	for name, records := range n.unknown {
		y.unknown(name, records)
	}
	y.NoLastUpdated += n.noLastUpdated
	y.Unidentified += n.unidentified
}

// maxUnknown bounds the names of unknown attributes that are counted apart.
const maxUnknown = 100

func (y *tally) unknown(name string, n int64) {
	if _, known := y.Unknown[name]; !known && len(y.Unknown) >= maxUnknown {
		name = "(more)"
	}
	y.Unknown[name] += n
}

func (v *live) objectDone(object pipeline.Object, counted int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.totals.ObjectsDone++
	v.totals.InputBytesDone += object.Size
	if object.Items == pipeline.Unpromised {
		v.totals.Counted += counted
	}
}

func (v *live) fileOpened() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.OpenFiles++
	v.status.Files++
}

func (v *live) fileSealed() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.OpenFiles--
	v.status.FilesSealed++
	v.moved = time.Now()
}

func (v *live) setPhase(phase metrics.Phase) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.Phase = phase
}

// waitFor notes which object the merge waits for; -1 says that it moves.
func (v *live) waitFor(object int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting != object {
		v.waiting, v.since = object, time.Now()
	}
}

func (v *live) cutDone(took time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.Cuts++
	v.status.CutSeconds += took.Seconds()
	v.status.LastCutLength = took.Seconds()
	v.status.LastCut = time.Now()
	v.moved = v.status.LastCut
}

// elapsed is the time that this job has taken, earlier processes included.
func (v *live) elapsed() time.Duration {
	return time.Duration(v.totals.Elapsed*float64(time.Second)) + time.Since(v.started)
}

// snapshot returns the totals as a cut stores them.
func (v *live) snapshot() (json.RawMessage, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.totals
	t.Elapsed = v.elapsed().Seconds()
	return json.Marshal(t)
}

func (v *live) restore(stored json.RawMessage) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := json.Unmarshal(stored, &v.totals); err != nil {
		return err
	}
	v.skipped = v.totals.InputBytesDone
	return nil
}

// fileKnown counts a file that the checkpoint knows.
func (v *live) fileKnown(sealed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status.Files++
	if sealed {
		v.status.FilesSealed++
	} else {
		v.status.OpenFiles++
	}
}

func (v *live) foldersAre(versions, tenants map[string]int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.folders, v.byTenant = versions, tenants
}

// copyTypes returns a deep copy of the totals by type.
func copyTypes(from map[string]*metrics.TypeTotals) map[string]*metrics.TypeTotals {
	to := make(map[string]*metrics.TypeTotals, len(from))
	for name, t := range from {
		c := *t
		c.Filtered, c.Quarantined = maps.Clone(t.Filtered), maps.Clone(t.Quarantined)
		to[name] = &c
	}
	return to
}

// stages are the stages that an operator sees.
type stages struct {
	stage, inflate, convert, merge output.Stage
}

func (m *Mover) allStages() []*output.Stage {
	s := &m.stages
	return []*output.Stage{&s.stage, &s.inflate, &s.convert, &s.merge, &m.out.Write, &m.out.Ledger, &m.out.Cuts}
}
