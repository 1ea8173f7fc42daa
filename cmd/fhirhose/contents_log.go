package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/metrics"
)

// contentsEvery is how often the log of contents says how far they are.
const contentsEvery = time.Minute

// contentsLog says in a log file of its own how far the contents of Binaries are:
// they are placed beside the records, in the same process. It implements
// [progress.View].
type contentsLog struct{ log *slog.Logger }

// contentsLog opens that file where log.dir is set and the job fetches contents.
// closeLog closes it, as that of phaseLog does.
func (c *cli) contentsLog(job *jobfile.Job) (_ contentsLog, closeLog func(error) error, err error) {
	if job.LogDir == "" || job.Source.BinaryRows != jobfile.BinariesFetch {
		return contentsLog{slog.New(slog.DiscardHandler)}, func(err error) error { return err }, nil
	}
	log, closeLog, err := c.phaseLog(io.Discard, job, contentsLogName)
	return contentsLog{log}, closeLog, err
}

// Show implements [progress.View].
func (l contentsLog) Show(_ time.Time, s *metrics.Status) {
	b := s.Binaries
	if b == nil {
		return
	}
	said := []any{
		"rows", b.Rows, "written", b.Written, "waiting", b.Waiting, "content_bytes", b.ContentBytes,
		"content_erased_at_source", b.Erased, "content_recovered", b.Recovered,
	}
	if len(b.Quarantined) > 0 {
		said = append(said, "quarantined", b.Quarantined) // by reason
	}
	l.log.Info("contents of Binaries", said...)
}

// Close implements [progress.View].
func (contentsLog) Close() {}
