// Package acceptance keeps that a named person goes on though some records are in no
// data store: those that the move has quarantined, and those that the target has
// refused. What is accepted is a [Set] as it was at that moment; its SHA-256 tells it
// from every other one, so that an acceptance never covers what came later.
//
// It holds no value of a resource and no id (I10), as far as the person who wrote
// Because has kept to that.
package acceptance

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/output"
)

// What a set is of: the points of the report that an acceptance takes away.
const (
	Quarantined = "quarantined" // by the move, of all tenants
	Refused     = "refused"     // by the data store of one tenant
)

// Set is what is in no data store, at a moment.
type Set struct {
	Of      string  `json:"of"`
	Tenant  string  `json:"tenant,omitempty"` // of Refused
	Records int64   `json:"records"`
	Counts  []Count `json:"counts"` // by reason and type
	// Unread of the records are nobody's: it cannot be told which resource is meant.
	Unread int64 `json:"unread,omitempty"`
	// Unsettled resources are those of the job whose last version was not written.
	Unsettled int64  `json:"unsettled,omitempty"`
	SHA256    string `json:"sha256"` // over all of this, and over what was kept of each record
}

// Count is how many records of a set have a type and a reason.
type Count struct {
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Records int64  `json:"records"`
}

// Name gives the set its SHA-256. kept is what tells its records from those of another
// set of the same numbers.
func (s *Set) Name(kept string) {
	slices.SortFunc(s.Counts, func(a, b Count) int {
		return cmp.Or(strings.Compare(a.Reason, b.Reason), strings.Compare(a.Type, b.Type))
	})
	all := sha256.New()
	_, _ = fmt.Fprintf(all, "%q %q %d %v %d %d\n%s", s.Of, s.Tenant, s.Records, s.Counts, s.Unread, s.Unsettled, kept) // it cannot fail
	s.SHA256 = hex.EncodeToString(all.Sum(nil))
}

// Acceptance is who goes on without a set, and why.
type Acceptance struct {
	Set
	By        string    `json:"by"` // as that person gave it
	Because   string    `json:"because"`
	At        time.Time `json:"at"`
	Principal string    `json:"principal"` // whom AWS took the process for, as in the audit log
	Host      string    `json:"host"`
	User      string    `json:"user"` // of the operating system
}

// Book is what was accepted last of each kind of set, and of each tenant.
type Book map[string]*Acceptance

const bucket = "accepted"

func (s *Set) key() string { return path.Join(s.Of, s.Tenant) }

// Load reads from a checkpoint what was accepted.
func Load(store output.Entries) (Book, error) {
	b := Book{}
	err := store.Each(bucket, func(key string, value []byte) error {
		b[key] = new(Acceptance)
		return json.Unmarshal(value, b[key])
	})
	if err != nil {
		return nil, output.Damaged(err)
	}
	return b, nil
}

// Of returns what was accepted last of the same kind of set, nil if nothing was.
// It may have been another set: see Covers.
func (b Book) Of(s *Set) *Acceptance { return b[s.key()] }

// Covers tells whether exactly this set is accepted.
func (b Book) Covers(s *Set) bool { return b.Of(s) != nil && b.Of(s).SHA256 == s.SHA256 }

// Change is what a checkpoint stores of an acceptance.
func (a *Acceptance) Change() (output.Change, error) {
	value, err := json.Marshal(a)
	return output.Change{Bucket: bucket, Key: a.key(), Value: value}, err
}
