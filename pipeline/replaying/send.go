package replaying

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

const (
	// batchBytes ends a batch: after the resource that brings it to so many.
	batchBytes = 4 << 20
	// mostConflicts is how often a resource may be another version than the one that
	// was looked at a moment before.
	mostConflicts = 3
	longestPause  = 30 * time.Second
)

// send sends lines, which are ordered by version and file: each file is read once for
// each version.
func (r *Replayer) send(ctx context.Context, todo []*line) error {
	for len(todo) > 0 {
		n := 1
		for n < len(todo) && todo[n].version == todo[0].version && todo[n].file == todo[0].file {
			n++
		}
		if err := r.sendFile(ctx, todo[:n]); err != nil {
			return err
		}
		todo = todo[n:]
	}
	return nil
}

// sendFile sends lines of one file. No two of them are of one resource.
func (r *Replayer) sendFile(ctx context.Context, todo []*line) (err error) {
	file, err := r.o.Open(ctx, todo[0].file)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	in, at := bufio.NewReaderSize(file, 1<<20), uint32(0)
	var batch []*line
	size := 0
	flush := func() error {
		err := r.sendBatch(ctx, batch)
		batch, size = nil, 0
		return err
	}
	for _, l := range todo {
		for ; at < l.number; at++ {
			if _, err := readLine(in, 0); err != nil {
				return changed(l.file, err)
			}
		}
		at++
		body, err := readLine(in, pipeline.MaxRecordBytes)
		switch {
		case errors.Is(err, errTooLong):
			r.counts.Large++
			continue
		case err != nil:
			return changed(l.file, err)
		case !r.holds(body, l.written[l.version]):
			return changed(l.file, errors.New("a line is not what the ledger says"))
		}
		l.body = body
		batch = append(batch, l)
		if size += len(body); size >= batchBytes || len(batch) == r.o.Batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func changed(file string, err error) error {
	if _, ok := errors.AsType[*pipeline.Error](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	return &pipeline.Error{
		Op: "read", Object: file, Kind: pipeline.KindFatal, Err: err, Hint: "put back the job's output as the move has left it",
	}
}

var errTooLong = errors.New("the line is too long")

// readLine returns a line without its end. One over most bytes is passed, and
// errTooLong; where most is 0 it is passed and returned as nothing.
func readLine(in *bufio.Reader, most int) ([]byte, error) {
	var all []byte
	length := 0
	for {
		part, err := in.ReadSlice('\n')
		length += len(part)
		if length <= most {
			all = append(all, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF // every line ends with a LF
		case err != nil:
			return nil, err
		case most > 0 && length > most:
			return nil, errTooLong
		}
		return bytes.TrimSuffix(all, []byte("\n")), nil
	}
}

// holds tells whether a body is of a content.
func (r *Replayer) holds(body []byte, content [32]byte) bool {
	forms, reason := r.digester.Sums(bytes.Clone(body))
	return reason == pipeline.NoReason && forms[0].Content == content
}

// sending is a line on its way.
type sending struct {
	*line
	current   string // the target's version that may be overwritten; "" is that it has none
	ready     bool
	taken     bool
	decided   bool
	conflicts int
}

// sendBatch looks at what the target has of each resource, sends what may be sent,
// and again those for which the target had no time or that were another version.
func (r *Replayer) sendBatch(ctx context.Context, batch []*line) error {
	open := make([]*sending, len(batch))
	for i, l := range batch {
		open[i] = &sending{line: l}
	}
	began, pause := time.Now(), r.o.Pause
	for len(open) > 0 {
		at, err := r.try(ctx, open)
		if err != nil {
			return err
		}
		var taken []*line
		for _, s := range open {
			if s.taken {
				taken = append(taken, s.line)
				s.in = s.version
			}
		}
		if err := r.journal.add(taken, at); err != nil {
			return err
		}
		r.counts.Taken += int64(len(taken))
		left := slices.DeleteFunc(slices.Clone(open), func(s *sending) bool { return s.decided })
		if len(left) < len(open) {
			began, pause = time.Now(), r.o.Pause
		}
		if open = left; len(open) == 0 {
			break
		}
		if time.Since(began) >= r.o.Patience {
			return &pipeline.Error{
				Op: "send refused resources again", Kind: pipeline.KindRetryLater, Err: errors.New("the target has no time for them"),
				Hint: "run the same command again later; it goes on where it stopped",
			}
		}
		if err := pipeline.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
	for _, l := range batch {
		l.body = nil
	}
	return nil
}

// try looks and sends once.
func (r *Replayer) try(ctx context.Context, open []*sending) (at time.Time, err error) {
	resources := make([]deleting.Resource, len(open))
	for i, s := range open {
		resources[i], s.ready = s.Resource, false
	}
	err = r.target.Look(ctx, resources, func(i int, found deleting.Found) { r.look(open[i], &found) })
	if err != nil {
		return at, err
	}
	var ready []*sending
	var puts []Put
	for _, s := range open {
		if s.ready {
			ready = append(ready, s)
			puts = append(puts, Put{s.Resource, s.current, s.body})
		}
	}
	if len(puts) == 0 {
		return at, nil
	}
	if err := faultpoint.At("replay"); err != nil {
		return at, err
	}
	statuses, at, err := r.target.Put(ctx, puts)
	if err != nil {
		return at, err
	}
	for i, s := range ready {
		switch status := statuses[i]; {
		case status >= 200 && status < 300:
			s.taken, s.decided = true, true
		case isBusy(status):
		case (status == http.StatusPreconditionFailed || status == http.StatusConflict) && s.conflicts < mostConflicts:
			s.conflicts++ // it was changed since, or sent by a call whose answer was lost
		default:
			r.counts.Refused++
			s.decided = true
		}
	}
	return at, faultpoint.At("replayed")
}

// look decides what is to be done with what the target holds (I11).
func (r *Replayer) look(s *sending, found *deleting.Found) {
	decide := func(count *int64) {
		*count++
		s.decided = true
	}
	switch {
	case isBusy(found.Status):
	case found.Status == http.StatusNotFound && s.in == 0:
		s.ready, s.current = true, ""
	case found.Status == http.StatusNotFound, found.Status == http.StatusGone:
		decide(&r.counts.Changed) // somebody has deleted it, or it cannot be seen yet
	case found.Status != http.StatusOK:
		decide(&r.counts.Unchecked)
	default:
		forms, reason := r.digester.Sums(found.Body)
		older, same := false, false
		for _, form := range forms {
			older = older || s.in > 0 && s.older(form.Content, s.version)
			same = same || form.Content == s.written[s.version]
		}
		switch {
		case reason != pipeline.NoReason || found.Version == "":
			decide(&r.counts.Unchecked)
		case older:
			s.ready, s.current = true, found.Version
		case same: // by a call whose answer was lost
			s.taken, s.decided = true, true
		default:
			decide(&r.counts.Changed)
		}
	}
}

// isBusy tells whether the same is worth another try.
func isBusy(status int) bool {
	return status == http.StatusTooManyRequests || status >= 500 && status != http.StatusNotImplemented
}
