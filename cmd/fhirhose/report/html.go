package report

import (
	_ "embed" // the style
	"fmt"
	"html"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
)

//go:embed page.css
var pageStyle string

// Bounds of the page; the JSON has all.
const (
	pageStores  = 50
	pageFolders = 1000
)

// HTML writes the document as one page that loads nothing and runs nothing.
func (d *Document) HTML(out io.Writer) error {
	p := &page{}
	p.put(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Migration report: %s</title>
<style>
%s</style>
</head>
<body>
`, d.Status.Job, markup(pageStyle))
	p.title(d)
	p.verdict(d)
	p.moved(d)
	p.records(d)
	p.resources(d)
	p.targets(d)
	p.audit(d.Audit)
	p.settings(d.Settings)
	p.findings(d)
	p.put("\n<footer>fhirhose moved these records; the numbers are those of its ledger and checkpoint, and of what HealthLake answered. " +
		"What each word means: docs/report.md, docs/verify.md, docs/audit.md.</footer>\n</body>\n</html>\n")
	_, err := io.WriteString(out, p.String())
	return err
}

// page is written with put alone, which escapes. No template: packages that look up
// methods by name make the linker keep all of the SDK, 10 MB.
type page struct{ strings.Builder }

// markup is not escaped. It never comes from outside.
type markup string

// put writes markup in which each string of args is text, also between quotes.
func (p *page) put(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = html.EscapeString(text)
		}
	}
	_, _ = fmt.Fprintf(p, format, args...)
}

func (p *page) section(title string) { p.put("\n<h2>%s</h2>\n", title) }

// pairs writes names and values; a pair whose value is "" is left out.
func (p *page) pairs(pairs ...[2]string) {
	p.put("<dl>\n")
	for _, pair := range pairs {
		if pair[1] != "" {
			p.put("<dt>%s</dt><dd>%s</dd>\n", pair[0], pair[1])
		}
	}
	p.put("</dl>\n")
}

// flagged begins a cell that needs attention.
const flagged = "\x00"

// table writes rows below their heads. A head that begins with # is of numbers.
func (p *page) table(class string, heads []string, rows [][]string) {
	p.put(`<table class="%s">`+"\n", class)
	numbers := make([]bool, len(heads))
	if heads[0] != "" {
		p.put("<thead><tr>")
	}
	for i, head := range heads {
		head, numbers[i] = strings.CutPrefix(head, "#")
		if heads[0] != "" {
			p.put("<th%s>%s</th>", numeric(numbers[i]), head)
		}
	}
	if heads[0] != "" {
		p.put("</tr></thead>\n")
	}
	p.put("<tbody>\n")
	for _, row := range rows {
		p.put("<tr>")
		for i, cell := range row {
			if text, ok := strings.CutPrefix(cell, flagged); ok {
				p.put(`<td%s><span class="flag">%s</span></td>`, numeric(numbers[i]), text)
				continue
			}
			p.put("<td%s>%s</td>", numeric(numbers[i]), cell)
		}
		p.put("</tr>\n")
	}
	p.put("</tbody></table>\n")
}

func numeric(is bool) markup {
	if is {
		return ` class="n"`
	}
	return ""
}

func optionalMoment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return moment(t)
}

func (p *page) title(d *Document) {
	none := " It holds no value and no id of any resource."
	if d.HoldsPHI {
		p.put(`<p class="phi">%s</p>`+"\n", phiLine)
		none = ""
	}
	p.put("<h1>Migration report: job %s</h1>\n<p class=\"quiet\">Made %s.%s Times are UTC.</p>\n", d.Status.Job, moment(d.Made), none)
}

func (p *page) verdict(d *Document) {
	if d.Cutover == nil {
		return
	}
	p.put(`<div class="verdict %s">`+"\n<strong>%s%s</strong>\n", yesNo(*d.Cutover), safeLine, yesNo(*d.Cutover))
	without := d.without()
	if *d.Cutover {
		but := ""
		if len(without) > 0 {
			but = " But for what was accepted:"
		}
		p.put("<p>Everything was moved, imported and deleted as the source has it, and a verification over all resources has passed since.%s</p>\n", but)
		p.accepted(without)
		p.put("</div>\n")
		return
	}
	p.put("<ol>\n")
	for _, o := range d.Open[:min(len(d.Open), shownOpen)] {
		p.put(`<li>%s%s<br><span class="quiet">to mend it:</span> %s</li>`+"\n", ofTenant(o.Tenant), o.What, o.Try)
	}
	p.put("</ol>\n")
	if more := len(d.Open) - shownOpen; more > 0 {
		p.put("<p>and %s more: <code>fhirhose report --json</code> lists all</p>\n", human.Plural(int64(more), "point"))
	}
	if len(without) > 0 {
		p.put("<p>Accepted so far:</p>\n")
	}
	p.accepted(without)
	p.put("</div>\n")
}

// accepted lists what was accepted, by reason and type.
func (p *page) accepted(all []Acceptance) {
	if len(all) == 0 {
		return
	}
	p.put("<ul>\n")
	for i := range all {
		a := &all[i]
		p.put("<li>without %s<br><span class=\"quiet\">", a.String())
		for _, of := range a.Counts {
			p.put("%s %s %s; ", human.Count(of.Records), of.Type, of.Reason)
		}
		p.put("SHA-256 <code>%s</code></span></li>\n", a.SHA256)
	}
	p.put("</ul>\n")
}

func (p *page) moved(d *Document) {
	s := d.Status
	p.section("What was moved")
	from, folders, throughput := s.Source, "none", ""
	if !s.ExportTime.IsZero() {
		from += ", exported " + moment(s.ExportTime)
	}
	if len(s.Folders) > 0 {
		folders = Folders(s.Folders)
	}
	if d.InputRate > 0 {
		throughput = fmt.Sprintf("%s of work: %s/s of input, %s records/s",
			human.Duration(seconds(s.Elapsed)), human.Bytes(int64(d.InputRate)), human.Count(int64(d.RecordRate)))
	}
	p.pairs(
		[2]string{"Outcome of the move", d.Verdict}, [2]string{"From", from}, [2]string{"To", s.Sink},
		[2]string{"Input", inputLine(s)}, [2]string{"Folders", folders}, [2]string{"Last change", moment(s.Updated)},
		[2]string{"Program", fmt.Sprintf("fhirhose %s, format version %d", s.Build, s.Format)}, [2]string{"Throughput", throughput},
	)
}

func (p *page) settings(settings map[string]string) {
	if len(settings) == 0 {
		return
	}
	p.section("Settings")
	p.put("<p>As this report found them; those of each run are in the audit log. Secrets are never among them.</p>\n")
	rows := make([][]string, 0, len(settings))
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		rows = append(rows, []string{key, settings[key]})
	}
	p.table("code", []string{"", ""}, rows)
}

func (p *page) findings(d *Document) {
	if !d.HoldsPHI {
		return
	}
	p.section("Findings of single resources: PHI")
	rows := make([][]string, 0, len(d.Findings))
	for i := range d.Findings {
		f := &d.Findings[i]
		rows = append(rows, []string{ofTenant(f.Tenant) + f.From, f.Class, f.resource()})
	}
	if len(rows) == 0 {
		p.put("<p>None.</p>\n")
		return
	}
	p.table("", []string{"from", "class", "resource"}, rows)
	if d.More > 0 {
		p.put("<p class=\"quiet\">and %s more, in the state directory</p>\n", human.Count(d.More))
	}
}
