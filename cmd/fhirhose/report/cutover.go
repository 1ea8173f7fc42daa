package report

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/acceptance"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// Open is a point that stands against cutting over.
type Open struct {
	Code   string `json:"code"` // of a closed list: docs/report.md
	Tenant string `json:"tenant,omitempty"`
	Count  int64  `json:"count,omitempty"` // of what What names
	What   string `json:"what"`
	Try    string `json:"try"` // the command that mends it, or what to do
}

// Judge returns every point that stands against cutting over, the most dangerous
// first. It is empty only if all is moved, imported, deleted and proved.
func Judge(s *metrics.Status, c Context, t *Target, log *Audit) []Open {
	j := &judge{Context: c, status: s, target: t}
	if t.Status != nil {
		j.status = t.Status
	}
	for i := range t.Stores {
		j.of(&t.Stores[i]).stale()
	}
	j.tenant = ""
	j.moved()
	if t.Unknown != "" {
		j.add("not-known", 0, "what was imported, deleted and verified is not known: "+t.Unknown, j.command("report")+", once that process has ended")
	}
	if t.Moved && t.Unknown == "" && len(t.Stores) == 0 {
		j.add("not-verified", 0, "nothing was moved into any data store, and nothing is verified", "look at the settings of source, and move as a new job")
	}
	for i := range t.Stores {
		j.of(&t.Stores[i]).imported()
	}
	for i := range t.Stores {
		j.of(&t.Stores[i]).deleted()
	}
	for i := range t.Stores {
		j.of(&t.Stores[i]).verified()
	}
	j.tenant = ""
	if log != nil && log.Broken != "" {
		j.add("audit-broken", 0, log.Broken, "find out who changed it; compare it with its copies in the sink, and keep it under another name")
	}
	return j.open
}

type judge struct {
	Context
	status *metrics.Status
	target *Target
	tenant string
	store  *Store
	open   []Open
}

func (j *judge) of(s *Store) *judge {
	j.tenant, j.store = s.Tenant, s
	return j
}

func (j *judge) add(code string, count int64, what, try string) {
	j.open = append(j.open, Open{code, j.tenant, count, what, try})
}

// some adds a point if there is anything of it.
func (j *judge) some(code string, n int64, noun, what, try string) {
	if n > 0 {
		j.add(code, n, human.Plural(n, noun)+" "+what, try)
	}
}

// acceptance returns what was accepted of the job, or of the store at hand.
func (j *judge) acceptance(of string) *Acceptance {
	for i := range j.target.Accepted {
		if a := &j.target.Accepted[i]; a.Of == of && a.Tenant == j.tenant {
			return a
		}
	}
	return nil
}

func (j *judge) accepted(of string) bool {
	a := j.acceptance(of)
	return a != nil && a.Void == ""
}

// changed says of a set that it was accepted, and is another one now.
func (j *judge) changed(of string) string {
	a := j.acceptance(of)
	if a == nil || a.Void == "" {
		return ""
	}
	return fmt.Sprintf("; what %s accepted at %s does not cover this: %s", a.By, moment(a.At), a.Void)
}

func (j *judge) stale() {
	replay := "mend what HealthLake says, then " + j.command("quarantine replay")
	j.some("stale-in-target", max(j.store.stale(), j.store.counted("known stale")), "resource",
		"stale in target: an earlier version is there, the last one was refused", replay)
	switch r := j.store.Refusals; {
	case r != nil && j.accepted(acceptance.Refused): // verification tells
	case r != nil:
		j.some("stale-unknown", r.Unnamed, "refused resource", "that HealthLake does not name: whether an earlier version is there is not known", replay)
	case total(j.store.Refused) > 0:
		j.add("stale-unknown", total(j.store.Refused), "whether earlier versions of refused resources are in the target is not known", j.command("import"))
	}
}

// counted is what the latest verification that still holds says of a class.
func (s *Store) counted(class string) int64 {
	for i := range s.Checks {
		c := &s.Checks[i]
		if k := slices.IndexFunc(c.Classes, func(of ClassCount) bool { return of.Name == class }); c.Void == "" && k >= 0 {
			return c.Classes[k].Count
		}
	}
	return 0
}

// moved are the points of the move.
func (j *judge) moved() {
	s := j.status
	if !j.target.Moved {
		j.add("move-unfinished", 0, "the move is not finished", j.command("move"))
	}
	if types := s.Unbalanced(); len(types) > 0 {
		j.add("does-not-balance", int64(len(types)), "totals do not balance for "+strings.Join(types, ", "),
			"keep the state directory, do not use the output, and report it")
	}
	accepted := j.accepted(acceptance.Quarantined)
	if !accepted {
		j.some("quarantined", s.Quarantined(), "record", "quarantined: could not be moved"+j.changed(acceptance.Quarantined),
			"see which with "+j.command("quarantine list")+"; mend them at the source, export again, and move as a new job; or go on without them: "+j.command("quarantine accept"))
	}
	var l LedgerOutcome
	if s.Ledger != nil {
		l = OutcomeOf(s.Ledger)
	}
	if accepted { // verification tells of each whether the target serves an earlier version
		l.Unsettled = 0
	}
	j.some("unsettled", l.Unsettled, "resource", "unsettled: the last version was not written",
		"see why under Filtered and Quarantined; mend it at the source or widen the filters, and move as a new job")
	j.some("ambiguous", l.Ambiguous, "id", "ambiguous: used by more than one type, so that history may have been lost at the source",
		"compare these resources by hand: "+j.command("find"))
}

// imported are the points of one data store's import.
func (j *judge) imported() {
	unfinished, first := 0, ""
	for i := range j.store.Folders {
		f := &j.store.Folders[i]
		name := path.Join(j.tenant, f.Name)
		switch {
		case f.Done:
			continue
		case f.Over && strings.HasPrefix(f.Status, "COMPLETED"):
			j.add("import-differs", 0, fmt.Sprintf("folder %s: HealthLake's counts differ from its %s", name, human.Plural(f.Lines, "line")), j.command("import", "--again", name))
		case f.Over:
			j.add("import-failed", 0, fmt.Sprintf("folder %s: HealthLake gave up on job %s (%s)", name, f.Job, f.Status), j.command("import", "--again", name))
		default:
			if unfinished++; first == "" {
				first = name
			}
		}
	}
	if unfinished > 0 {
		j.add("import-unfinished", int64(unfinished), fmt.Sprintf("%s of %d not imported, from %s on", human.Plural(int64(unfinished), "folder"), len(j.store.Folders), first), j.command("import"))
	}
	if !j.accepted(acceptance.Refused) {
		j.some("refused", total(j.store.Refused), "resource", "refused by HealthLake: "+counted(j.store.Refused)+j.changed(acceptance.Refused),
			"mend what HealthLake says, then "+j.command("quarantine replay")+"; or go on without them: "+j.command("quarantine accept"))
	}
}

// deleted are the points of one data store's deletes.
func (j *judge) deleted() {
	d := j.store.Deletes
	switch {
	case d == nil && j.store.Moved.Deleted == 0:
		return
	case d == nil:
		j.add("deletes-unfinished", j.store.Moved.Deleted, human.Plural(j.store.Moved.Deleted, "deleted resource")+" not deleted in the target yet", j.command("import"))
		return
	case !d.Over:
		j.add("deletes-unfinished", 0, "deletes are not finished", j.command("import"))
	}
	again := j.command("import")
	j.some("changed-after-import", d.Changed, "resource", "deleted in the source, but changed in the target after the import: not deleted", "decide about each by hand, then "+again)
	j.some("deletes-not-checked", d.Unchecked, "resource", "deleted in the source, and not in the target: too large or unreadable to compare", "delete them by hand, then "+again)
	j.some("deletes-refused", d.Refused, "resource", "deleted in the source, which HealthLake refuses to delete", "delete them by hand, then "+again)
}

// verified are the points of one data store's proof.
func (j *judge) verified() {
	strong := false
	var void string
	if held := j.target.Held; held > 0 {
		void = fmt.Sprintf("the target held %s before the import (--into-nonempty), and only mode export sees what else is there", human.Plural(held, "resource"))
	}
	for i := range j.store.Checks {
		c := &j.store.Checks[i]
		switch {
		case c.Void != "" && c.strong():
			if void == "" {
				void = fmt.Sprintf("the last one, mode %s, does not count: %s", c.Mode, c.Void)
			}
			continue
		case c.Void != "":
			continue
		case c.bad() > 0:
			j.add("verification-found", c.bad(), fmt.Sprintf("verification %s found %s", c.Mode, classes(c)), j.command("verify", "--mode", c.Mode)+", once they are mended")
		}
		strong = strong || c.strong() && (j.target.Held == 0 || c.Mode == "export")
	}
	if !strong {
		what := "not verified as a whole: counts and samples alone prove too little"
		if void != "" {
			what = "not verified as a whole: " + void
		}
		j.add("not-verified", 0, what, j.command("verify", "--mode", "export"))
	}
}

// classes lists what needs attention.
func classes(c *Check) string {
	var parts []string
	for _, class := range c.Classes {
		if !class.OK && class.Count > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", human.Count(class.Count), class.Name))
		}
	}
	return strings.Join(parts, ", ")
}
