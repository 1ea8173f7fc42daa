package audit

import (
	"encoding/json"
	"time"
)

// File is the name of the log in the state directory.
const File = "audit.ndjson"

// format is the version of the lines.
const format = 1

// Entry is one line of the log. Append sets Format, Seq, Time, Prev and Torn.
type Entry struct {
	Format int       `json:"v"`
	Seq    int64     `json:"seq"` // from 1, without holes
	Time   time.Time `json:"time"`
	Prev   string    `json:"prev"` // SHA-256 of the line before, without its LF, in hex; of the first line Origin
	// Process is a random name: it ties the entries of one process together.
	Process string `json:"process"`
	Event   Event  `json:"event"`
	Verb    string `json:"verb"` // "move", "quarantine replay"

	Start *Start `json:"start,omitempty"` // of EventStart
	Note  *Note  `json:"note,omitempty"`  // of EventNote
	End   *End   `json:"end,omitempty"`   // of EventEnd
	Torn  *Torn  `json:"torn,omitempty"`  // what was cut off before this entry

	// Of an entry that was read:

	line []byte
	sum  string // SHA-256 of line
	end  int64  // bytes of the log up to the end of it
}

// Line is the entry as it stands in the log, without its LF, while Read hands it out.
func (e *Entry) Line() []byte { return e.line }

// Event is what an entry tells of.
type Event string

// The events. A start without an end is a process that was killed, or is at work.
const (
	EventStart Event = "start" // a verb is about to open its job
	EventNote  Event = "note"  // something that it did
	EventEnd   Event = "end"   // it has ended
)

// Start is who began what, with which program and settings.
type Start struct {
	Job       string    `json:"job"`
	Principal Principal `json:"principal"`
	Host      string    `json:"host"`
	User      string    `json:"user"` // of the operating system
	PID       int       `json:"pid"`
	Version   string    `json:"version"`
	Revision  string    `json:"revision"`
	Binary    string    `json:"binary_sha256"` // of the executable that runs, or "unknown: REASON"
	// Flags are those that were given, settings too; Settings are all that are in
	// force. Secrets are Redacted.
	Flags    map[string]string `json:"flags"`
	Settings map[string]string `json:"settings"`
	Places   []Place           `json:"places"`
}

// Principal is whom AWS takes this process for.
type Principal struct {
	ARN     string `json:"arn"` // "unknown: REASON" if AWS was not asked, or gave no answer
	Account string `json:"account,omitempty"`
}

// Place is something outside that the settings name: a bucket, table, store, role
// or key.
type Place struct {
	Setting string `json:"setting"`
	Name    string `json:"name"`              // ARN, s3://bucket/prefix, id, or directory
	Region  string `json:"region,omitempty"`  // "" where unknown
	Account string `json:"account,omitempty"` // the same
}

// Note is something that a verb did: counts, names of a target's jobs.
type Note struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// End is how a verb ended.
type End struct {
	Exit    int     `json:"exit"`
	Error   string  `json:"error,omitempty"` // as the operator was told
	Seconds float64 `json:"seconds"`
}

// Torn is what a killed process left of a line.
type Torn struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}
