package report

import (
	"fmt"
	"strings"

	"github.com/fhirhose/fhirhose/metrics"
)

// Exit codes that a status can mean (design section 5).
const (
	exitQuarantine = 3
	exitUnbalanced = 4
)

// Summary is what `report --json` prints: the status and what follows from it.
type Summary struct {
	Verdict    string   `json:"verdict"` // one sentence
	Running    bool     `json:"running"`
	Balanced   bool     `json:"balanced"`
	Unbalanced []string `json:"unbalanced_types,omitempty"`
	Totals     Totals   `json:"totals"`
	// Throughput of all processes together, over the time that they worked.
	InputRate  float64         `json:"input_bytes_per_second"`
	RecordRate float64         `json:"records_per_second"`
	LookAt     []string        `json:"look_at"`
	Status     *metrics.Status `json:"status"`
}

// Totals sums over all types; Read = Written + Filtered + Quarantined.
type Totals struct {
	Read         int64            `json:"read"`
	Written      int64            `json:"written"`
	Filtered     int64            `json:"filtered"`
	Quarantined  int64            `json:"quarantined"`
	Pending      int64            `json:"pending"` // of Filtered: PENDING rows
	BytesRead    int64            `json:"bytes_read"`
	BytesWritten int64            `json:"bytes_written"`
	ByFilter     map[string]int64 `json:"filtered_by_reason"`
	ByDefect     map[string]int64 `json:"quarantined_by_reason"`
}

// Context is what a status cannot know about itself.
type Context struct {
	Running bool   // a process holds the state directory
	PID     string // of that process
	State   string // directory
	Output  string // the job's folder in the sink
	Tenant  string // in a job of all tenants, the folder of one of them, in words
	File    string // the job file as -c named it; "" the default
}

// command is what the operator types for a verb of this job.
func (c Context) command(verb string, args ...string) string {
	words := append([]string{"fhirhose", verb}, args...)
	if c.File != "" {
		words = append(words, "-c", c.File)
	}
	return strings.Join(words, " ")
}

// Summarize derives a report from s.
func Summarize(s *metrics.Status, c Context) Summary {
	unbalanced := s.Unbalanced()
	sum := Summary{
		Running: c.Running, Balanced: len(unbalanced) == 0, Unbalanced: unbalanced, Status: s,
		Totals: Totals{
			Read: s.Read(), Written: s.Written(), Filtered: s.Filtered(), Quarantined: s.Quarantined(),
			BytesRead: s.BytesRead(), BytesWritten: s.BytesWritten(),
			ByFilter: s.FilteredByReason(), ByDefect: s.QuarantinedByReason(),
		},
	}
	sum.Totals.Pending = sum.Totals.ByFilter["pending"]
	if s.Elapsed > 0 {
		sum.InputRate = float64(s.InputBytesDone) / s.Elapsed
		sum.RecordRate = float64(sum.Totals.Read) / s.Elapsed
	}
	sum.Verdict = verdict(s, sum, c)
	sum.LookAt = lookAt(s, sum, c)
	return sum
}

// ExitCode is 4 if the records do not add up, otherwise 0: a report that could
// be made is a success, whatever it says.
func (s Summary) ExitCode() int {
	if !s.Balanced {
		return exitUnbalanced
	}
	return 0
}

func verdict(s *metrics.Status, sum Summary, c Context) string {
	switch {
	case !sum.Balanced:
		return "DOES NOT BALANCE: records are unaccounted for; do not use this output"
	case c.Running:
		return fmt.Sprintf("at work: process %s is %s", c.PID, s.Phase)
	}
	switch s.Phase {
	case metrics.PhaseDone:
		if s.Exit == exitQuarantine {
			return "done, with quarantine: some records could not be moved"
		}
		return "done: every record is accounted for"
	case metrics.PhaseImporting:
		return "done; an import was interrupted: `fhirhose import` goes on"
	case metrics.PhaseVerifying:
		return "done; a verification was interrupted: `fhirhose verify` goes on"
	case metrics.PhaseStopped:
		return "stopped cleanly; `fhirhose move` continues where it stopped"
	case metrics.PhaseFailed:
		return fmt.Sprintf("failed with exit code %d", s.Exit)
	default:
		return "interrupted: the process is gone without a word (killed, or power lost); `fhirhose move` continues from the last cut"
	}
}

// lookAt says where the operator finds more, the most urgent first.
func lookAt(s *metrics.Status, sum Summary, c Context) []string {
	var places []string
	if s.Hint != "" {
		places = append(places, s.Hint)
	}
	if l := s.Ledger; l != nil && l.Unsettled > 0 {
		places = append(places, "unsettled resources: their last version was not written; see why under Filtered and Quarantined, mend it at the source or widen the filters, and move again")
	}
	if sum.Totals.Quarantined > 0 {
		places = append(places, c.Output+"/_fhirhose/quarantine-*.ndjson: the records that could not be moved, as they came, with object, record number and reason (PHI)")
	}
	folder := c.Output
	if c.Tenant != "" {
		folder = c.Tenant
		if sum.Totals.Quarantined > 0 {
			places = append(places, c.Tenant+"/_fhirhose/quarantine-*.ndjson: the same, of records whose tenant is certain (PHI)")
		}
		if s.Moved() {
			places = append(places, c.Output+"/_fhirhose/manifest.json: every tenant with its totals")
		}
	}
	places = append(places, lookAtOrphans(s, c)...)
	if s.Moved() {
		places = append(places,
			folder+"/migration_output.json: the folders and their files, in the order of import",
			folder+"/_fhirhose/manifest.json: every file with bytes, records and SHA-256")
	}
	return append(places, c.State+"/"+metrics.StatusFile+": these numbers")
}
