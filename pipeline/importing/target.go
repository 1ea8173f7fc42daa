package importing

import (
	"context"
	"time"
)

// Target is a store that imports folders.
//
// Errors are pipeline.Errors without ids or values (I10). A call that is worth
// repeating has been repeated when it returns one.
type Target interface {
	// Start begins the import of a folder and returns its job's id. The token of a
	// job that was started before gives that job. After an error the job may have
	// been started all the same.
	Start(ctx context.Context, folder, token, name string) (id string, err error)
	// Find returns the last job of that name. One that was started a moment ago
	// may not be found.
	Find(ctx context.Context, name string) (job Job, found bool, err error)
	// Describe returns the state of a job.
	Describe(ctx context.Context, id string) (Job, error)
	// Unfinished returns the jobs that are not over, whoever started them.
	Unfinished(ctx context.Context) ([]Job, error)
	// Failures calls f for every resource that a job that is over has refused. The
	// failure is f's for the call alone.
	Failures(ctx context.Context, id string, f func(Failure) error) error
}

// Job is an import as the target tells of it.
type Job struct {
	ID, Name string
	State    State
	Status   string // the target's own word for State, of a closed list

	// Resources, of a job that is not over so far; of one that is, when it ended, by the target's clock;
	// zero where the target names no end.
	Scanned, Imported, Failed int64
	Ended                     time.Time
}

// State is what a job's status means.
type State uint8

// The states. A status that nobody knows is Unknown, and waited for.
const (
	Unknown   State = iota
	Waiting         // accepted
	Running         // at work
	Completed       // over; single resources may have failed
	Failed          // over before its end
	Cancelled       // over: somebody stopped it
)

// String is one word, fit for a label.
func (s State) String() string {
	return [...]string{"unknown", "waiting", "running", "completed", "failed", "cancelled"}[s]
}

func (s State) over() bool { return s == Completed || s == Failed || s == Cancelled }

// Failure is a resource that the target has refused.
type Failure struct {
	File string // below the job's folder, e.g. v1-0/Patient-v1-00000.ndjson
	Line int64  // in it, as the target counts
	Code string // of a closed list, fit for a log
	Raw  []byte // the target's own line about it. PHI
}

// Folder is what one job imports.
type Folder struct {
	Name  string // v1-0, Binary-v2-0
	Lines int64  // resources in it
}
