package report

import (
	"time"

	"github.com/fhirhose/fhirhose/metrics"
)

// Document is a whole report. Without a target it has neither Cutover nor Open.
type Document struct {
	// Findings are of single resources: with them the document is PHI.
	HoldsPHI bool      `json:"holds_phi,omitempty"`
	Cutover  *bool     `json:"safe_to_cut_over,omitempty"`
	Open     []Open    `json:"open,omitempty"`
	Made     time.Time `json:"made"`
	Summary
	Target   *Target           `json:"target,omitempty"`
	Settings map[string]string `json:"settings,omitempty"`
	Audit    *Audit            `json:"audit,omitempty"`
	Findings []Finding         `json:"findings,omitempty"`
	More     int64             `json:"findings_left_out,omitempty"`
}

// Audit is what the audit log tells.
type Audit struct {
	Broken  string    `json:"broken,omitempty"` // why it cannot be trusted
	Entries int64     `json:"entries"`
	SHA256  string    `json:"sha256"` // of the last line: the head of the chain
	Time    time.Time `json:"time,omitzero"`
	Runs    []Run     `json:"runs"` // the latest, in order
	Earlier int64     `json:"earlier_runs,omitempty"`
}

// Run is one run of a verb.
type Run struct {
	Verb      string            `json:"verb"`
	Began     time.Time         `json:"began"`
	Ended     time.Time         `json:"ended,omitzero"` // zero: killed, or at work
	Exit      int               `json:"exit"`
	Principal string            `json:"principal"`
	Host      string            `json:"host"`
	User      string            `json:"user"`
	Version   string            `json:"version"`
	Binary    string            `json:"binary_sha256"`
	Flags     map[string]string `json:"flags,omitempty"`
}

// Finding is what was found of one resource. It is PHI.
type Finding struct {
	Tenant  string `json:"tenant,omitempty"`
	From    string `json:"from"` // "verify export", "deletes"
	Class   string `json:"class"`
	Type    string `json:"type,omitempty"`
	ID      string `json:"id,omitempty"`
	Version uint32 `json:"version,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// Facts are what a document is made of, beside the status.
type Facts struct {
	Made     time.Time
	Target   *Target // nil: the job has none
	Settings map[string]string
	Audit    *Audit
	Findings []Finding
	More     int64 // findings that were left out
	WithIDs  bool
}

// Write makes a document.
func Write(s *metrics.Status, c Context, f Facts) *Document {
	d := &Document{
		HoldsPHI: f.WithIDs, Made: f.Made, Summary: Summarize(s, c), Target: f.Target, Settings: f.Settings, Audit: f.Audit,
		Findings: f.Findings, More: f.More,
	}
	if f.Target != nil {
		d.Open = Judge(s, c, f.Target, f.Audit)
		safe := len(d.Open) == 0
		d.Cutover = &safe
	}
	return d
}

// ExitCode is 0 for a job that may be cut over, and 4 for one that may not. For a
// job without a target it is that of the summary.
func (d *Document) ExitCode() int {
	if d.Cutover != nil && !*d.Cutover {
		return exitUnbalanced
	}
	return d.Summary.ExitCode()
}
