package healthlaketest

import (
	"context"
	"time"
)

// Options configure a [Simulation]. Only S3 must be set.
type Options struct {
	S3     S3
	Region string // us-east-1
	// Keys holds the secret of each access key that is let in, "" of one that has
	// expired; by default that of AccessKey is SecretKey. It may be changed in
	// SetTraps.
	Keys   map[string]string
	Stores []Store // by default one, DatastoreID
	Quotas Quotas
	Traps  Traps

	// Now and Sleep are the simulation's clock; by default the system's. Sleep
	// returns early with an error when ctx ends.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// What a client needs where Options name nothing else.
const (
	AccessKey   = "AKIDSIMULATION"
	SecretKey   = "simulated-secret"
	DatastoreID = "0123456789abcdef0123456789abcdef"
)

// ServerText is in every error that the simulation answers with: it must not be
// found in an error or a log of ours (I10).
const ServerText = "secret-words-of-the-server"

// Store is a data store.
type Store struct {
	ID     string // 32 characters
	Name   string
	Status string   // ACTIVE
	Types  []string // of its capability statement; by default those of every release of FHIR
	KMSKey string   // that encrypts it; "" is one that AWS owns
	// Bearer makes it a SMART store: its REST API takes no signatures but
	// tokens, of which Bearer says whether one is good. It is called for one
	// call at a time.
	Bearer func(token string) bool
	// Authority makes it a SMART store too, whose tokens it gives.
	Authority *Authority
}

// Quotas are limits of the service. Zeros mean the older, lower published ones.
type Quotas struct {
	Files       int   // of an import job: 10,000
	FileBytes   int64 // 5 GB
	JobBytes    int64 // 500 GB
	Entries     int   // of a bundle: 160
	Queued      int   // import jobs of a store behind the one that runs: 25
	ExportLines int   // resources in a file of an export: 5,000
}

func (q Quotas) withDefaults() Quotas {
	q.Files = orElse(q.Files, 10_000)
	q.FileBytes = orElse(q.FileBytes, 5_000_000_000)
	q.JobBytes = orElse(q.JobBytes, 500_000_000_000)
	q.Entries = orElse(q.Entries, 160)
	q.Queued = orElse(q.Queued, 25)
	q.ExportLines = orElse(q.ExportLines, 5_000)
	return q
}

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Traps are the ways in which the service surprises a client. The zero value is
// the service as its users met it: Manifest.json with a capital M, no FAILURE/
// where nothing failed, lineId from 1, everything at once. The functions must not
// call the simulation; they are called for one call or line at a time.
type Traps struct {
	// Jobs.
	Submitted   time.Duration // how long a job says SUBMITTED
	Queued      time.Duration // how long it then says QUEUED, with nothing before it
	Running     time.Duration // how long it says IN_PROGRESS
	Cancelling  time.Duration // how long it says CANCEL_IN_PROGRESS, see Cancel
	CancelFails bool          // it then says CANCEL_FAILED
	ListLag     time.Duration // how long a new job is missing from lists
	// LooseNames lets a list by name hold longer names that begin with it.
	LooseNames bool
	StartGap   time.Duration // a start sooner after another is throttled (older quota: a minute)
	// TokenLife is how long a client token is remembered; 0 is for ever.
	TokenLife time.Duration
	// AnyToken answers a client token that was used with other parameters with
	// the first job, instead of an error.
	AnyToken bool

	// Results of imports.
	SmallManifest bool // manifest.json
	LineFromZero  bool // lineId counts from 0
	FullPaths     bool // FAILURE/<whole key> instead of FAILURE/<last folder>/<file>
	// Refuse says why a resource is refused, "" being no reason. key is Type/id.
	Refuse func(key string, body []byte) string
	// Fail says after how many lines a job fails, and why, "" being no reason.
	Fail func(jobName string) (lines int64, message string)
	// Rewrite returns how a resource is stored.
	Rewrite func(key string, body []byte) []byte
	// Derive returns resources that the service makes by itself from one that it
	// stores, as from the text of a DocumentReference.
	Derive func(key string, body []byte) [][]byte
	// SearchInvalid tells which resources a job with minimal validation takes
	// though their search fields are wrong; it marks them by an extension. nil
	// is all of them.
	SearchInvalid func(key string) bool

	// REST.
	SearchLag  time.Duration // how long counts miss a change
	HistoryLag time.Duration // how long histories miss a version
	// EntryStatus is the answer, such as 429, to an entry of a batch that is not
	// carried out; 0 is none.
	EntryStatus func(method, url string) int

	// Calls.
	ThrottleEvery int // each n-th call of each operation; 0 is none
	Fault         func(Call) Fault
	Latency       func(Call) time.Duration // between what is done and its answer
}

// Call is a call of a client.
type Call struct {
	// Op is the operation of the control plane, such as StartFHIRImportJob, or
	// read, vread, history, update, delete, batch, search, capabilities.
	Op string
	N  int // how many-th call of Op, from 1
}

// Fault is a way in which a call goes wrong.
type Fault string

// The faults. Only Lost and Truncated are carried out.
const (
	NoFault      Fault = ""
	Throttled    Fault = "throttled"    // ThrottlingException, or 429
	ServerError  Fault = "server-error" // InternalServerException, or 500
	Unauthorized Fault = "unauthorized" // ExpiredTokenException, or 401
	Forbidden    Fault = "forbidden"    // AccessDeniedException, or 403
	Reset        Fault = "reset"        // the connection breaks before
	Lost         Fault = "lost"         // the connection breaks after
	Truncated    Fault = "truncated"    // it breaks within the answer
)
