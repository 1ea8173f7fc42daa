package find

import (
	"fmt"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Answer is what is known of one resource.
type Answer struct {
	Asked      string    `json:"asked"`
	Tenant     string    `json:"tenant,omitempty"`
	Known      bool      `json:"known"` // the ledger has it
	Type       string    `json:"type,omitempty"`
	ID         string    `json:"id,omitempty"`
	Fate       string    `json:"fate,omitempty"` // of ledger.Fate
	Ambiguous  bool      `json:"ambiguous,omitempty"`
	Duplicates int64     `json:"duplicates,omitempty"`
	Holes      int64     `json:"version_holes,omitempty"`
	Versions   []Version `json:"versions,omitempty"`

	Deletion *Deletion  `json:"deletion,omitempty"` // nil: none was applied
	Verified []Verified `json:"verified,omitempty"` // what verifications found, where it is not OK
	Live     *Live      `json:"target,omitempty"`   // nil: the target was not asked, or has no such resource
}

// Version is a ledger entry, and what came of it.
type Version struct {
	Version     uint32 `json:"version"`
	Status      string `json:"status"`
	LastUpdated string `json:"last_updated,omitempty"` // "" where it could not be read
	Outcome     string `json:"outcome"`
	Reason      string `json:"reason,omitempty"`
	Object      string `json:"object"` // of the source
	Record      int64  `json:"record"` // in it, from 1

	// Of a written version:

	Folder  string   `json:"folder,omitempty"`
	File    string   `json:"file,omitempty"` // below the job's folder
	Line    int64    `json:"line,omitempty"` // in it, from 1
	Import  *Import  `json:"import,omitempty"`
	Refused *Refusal `json:"refused,omitempty"`
}

// Import is the target's job that took the version's folder.
type Import struct {
	Job    string `json:"job,omitempty"` // "" of one that was about to be started
	Status string `json:"status,omitempty"`
	Done   bool   `json:"done"` // every line of the folder is accounted for
}

// Refusal is that the target did not take the version.
type Refusal struct {
	Reason string `json:"reason"`
	Where  string `json:"where"` // file and line that hold the target's words
	// Perhaps says that the target named file and line alone, and that it may have
	// meant the line before or after.
	Perhaps bool `json:"perhaps,omitempty"`
}

func (f *Finder) answerOf(r *ledger.Resource) (*Answer, error) {
	a := &Answer{
		Tenant: f.Tenant, Known: true, Type: string(r.Type), ID: string(r.ID),
		Fate: r.Fate.String(), Ambiguous: r.Ambiguous, Duplicates: r.Duplicates, Holes: r.Holes,
	}
	for i := range r.Versions {
		e := &r.Versions[i]
		if int64(e.Object) >= int64(len(f.Objects)) {
			return nil, &pipeline.Error{
				Op: "read ledger", Kind: pipeline.KindFatal, Err: fmt.Errorf("an entry is of object %d, the manifest names %d", e.Object+1, len(f.Objects)),
				Hint: "put ledger and manifest back as the move has left them",
			}
		}
		a.Versions = append(a.Versions, f.versionOf(e))
	}
	return a, nil
}

func (f *Finder) versionOf(e *ledger.Entry) Version {
	v := Version{
		Object: f.Objects[e.Object], Record: e.Record,
		Version: e.Version, Status: e.Status.String(),
		Outcome: e.Reason.Outcome().String(), Reason: e.Reason.String(),
	}
	if e.LastUpdated != ledger.UnknownTime {
		v.LastUpdated = time.UnixMilli(e.LastUpdated).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	if !e.Written() {
		return v
	}
	v.Folder, v.File = e.Place()
	v.Line = int64(e.Line) + 1
	if r := f.Imports[v.Folder]; r != nil {
		v.Import = &Import{Job: r.Job, Status: r.Status, Done: r.Done}
	}
	return v
}
