package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// View shows one status after another.
type View interface {
	Show(at time.Time, s *metrics.Status)
	// Close shows nothing more and leaves the terminal as it was.
	Close()
}

// Plain writes a line of text per status.
type Plain struct {
	Out  io.Writer
	pace Pace
}

// Show implements [View].
func (p *Plain) Show(at time.Time, s *metrics.Status) {
	p.pace.Add(at, s)
	_, _ = fmt.Fprintf(p.Out, "%s  %s\n", at.UTC().Format("15:04:05Z"), text(s, &p.pace))
}

// Close implements [View].
func (p *Plain) Close() {}

func text(s *metrics.Status, pace *Pace) string {
	w := workOf(s)
	return human.Percent(w.done, max(1, w.all)) + "  " + w.amount(w.done) + " of " + w.amount(w.all) + speed(s, pace) + counts(s)
}

// speed is the rate and the time left, as far as they are known.
func speed(s *metrics.Status, pace *Pace) string {
	line := ""
	if s.Phase == metrics.PhaseImporting {
		return line // the target tells in leaps
	}
	if rate := pace.Rate(); rate > 0 {
		line += fmt.Sprintf("  %s/s", workOf(s).amount(int64(rate)))
	}
	if left, known := pace.Left(s); known && (s.Phase == metrics.PhaseMoving || s.Phase == metrics.PhaseVerifying) {
		line += fmt.Sprintf("  %s left", human.Duration(left))
	}
	return line
}

// counts are the records, and what an operator may have to look at.
func counts(s *metrics.Status) string {
	if s.Verify != nil {
		return verified(s.Verify) + waits(s)
	}
	if s.Import != nil && s.Phase == metrics.PhaseImporting {
		return imports(s)
	}
	line := "  " + human.Plural(s.Read(), "record") + binaries(s)
	if n := s.Quarantined(); n > 0 {
		line += fmt.Sprintf("  %s quarantined", human.Count(n))
	}
	if s.Phase != metrics.PhaseMoving {
		line += "  " + string(s.Phase)
	}
	return line + waits(s)
}

func waits(s *metrics.Status) string {
	if s.WaitingFor == "" {
		return ""
	}
	return "  waits for " + s.WaitingFor
}

// Lines writes a JSON object per status, on a line of its own.
type Lines struct {
	Out  io.Writer
	pace Pace
}

// line is one JSON line. Sizes are bytes; what is null is not known.
type line struct {
	Time        time.Time     `json:"time"`
	Job         string        `json:"job"`
	Phase       metrics.Phase `json:"phase"`
	InputBytes  int64         `json:"input_bytes"`
	InputDone   int64         `json:"input_bytes_done"`
	Rate        *float64      `json:"input_bytes_per_second"`
	ETA         *float64      `json:"eta_seconds"`
	Objects     int           `json:"objects"`
	ObjectsDone int           `json:"objects_done"`
	Read        int64         `json:"records_read"`
	Written     int64         `json:"records_written"`
	Filtered    int64         `json:"records_filtered"`
	Quarantined int64         `json:"records_quarantined"`
	BytesOut    int64         `json:"bytes_written"`
	FilesSealed int64         `json:"files_sealed"`
	OpenFiles   int64         `json:"open_files"`
	WaitingFor  string        `json:"waiting_for"`
	Binaries    *binariesLine `json:"binaries,omitempty"`
	Exit        *int          `json:"exit,omitempty"` // on the last line
	Error       string        `json:"error,omitempty"`
	Hint        string        `json:"hint,omitempty"`
}

// Show implements [View].
func (l *Lines) Show(at time.Time, s *metrics.Status) {
	l.pace.Add(at, s)
	out := line{
		Time: at.UTC(), Job: s.Job, Phase: s.Phase, InputBytes: s.InputBytes, InputDone: s.InputBytesDone,
		Objects: s.Objects, ObjectsDone: s.ObjectsDone, Read: s.Read(), Written: s.Written(), Filtered: s.Filtered(),
		Quarantined: s.Quarantined(), BytesOut: s.BytesWritten(), FilesSealed: s.FilesSealed, OpenFiles: s.OpenFiles,
		WaitingFor: s.WaitingFor, Error: s.Error, Hint: s.Hint, Binaries: binariesOf(s),
	}
	if rate := l.pace.Rate(); rate > 0 {
		out.Rate = &rate
	}
	if left, known := l.pace.Left(s); known {
		seconds := left.Seconds()
		out.ETA = &seconds
	}
	switch s.Phase {
	case metrics.PhaseDone, metrics.PhaseStopped, metrics.PhaseFailed:
		out.Exit = &s.Exit
	}
	_ = json.NewEncoder(l.Out).Encode(out)
}

// Close implements [View].
func (l *Lines) Close() {}
