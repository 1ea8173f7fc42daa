package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// verifySummary is what `verify --json` prints.
type verifySummary struct {
	Job     string                 `json:"job"`
	Passed  bool                   `json:"passed"`  // but for what is accepted
	Results []*verification.Result `json:"results"` // by data store
}

// writeVerification says what was found in each data store: classes, by type.
func writeVerification(out io.Writer, job *jobfile.Job, results []*verification.Result, left *leftOver, asJSON bool) error {
	if asJSON {
		passed := !slices.ContainsFunc(results, func(r *verification.Result) bool { return !left.passed(r) })
		return json.NewEncoder(out).Encode(verifySummary{job.Name, passed, results})
	}
	var b strings.Builder
	for _, r := range results {
		writeResult(&b, job, r, left)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func writeResult(b *strings.Builder, job *jobfile.Job, r *verification.Result, left *leftOver) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(b, format+"\n", args...) }
	verdict := "passed"
	if !r.Passed() {
		verdict = human.Plural(r.NotOK(), "resource") + " not as they should be"
	}
	if n := left.acceptedOf(r); n > 0 {
		verdict += fmt.Sprintf(", of which %s accepted (fhirhose quarantine accept)", human.Count(n))
	}
	line("job %s: %s, by mode %s", path.Join(r.Tenant, job.Name), verdict, r.Mode)
	line("  in        %s", r.Target)
	line("  checked   %s", human.Plural(r.Checked, "resource"))
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, class := range verify.Classes() {
		n := r.Classes[class.String()]
		if n == 0 {
			continue
		}
		mark := " "
		if !class.OK() {
			mark = "!"
		}
		_, _ = fmt.Fprintf(w, "%s %s\t%s\t%s\n", mark, class, human.Count(n), byType(r, class))
	}
	_ = w.Flush()
	for _, cause := range slices.Sorted(maps.Keys(r.Causes)) {
		line("  %s of them: %s", human.Count(r.Causes[cause]), cause)
	}
	for _, words := range r.Explained.Words(r.Mode) {
		line("  %s", words)
	}
	if r.Explained != nil {
		line("  of each resource: %s (PHI)", filepath.Join(job.State, r.Explained.File))
	}
	if r.Findings != "" {
		line("  each is named in %s (PHI)", filepath.Join(job.State, r.Findings))
	}
}

// mostTypes of a class are named in a line.
const mostTypes = 5

// byType says of which types the resources of a class are, most of them first.
func byType(r *verification.Result, class verify.Class) string {
	type part struct {
		name string
		n    int64
	}
	var parts []part
	for name, of := range r.Types {
		if n := of[class.String()]; n > 0 {
			parts = append(parts, part{name, n})
		}
	}
	slices.SortFunc(parts, func(a, b part) int {
		if a.n != b.n {
			return int(min(max(b.n-a.n, -1), 1))
		}
		return strings.Compare(a.name, b.name)
	})
	var words []string
	for i, p := range parts {
		if i == mostTypes {
			words = append(words, fmt.Sprintf("%d more types", len(parts)-i))
			break
		}
		words = append(words, fmt.Sprintf("%s %s", p.name, human.Count(p.n)))
	}
	return strings.Join(words, ", ")
}

// verifiedNote is what the audit log holds of verifications.
func verifiedNote(results []*verification.Result) any {
	type line struct {
		Tenant  string           `json:"tenant,omitempty"`
		Mode    string           `json:"mode"`
		Target  string           `json:"target"`
		Ledger  string           `json:"ledger_root"`
		Passed  bool             `json:"passed"`
		Checked int64            `json:"checked"`
		Classes map[string]int64 `json:"classes"`
	}
	lines := make([]line, 0, len(results))
	for _, r := range results {
		lines = append(lines, line{r.Tenant, r.Mode, r.Target, r.LedgerRoot, r.Passed(), r.Checked, r.Classes})
	}
	return lines
}
