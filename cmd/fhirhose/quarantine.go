package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
)

func newQuarantine(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "What could not be moved, and what HealthLake has refused",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQuarantineList(c), newQuarantineReplay(c), newQuarantineAccept(c))
	return cmd
}

func newQuarantineList(c *cli) *cobra.Command {
	var each bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Count what could not be moved and what was refused, by reason and type",
		Long: `Counts the records that the move has quarantined, by type and reason, and the
resources that HealthLake has refused at import, by folder, type and reason; and says
in which files they are. It tells no id and no value; the files do, and so do
HealthLake's own words in state/import.

--records lists each one: of a quarantined record the object of the export, its number
in it and the reason; of a refused resource file and line as HealthLake counts, and
the reason. What became of single resources, by their ids: fhirhose find.

It works beside a running process; while a move runs it covers what is committed so
far, without --records.

Exit codes: 0 told, also where there is none, 2 settings, 5 try again later, 12 not
authorised.`,
		Example: `  fhirhose quarantine list
  fhirhose quarantine list --records --json | jq -r .reason | sort | uniq -c`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.listQuarantine(cmd.Context(), job, each)
		},
	}
	addSettings(cmd)
	cmd.Flags().BoolVar(&each, "records", false, "list each record and each refused resource")
	return cmd
}

// quarantineSummary is what `quarantine list --json` prints.
type quarantineSummary struct {
	Job     string            `json:"job"`
	Moved   []quarantineCount `json:"quarantined"`
	Files   []string          `json:"files"` // that hold them; PHI
	Refused []quarantineCount `json:"refused"`
	Kept    []string          `json:"kept"` // files that hold what HealthLake says of them; PHI
}

type quarantineCount struct {
	Tenant  string `json:"tenant,omitempty"`
	Folder  string `json:"folder,omitempty"`
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Records int64  `json:"records"`
}

// quarantineRecord is a line of `quarantine list --records`. It is no PHI.
type quarantineRecord struct {
	Tenant string `json:"tenant,omitempty"`
	Object string `json:"object,omitempty"` // of the export
	Record int64  `json:"record,omitempty"` // in it, from 1
	File   string `json:"file,omitempty"`   // of the output
	Line   int64  `json:"line,omitempty"`   // in it, as HealthLake counts
	Reason string `json:"reason"`
}

func (c *cli) listQuarantine(ctx context.Context, job *jobfile.Job, each bool) error {
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	moved, _, err := lastStatus(job)
	if err != nil {
		return err
	}
	if moved == nil {
		moved = new(metrics.Status)
	}
	s := quarantineSummary{Job: job.Name, Moved: []quarantineCount{}, Files: []string{}, Refused: []quarantineCount{}, Kept: []string{}}
	for _, name := range moved.TypeNames() {
		for reason, n := range moved.Types[name].Quarantined {
			s.Moved = append(s.Moved, quarantineCount{Type: name, Reason: reason, Records: n})
		}
	}
	slices.SortFunc(s.Moved, func(a, b quarantineCount) int {
		return cmp.Or(strings.Compare(a.Reason, b.Reason), strings.Compare(a.Type, b.Type))
	})
	out := bufio.NewWriter(c.stdout)
	to := json.NewEncoder(out)
	tell := func(r quarantineRecord) error {
		switch {
		case !each:
			return nil
		case c.json:
			return to.Encode(r)
		case r.Object != "":
			_, err := fmt.Fprintf(out, "%s%s:%d %s\n", ofTenant(r.Tenant), r.Object, r.Record, r.Reason)
			return err
		}
		_, err := fmt.Fprintf(out, "%s%s, line %d: %s\n", ofTenant(r.Tenant), r.File, r.Line, r.Reason)
		return err
	}
	tenants := append([]string{""}, moved.TenantNames()...)
	if moved.Moved() && moved.Quarantined() > 0 {
		if err := s.addMoved(ctx, job, tenants, each, tell); err != nil {
			return err
		}
	}
	for _, tenant := range tenants {
		if err := s.addRefused(ctx, job, tenant, tell); err != nil {
			return err
		}
	}
	switch {
	case each:
	case c.json:
		err = to.Encode(s)
	default:
		err = s.write(out, moved.Moved())
	}
	return errors.Join(err, out.Flush())
}

func ofTenant(tenant string) string {
	if tenant == "" {
		return ""
	}
	return tenant + ": "
}

// addMoved adds the files of the quarantine, and tells of each record.
func (s *quarantineSummary) addMoved(ctx context.Context, job *jobfile.Job, tenants []string, each bool, tell func(quarantineRecord) error) error {
	w := wiring{job: job, seen: newObservation(job)}
	sinks, err := w.openSink(ctx, ctx)
	if err != nil {
		return err
	}
	defer sinks.close()
	for _, tenant := range tenants {
		sink, err := sinks.tenant(tenant)
		if err != nil {
			return err
		}
		names, err := namesIn(ctx, sink, isQuarantine)
		if err != nil {
			return err
		}
		for _, name := range names {
			s.Files = append(s.Files, w.outputOf(tenant).Join(name).String())
			if !each {
				continue
			}
			if err := eachQuarantined(ctx, sink, tenant, name, tell); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachQuarantined tells of each line of a file of the quarantine.
func eachQuarantined(ctx context.Context, sink pipeline.Sink, tenant, name string, tell func(quarantineRecord) error) error {
	file, err := openWhole(ctx, sink, name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	for in := json.NewDecoder(file); ; {
		var line struct {
			Object string `json:"object"`
			Record int64  `json:"record"`
			Reason string `json:"reason"`
		}
		switch err := in.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			if _, ok := errors.AsType[*pipeline.Error](err); ok {
				return err
			}
			return &pipeline.Error{
				Op: "read", Object: name, Kind: pipeline.KindFatal, Err: errors.New("it is no quarantine"), Hint: "put the file back as the move has left it",
			}
		}
		if err := tell(quarantineRecord{Tenant: tenant, Object: line.Object, Record: line.Record, Reason: line.Reason}); err != nil {
			return err
		}
	}
}

// addRefused adds what HealthLake has refused of a tenant's folders.
func (s *quarantineSummary) addRefused(ctx context.Context, job *jobfile.Job, tenant string, tell func(quarantineRecord) error) error {
	paths, err := filepath.Glob(importing.Failures(job.State, tenant, "*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		folder, _, _ := strings.Cut(filepath.Base(path), ".")
		counts := map[[2]string]int64{}
		err := importing.EachFailure(job.State, tenant, folder, func(k importing.Kept) error {
			counts[[2]string{refusedType(k), k.Code}]++
			if err := tell(quarantineRecord{Tenant: tenant, File: k.File, Line: k.Line, Reason: k.Code}); err != nil {
				return err
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		for _, key := range slices.SortedFunc(maps.Keys(counts), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
			s.Refused = append(s.Refused, quarantineCount{Tenant: tenant, Folder: folder, Type: key[0], Reason: key[1], Records: counts[key]})
		}
		s.Kept = append(s.Kept, path)
	}
	return nil
}

func (s *quarantineSummary) write(out io.Writer, finished bool) error {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	n := int64(0)
	for _, c := range s.Moved {
		n += c.Records
	}
	line("job %s: the move has quarantined %s", s.Job, human.Plural(n, "record"))
	for _, c := range s.Moved {
		meaning := report.Meaning(c.Reason)
		line("  %8s  %-20s %s: %s", human.Count(c.Records), c.Type, c.Reason, meaning)
	}
	for _, file := range s.Files {
		line("  kept in %s (PHI)", file)
	}
	if n > 0 && !finished {
		line("  they are written by the end of the move")
	}
	n = 0
	for _, c := range s.Refused {
		n += c.Records
	}
	line("HealthLake has refused %s", human.Plural(n, "resource"))
	for _, c := range s.Refused {
		line("  %8s  %-20s %s, of %s%s", human.Count(c.Records), c.Type, c.Reason, ofTenant(c.Tenant), c.Folder)
	}
	for _, file := range s.Kept {
		line("  kept in %s (PHI)", file)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
