package verification

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// The modes, as verify.mode names them.
const (
	Export  = "export"
	Counts  = "counts"
	Sample  = "sample"
	Full    = "full"
	History = "history"
	Source  = "source" // against the live source, instead of the target
)

// Modes lists all modes.
func Modes() []string { return []string{Export, Counts, Sample, Full, History, Source} }

// Result is what one verification has found. It holds no id and no value (I10).
type Result struct {
	Mode   string    `json:"mode"`
	Tenant string    `json:"tenant,omitempty"`
	Target string    `json:"target"` // ARN of the data store
	Begun  time.Time `json:"begun"`
	Ended  time.Time `json:"ended,omitzero"` // zero: under way, or interrupted

	// Checked resources, and how many are in each class, by the names of
	// verify.Class: all classes that the mode can tell, zeros included.
	Checked int64                       `json:"checked"`
	Classes map[string]int64            `json:"classes"`
	Types   map[string]map[string]int64 `json:"types"` // resource type to class to number, without zeros
	// Causes of "could not be checked", and of some that are missing, without zeros.
	Causes map[string]int64 `json:"causes"`

	// Findings is a file with a line of JSON for each resource that is not OK,
	// below the state directory; "" if there is none. It is PHI.
	Findings string `json:"findings,omitempty"`
	// Explained says what differs in the resources that are found; nil: in none was
	// there anything to compare.
	Explained *Explained `json:"explained,omitempty"`

	Attempt int    `json:"attempt,omitempty"` // number of the target's export, see exporting.Record
	Job     string `json:"job,omitempty"`     // the target's export job that was read
	Output  string `json:"output,omitempty"`  // where that job wrote to: s3://bucket/prefix/. PHI lies there
	Share   string `json:"share,omitempty"`   // of the resources, of a mode that looks at a part: "1%"

	// LedgerRoot names the moved data that the target was compared with
	// (records.Finished.LedgerRoot): of other data, this says nothing.
	LedgerRoot string `json:"ledger_root"`
	// Changed is when the last import or delete of ours ended, by the target's
	// clock, as far as it was known. A later one makes this void.
	Changed time.Time `json:"changed,omitzero"`
	// Changes is how many resources single calls of ours had changed by then, or may
	// have. Unlike the target's clock it never goes back: another one makes this void.
	Changes int64 `json:"changes,omitempty"`
}

// Of tells whether this is about the data and the target of other, and no import
// or delete came in between.
func (r *Result) Of(other *Result) bool {
	return r.Mode == other.Mode && r.Tenant == other.Tenant && r.Target == other.Target && r.Share == other.Share &&
		r.LedgerRoot == other.LedgerRoot && r.Changed.Equal(other.Changed) && r.Changes == other.Changes
}

// Proves tells whether this is the answer that other would have: it passed, as passed
// judges it, and it is known that nothing of ours came since. Where the target names
// no end of an import, that is not known.
func (r *Result) Proves(other *Result, passed func(*Result) bool) bool {
	return r.Of(other) && passed(r) && !r.Changed.IsZero()
}

// New returns a result to be filled, with all classes.
func New(mode, tenant, target, ledgerRoot string, classes ...verify.Class) *Result {
	r := &Result{
		Mode: mode, Tenant: tenant, Target: target, LedgerRoot: ledgerRoot, Begun: time.Now().UTC().Truncate(time.Millisecond),
		Classes: make(map[string]int64), Types: make(map[string]map[string]int64), Causes: make(map[string]int64),
	}
	for _, class := range classes {
		r.Classes[class.String()] = 0
	}
	return r
}

// Add counts n resources of a type in a class. What is no resource type of FHIR
// counts as metrics.Other, a line of which nobody knows the type as
// metrics.Unreadable: Types has no other names (I10).
func (r *Result) Add(resourceType string, class verify.Class, n int64) {
	if n == 0 {
		return
	}
	if resourceType == "" {
		resourceType = metrics.Unreadable
	} else if !metrics.KnownType(resourceType) {
		resourceType = metrics.Other
	}
	r.Checked += n
	r.Classes[class.String()] += n
	of := r.Types[resourceType]
	if of == nil {
		of = make(map[string]int64)
		r.Types[resourceType] = of
	}
	of[class.String()] += n
}

// Reset forgets what was found, for a mode that finds it anew after a kill.
func (r *Result) Reset() {
	for class := range r.Classes {
		r.Classes[class] = 0
	}
	clear(r.Types)
	clear(r.Causes)
	r.Checked, r.Findings, r.Explained = 0, "", nil
}

// AddUnchecked counts n resources of a type that could not be checked.
func (r *Result) AddUnchecked(resourceType string, cause verify.Cause, n int64) {
	r.Add(resourceType, verify.Unchecked, n)
	if n > 0 {
		r.Causes[cause.String()] += n
	}
}

// Passed tells whether the verification has come to its end, and found nothing
// that needs attention. A class that this build does not know does.
func (r *Result) Passed() bool { return !r.Ended.IsZero() && r.NotOK() == 0 }

// NotOK returns how many resources need attention.
func (r *Result) NotOK() (n int64) {
	for class, count := range r.Classes {
		if !isOK(class) {
			n += count
		}
	}
	return n
}

// LeftOut returns how many of these are known to be in no data store, or in none from
// us: the move has quarantined them, or the import reported that it refused them. One
// of which the target serves an earlier version is never among them.
func (r *Result) LeftOut() int64 {
	n := r.Causes[verify.LeftOut.String()] + r.Causes[verify.VersionRefused.String()]
	return max(0, min(n, r.NotOK()-r.Classes[verify.KnownStale.String()]))
}

func isOK(name string) bool {
	return slices.ContainsFunc(verify.Classes(), func(c verify.Class) bool { return c.OK() && c.String() == name })
}

// Dir is where the results of a tenant lie, "" being that of a job without
// tenants. Other files and folders in it have a dot in their names.
// The tenant is written in hexadecimal: the file system may not tell a from A.
func Dir(state, tenant string) string {
	return filepath.Join(state, "verify", hex.EncodeToString([]byte(tenant)))
}

// Save puts the result in the place of the last one of its mode.
func (r *Result) Save(state string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(Dir(state, r.Tenant), r.Mode+".json")
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return durable.Failure("write", path, err)
	}
	return durable.Failure("write", path, durable.WriteFile(path, append(text, '\n')))
}

// Load returns the last result of each mode, the latest first. There may be none.
func Load(state, tenant string) ([]*Result, error) {
	var all []*Result
	for _, mode := range Modes() {
		path := filepath.Join(Dir(state, tenant), mode+".json")
		text, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, durable.Failure("read", path, err)
		}
		r := new(Result)
		if json.Unmarshal(text, r) != nil || r.Mode != mode || r.Tenant != tenant {
			return nil, &pipeline.Error{
				Op: "read", Object: path, Kind: pipeline.KindCheckpoint,
				Err: errors.New("it is no result of a verification"), Hint: fmt.Sprintf("remove it, then: fhirhose verify --mode %s", mode),
			}
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b *Result) int { return cmp.Compare(b.Begun.UnixNano(), a.Begun.UnixNano()) })
	return all, nil
}
