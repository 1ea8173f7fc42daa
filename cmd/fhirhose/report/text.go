package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// body writes all sections but those without content; more comes before the last one.
func (p *printer) body(s *metrics.Status, sum Summary, more func()) {
	p.line("job %s: %s", s.Job, sum.Verdict)
	if s.Error != "" {
		p.line("  error   %s", s.Error)
	}
	p.header(s)
	p.balance(s, sum)
	p.tenants(s)
	p.reasons("Filtered (left out by the job's options)", sum.Totals.ByFilter)
	p.reasons("Quarantined (could not be moved)", sum.Totals.ByDefect)
	p.binaries(s)
	p.tenantBinaries(s)
	p.ledger(s.Ledger)
	p.oddities(s)
	p.folders(s)
	p.speed(s, sum)
	more()
	p.section("Where to look")
	for _, place := range sum.LookAt {
		p.line("  - %s", place)
	}
}

type printer struct{ strings.Builder }

func (p *printer) line(format string, args ...any) { _, _ = fmt.Fprintf(p, format+"\n", args...) }

func (p *printer) section(title string) { p.line("\n%s", title) }

// table aligns rows; the columns after the first are numbers, to the right.
func (p *printer) table(rows [][]string) {
	w := tabwriter.NewWriter(p, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	for _, row := range rows {
		_, _ = fmt.Fprintf(w, "%-*s\t%s\t\n", width, row[0], strings.Join(row[1:], "\t"))
	}
	_ = w.Flush()
}

func (p *printer) header(s *metrics.Status) {
	p.line("  source  %s", s.Source)
	if !s.ExportTime.IsZero() {
		p.line("          exported %s", moment(s.ExportTime))
	}
	p.line("  sink    %s", s.Sink)
	p.line("  input   %s", inputLine(s))
	p.line("  files   %s sealed, %s open", human.Count(s.FilesSealed), human.Count(s.OpenFiles))
	p.imports(s.Import)
	p.line("  as of   %s", moment(s.Updated))
}

// imports is how far an import has come, once there was one.
// verified says how far a verification is.
func (p *printer) verified(v *metrics.VerifyTotals) {
	if v == nil {
		return
	}
	p.line("  verify   mode %s, %s: %s read", v.Mode, v.Step, human.Plural(v.ResourcesDone, "resource"))
}

func (p *printer) imports(t *metrics.ImportTotals) {
	if t == nil {
		return
	}
	p.line("  import  %s of %s done; %s imported, %s refused, %s stale in the target", human.Count(t.FoldersDone),
		human.Plural(t.Folders, "folder"), human.Count(t.Imported), human.Count(t.Refused), human.Count(t.Stale))
	if t.Deleted+t.Gone+t.Left > 0 {
		p.line("  deletes %s applied, %s gone already, %s stay in the target", human.Count(t.Deleted), human.Count(t.Gone), human.Count(t.Left))
	}
}

func inputLine(s *metrics.Status) string {
	return fmt.Sprintf("%s of %s (%s), %d of %s done", human.Bytes(s.InputBytesDone), human.Bytes(s.InputBytes),
		human.Percent(s.InputBytesDone, s.InputBytes), s.ObjectsDone, human.Plural(int64(s.Objects), "object"))
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func (p *printer) balance(s *metrics.Status, sum Summary) {
	p.section("Records")
	rows := make([][]string, 0, len(s.Types)+2)
	rows = append(rows, []string{"", "read", "written", "filtered", "quarantined", "bytes written"})
	for _, name := range s.TypeNames() {
		t := s.Types[name]
		rows = append(rows, []string{
			name, human.Count(t.Read), human.Count(t.Written), human.Count(total(t.Filtered)),
			human.Count(total(t.Quarantined)), human.Bytes(t.BytesWritten),
		})
	}
	t := sum.Totals
	rows = append(rows, []string{
		"total", human.Count(t.Read), human.Count(t.Written), human.Count(t.Filtered),
		human.Count(t.Quarantined), human.Bytes(t.BytesWritten),
	})
	p.table(rows)
	if sum.Balanced {
		p.line("  It balances: read = written + filtered + quarantined, for each type%s.", ifWaiting(s))
		return
	}
	p.line("  IT DOES NOT BALANCE: read differs from written + filtered + quarantined for %s.", strings.Join(sum.Unbalanced, ", "))
	p.line("  This must not happen. Keep the state directory, do not import this output, and report it.")
}

// shownTenants bounds the table; the JSON has all.
const shownTenants = 200

// tenants has a line for each tenant of a job that moves all.
func (p *printer) tenants(s *metrics.Status) {
	if s.Tenants == nil {
		return
	}
	names := s.TenantNames()
	p.section("Tenants: " + human.Count(int64(len(names))))
	rows := [][]string{{"", "read", "written", "filtered", "quarantined", "bytes written", "folders", "unsettled"}}
	row := func(name string, t *metrics.TenantTotals) {
		unsettled := ""
		if t.Ledger != nil {
			unsettled = human.Count(t.Ledger.Unsettled)
		}
		rows = append(rows, []string{
			name, human.Count(t.Read), human.Count(t.Written), human.Count(t.Filtered), human.Count(t.Quarantined),
			human.Bytes(t.BytesWritten), human.Count(int64(t.Folders)), unsettled,
		})
	}
	for _, name := range names[:min(len(names), shownTenants)] {
		row(name, s.Tenants[name])
	}
	if none := s.Tenants[""]; none != nil && none.Read > 0 {
		row("(none)", none)
	}
	p.table(rows)
	if more := len(names) - shownTenants; more > 0 {
		p.line("  and %s more (--json shows all)", human.Plural(int64(more), "tenant"))
	}
	if none := s.Tenants[""]; none != nil && none.Read > 0 {
		p.line("  (none): records whose tenant is unknown or contradictory; they are under no tenant's prefix.")
	}
}

func total(counts map[string]int64) (n int64) {
	for _, count := range counts {
		n += count
	}
	return n
}

func (p *printer) reasons(title string, counts map[string]int64) {
	if len(counts) == 0 {
		return
	}
	p.section(title)
	names := byCount(counts)
	width, digits := 0, 0
	for _, name := range names {
		width, digits = max(width, len(name)), max(digits, len(human.Count(counts[name])))
	}
	for _, name := range names {
		p.line("  %-*s  %*s  %s", width, name, digits, human.Count(counts[name]), Meaning(name))
	}
}

// byCount sorts names by falling count, then by name.
func byCount(counts map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}

func (p *printer) ledger(l *metrics.LedgerTotals) {
	if l == nil {
		return
	}
	p.section("Resources")
	for _, row := range []struct {
		name, meaning string
		n             int64
		always        bool
	}{
		{"unsettled", "the last committed version was not written: never taken as deleted or equal", l.Unsettled, true},
		{"resources", "different type and id", l.Resources, true},
		{"deleted", "the last committed version is DELETED", l.Deleted, true},
		{"ambiguous ids", "used by more than one type: history may have been lost at the source", l.Ambiguous, false},
		{"duplicates", "the same type, id and version came again; all were written", l.Duplicates, false},
		{"version holes", "versions missing below the last one", l.VersionHoles, false},
		{"unidentified", "records without readable identity: any resource may miss one of them", l.Unidentified, false},
	} {
		if row.always || row.n > 0 {
			p.line("  %-13s  %12s  %s", row.name, human.Count(row.n), row.meaning)
		}
	}
	p.line("  %-13s  %12s  %s", "ledger", human.Count(l.Entries), "entries, "+human.Bytes(l.Bytes))
}

// oddities are what was moved and yet deserves a look.
func (p *printer) oddities(s *metrics.Status) {
	locked := total(s.LockedAges)
	mentions := s.Mentions()
	if locked == 0 && len(s.UnknownAttributes) == 0 && s.NoLastUpdated == 0 && mentions == (metrics.Mentions{}) {
		return
	}
	p.section("Moved, but worth a look")
	if locked > 0 {
		p.line("  LOCKED rows: %s; age when exported: %s", human.Count(locked), ages(s.LockedAges))
	}
	if s.NoLastUpdated > 0 {
		p.line("  meta.lastUpdated could not be read: %s (moved whatever source.since and source.until say)", human.Count(s.NoLastUpdated))
	}
	if len(s.UnknownAttributes) > 0 {
		p.line("  attributes that are not FHIR Works' own nor known FHIR (kept): %s", counted(s.UnknownAttributes))
	}
	for _, words := range Mentions(mentions) {
		p.line("  %s", words)
	}
}

// Mentions says in words what written records mention.
func Mentions(m metrics.Mentions) (all []string) {
	if n := m.ActiveSubscriptions; n > 0 {
		all = append(all, human.Plural(n, "active Subscription")+": after the cut-over they would notify a second time, or not at all; end them in the source")
	}
	if n := m.AbsoluteReferences; n > 0 {
		all = append(all, human.Plural(n, "reference")+" to a server by its URL: those to the old API lead there still")
	}
	if n := m.VersionedReferences; n > 0 {
		all = append(all, human.Plural(n, "reference")+" to one version of a resource: HealthLake numbers versions anew")
	}
	return all
}

func ages(counts map[string]int64) string {
	var parts []string
	for _, age := range []string{"<1m", "<1h", "<1d", ">=1d", "unknown"} {
		if n := counts[age]; n > 0 {
			parts = append(parts, age+" "+human.Count(n))
		}
	}
	return strings.Join(parts, ", ")
}

// shownAttributes bounds a line of the text; the JSON has all.
const shownAttributes = 10

func counted(counts map[string]int64) string {
	var parts []string
	for i, name := range byCount(counts) {
		if i == shownAttributes {
			parts = append(parts, fmt.Sprintf("and %d more (--json shows all)", len(counts)-i))
			break
		}
		parts = append(parts, name+" "+human.Count(counts[name]))
	}
	return strings.Join(parts, ", ")
}

// shownVersions bounds the list of folders in the text.
const shownVersions = 12

func (p *printer) folders(s *metrics.Status) {
	if len(s.Folders) == 0 {
		return
	}
	all := 0
	for _, n := range s.Folders {
		all += n
	}
	p.section(fmt.Sprintf("Folders: %s (each is one import job)", human.Count(int64(all))))
	p.line("  %s", Folders(s.Folders))
}

// Folders lists the folders per version on one line, in natural order.
func Folders(folders map[string]int) string {
	var parts []string
	for i, version := range slices.SortedFunc(maps.Keys(folders), natural) {
		if i == shownVersions {
			parts = append(parts, fmt.Sprintf("and %d versions more", len(folders)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s: %d", version, folders[version]))
	}
	return strings.Join(parts, ", ")
}

// natural orders v2 before v10.
func natural(a, b string) int {
	aName, aVersion := splitVersion(a)
	bName, bVersion := splitVersion(b)
	return cmp.Or(strings.Compare(aName, bName), cmp.Compare(len(aVersion), len(bVersion)), strings.Compare(aVersion, bVersion))
}

func splitVersion(name string) (string, string) {
	end := strings.TrimRight(name, "0123456789")
	return end, name[len(end):]
}

func (p *printer) speed(s *metrics.Status, sum Summary) {
	if sum.InputRate == 0 {
		return
	}
	p.section("Throughput")
	p.line("  %s of work: %s/s of input, %s records/s", human.Duration(seconds(s.Elapsed)),
		human.Bytes(int64(sum.InputRate)), human.Count(int64(sum.RecordRate)))
	if s.InflatedBytes > 0 {
		p.line("  %s of lines read, %s of NDJSON written", human.Bytes(s.InflatedBytes), human.Bytes(sum.Totals.BytesWritten))
	}
	if retries := total(s.Retries); retries > 0 {
		p.line("  %s: %s", human.Plural(retries, "retry wait"), counted(s.Retries))
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
