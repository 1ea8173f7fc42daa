package report

import (
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/acceptance"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/metrics"
)

// Target is what is known of a job's data stores. It holds no id and no value
// (I10): tenants, counts, and names of a target's jobs.
type Target struct {
	Moved bool `json:"moved"` // the move is finished
	// Status is what the checkpoint holds of a finished move: the truth, where
	// status.json is lost or older. nil is that it is not known.
	Status *metrics.Status `json:"-"`
	// Held is how many resources the data stores held before the import, which went over
	// them with --into-nonempty.
	Held int64 `json:"held_before,omitempty"`
	// Accepted is what a person went on without: see Acceptance.
	Accepted []Acceptance `json:"accepted,omitempty"`
	// Unknown says why the checkpoint was not read, "" if it was. Then nothing is
	// known of the data stores.
	Unknown string  `json:"unknown,omitempty"`
	Stores  []Store `json:"stores"` // by tenant
}

// Acceptance is that a person goes on without what is in no data store.
type Acceptance struct {
	*acceptance.Acceptance
	// Void says why it does not count, "" if it does.
	Void string `json:"void,omitempty"`
}

// Store is one data store: of a job, or of one of its tenants.
type Store struct {
	Tenant    string `json:"tenant,omitempty"`
	Datastore string `json:"datastore"`     // ARN once something was sent, before that its id
	Ledger    string `json:"ledger_sha256"` // over the segments of the tenant's ledger

	Folders  []Folder         `json:"folders"`            // in the order of import
	Refused  map[string]int64 `json:"refused,omitempty"`  // resources by HealthLake's reason
	Refusals *Refusals        `json:"refusals,omitempty"` // nil: the refused were not compared with the ledger
	Deletes  *Deletes         `json:"deletes,omitempty"`  // nil: none has begun
	Checks   []Check          `json:"verifications"`      // the last of each mode, the latest first
	Changed  time.Time        `json:"changed,omitzero"`   // when the last import or delete ended, by the target's clock
	Changes  int64            `json:"changes,omitempty"`  // resources that replays and deletes have changed, or may have
	Moved    LedgerOutcome    `json:"moved"`
}

// LedgerOutcome is what the ledger of a tenant says of its resources.
type LedgerOutcome struct {
	Resources int64 `json:"resources"`
	Deleted   int64 `json:"deleted"`
	Unsettled int64 `json:"unsettled"`
	Ambiguous int64 `json:"ambiguous"`
}

// OutcomeOf takes from a ledger's totals what matters to a target.
func OutcomeOf(l *metrics.LedgerTotals) LedgerOutcome {
	if l == nil {
		return LedgerOutcome{}
	}
	return LedgerOutcome{l.Resources, l.Deleted, l.Unsettled, l.Ambiguous}
}

// Folder is one import.
type Folder struct {
	Name     string    `json:"folder"`
	Lines    int64     `json:"lines"`
	Job      string    `json:"job,omitempty"`    // of the target
	Status   string    `json:"status,omitempty"` // the target's last word
	Over     bool      `json:"over"`             // the target's job has ended
	Done     bool      `json:"done"`             // and every line is accounted for
	Imported int64     `json:"imported"`
	Refused  int64     `json:"refused"`
	Ended    time.Time `json:"ended,omitzero"`
}

// Refusals are the resources of which the target has refused versions.
type Refusals struct {
	Stale     int64 `json:"stale"`     // the target holds an earlier version than the last
	Absent    int64 `json:"absent"`    // it holds none
	Overtaken int64 `json:"overtaken"` // it lacks earlier versions alone
	Unnamed   int64 `json:"unnamed"`   // failures of which nobody knows whose they are
}

// Deletes are what became of the resources that are deleted in the source.
type Deletes struct {
	Pass      int   `json:"pass"`
	Over      bool  `json:"over"` // all were looked at
	Deleted   int64 `json:"deleted"`
	Gone      int64 `json:"gone"`
	Changed   int64 `json:"changed_after_import"`
	Unchecked int64 `json:"not_checked"`
	Refused   int64 `json:"refused"`
}

// Check is one verification.
type Check struct {
	Mode    string           `json:"mode"`
	Begun   time.Time        `json:"begun"`
	Ended   time.Time        `json:"ended,omitzero"`
	Share   string           `json:"share,omitempty"` // of the resources, if not all
	Checked int64            `json:"checked"`
	Classes []ClassCount     `json:"classes"` // those that are OK first
	Causes  map[string]int64 `json:"causes,omitempty"`
	Job     string           `json:"job,omitempty"`      // the target's export job
	Details string           `json:"findings,omitempty"` // file in the state directory; PHI
	// Explained says what differs in what was found; nil: nothing was compared.
	Explained *verification.Explained `json:"explained,omitempty"`
	// Accepted of the resources that need attention are among those that a person went
	// on without.
	Accepted int64 `json:"accepted,omitempty"`
	// Void says why this proves nothing of what was moved and is there now, "" if
	// it does.
	Void string `json:"void,omitempty"`
}

// ClassCount is how many resources are in a class.
type ClassCount struct {
	Name  string `json:"class"`
	Count int64  `json:"count"`
	OK    bool   `json:"ok"`
}

// bad counts what needs attention, and is not accepted.
func (c *Check) bad() int64 { return c.found() - c.Accepted }

// found counts what is not as it should be.
func (c *Check) found() (n int64) {
	for _, class := range c.Classes {
		if !class.OK {
			n += class.Count
		}
	}
	return n
}

// Strong tells whether a mode looks at every resource.
func (c *Check) strong() bool { return c.Mode == "export" || c.Mode == "full" && c.Share == "" }

// stale counts resources of which the target holds an earlier version than the last.
func (s *Store) stale() int64 {
	if s.Refusals == nil {
		return 0
	}
	return s.Refusals.Stale
}
