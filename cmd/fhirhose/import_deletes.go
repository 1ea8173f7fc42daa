package main

import (
	"context"
	"errors"
	"slices"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

// errStays is that deletes were applied, and resources stay that should be deleted.
var errStays = &pipeline.Error{
	Op: "apply deletes", Err: errors.New("resources that are deleted in the source stay in the target"),
	Hint: "fhirhose report says how many, why, and what mends it",
}

// deleteMemory is how much of limits.memory there is for each call under way: what it
// answers, and what comparing that needs.
const deleteMemory = 128 << 20

// againDeletes is what --again calls the deletes: no folder has such a name.
const againDeletes = "deletes"

// deletes deletes in a data store what its tenant's ledger says is deleted. All
// folders must be in.
func (i *importRun) deletes(ctx context.Context, d *destination) error {
	known, err := deleting.Result(i.store, d.tenant)
	again := slices.Contains(i.again[d.tenant], againDeletes)
	if err != nil || known.Done() && !again {
		return err
	}
	moved, err := records.Result(i.store)
	if err != nil {
		return err
	}
	w := wiring{job: i.job, seen: newObservation(i.job)}
	book, closeBook, err := w.openLedger(ctx, i.store, moved, d.tenant)
	if err != nil {
		return err
	}
	defer closeBook()
	to := &i.job.Target.HealthLake
	err = deleting.New(d.store.Deletes(), i.store, book, deleting.Options{
		Tenant: d.tenant, State: i.job.State, Folders: d.folders,
		Batch: to.BundleSize, Parallel: int(min(8, max(1, i.job.Limits.Memory/deleteMemory))), Memory: int(i.job.Limits.Memory / 8),
		Exclusive: to.Exclusive, Marks: healthlake.Marks(), Log: i.log, Progress: func(c deleting.Counts) { i.seen.deleting(d.tenant, c) }, Again: again,
		Pause: i.importPause, Lag: 300 * i.importPause, // of tests
	}).Run(ctx)
	if err != nil {
		return err
	}
	known, err = deleting.Result(i.store, d.tenant)
	if err == nil && known.Left() > 0 {
		return errStays
	}
	return err
}

// importDeletes is what `import --json` tells of a tenant's deletes.
type importDeletes struct {
	Done bool `json:"done"` // all candidates are decided
	deleting.Counts
	Kept string `json:"kept,omitempty"` // file that tells of those that stay; PHI
}

func (i *importRun) summarizeDeletes(d *destination) (*importDeletes, error) {
	r, err := deleting.Result(i.store, d.tenant)
	if err != nil || r.Pass == 0 {
		return nil, err
	}
	s := &importDeletes{Done: r.Over, Counts: r.Counts}
	if r.Kept > 0 {
		s.Kept = deleting.Kept(i.job.State, d.tenant, r.Pass)
	}
	return s, nil
}

func (s *importDeletes) text(line func(string, ...any)) {
	if s == nil {
		return
	}
	state := ""
	if !s.Done {
		state = "; not all yet"
	}
	line("  deletes   %s applied, %s were gone already%s", human.Count(s.Deleted), human.Count(s.Gone), state)
	for _, r := range []struct {
		n   int64
		why string
	}{
		{s.Changed, "changed after the import"},
		{s.Unchecked, "their content cannot be compared; exclusive: true deletes them"},
		{s.Refused, "HealthLake refuses to delete them"},
		{s.Unsettled, "it is not certain that they are deleted: their last version was not moved"},
		{s.Ambiguous, "another type uses the same id"},
	} {
		if r.n > 0 {
			line("  stay      %s: %s", human.Count(r.n), r.why)
		}
	}
	if s.Kept != "" {
		line("  listed in %s (PHI)", s.Kept)
	}
}
