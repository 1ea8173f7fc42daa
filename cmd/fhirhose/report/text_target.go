package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
)

// The first line of a document that holds ids, and of one that judges.
const (
	phiLine  = "THIS DOCUMENT HOLDS PHI: ids of resources"
	safeLine = "SAFE TO CUT OVER: "
)

// Bounds of the text; the JSON has all.
const (
	shownOpen    = 100
	shownStores  = 20
	shownFolders = 12
	shownRuns    = 10
)

// Text writes the document for a terminal.
func (d *Document) Text(out io.Writer) error {
	p := &printer{}
	if d.HoldsPHI {
		p.line(phiLine)
	}
	if d.Cutover != nil {
		p.judgement(d)
	}
	p.body(d.Status, d.Summary, func() {
		p.stores(d)
		p.audit(d.Audit)
		p.findings(d)
	})
	_, err := io.WriteString(out, p.String())
	return err
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// judgement is the first line, and what stands against cutting over.
func (p *printer) judgement(d *Document) {
	p.line("%s%s", safeLine, yesNo(*d.Cutover))
	for _, o := range d.Open[:min(len(d.Open), shownOpen)] {
		p.line("  - %s%s", ofTenant(o.Tenant), o.What)
		p.line("    try: %s", o.Try)
	}
	if more := len(d.Open) - shownOpen; more > 0 {
		p.line("  - and %s more (--json shows all)", human.Plural(int64(more), "point"))
	}
	for _, a := range d.without() {
		p.line("  %s%s", a.lead(*d.Cutover), a)
	}
	p.line("")
}

// without are the acceptances that count.
func (d *Document) without() (all []Acceptance) {
	for _, a := range d.Target.Accepted {
		if a.Void == "" {
			all = append(all, a)
		}
	}
	return all
}

// lead begins the line that says what was accepted.
func (a *Acceptance) lead(safe bool) string {
	if safe {
		return "without "
	}
	return "accepted so far: without "
}

func ofTenant(tenant string) string {
	if tenant == "" {
		return ""
	}
	return "tenant " + tenant + ": "
}

// shown returns the stores that the text has room for: those with open points
// first, each group by tenant.
func (d *Document) shown(most int) (stores []*Store, more int) {
	open := map[string]bool{}
	for _, o := range d.Open {
		open[o.Tenant] = true
	}
	for i := range d.Target.Stores {
		stores = append(stores, &d.Target.Stores[i])
	}
	slices.SortStableFunc(stores, func(a, b *Store) int {
		return cmp.Compare(number(!open[a.Tenant]), number(!open[b.Tenant]))
	})
	most = min(most, len(stores))
	return stores[:most], len(stores) - most
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (p *printer) stores(d *Document) {
	if d.Target == nil {
		return
	}
	if d.Target.Unknown != "" {
		p.section("Target")
		p.line("  not known: %s", d.Target.Unknown)
		return
	}
	stores, more := d.shown(shownStores)
	for _, s := range stores {
		p.store(s)
	}
	if more > 0 {
		p.section(fmt.Sprintf("and %s more (--json shows all)", human.Plural(int64(more), "data store")))
	}
}

func (p *printer) store(s *Store) {
	p.section(fmt.Sprintf("Target: %sdata store %s", ofTenant(s.Tenant), s.Datastore))
	sum := s.sum()
	p.line("  imported   %d of %s; %s, %s refused", sum.done, human.Plural(int64(len(s.Folders)), "folder"),
		human.Plural(sum.imported, "resource"), human.Count(sum.refused))
	left := slices.DeleteFunc(slices.Clone(s.Folders), func(f Folder) bool { return f.Done && f.Refused == 0 })
	for _, f := range left[:min(len(left), shownFolders)] {
		p.line("    %s", f.words())
	}
	if more := len(left) - shownFolders; more > 0 {
		p.line("    and %s more (--json shows all)", human.Plural(int64(more), "folder"))
	}
	for _, reason := range byCount(s.Refused) {
		p.line("    refused: %s %s", human.Count(s.Refused[reason]), reason)
	}
	if s.stale() > 0 {
		p.line("  STALE      %s of which HealthLake holds an earlier version than the last", human.Plural(s.stale(), "resource"))
	}
	p.line("  deletes    %s", s.deletes())
	for i := range s.Checks {
		c := &s.Checks[i]
		p.line("  verified   %s", c.words())
		for _, class := range c.Classes {
			if class.Count > 0 {
				p.line("    %12s  %s%s", human.Count(class.Count), class.Name, attention(class))
			}
		}
		for _, words := range c.Explained.Words(c.Mode) {
			p.line("    %s", words)
		}
	}
	if len(s.Checks) == 0 {
		p.line("  verified   never")
	}
	p.line("  ledger     SHA-256 %s", s.Ledger)
}

func attention(c ClassCount) string {
	if c.OK {
		return ""
	}
	return " (!)"
}

// storeSum sums up the folders of a store.
type storeSum struct {
	done              int
	imported, refused int64
}

func (s *Store) sum() (sum storeSum) {
	for i := range s.Folders {
		if f := &s.Folders[i]; f.Done {
			sum.done++
			sum.imported += f.Imported
			sum.refused += f.Refused
		}
	}
	return sum
}

func (f *Folder) words() string {
	switch {
	case f.Done:
		return fmt.Sprintf("%s: %s refused of %s (job %s)", f.Name, human.Count(f.Refused), human.Count(f.Lines), f.Job)
	case f.Over:
		return fmt.Sprintf("%s: NOT IN, job %s is %s", f.Name, f.Job, f.Status)
	case f.Job != "":
		return fmt.Sprintf("%s: under way, job %s is %s", f.Name, f.Job, cmp.Or(f.Status, "not over"))
	}
	return f.Name + ": not sent yet"
}

// deletes says in one line what became of them.
func (s *Store) deletes() string {
	d := s.Deletes
	switch {
	case d == nil && s.Moved.Deleted == 0:
		return "none to apply"
	case d == nil:
		return "not begun: " + human.Count(s.Moved.Deleted) + " to look at"
	}
	words := fmt.Sprintf("%s applied, %s were gone already", human.Count(d.Deleted), human.Count(d.Gone))
	for _, more := range []struct {
		n    int64
		what string
	}{{d.Changed, "changed after import"}, {d.Unchecked, "not comparable"}, {d.Refused, "refused"}} {
		if more.n > 0 {
			words += fmt.Sprintf(", %s %s: they stay", human.Count(more.n), more.what)
		}
	}
	if !d.Over {
		words += "; not finished"
	}
	return words
}

func (c *Check) words() string {
	words := "mode " + c.Mode
	if c.Share != "" {
		words += " of " + c.Share
	}
	words += ", " + moment(cmp.Or(c.Ended, c.Begun)) + ", " + human.Count(c.Checked) + " checked: "
	switch {
	case c.Void != "":
		words += "DOES NOT COUNT, " + c.Void
	case c.bad() > 0:
		words += "FOUND " + human.Plural(c.bad(), "resource") + " that need attention"
	default:
		words += "passed"
	}
	if c.Accepted > 0 {
		words += fmt.Sprintf("; %s found, and accepted", human.Plural(c.Accepted, "resource"))
	}
	return words
}

func (p *printer) audit(a *Audit) {
	if a == nil || a.Entries == 0 && a.Broken == "" {
		return
	}
	p.section("Audit log")
	if a.Broken != "" {
		p.line("  BROKEN: %s", a.Broken)
		return
	}
	p.line("  %s, the chain is whole; its head, of %s: SHA-256 %s", human.Plural(a.Entries, "line"), moment(a.Time), a.SHA256)
	first := max(0, len(a.Runs)-shownRuns)
	if earlier := a.Earlier + int64(first); earlier > 0 {
		p.line("  %s before these", human.Plural(earlier, "run"))
	}
	for _, r := range a.Runs[first:] {
		p.line("  %s  %-8s %s, by %s on %s", moment(r.Began), r.Verb, r.end(), r.User, r.Host)
	}
}

func (r *Run) end() string {
	if r.Ended.IsZero() {
		return "no end: killed, or at work"
	}
	return fmt.Sprintf("exit %d after %s", r.Exit, human.Duration(r.Ended.Sub(r.Began)))
}

// findings are ids: only with --with-ids.
func (p *printer) findings(d *Document) {
	if !d.HoldsPHI {
		return
	}
	p.section("Findings (PHI)")
	for _, f := range d.Findings {
		p.line("  %s%s: %s %s", ofTenant(f.Tenant), f.From, f.Class, f.resource())
	}
	if d.More > 0 {
		p.line("  and %s more, in the files that --json names", human.Plural(d.More, "finding"))
	}
	if len(d.Findings) == 0 {
		p.line("  none")
	}
}

func (f *Finding) resource() string {
	words := f.Type + "/" + f.ID
	if f.ID == "" {
		words = cmp.Or(f.Type, "an unknown resource")
	}
	if f.Version > 0 {
		words += fmt.Sprintf(", version %d", f.Version)
	}
	if f.Detail != "" {
		words += ", " + f.Detail
	}
	return words
}
