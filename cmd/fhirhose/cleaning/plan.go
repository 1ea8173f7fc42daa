package cleaning

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/acceptance"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// Plan is what was decided before the first removal: all that is needed to go on
// once the checkpoint is gone.
type Plan struct {
	Version int       `json:"version"` // of this form: 1
	Job     string    `json:"job"`
	Begun   time.Time `json:"begun"`
	By      Binary    `json:"by"`

	Ledger bool `json:"ledger"` // it goes too
	Audit  bool `json:"audit"`  // the same

	Claim     []byte     `json:"claim"`             // of the run
	Tenants   []string   `json:"tenants,omitempty"` // of a job of all tenants
	Proofs    []Proof    `json:"verification"`
	Unmoved   int64      `json:"quarantined,omitempty"` // records that could not be moved
	Refused   int64      `json:"refused,omitempty"`     // resources that the target has refused
	Manifests []Manifest `json:"manifests"`
	// Accepted is what of these a person went on without.
	Accepted []*acceptance.Acceptance `json:"accepted,omitempty"`

	Results []At `json:"import_output,omitempty"`       // a folder for each import of the target
	Exports []At `json:"verification_export,omitempty"` // one for each export of the target
	Sources []At `json:"dynamodb_export,omitempty"`     // none: it is not ours

	Found []*Copy `json:"found"` // when the plan was made
	// NotFound says in words what was to be there then, and was not: perhaps the
	// settings name another place than when it was written.
	NotFound []string `json:"not_found,omitempty"`
}

// At is a place of a tenant.
type At struct {
	Tenant string `json:"tenant,omitempty"`
	Where  string `json:"where"` // s3://bucket/prefix
}

// Proof is a verification that has passed.
type Proof struct {
	Tenant     string    `json:"tenant,omitempty"`
	Mode       string    `json:"mode"`
	Target     string    `json:"target"`
	Ended      time.Time `json:"ended"`
	Checked    int64     `json:"checked"`
	LedgerRoot string    `json:"ledger_root"`
}

// Manifest names what a folder held.
type Manifest struct {
	Tenant string `json:"tenant,omitempty"`
	Where  string `json:"where"`
	SHA256 string `json:"sha256"`
}

// Binary is the program that removes.
type Binary struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	SHA256   string `json:"sha256"`
}

// OnlyCopies says in words what went nowhere: the job's copies may be all there is of
// it. "" is nothing.
func (p *Plan) OnlyCopies() string {
	var parts []string
	if p.Unmoved > 0 {
		parts = append(parts, human.Plural(p.Unmoved, "record")+" could not be moved")
	}
	if p.Refused > 0 {
		parts = append(parts, "HealthLake has refused "+human.Plural(p.Refused, "resource"))
	}
	return strings.Join(parts, ", and ")
}

// Misses says what the target wrote and is not where the settings say.
func (p *Plan) Misses(now *Survey) (words []string) {
	for _, of := range []struct {
		kind   Kind
		places []At
	}{{Results, p.Results}, {Verification, p.Exports}} {
		told := map[string]bool{} // tenants
		for _, at := range of.places {
			found := slices.ContainsFunc(now.Copies, func(c *Copy) bool { return c.Kind == of.kind && c.Tenant == at.Tenant })
			if !found && !told[at.Tenant] {
				told[at.Tenant] = true
				words = append(words, fmt.Sprintf("%s, though HealthLake wrote it: nothing lies at %s", of.kind, placeOf(at.Tenant, at.Where)))
			}
		}
	}
	return words
}

// Goes tells whether copies of a kind are removed.
func (p *Plan) Goes(kind Kind) bool {
	switch kind {
	case Ledger:
		return p.Ledger
	case Audit:
		return p.Audit
	case Export:
		return len(p.Sources) > 0
	}
	return kind != "" && kind != elsewhere
}

// Stays says why copies of a kind are not removed, "" if they are.
func (p *Plan) Stays(kind Kind) string {
	switch {
	case p.Goes(kind):
		return ""
	case kind == Ledger:
		return "--ledger removes it"
	case kind == Audit:
		return "--audit removes it"
	}
	return "this job did not make it"
}

const (
	planName    = "plan.json"
	certificate = "certificate"
)

// PlanPath is where the plan of a job lies.
func PlanPath(state string) string { return filepath.Join(state, Folder, planName) }

// Load returns the plan of an earlier run, or nil.
func Load(state string) (*Plan, error) {
	path := PlanPath(state)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, durable.Failure("read", path, err)
	}
	p := new(Plan)
	if json.Unmarshal(text, p) != nil || p.Version != 1 {
		return nil, &pipeline.Error{
			Op: "read", Object: path, Kind: pipeline.KindCheckpoint, Err: errors.New("it is no plan of this release"),
			Hint: "restore the file from a copy, or go on with the release that wrote it",
		}
	}
	return p, nil
}

// Save makes the plan durable.
func (p *Plan) Save(state string) error { return save(PlanPath(state), p) }

func save(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return durable.Failure("write", path, err)
	}
	return durable.Failure("write", path, durable.WriteFile(path, append(text, '\n')))
}

// Survey is what was found at all places.
type Survey struct {
	Copies []*Copy
	Others int64
	Names  []string
	Notes  []string
}

// Add adds what was found at one.
func (s *Survey) Add(seen *Seen) {
	for _, c := range seen.Copies {
		at := slices.IndexFunc(s.Copies, func(o *Copy) bool { return o.Kind == c.Kind && o.Tenant == c.Tenant && o.Where == c.Where })
		if at < 0 {
			s.Copies = append(s.Copies, c)
		} else {
			s.Copies[at].add(c.Amount)
		}
	}
	s.Others += seen.Others
	for _, name := range seen.Names {
		if len(s.Names) < namedOthers {
			s.Names = append(s.Names, name)
		}
	}
	known := make(map[string]bool, len(s.Notes))
	for _, note := range s.Notes {
		known[note] = true
	}
	for _, note := range seen.Notes {
		if !known[note] {
			s.Notes = append(s.Notes, note)
		}
	}
}

// Certificate says what was removed, and what remains.
type Certificate struct {
	*Plan
	Ended   time.Time `json:"ended"`
	Copies  []Line    `json:"copies"`
	Others  int64     `json:"not_of_this_job"` // objects and versions beside them that nobody knows: they were left
	Notes   []string  `json:"notes,omitempty"`
	Removed bool      `json:"complete"` // nothing of what was to go remains
}

// Line is one copy in a certificate.
type Line struct {
	Kind    Kind     `json:"kind"`
	Tenant  string   `json:"tenant,omitempty"`
	Where   string   `json:"where"`
	Found   Amount   `json:"found"`
	Removed Amount   `json:"removed"`
	Remains Amount   `json:"remains"`
	Why     []string `json:"why,omitempty"` // it remains
}

// Certify compares what the plan found with what is there now. kept says why.
func (p *Plan) Certify(now *Survey, kept map[Kind][]string) *Certificate {
	c := &Certificate{Plan: p, Ended: time.Now().UTC().Truncate(time.Second), Others: now.Others, Notes: now.Notes, Removed: true}
	type place struct {
		kind          Kind
		tenant, where string
	}
	remains := make(map[place]Amount)
	for _, copied := range now.Copies {
		remains[place{copied.Kind, copied.Tenant, copied.Where}] = copied.Amount
	}
	for _, found := range p.Found {
		at := place{found.Kind, found.Tenant, found.Where}
		l := Line{Kind: found.Kind, Tenant: found.Tenant, Where: found.Where, Found: found.Amount, Remains: remains[at]}
		delete(remains, at)
		l.Removed = less(l.Found, l.Remains)
		switch stays := p.Stays(l.Kind); {
		case stays != "":
			l.Why = []string{stays}
		case !l.Remains.Empty():
			l.Why, c.Removed = kept[l.Kind], false
		}
		c.Copies = append(c.Copies, l)
	}
	for _, copied := range now.Copies { // what came since
		if at := (place{copied.Kind, copied.Tenant, copied.Where}); remains[at] != (Amount{}) {
			l := Line{Kind: copied.Kind, Tenant: copied.Tenant, Where: copied.Where, Remains: copied.Amount}
			if stays := p.Stays(l.Kind); stays != "" {
				l.Why = []string{stays}
			} else {
				c.Removed = c.Removed && l.Remains.Empty()
			}
			c.Copies = append(c.Copies, l)
		}
	}
	return c
}

func less(a, b Amount) Amount {
	n := Amount{
		Objects: a.Objects - b.Objects, Bytes: a.Bytes - b.Bytes, Noncurrent: a.Noncurrent - b.Noncurrent,
		NoncurrentBytes: a.NoncurrentBytes - b.NoncurrentBytes, Uploads: a.Uploads - b.Uploads,
	}
	// What S3 could only hide is noncurrent now.
	n.Noncurrent, n.NoncurrentBytes = max(0, n.Noncurrent), max(0, n.NoncurrentBytes)
	n.Objects, n.Bytes, n.Uploads = max(0, n.Objects), max(0, n.Bytes), max(0, n.Uploads)
	if b.Noncurrent > a.Noncurrent {
		n.Objects = max(0, n.Objects-(b.Noncurrent-a.Noncurrent))
		n.Bytes = max(0, n.Bytes-(b.NoncurrentBytes-a.NoncurrentBytes))
	}
	return n
}

// CertificatePath is where the certificate of a job lies, ending in .json or .txt.
func CertificatePath(state, ending string) string {
	return filepath.Join(state, Folder, certificate+ending)
}

// Save makes the certificate durable, once for programs and once for people.
func (c *Certificate) Save(state string) error {
	if err := save(CertificatePath(state, ".json"), c); err != nil {
		return err
	}
	path := CertificatePath(state, ".txt")
	return durable.Failure("write", path, durable.WriteFile(path, []byte(c.Text())))
}
