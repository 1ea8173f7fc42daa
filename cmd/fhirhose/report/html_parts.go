package report

import (
	"maps"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
)

func (p *page) records(d *Document) {
	p.section("Records")
	if d.Balanced {
		p.put("<p>The totals balance: of each type, read = written + filtered + quarantined.</p>\n")
	} else {
		p.put("<p class=\"flag\">THE TOTALS DO NOT BALANCE. This must not happen: do not use this output.</p>\n")
	}
	p.put(`<p class="key quiet">Bars:<i class="written"></i>written<i class="filtered"></i>filtered by the job's options<i class="bad"></i>quarantined</p>` + "\n")
	p.chart(d.typesChart())
	rows := make([][]string, 0, len(d.Status.Types)+1)
	for _, name := range d.Status.TypeNames() {
		t := d.Status.Types[name]
		balances := "yes"
		if slices.Contains(d.Unbalanced, name) {
			balances = flagged + "NO"
		}
		rows = append(rows, append(four(name, t.Read, t.Written, total(t.Filtered), total(t.Quarantined)), human.Bytes(t.BytesWritten), balances))
	}
	t, balances := d.Totals, "yes"
	if !d.Balanced {
		balances = flagged + "NO"
	}
	rows = append(rows, append(four("total", t.Read, t.Written, t.Filtered, t.Quarantined), human.Bytes(t.BytesWritten), balances))
	p.table("sum", []string{"Type", "#read", "#written", "#filtered", "#quarantined", "#bytes written", "balances"}, rows)
	p.tenants(d)
	p.reasons("Filtered: left out by the job's options", t.ByFilter)
	p.reasons("Quarantined: could not be moved", t.ByDefect)
}

func four(name string, read, written, filtered, quarantined int64) []string {
	return []string{name, human.Count(read), human.Count(written), human.Count(filtered), human.Count(quarantined)}
}

// tenants are those of the text's table.
func (p *page) tenants(d *Document) {
	all := d.Status.Tenants
	if all == nil {
		return
	}
	var rows [][]string
	names := d.Status.TenantNames()
	for _, name := range names[:min(len(names), shownTenants)] {
		t := all[name]
		rows = append(rows, four(name, t.Read, t.Written, t.Filtered, t.Quarantined))
	}
	if none := all[""]; none != nil && none.Read > 0 {
		rows = append(rows, four("(none)", none.Read, none.Written, none.Filtered, none.Quarantined))
	}
	p.put("<h3>Tenants</h3>\n")
	p.table("", []string{"Tenant", "#read", "#written", "#filtered", "#quarantined"}, rows)
	if more := len(names) - shownTenants; more > 0 {
		p.put("<p class=\"quiet\">and %s more: <code>fhirhose report --json</code> lists all</p>\n", human.Plural(int64(more), "tenant"))
	}
}

func (p *page) reasons(title string, counts map[string]int64) {
	if len(counts) == 0 {
		return
	}
	p.put("<h3>%s</h3>\n", title)
	rows := make([][]string, 0, len(counts))
	for _, reason := range byCount(counts) {
		rows = append(rows, []string{reason, human.Count(counts[reason]), Meaning(reason)})
	}
	p.table("tight", []string{"", "#", ""}, rows)
}

func (p *page) resources(d *Document) {
	s := d.Status
	if l := s.Ledger; l != nil {
		p.section("Resources")
		p.put("<p>What the ledger, which has an entry for each record that was read, says of the source.</p>\n")
		p.pairs(
			[2]string{"Resources", human.Count(l.Resources)}, [2]string{"Deleted in the source", human.Count(l.Deleted)},
			[2]string{"Unsettled", human.Count(l.Unsettled) + ": their last version was not written; never taken as deleted or equal"},
			[2]string{"Ambiguous ids", human.Count(l.Ambiguous) + ": used by more than one type"},
			[2]string{"Duplicates", human.Count(l.Duplicates)}, [2]string{"Version holes", human.Count(l.VersionHoles)},
			[2]string{"Without identity", human.Plural(l.Unidentified, "record")},
		)
	}
	ages, unknown, mentions := ages(s.LockedAges), counted(s.UnknownAttributes), strings.Join(Mentions(s.Mentions()), ". ")
	if ages+unknown+mentions != "" {
		p.put("<h3>Moved, but worth a look</h3>\n")
		p.pairs([2]string{"LOCKED rows by age", ages}, [2]string{"Unknown attributes", unknown}, [2]string{"Mentions", mentions})
	}
}

func (p *page) targets(d *Document) {
	if d.Target == nil {
		return
	}
	if d.Target.Unknown != "" {
		p.section("Target")
		p.put("<p class=\"flag\">Not known: %s.</p>\n", d.Target.Unknown)
	}
	stores, more := d.shown(pageStores)
	for _, s := range stores {
		p.store(s)
	}
	if more > 0 {
		p.put("<p class=\"quiet\">and %s more: <code>fhirhose report --json</code> has all</p>\n", human.Plural(int64(more), "data store"))
	}
}

func (p *page) store(s *Store) {
	p.put("\n<h2>Target: %sdata store <code>%s</code></h2>\n", ofTenant(s.Tenant), s.Datastore)
	sum, stale := s.sum(), ""
	if s.stale() > 0 {
		stale = human.Plural(s.stale(), "resource") + ": AN EARLIER VERSION IS THERE, the last one was refused"
	}
	p.pairs(
		[2]string{"Folders imported", human.Count(int64(sum.done)) + " of " + human.Count(int64(len(s.Folders)))},
		[2]string{"Resources imported", human.Count(sum.imported) + ", " + human.Count(sum.refused) + " refused"},
		[2]string{"Stale in target", stale}, [2]string{"Deletes", s.deletes()}, [2]string{"Ledger, SHA-256", s.Ledger},
	)
	p.reasons("Refused by HealthLake", s.Refused)
	p.put("<h3>Verification</h3>\n")
	if len(s.Checks) == 0 {
		p.put("<p class=\"flag\">Never verified.</p>\n")
	}
	for i := range s.Checks {
		c := &s.Checks[i]
		class := "flag"
		if c.Void == "" && c.bad() == 0 {
			class = ""
		}
		p.put(`<p class="%s">%s</p>`+"\n", class, c.words())
		p.chart(c.chart())
		p.explained(c)
		if c.Job != "" {
			p.put("<p class=\"quiet\">read from HealthLake's export job <code>%s</code></p>\n", c.Job)
		}
	}
	p.folders(s.Folders)
}

// explained says in which elements resources differ.
func (p *page) explained(c *Check) {
	words := c.Explained.Words(c.Mode)
	if len(words) == 0 {
		return
	}
	p.put("<ul>\n")
	for _, line := range words {
		p.put("<li>%s</li>\n", strings.TrimSpace(line))
	}
	p.put("</ul>\n")
}

func (p *page) folders(folders []Folder) {
	p.put("<h3>Folders and import jobs, in the order of import</h3>\n")
	rows := make([][]string, 0, min(len(folders), pageFolders))
	for i := range folders[:min(len(folders), pageFolders)] {
		f := &folders[i]
		rows = append(rows, []string{f.Name, f.Job, f.Status, optionalMoment(f.Ended), human.Count(f.Lines), human.Count(f.Imported), human.Count(f.Refused), f.state()})
	}
	p.table("folders", []string{"Folder", "import job", "HealthLake's word", "ended", "#lines", "#imported", "#refused", "state"}, rows)
	if more := len(folders) - pageFolders; more > 0 {
		p.put("<p class=\"quiet\">and %s more: <code>fhirhose report --json</code> lists all</p>\n", human.Plural(int64(more), "folder"))
	}
}

// state says how far a folder's import is.
func (f *Folder) state() string {
	switch {
	case f.Done:
		return "imported"
	case f.Over:
		return flagged + "NOT IN"
	case f.Job != "":
		return flagged + "under way"
	}
	return flagged + "not sent"
}

func (p *page) audit(a *Audit) {
	if a == nil || a.Entries == 0 && a.Broken == "" {
		return
	}
	p.section("Who did what")
	if a.Broken != "" {
		p.put("<p class=\"flag\">The audit log is broken: %s. What it tells cannot be relied on.</p>\n", a.Broken)
	} else {
		p.put("<p>From the audit log, whose chain of %s is whole. Its head, of %s, is SHA-256 <code>%s</code>: who has this page can tell whether the log, or a copy of it, was changed since.</p>\n",
			human.Plural(a.Entries, "line"), moment(a.Time), a.SHA256)
	}
	if a.Earlier > 0 {
		p.put("<p class=\"quiet\">%s before these are in the log.</p>\n", human.Plural(a.Earlier, "run"))
	}
	var rows [][]string
	var programs []string
	for i := range a.Runs {
		r := &a.Runs[i]
		rows = append(rows, []string{moment(r.Began), r.Verb, r.end(), r.Principal, r.User + " on " + r.Host, r.Version, r.flags()})
		if program := r.Version + ", SHA-256 " + r.Binary; !slices.Contains(programs, program) {
			programs = append(programs, program)
		}
	}
	p.table("", []string{"Began", "verb", "how it ended", "who, for AWS", "user and host", "program", "flags"}, rows)
	p.put("<h3>Programs</h3>\n")
	for _, program := range programs {
		p.put("<p><code>fhirhose %s</code></p>\n", program)
	}
}

// flags lists those that were given.
func (r *Run) flags() string {
	words := make([]string, 0, len(r.Flags))
	for _, name := range slices.Sorted(maps.Keys(r.Flags)) {
		words = append(words, "--"+name+"="+r.Flags[name])
	}
	return strings.Join(words, " ")
}
