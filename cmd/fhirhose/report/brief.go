package report

import (
	"io"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// Brief writes what `status` shows: how far the job is, and whether it gets on.
// now is the operator's clock.
func Brief(out io.Writer, s *metrics.Status, c Context, now time.Time) error {
	sum := Summarize(s, c)
	p := &printer{}
	p.line("job %s: %s", s.Job, sum.Verdict)
	if s.Error != "" {
		p.line("  error    %s", s.Error)
	}
	if s.Hint != "" {
		p.line("  try      %s", s.Hint)
	}
	p.line("  source   %s", s.Source)
	if !s.ExportTime.IsZero() {
		p.line("           exported %s", moment(s.ExportTime))
	}
	p.line("  sink     %s", s.Sink)
	p.line("  input    %s", inputLine(s))
	p.line("  records  %s read, %s written, %s filtered, %s quarantined", human.Count(sum.Totals.Read),
		human.Count(sum.Totals.Written), human.Count(sum.Totals.Filtered), human.Count(sum.Totals.Quarantined))
	if s.Tenants != nil {
		p.line("  tenants  %s; %s without a certain one", human.Count(int64(len(s.TenantNames()))), human.Plural(s.NoTenant(), "record"))
	}
	p.briefBinaries(s.Binaries)
	p.line("  files    %s sealed, %s open", human.Count(s.FilesSealed), human.Count(s.OpenFiles))
	p.imports(s.Import)
	p.verified(s.Verify)
	if !s.LastCut.IsZero() {
		p.line("  last cut %s ago", human.Duration(now.Sub(s.LastCut)))
	}
	if c.Running && s.WaitingFor != "" {
		p.line("  waits for %s", s.WaitingFor)
	}
	if s.StateFree >= 0 && c.Running {
		p.line("  state    %s free", human.Bytes(s.StateFree))
	}
	p.line("  as of    %s (%s ago)", moment(s.Updated), human.Duration(now.Sub(s.Updated)))
	p.line("everything about it: fhirhose report")
	_, err := io.WriteString(out, p.String())
	return err
}
