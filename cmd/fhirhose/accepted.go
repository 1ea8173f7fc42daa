package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/acceptance"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

// leftOver is what of a job is in no data store, and what of that is accepted.
type leftOver struct {
	sets []*acceptance.Set // none is empty
	book acceptance.Book
}

// leftOverOf reads it from the checkpoint and the files of failures.
func leftOverOf(job *jobfile.Job, store output.Entries, moved *records.Finished, to []*destination) (l *leftOver, err error) {
	l = new(leftOver)
	if l.book, err = acceptance.Load(store); err != nil {
		return nil, err
	}
	if set := quarantinedSet(moved); set != nil {
		l.sets = append(l.sets, set)
	}
	for _, d := range to {
		set, err := refusedSet(job, store, d.tenant)
		if err != nil {
			return nil, err
		}
		if set != nil {
			l.sets = append(l.sets, set)
		}
	}
	return l, nil
}

// accounts tells whether all that a tenant's data store cannot have is accepted: what
// was quarantined, of whichever tenant, and what that store has refused.
func (l *leftOver) accounts(tenant string) bool {
	n := 0
	for _, s := range l.sets {
		if s.Of == acceptance.Refused && s.Tenant != tenant {
			continue
		}
		if !l.book.Covers(s) {
			return false
		}
		n++
	}
	return n > 0
}

// accepted are the acceptances that count.
func (l *leftOver) accepted() (all []*acceptance.Acceptance) {
	for _, s := range l.sets {
		if l.book.Covers(s) {
			all = append(all, l.book.Of(s))
		}
	}
	return all
}

// passed tells whether a verification has come to its end and found nothing that needs
// attention, but what is accepted.
func (l *leftOver) passed(r *verification.Result) bool {
	return r.Passed() || !r.Ended.IsZero() && r.NotOK() == l.acceptedOf(r)
}

// acceptedOf counts what a verification has found, and is accepted.
func (l *leftOver) acceptedOf(r *verification.Result) int64 {
	if !l.accounts(r.Tenant) {
		return 0
	}
	return r.LeftOut()
}

// quarantinedSet is what the move has quarantined, nil if that is nothing.
func quarantinedSet(moved *records.Finished) *acceptance.Set {
	s := &acceptance.Set{Of: acceptance.Quarantined, Records: moved.Status.Quarantined()}
	if s.Records == 0 {
		return nil
	}
	for name, of := range moved.Status.Types {
		for reason, n := range of.Quarantined {
			s.Counts = append(s.Counts, acceptance.Count{Type: name, Reason: reason, Records: n})
		}
	}
	if l := moved.Status.Ledger; l != nil {
		s.Unread, s.Unsettled = l.Unidentified, l.Unsettled
	}
	var kept []string // by tenant
	for i := range moved.Quarantine {
		f := &moved.Quarantine[i]
		kept = append(kept, fmt.Sprintf("%q %q %x\n", f.Tenant, f.Name, f.Sum))
	}
	slices.Sort(kept)
	s.Name(strings.Join(kept, ""))
	return s
}

// untold is the reason of refused resources that no file of failures tells of.
const untold = "untold"

// refusedSet is what the data store of a tenant has refused, nil if that is nothing.
func refusedSet(job *jobfile.Job, store output.Entries, tenant string) (*acceptance.Set, error) {
	known, err := importing.Records(store, tenant)
	if err != nil {
		return nil, err
	}
	s := &acceptance.Set{Of: acceptance.Refused, Tenant: tenant}
	counts := map[[2]string]int64{}
	kept := sha256.New()
	for _, folder := range slices.Sorted(maps.Keys(known)) {
		r := known[folder]
		if r.Failed == 0 {
			continue
		}
		told := int64(0)
		s.Records += r.Failed
		_, _ = fmt.Fprintf(kept, "%q %q %d\n", folder, r.Job, r.Failed) // it cannot fail
		err := importing.EachFailure(job.State, tenant, folder, func(k importing.Kept) error {
			told++
			counts[[2]string{refusedType(k), k.Code}]++
			_, err := fmt.Fprintf(kept, "%q %d %q %x\n", k.File, k.Line, k.Code, k.Raw)
			return err
		})
		if err != nil {
			return nil, err
		}
		if told < r.Failed {
			counts[[2]string{metrics.Unreadable, untold}] += r.Failed - told
		}
	}
	if s.Records == 0 {
		return nil, nil
	}
	for of, n := range counts {
		s.Counts = append(s.Counts, acceptance.Count{Type: of[0], Reason: of[1], Records: n})
	}
	if r, err := importing.RefusalsOf(store, tenant); err != nil {
		return nil, err
	} else if r != nil {
		s.Unread = r.Unnamed
	}
	s.Name(fmt.Sprintf("%x", kept.Sum(nil)))
	return s, nil
}

// refusedType is the type of a refused resource, as far as it may be told (I10).
func refusedType(k importing.Kept) string {
	kind, _ := healthlake.RefusedResource(k.Raw)
	switch {
	case kind == "":
		return metrics.Unreadable
	case !metrics.KnownType(kind):
		return metrics.Other
	}
	return kind
}

// quarantineAccepted tells whether what the move has quarantined is accepted.
func quarantineAccepted(store output.Entries, moved *records.Finished) (bool, error) {
	set := quarantinedSet(moved)
	if set == nil {
		return true, nil
	}
	book, err := acceptance.Load(store)
	return err == nil && book.Covers(set), err
}

// goesOnAfterMove tells whether the quarantine of a finished job is accepted, as its
// checkpoint has it.
func goesOnAfterMove(job *jobfile.Job) (accepted bool, err error) {
	done, err := openFinished(job)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, done.close()) }()
	return quarantineAccepted(done.store, done.moved)
}
