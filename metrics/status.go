package metrics

import "time"

// Status is everything that an operator may see of a running or finished job:
// the one model behind the terminal bar, the plain progress lines, the JSON
// lines, state/status.json, `status`, `report` and the Prometheus metrics. It
// holds no value of a resource and no id (I10).
//
// Counters cover the whole job, also what earlier processes of it did, unless a
// field says "this process".
type Status struct {
	Job     string    `json:"job"`
	Phase   Phase     `json:"phase"`
	Exit    int       `json:"exit"`            // exit code; meaningful in phase done, stopped and failed
	Error   string    `json:"error,omitempty"` // scrubbed; phase failed
	Hint    string    `json:"hint,omitempty"`
	Build   string    `json:"build"`
	Format  int       `json:"format_version"`
	Started time.Time `json:"started"` // of this process
	Updated time.Time `json:"updated"`
	Elapsed float64   `json:"elapsed_seconds"` // all processes of this job together

	Source     string    `json:"source"` // location
	Sink       string    `json:"sink"`
	ExportTime time.Time `json:"export_time"` // of the source; zero if unknown

	Objects        int   `json:"objects"`
	ObjectsDone    int   `json:"objects_done"`
	InputBytes     int64 `json:"input_bytes"`         // compressed, all objects
	InputBytesDone int64 `json:"input_bytes_done"`    // compressed, read and merged
	InputSkipped   int64 `json:"input_bytes_skipped"` // of InputBytesDone: done before this process started
	StagedBytes    int64 `json:"staged_bytes"`        // compressed, fetched or hashed by this process
	InflatedBytes  int64 `json:"inflated_bytes"`
	ReinflateBytes int64 `json:"reinflated_bytes"` // inflated again to find the resume position, this process

	Types map[string]*TypeTotals `json:"types"` // by resource type; "unreadable" where it could not be read
	// Tenants has each tenant of a job that moves all of them; "" are the records
	// without a certain tenant. They sum up to Types.
	Tenants     map[string]*TenantTotals `json:"tenants,omitempty"`
	Files       int64                    `json:"files"` // ever opened
	FilesSealed int64                    `json:"files_sealed"`
	OpenFiles   int64                    `json:"open_files"`
	Folders     map[string]int           `json:"folders"` // by version: "v1", "Binary-v1"

	LockedAges        map[string]int64 `json:"locked_ages"`        // LOCKED rows by age at export time: "<1m", "<1h", "<1d", ">=1d", "unknown"
	UnknownAttributes map[string]int64 `json:"unknown_attributes"` // unknown top-level attributes by name; at most 100 names, then "(more)"
	NoLastUpdated     int64            `json:"no_last_updated"`    // written although meta.lastUpdated could not be read
	Ledger            *LedgerTotals    `json:"ledger,omitempty"`   // set once the ledger has been read at the end

	Binaries *BinaryTotals `json:"binaries,omitempty"` // set in a job that fetches contents

	Verify *VerifyTotals `json:"verify,omitempty"` // set in a verification
	Import *ImportTotals `json:"import,omitempty"` // once an import has begun

	Stages        []Stage          `json:"stages"`
	BytesInFlight int64            `json:"bytes_in_flight"`
	MemoryLimit   int64            `json:"memory_limit"`
	Cuts          int64            `json:"cuts"`        // this process
	CutSeconds    float64          `json:"cut_seconds"` // this process, total
	LastCut       time.Time        `json:"last_cut"`
	LastCutLength float64          `json:"last_cut_seconds"`
	Retries       map[string]int64 `json:"retries"` // this process, by cause
	LastProgress  time.Time        `json:"last_progress"`
	WaitingFor    string           `json:"waiting_for"`      // what the pipeline waits for now, "" when it moves; its first word is from a closed set
	LastRetryWait time.Time        `json:"last_retry_wait"`  // the last moment spent waiting before a retry
	StateFree     int64            `json:"state_free_bytes"` // free space of the state file system, -1 unknown
}

// Phase is where the job stands.
type Phase string

// The phases of a job.
const (
	PhaseStarting  Phase = "starting"
	PhaseMoving    Phase = "moving"
	PhaseFinishing Phase = "finishing" // everything is read; files are sealed and the ledger is checked
	PhaseDone      Phase = "done"
	PhaseVerifying Phase = "verifying" // the move is done, and what a target holds is compared with it
	PhaseImporting Phase = "importing" // the move is done, and its folders are sent to a target
	PhaseStopped   Phase = "stopped"   // by a signal, after a drain
	PhaseFailed    Phase = "failed"
)

// Moved tells whether the job's move has come to its end.
func (s *Status) Moved() bool {
	return s.Phase == PhaseDone || s.Phase == PhaseImporting || s.Phase == PhaseVerifying
}

// TypeTotals balances per type: Read = Written + filtered + quarantined (I4).
type TypeTotals struct {
	Read         int64            `json:"read"`
	Written      int64            `json:"written"`
	BytesRead    int64            `json:"bytes_read"`    // decompressed source lines
	BytesWritten int64            `json:"bytes_written"` // NDJSON
	Filtered     map[string]int64 `json:"filtered,omitempty"`
	Quarantined  map[string]int64 `json:"quarantined,omitempty"`
	Mentions
}

// Mentions is what written records say that may not hold any more in another service.
// It is counted, and never repeated: ids and hosts may be PHI (I10).
type Mentions struct {
	AbsoluteReferences  int64 `json:"absolute_references,omitempty"`  // that name a server by its URL, the old API among others
	VersionedReferences int64 `json:"versioned_references,omitempty"` // to one version of a resource: a target numbers anew
	// ActiveSubscriptions have the status active or requested, in a record that is not
	// DELETED: the last version of each, for one that another has superseded is DELETED.
	ActiveSubscriptions int64 `json:"active_subscriptions,omitempty"`
}

// Mention adds those of other records.
func (m *Mentions) Mention(n Mentions) {
	m.AbsoluteReferences += n.AbsoluteReferences
	m.VersionedReferences += n.VersionedReferences
	m.ActiveSubscriptions += n.ActiveSubscriptions
}

// TenantTotals balances per tenant, over all types: Read = Written + Filtered +
// Quarantined (I4), and Binaries.Waiting.
type TenantTotals struct {
	Read         int64         `json:"read"`
	Written      int64         `json:"written"`
	Filtered     int64         `json:"filtered"`
	Quarantined  int64         `json:"quarantined"`
	BytesRead    int64         `json:"bytes_read"`
	BytesWritten int64         `json:"bytes_written"`
	Folders      int           `json:"folders"`
	Ledger       *LedgerTotals `json:"ledger,omitempty"`

	Binaries *BinaryCounts `json:"binaries,omitempty"` // in a job that fetches contents, of a tenant with any, and at the end of all
}

// LedgerTotals is what reading the whole ledger tells (design section 7).
type LedgerTotals struct {
	Entries      int64 `json:"entries"`
	Bytes        int64 `json:"bytes"`
	Resources    int64 `json:"resources"`
	Deleted      int64 `json:"deleted"`   // truly deleted resources
	Unsettled    int64 `json:"unsettled"` // resources whose last committed version was not written
	Ambiguous    int64 `json:"ambiguous"` // ids used by more than one type
	Duplicates   int64 `json:"duplicates"`
	VersionHoles int64 `json:"version_holes"`
	Unidentified int64 `json:"unidentified"` // records without readable identity: every "missing" is uncertain
}

// Add adds the totals of another ledger.
func (l *LedgerTotals) Add(other *LedgerTotals) {
	l.Entries += other.Entries
	l.Bytes += other.Bytes
	l.Resources += other.Resources
	l.Deleted += other.Deleted
	l.Unsettled += other.Unsettled
	l.Ambiguous += other.Ambiguous
	l.Duplicates += other.Duplicates
	l.VersionHoles += other.VersionHoles
	l.Unidentified += other.Unidentified
}

// Stage is one stage of the pipeline.
type Stage struct {
	Name     string  `json:"name"` // one of StageNames
	Busy     float64 `json:"busy_seconds"`
	Queue    int     `json:"queue"`
	Capacity int     `json:"capacity"`
}

// Read sums the records read over all types.
func (s *Status) Read() (n int64) {
	for _, t := range s.Types {
		n += t.Read
	}
	return n
}

// Written sums the records written over all types.
func (s *Status) Written() (n int64) {
	for _, t := range s.Types {
		n += t.Written
	}
	return n
}

// Mentions sums what records of all types mention.
func (s *Status) Mentions() (all Mentions) {
	for _, t := range s.Types {
		all.Mention(t.Mentions)
	}
	return all
}

// Filtered sums the filtered records over all types and reasons.
func (s *Status) Filtered() (n int64) {
	for _, t := range s.Types {
		for _, count := range t.Filtered {
			n += count
		}
	}
	return n
}

// Quarantined sums the quarantined records over all types and reasons.
func (s *Status) Quarantined() (n int64) {
	for _, t := range s.Types {
		for _, count := range t.Quarantined {
			n += count
		}
	}
	return n
}
