package main

import (
	"context"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/acceptance"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

// judge finds the resources of which a data store has refused versions, and those
// that are stale there.
func (i *importRun) judge(ctx context.Context, d *destination) error {
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
	_, err = importing.Judge(ctx, importing.Judgement{
		Tenant: d.tenant, State: i.job.State, Store: i.store, Ledger: book,
		Resource: healthlake.RefusedResource, Memory: int(i.job.Limits.Memory / 8),
	})
	return err
}

// refusedAccepted tells whether what the data store has refused so far is accepted.
func (i *importRun) refusedAccepted(d *destination) (bool, error) {
	set, err := refusedSet(i.job, i.store, d.tenant)
	if err != nil || set == nil {
		return false, err
	}
	book, err := acceptance.Load(i.store)
	return err == nil && book.Covers(set), err
}

// importRefusals is what `import --json` tells of what HealthLake has refused.
type importRefusals struct {
	importing.Refusals
	File string `json:"file"` // that tells of each resource; PHI
}

func (i *importRun) summarizeRefusals(d *destination) (*importRefusals, error) {
	found, err := importing.RefusalsOf(i.store, d.tenant)
	if err != nil || found == nil {
		return nil, err
	}
	return &importRefusals{*found, importing.RefusedFile(i.job.State, d.tenant)}, nil
}

func (r *importRefusals) text(line func(string, ...any)) {
	if r == nil || r.Failures == 0 {
		return
	}
	for _, of := range []struct {
		title string
		n     int64
		why   string
	}{
		{"stale", r.Stale, "in the data store in an older version: HealthLake has refused the last"},
		{"absent", r.Absent, "not in the data store: HealthLake has refused every version"},
		{"overtaken", r.Overtaken, "without older versions, which HealthLake has refused; the last was not"},
	} {
		if of.n > 0 {
			line("  %-9s %s %s", of.title, human.Plural(of.n, "resource"), of.why)
		}
	}
	if r.Unnamed > 0 {
		line("  unknown   whether %s of what was refused is stale: HealthLake names no resource", human.Count(r.Unnamed))
	}
	line("  listed in %s (PHI)", r.File)
}
