package cleaning

import (
	"fmt"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
)

// Text says the inventory for people.
func (p *Plan) Text(now *Survey) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("job %s has made or caused", p.Job)
	for _, c := range now.Copies {
		stays := ""
		if why := p.Stays(c.Kind); why != "" {
			stays = "; STAYS: " + why
		}
		line("  %-20s %s: %s%s", c.Kind, c.place(), c.Amount, stays)
	}
	if len(now.Copies) == 0 {
		line("  nothing that is still there")
	}
	if len(p.Sources) == 0 {
		line("  %-20s not of this job: it was there before, and stays", "source")
	}
	missed := p.NotFound
	if p.Found == nil {
		missed = p.Misses(now)
	}
	notFound(line, missed)
	for _, note := range now.Notes {
		line("note: %s", note)
	}
	others(line, now.Others, now.Names)
	return b.String()
}

func notFound(line func(string, ...any), missed []string) {
	for _, words := range missed {
		line("NOT FOUND: %s. If the settings named another place then, it is still there", words)
	}
}

func others(line func(string, ...any), n int64, names []string) {
	if n == 0 {
		return
	}
	more := ""
	if n > int64(len(names)) {
		more = ", ..."
	}
	line("left alone, since this job is not known to have made it: %s objects or versions: %s%s", human.Count(n), strings.Join(names, ", "), more)
}

func (c *Copy) place() string { return placeOf(c.Tenant, c.Where) }

func placeOf(tenant, where string) string {
	if tenant == "" {
		return where
	}
	return where + " (tenant " + tenant + ")"
}

// String says how much it is.
func (a Amount) String() string {
	parts := []string{human.Plural(a.Objects, "object") + ", " + human.Bytes(a.Bytes)}
	if a.Noncurrent > 0 {
		parts = append(parts, human.Plural(a.Noncurrent, "noncurrent version")+", "+human.Bytes(a.NoncurrentBytes))
	}
	if a.Markers > 0 {
		parts = append(parts, human.Plural(a.Markers, "delete marker"))
	}
	if a.Uploads > 0 {
		parts = append(parts, human.Plural(a.Uploads, "unfinished upload"))
	}
	return strings.Join(parts, "; ")
}

// Text says the certificate for people.
func (c *Certificate) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("CERTIFICATE of removal: job %s", c.Job)
	line("begun %s, ended %s", c.Begun.Format(time.RFC3339), c.Ended.Format(time.RFC3339))
	line("by fhirhose %s, revision %s, SHA-256 %s", c.By.Version, c.By.Revision, c.By.SHA256)
	for _, p := range c.Proofs {
		line("proven before: %s, verification %s of %s, ended %s, %s checked, ledger %s", placeOf(p.Tenant, p.Target), p.Mode, c.Job,
			p.Ended.Format(time.RFC3339), human.Plural(p.Checked, "resource"), p.LedgerRoot)
	}
	if only := c.OnlyCopies(); only != "" {
		line("not in any data store: %s. By --quarantine their copies were to go too", only)
	}
	for _, a := range c.Accepted {
		line("accepted: %s", a)
	}
	for _, m := range c.Manifests {
		line("manifest %s: SHA-256 %s", placeOf(m.Tenant, m.Where), m.SHA256)
	}
	line("")
	for _, l := range c.Copies {
		line("%s, %s", l.Kind, placeOf(l.Tenant, l.Where))
		line("  found    %s", l.Found)
		line("  removed  %s", l.Removed)
		switch {
		case l.Remains.Empty():
			line("  remains  nothing")
		default:
			line("  remains  %s", l.Remains)
			for _, why := range l.Why {
				line("           %s", why)
			}
		}
	}
	if len(c.Sources) == 0 {
		line("source: not made by this job, and left")
	}
	notFound(line, c.NotFound)
	if c.Others > 0 {
		line("left beside them: %s objects or versions that this job is not known to have made", human.Count(c.Others))
	}
	line("")
	for _, note := range c.Notes {
		line("note: %s", note)
	}
	line("not seen by this job, and not certified: backups, replicas, caches and copies that others have made")
	if c.Removed {
		line("complete: nothing of what was to be removed remains")
	} else {
		line("NOT COMPLETE: something of what was to be removed remains, see above")
	}
	return b.String()
}
