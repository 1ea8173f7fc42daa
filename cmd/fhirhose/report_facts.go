package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// factsOf gathers what a report says beside the status. It changes nothing.
func factsOf(job *jobfile.Job, s *metrics.Status, in report.Context) (f report.Facts, err error) {
	f.Made, f.Settings = time.Now(), settingsOf(job)
	if f.Audit, err = auditOf(job); err != nil {
		return f, err
	}
	if to := job.Target.HealthLake; to.Datastore == "" && to.Datastores == nil {
		return f, nil
	}
	f.Target, err = targetOf(job, s, in)
	if err == nil {
		distrust(f.Target, f.Audit)
	}
	return f, err
}

func settingsOf(job *jobfile.Job) map[string]string {
	settings := make(map[string]string, len(job.Values))
	for key, value := range job.Values {
		settings[key] = audit.Redact(key, value)
	}
	return settings
}

// targetOf reads what the checkpoint knows of the job's data stores. A process at
// work holds it.
func targetOf(job *jobfile.Job, s *metrics.Status, in report.Context) (*report.Target, error) {
	moved := s.Moved() || s.Import != nil || s.Verify != nil
	if in.Running {
		return &report.Target{Moved: moved, Unknown: "process " + in.PID + " is at work"}, nil
	}
	store, err := checkpoint.Reopen(filepath.Join(job.State, checkpointFile))
	switch pipeline.KindOf(err) {
	case pipeline.KindClaimed:
		return &report.Target{Moved: moved, Unknown: "another process has just begun"}, nil
	case pipeline.KindConfig:
		return new(report.Target), nil // there is none
	}
	if err != nil {
		return nil, err
	}
	t, err := storesOf(job, store)
	return t, errors.Join(err, store.Close())
}

func storesOf(job *jobfile.Job, store *checkpoint.Store) (*report.Target, error) {
	moved, err := records.Result(store)
	if pipeline.KindOf(err) == pipeline.KindConfig {
		return new(report.Target), nil // it is not finished
	}
	if err != nil {
		return nil, err
	}
	to, err := destinationsOf(job, moved)
	if err != nil {
		return nil, err
	}
	t := &report.Target{Moved: true, Status: &moved.Status}
	if t.Held, err = heldBefore(store); err != nil {
		return nil, err
	}
	left, err := leftOverOf(job, store, moved, to)
	if err != nil {
		return nil, err
	}
	t.Accepted = acceptancesOf(left)
	for _, d := range to {
		known, err := storeOf(job, store, moved, d, left)
		if err != nil {
			return nil, err
		}
		t.Stores = append(t.Stores, *known)
	}
	return t, nil
}

// acceptancesOf are those of sets that are still there, whether they count or not.
func acceptancesOf(left *leftOver) (all []report.Acceptance) {
	for _, s := range left.sets {
		if a := left.book.Of(s); a != nil {
			of := report.Acceptance{Acceptance: a}
			if !left.book.Covers(s) {
				of.Void = "it is not the same any more: " + s.String()
			}
			all = append(all, of)
		}
	}
	return all
}

func storeOf(job *jobfile.Job, store *checkpoint.Store, moved *records.Finished, d *destination, left *leftOver) (*report.Store, error) {
	s := &report.Store{Tenant: d.tenant, Datastore: d.datastore, Ledger: moved.LedgerRoot(d.tenant), Folders: []report.Folder{}, Checks: []report.Check{}}
	s.Moved = report.OutcomeOf(moved.Status.Ledger)
	if d.tenant != "" {
		s.Moved = report.LedgerOutcome{}
		if totals := moved.Status.Tenants[d.tenant]; totals != nil {
			s.Moved = report.OutcomeOf(totals.Ledger)
		}
	}
	imports, err := importing.Records(store, d.tenant)
	if err != nil {
		return nil, err
	}
	for _, f := range d.folders {
		folder := report.Folder{Name: f.Name, Lines: f.Lines}
		if r := imports[f.Name]; r != nil {
			folder.Job, folder.Status, folder.Over, folder.Done, folder.Ended = r.Job, r.Status, r.Over, r.Done, r.Ended
			folder.Imported, folder.Refused = r.Imported, r.Failed
			s.Datastore = r.Target
			if r.Failed > 0 {
				if err := countRefused(importing.Failures(job.State, d.tenant, f.Name), r.Failed, &s.Refused); err != nil {
					return nil, err
				}
			}
		}
		s.Folders = append(s.Folders, folder)
	}
	if r, err := importing.RefusalsOf(store, d.tenant); err != nil {
		return nil, err
	} else if r != nil {
		s.Refusals = &report.Refusals{Stale: r.Stale, Absent: r.Absent, Overtaken: r.Overtaken, Unnamed: r.Unnamed}
	}
	if s.Deletes, err = deletesOf(store, d.tenant); err != nil {
		return nil, err
	}
	if s.Changed, err = lastChange(store, d.tenant); err != nil {
		return nil, err
	}
	if s.Changes, err = changesOf(store, d.tenant); err != nil {
		return nil, err
	}
	results, err := verification.Load(job.State, d.tenant)
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		check := checkOf(r, s)
		check.Accepted = left.acceptedOf(r)
		s.Checks = append(s.Checks, check)
	}
	return s, nil
}

// lastChange is when the last import or delete of ours ended, by the target's clock;
// zero if nobody knows.
func lastChange(store *checkpoint.Store, tenant string) (time.Time, error) {
	imported, err := importing.Ended(store, tenant)
	if err != nil {
		return time.Time{}, err
	}
	deleted, err := deleting.Ended(store, tenant)
	if deleted.After(imported) {
		return deleted, err
	}
	return imported, err
}

// changesOf counts the resources of a tenant that were changed by single calls, by
// replays and deletes, or may have been. It never falls.
func changesOf(store *checkpoint.Store, tenant string) (n int64, err error) {
	known, err := importing.Records(store, tenant)
	if err != nil {
		return 0, err
	}
	for _, r := range known {
		n += r.Taken
	}
	deletes, err := deleting.Result(store, tenant)
	if err != nil {
		return 0, err
	}
	return n + deletes.Sent, nil
}

func deletesOf(store *checkpoint.Store, tenant string) (*report.Deletes, error) {
	r, err := deleting.Result(store, tenant)
	if err != nil || r.Pass == 0 {
		return nil, err
	}
	return &report.Deletes{Pass: r.Pass, Over: r.Over, Deleted: r.Deleted, Gone: r.Gone, Changed: r.Changed, Unchecked: r.Unchecked, Refused: r.Refused}, nil
}

// checkOf tells what a verification found, and whether it still proves anything.
func checkOf(r *verification.Result, s *report.Store) report.Check {
	c := report.Check{
		Mode: r.Mode, Begun: r.Begun, Ended: r.Ended, Share: r.Share, Checked: r.Checked, Causes: r.Causes, Job: r.Job, Details: r.Findings, Explained: r.Explained,
	}
	for _, class := range verify.Classes() {
		if n, told := r.Classes[class.String()]; told {
			c.Classes = append(c.Classes, report.ClassCount{Name: class.String(), Count: n, OK: class.OK()})
		}
	}
	for name, n := range r.Classes { // of another release
		if !slices.ContainsFunc(c.Classes, func(of report.ClassCount) bool { return of.Name == name }) {
			c.Classes = append(c.Classes, report.ClassCount{Name: name, Count: n})
		}
	}
	switch {
	case r.Ended.IsZero():
		c.Void = "it was interrupted, or is at work"
	case r.LedgerRoot != s.Ledger:
		c.Void = "it is of another move's ledger"
	case r.Target != s.Datastore:
		c.Void = "it is of another data store"
	case !r.Changed.Equal(s.Changed), r.Changes != s.Changes:
		c.Void = "something was imported or deleted since"
	}
	return c
}

// sendingVerbs change what a data store holds.
var sendingVerbs = []string{"import", "migrate", "quarantine replay"}

// distrust voids verifications of a data store that names no end of an import, unless
// the audit log tells that nothing was sent since they began.
func distrust(t *report.Target, log *report.Audit) {
	var sent time.Time
	for _, run := range log.Runs {
		if slices.Contains(sendingVerbs, run.Verb) {
			sent = run.Began
		}
	}
	for i := range t.Stores {
		s := &t.Stores[i]
		for k := range s.Checks {
			c := &s.Checks[k]
			if s.Changed.IsZero() && c.Void == "" && (sent.IsZero() || log.Broken != "" || !c.Begun.After(sent)) {
				c.Void = "the data store names no end of an import, and one may have come since"
			}
		}
	}
}

// reasonCode is what a reason may look like: anything else in the file is not
// repeated (I10).
var reasonCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_:.-]{0,60}$`)

// countRefused counts the lines of a file of refused resources by reason. Those
// that the file does not tell are "untold".
func countRefused(path string, want int64, into *map[string]int64) error {
	if *into == nil {
		*into = map[string]int64{}
	}
	counts := *into
	told := int64(0)
	err := statedir.EachLine(path, func(line *struct {
		Reason string `json:"reason"`
	},
	) error {
		if !reasonCode.MatchString(line.Reason) {
			line.Reason = "other"
		}
		counts[line.Reason]++
		told++
		return nil
	})
	if told < want {
		counts["untold"] += want - told
	}
	return err
}

// listedRuns bounds the runs that a report lists.
const listedRuns = 200

// auditOf reads the audit log, and follows its chain.
func auditOf(job *jobfile.Job) (*report.Audit, error) {
	a := &report.Audit{Runs: []report.Run{}}
	open := map[string]int{} // runs without an end, by process and verb
	head, err := audit.Read(auditFile(job), func(e *audit.Entry) error {
		key := e.Process + " " + e.Verb
		switch at, known := open[key]; {
		case e.Start != nil:
			open[key] = len(a.Runs)
			a.Runs = append(a.Runs, report.Run{
				Verb: e.Verb, Began: e.Time, Principal: e.Start.Principal.ARN, Host: e.Start.Host, User: e.Start.User,
				Version: e.Start.Version, Binary: e.Start.Binary, Flags: e.Start.Flags,
			})
		case e.End != nil && known:
			a.Runs[at].Ended, a.Runs[at].Exit = e.Time, e.End.Exit
			delete(open, key)
		}
		return nil
	})
	a.Entries, a.SHA256, a.Time = head.Entries, head.SHA256, head.Time
	if errors.Is(err, audit.ErrBroken) {
		a.Broken, err = fmt.Sprint(cmp.Or(errors.Unwrap(err), err)), nil
	}
	if more := len(a.Runs) - listedRuns; more > 0 {
		a.Runs, a.Earlier = a.Runs[more:], int64(more)
	}
	return a, err
}
