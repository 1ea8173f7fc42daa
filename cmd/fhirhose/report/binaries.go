package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// orphansName is the list of objects that no row names, below the job's folder.
const orphansName = "_fhirhose/orphans.ndjson"

func (p *printer) binaries(s *metrics.Status) {
	b := s.Binaries
	if b == nil {
		return
	}
	p.section("Binaries")
	row := func(name string, n int64, meaning string) { p.line("  %-11s  %12s  %s", name, human.Count(n), meaning) }
	some := func(name string, n int64, meaning string) {
		if n > 0 {
			row(name, n, meaning)
		}
	}
	row("objects", b.Objects, "listed in the binary bucket, "+human.Bytes(b.Bytes))
	row("rows", b.Rows, "of type Binary; those that a filter or a defect keeps back only name their objects")
	row("written", b.Written, fmt.Sprintf("%s of contents, %s of NDJSON", human.Bytes(b.ContentBytes), human.Bytes(b.BytesWritten)))
	some("waiting", b.Waiting, fmt.Sprintf("rows not written yet, which take %s in state; %s being fetched", human.Bytes(b.WaitingBytes), human.Plural(b.InFlight, "content")))
	row("quarantined", total(b.Quarantined), "could not be moved")
	for _, reason := range byCount(b.Quarantined) {
		p.line("               %s %s: %s", human.Count(b.Quarantined[reason]), reason, Meaning(reason))
	}
	some("erased", b.Erased, "DELETED rows written without data: FHIR Works deletes the object with its Binary"+ifNotRecovered(b))
	some("recovered", b.Recovered, "written with the data of a noncurrent object: FHIR Works deletes by prefix, and so more than it means to")
	if b.VersionsHidden {
		p.line("  Noncurrent objects were not looked for: this identity may not list them (s3:ListBucketVersions), or this S3 cannot.")
	}
	if b.WaitSeconds >= 1 {
		p.line("  This process waited %s for objects of the binary bucket.", human.Duration(seconds(b.WaitSeconds)))
	}
	p.orphans(b.Orphans, s.ExportTime)
}

// ifWaiting says of a job at work which rows have no outcome yet.
func ifWaiting(s *metrics.Status) string {
	if s.Binaries == nil || s.Binaries.Waiting == 0 {
		return ""
	}
	return "; " + human.Plural(s.Binaries.Waiting, "Binary row") + " wait for their contents"
}

// tenantBinaries has a line for each tenant with Binaries, of a job that moves all,
// and their sum, which is that of the section before.
func (p *printer) tenantBinaries(s *metrics.Status) {
	names := slices.DeleteFunc(s.TenantNames(), func(name string) bool { return !anyBinaries(s.Tenants[name]) })
	if s.Binaries == nil || len(names) == 0 {
		return
	}
	p.section("Binaries of tenants: " + human.Count(int64(len(names))))
	rows := [][]string{{"", "rows", "written", "quarantined", "waiting", "contents", "bytes written", "erased", "recovered", "orphans"}}
	row := func(name string, c *metrics.BinaryCounts) {
		orphans := ""
		if c.Orphans != nil {
			orphans = human.Count(c.Orphans.All())
		}
		rows = append(rows, []string{
			name, human.Count(c.Rows), human.Count(c.Written), human.Count(total(c.Quarantined)), human.Count(c.Waiting),
			human.Bytes(c.ContentBytes), human.Bytes(c.BytesWritten), human.Count(c.Erased), human.Count(c.Recovered), orphans,
		})
	}
	for _, name := range names[:min(len(names), shownTenants)] {
		row(name, s.Tenants[name].Binaries)
	}
	if anyBinaries(s.Tenants[""]) {
		row("(none)", s.Tenants[""].Binaries)
	}
	row("total", &s.Binaries.BinaryCounts)
	p.table(rows)
	if more := len(names) - shownTenants; more > 0 {
		p.line("  and %s more (--json shows all)", human.Plural(int64(more), "tenant"))
	}
}

func anyBinaries(t *metrics.TenantTotals) bool {
	return t != nil && t.Binaries != nil && (t.Binaries.Rows > 0 || t.Binaries.Orphans.All() > 0)
}

// ifNotRecovered says of erased contents whether they were looked for.
func ifNotRecovered(b *metrics.BinaryTotals) string {
	switch {
	case b.VersionsHidden:
		return ""
	case b.RecoverDeleted:
		return "; no noncurrent object holds it (source.recover_deleted)"
	}
	return "; source.recover_deleted would look for it among noncurrent objects"
}

// orphans says what no row names. The age is that at the export: a report asks
// no clock.
func (p *printer) orphans(o *metrics.OrphanTotals, exported time.Time) {
	if o == nil {
		return
	}
	p.line("  %-11s  %12s  objects that no row names, %s%s", "orphans", human.Count(o.Objects), human.Bytes(o.Bytes), orphanAges(o, exported))
	if o.Newer > 0 {
		p.line("  %-11s  %12s  more that no row names, %s, newer than the export: their rows may have come after it",
			"newer", human.Count(o.Newer), human.Bytes(o.NewerBytes))
	}
}

func orphanAges(o *metrics.OrphanTotals, exported time.Time) string {
	if o.Objects == 0 {
		return ""
	}
	if exported.IsZero() {
		return fmt.Sprintf(", from %s to %s", o.Oldest.UTC().Format(time.DateOnly), o.Newest.UTC().Format(time.DateOnly))
	}
	return fmt.Sprintf(", %s to %s old when exported", human.Duration(exported.Sub(o.Newest)), human.Duration(exported.Sub(o.Oldest)))
}

// lookAtOrphans says where their keys are.
func lookAtOrphans(s *metrics.Status, c Context) []string {
	if !s.Moved() || s.Binaries == nil || s.Binaries.Orphans.All() == 0 {
		return nil
	}
	const what = ": the objects of the binary bucket that no row names"
	if c.Tenant == "" {
		return []string{c.Output + "/" + orphansName + what + " (PHI)"}
	}
	var places []string
	var none int64
	if own := s.Tenants[""]; own != nil && own.Binaries != nil {
		none = own.Binaries.Orphans.All()
	}
	if s.Binaries.Orphans.All() > none {
		places = append(places, c.Tenant+"/"+orphansName+what+", under the tenant's prefix (PHI)")
	}
	if none > 0 {
		places = append(places, c.Output+"/"+orphansName+what+", under no known tenant's prefix (PHI)")
	}
	return places
}

// briefBinaries is the line of `status`.
func (p *printer) briefBinaries(b *metrics.BinaryTotals) {
	if b != nil {
		p.line("  binaries %s written, %s quarantined, %s waiting, %s of contents, %s being fetched", human.Count(b.Written),
			human.Count(total(b.Quarantined)), human.Count(b.Waiting), human.Bytes(b.ContentBytes), human.Count(b.InFlight))
	}
}
