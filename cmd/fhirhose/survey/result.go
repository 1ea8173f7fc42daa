package survey

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Result is what `check` says: JSON as it stands, or Text.
type Result struct {
	Job        string            `json:"job"`
	Ready      bool              `json:"ready"`
	Problems   []Problem         `json:"problems"`
	Warnings   []string          `json:"warnings"`
	File       string            `json:"job_file,omitempty"`
	Source     string            `json:"source"`
	Table      string            `json:"table,omitempty"` // ARN, of one that is not exported yet
	ExportTime time.Time         `json:"export_time"`
	Output     string            `json:"output"`
	State      string            `json:"state"`
	StateFree  int64             `json:"state_free_bytes"` // -1 unknown
	SinkFree   int64             `json:"sink_free_bytes"`  // -1 unknown or without bound
	Objects    int               `json:"objects"`
	Records    int64             `json:"records"`            // an estimate where Plain
	Compressed int64             `json:"compressed_bytes"`   // or not compressed, where Plain
	Plain      bool              `json:"plain_lines"`        // of a source that promises no number of records, and is not compressed
	Sample     *Sample           `json:"sample"`             // null if there was nothing to look at
	Estimate   *Estimate         `json:"estimate"`           // null without sample
	Contents   *Contents         `json:"binaries,omitempty"` // null without a look at them
	Probes     []string          `json:"probes"`             // what was proved, in words
	Unseen     []string          `json:"unseen"`             // what could not be looked at, and why
	Held       int64             `json:"held,omitempty"`     // resources in data stores that should be empty
	Mentions   *metrics.Mentions `json:"mentions,omitempty"` // of a finished move, else of the sample; null without a target

	BinaryRows      jobfile.BinaryRows `json:"binary_rows"` // what the job does with them
	mayHoldBinaries bool               // they are not left out by source.types
}

// Problem is a reason why the job cannot start, with its remedy.
type Problem struct {
	Error string `json:"error"`
	Hint  string `json:"try"`
	err   error
}

// Fail notes a problem.
func (r *Result) Fail(err error) {
	r.Problems = append(r.Problems, Problem{err.Error(), pipeline.HintOf(err), err})
}

// Warn notes what does not keep the job from starting.
func (r *Result) Warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// Errors returns the problems as the errors that they were.
func (r *Result) Errors() []error {
	all := make([]error, 0, len(r.Problems))
	for _, p := range r.Problems {
		all = append(all, p.err)
	}
	return all
}

// Judge turns what was seen into problems and warnings.
func (r *Result) Judge() {
	if s := r.Sample; s != nil {
		r.judgeSample(s)
	}
	e := r.Estimate
	if e == nil {
		return
	}
	if e.ImportHours > manyHours {
		r.Warn("the import would take about %.0f hours: %d folders, one after the other; a larger layout.max_folder_size makes fewer", e.ImportHours, e.ImportJobs)
	}
	if r.StateFree >= 0 && r.StateFree < e.StateBytes {
		r.Warn("state has %s free and may need %s; the job stops cleanly when it is full", human.Bytes(r.StateFree), human.Bytes(e.StateBytes))
	}
	if need := e.OutputBytes + e.LedgerBytes; r.SinkFree >= 0 && r.SinkFree < need {
		r.Warn("the sink has %s free and may need %s; the job stops cleanly when it is full", human.Bytes(r.SinkFree), human.Bytes(need))
	}
}

func (r *Result) judgeSample(s *Sample) {
	if s.MultiTenant > 0 {
		r.Fail(&pipeline.Error{
			Op: "look at the records of", Object: r.Source, Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("%s of %s belong to a tenant, but source.tenant is empty", human.Count(s.MultiTenant), human.Plural(s.Records, "sampled record")),
			Hint: "name the tenant in source.tenant, or \"*\" for all of them",
		})
	}
	if n := s.Filtered[pipeline.OtherTenant.String()]; n > 0 && n == s.Records {
		r.Warn("none of %s belongs to source.tenant", human.Plural(s.Records, "sampled record"))
	}
	r.judgeBinaries(s)
	if none := s.Tenants[""]; none > 0 {
		r.Warn("about %s of the records have no certain tenant; they are quarantined in %s, under no tenant", share(none, s.Records), r.Output)
	}
	if len(s.Tenants) > 0 {
		r.Warn("only the sampled tenants are known before the move: others may come, each with folders and import jobs of its own")
	}
	if n := len(s.Tenants); n > manyTenants {
		r.Warn("the sample alone has records of %s tenants, each with folders, a ledger and import jobs of its own; "+
			"source.tenant moves one of them", human.Count(int64(n)))
	}
	if n := sum(s.Quarantined); n > 0 {
		r.Warn("about %s of the records will be quarantined; the job then ends with exit code 3", share(n, s.Records))
	}
	if s.Records > 0 && s.Written == 0 && s.MultiTenant == 0 {
		r.Warn("no sampled record would be written; look at the filters under source")
	}
}

func share(n, of int64) string {
	return fmt.Sprintf("%.2g %%", 100*float64(n)/float64(of))
}

// Text writes the result for people.
func (r *Result) Text(out io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	verdict := "ready to move"
	if r.Table != "" {
		verdict = "ready to export"
	}
	if !r.Ready {
		verdict = fmt.Sprintf("NOT READY: %s, see below", human.Plural(int64(len(r.Problems)), "problem"))
	}
	line("job %s: %s", r.Job, verdict)
	if r.File != "" {
		line("  file    %s", r.File)
	}
	line("  source  %s", r.Source)
	if r.Table != "" {
		line("          will be the export of %s", r.Table)
	}
	switch {
	case r.Plain:
		line("          %s, %s, about %s (they are counted when they are moved)", human.Plural(int64(r.Objects), "file"), human.Bytes(r.Compressed), human.Plural(r.Records, "record"))
	case r.Objects > 0:
		line("          %s, %s, %s compressed", human.Plural(int64(r.Objects), "object"), human.Plural(r.Records, "record"), human.Bytes(r.Compressed))
	}
	if !r.ExportTime.IsZero() {
		line("          exported %s", r.ExportTime.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	line("  sink    %s%s", r.Output, free(r.SinkFree))
	line("  state   %s%s", r.State, free(r.StateFree))
	for _, probe := range r.Probes {
		line("  proved  %s", probe)
	}
	for _, unseen := range r.Unseen {
		line("  unseen  %s", unseen)
	}
	if r.Sample != nil {
		r.Sample.text(line)
	}
	if r.Contents != nil {
		r.Contents.text(line)
	}
	if r.Estimate != nil {
		r.Estimate.text(line)
	}
	if len(r.Warnings) > 0 {
		line("\nWarnings")
		for _, warning := range r.Warnings {
			line("  - %s", warning)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func free(bytes int64) string {
	if bytes < 0 {
		return ""
	}
	return " (" + human.Bytes(bytes) + " free)"
}

func (s *Sample) text(line func(string, ...any)) {
	line("\nA look at %s of %s (a sample: the rest may differ)", human.Plural(s.Records, "record"), human.Plural(int64(s.Objects), "object"))
	line("  written      %s", human.Count(s.Written))
	reasons(line, "filtered", s.Filtered)
	reasons(line, "quarantined", s.Quarantined)
	if s.MultiTenant > 0 {
		line("  of a tenant  %s", human.Count(s.MultiTenant))
	}
	if s.Tenants != nil {
		named := maps.Clone(s.Tenants)
		delete(named, "")
		line("  tenants      %s", human.Count(int64(len(named))))
		if len(named) > 0 {
			line("               %s", listing(named))
		}
		line("  of none      %s", human.Count(s.Tenants[""]))
	}
	line("  types        %s", listing(s.Types))
}

func reasons(line func(string, ...any), title string, counts map[string]int64) {
	line("  %-11s  %s", title, human.Count(sum(counts)))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		line("               %s %s: %s", human.Count(counts[name]), name, report.Meaning(name))
	}
}

// listed bounds the lists of the text; the JSON has all.
const listed = 12

// listing names the most frequent first.
func listing(counts map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for i, name := range names {
		if i == listed {
			parts = append(parts, fmt.Sprintf("and %d more", len(names)-i))
			break
		}
		parts = append(parts, name+" "+human.Count(counts[name]))
	}
	return strings.Join(parts, ", ")
}

func (e *Estimate) text(line func(string, ...any)) {
	line("\nTo expect, if the rest is like the sample")
	line("  output  about %s in about %s", human.Bytes(e.OutputBytes), human.Plural(e.Files, "file"))
	line("  folders %s", report.Folders(e.Folders))
	line("  import  %s, about %.1f hours (assuming one at a time, %d minutes each and %s an hour)",
		human.Plural(int64(e.ImportJobs), "job"), e.ImportHours, ImportJobMinutes, human.Bytes(ImportBytesPerHour))
	line("  ledger  about %s, in the sink", human.Bytes(e.LedgerBytes))
	line("  state   up to %s", human.Bytes(e.StateBytes))
	if e.RowBytes > 0 {
		line("          of which %s are Binary rows, should all wait for a slow bucket; limits.spool does not bound them", human.Bytes(e.RowBytes))
	}
}

func sum(counts map[string]int64) (n int64) {
	for _, count := range counts {
		n += count
	}
	return n
}
