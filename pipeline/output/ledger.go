package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// ledgerState is how far a tenant's ledger had come at a cut: Segment is the open
// segment's number; its first Rows rows are the first Bytes bytes of its file.
type ledgerState struct {
	Segment int   `json:"segment"`
	Rows    int   `json:"rows"`
	Bytes   int64 `json:"bytes"`
}

// book is the ledger stage: it fills in where each record was written, gathers
// the rows of each tenant's open segment in a local file, and seals full
// segments.
type book struct {
	o      *Output
	jobs   chan job
	open   map[string]*openSegment // by tenant
	last   *openSegment            // of the row before
	held   int                     // bytes of rows that are in no file yet, all tenants together
	budget int
	dirty  []*openSegment // changed since the last cut
	seals  []*seal        // begun since the last cut
	old    []string       // files of segments sealed since the last cut: they can go
	gone   []string       // files of segments whose seal is committed by the cut before
}

// openSegment is the open segment of one tenant.
type openSegment struct {
	tenant string
	at     ledgerState // by what is in buf or the file
	buf    []byte      // rows that are not in the file yet
	dirty  bool
}

// bookBytes is how many bytes of rows are gathered at least before they are
// written. Where many tenants share them, more make larger pieces.
const bookBytes = 512 << 10

func newBook(o *Output) *book {
	return &book{
		o: o, jobs: make(chan job, 2), open: make(map[string]*openSegment), last: new(openSegment),
		budget: max(bookBytes, int(o.options.Buffers/16)),
	}
}

// path names the rows of a segment. A tenant is written in hexadecimal: the file
// system may not tell a from A.
func (k *book) path(tenant string, segment int) string {
	name := k.o.options.Name
	if tenant != "" {
		name += fmt.Sprintf("-%x", tenant)
	}
	return filepath.Join(k.o.options.State, "open", fmt.Sprintf("%s-%05d.rows", name, segment))
}

func (k *book) run(ctx context.Context) error {
	for {
		select {
		case j, ok := <-k.jobs:
			if !ok {
				return nil
			}
			stop := k.o.Ledger.Start()
			err := k.do(ctx, j)
			stop()
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (k *book) do(ctx context.Context, j job) error {
	if j.cut != nil {
		return k.cut(ctx, j.cut)
	}
	err := k.enter(ctx, j.batch)
	j.batch.Release()
	return err
}

// enter fills in the places of a batch's rows and appends them to the segments.
func (k *book) enter(ctx context.Context, b Batch) error {
	rows := ledger.NewRows(b.Rows())
	for i := 0; rows.Next(); i++ {
		row := rows.Row()
		if at, written := b.Place(i); written {
			row.SetPlace(at.Folder, at.File, at.Line)
		}
		s := k.segment(b.Tenant(i))
		s.buf = append(s.buf, row...)
		k.held += len(row)
		s.at.Rows++
		if s.at.Rows == k.o.options.SegmentEntries {
			if err := k.seal(ctx, s); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if k.held >= k.budget {
		return k.flushAll()
	}
	return nil
}

// segment returns the open segment of a tenant, which is about to change.
func (k *book) segment(tenant string) *openSegment {
	s := k.last
	if s.tenant != tenant || !s.dirty {
		s = k.open[tenant]
		if s == nil {
			s = &openSegment{tenant: tenant}
			k.open[tenant] = s
		}
		if !s.dirty {
			s.dirty = true
			k.dirty = append(k.dirty, s)
		}
		k.last = s
	}
	return s
}

// flushAll writes all rows to their files.
func (k *book) flushAll() error {
	for _, s := range k.dirty {
		if err := k.flush(s); err != nil {
			return err
		}
		if len(k.open) > 1 {
			s.buf = nil // others need its memory as much (I7)
		}
	}
	return nil
}

func (k *book) flush(s *openSegment) error {
	if len(s.buf) == 0 {
		return nil
	}
	path := k.path(s.tenant, s.at.Segment)
	if err := durable.WriteAt(path, s.at.Bytes, s.buf); err != nil {
		return durable.Failure("write open ledger segment", path, err)
	}
	s.at.Bytes += int64(len(s.buf))
	k.held -= len(s.buf)
	s.buf = s.buf[:0]
	return nil
}

// ledgerMark is a tenant's ledger as a cut stores it, and its open rows.
type ledgerMark struct {
	tenant string
	state  ledgerState
	rows   string // path
}

// cut makes the rows of open segments durable. The rows of sealed segments are
// removed only after the cut that records their seal is committed.
func (k *book) cut(ctx context.Context, c *cut) error {
	if c.Last {
		for _, tenant := range slices.Sorted(maps.Keys(k.open)) {
			if k.open[tenant].at.Rows == 0 {
				continue
			}
			if err := k.seal(ctx, k.segment(tenant)); err != nil {
				return err
			}
		}
	}
	for _, path := range k.gone {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return durable.Failure("remove open ledger segment", path, err)
		}
	}
	k.gone, k.old = k.old, nil
	if err := k.flushAll(); err != nil {
		return err
	}
	part := cutPart{seals: k.seals}
	for _, s := range k.dirty {
		s.dirty = false
		part.ledgers = append(part.ledgers, ledgerMark{s.tenant, s.at, k.path(s.tenant, s.at.Segment)})
	}
	k.dirty, k.seals = k.dirty[:0], nil
	c.parts <- part
	return nil
}

// syncRows makes the rows of open segments durable, many at a time, and then
// their names.
func syncRows(ctx context.Context, ledgers []ledgerMark) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(settlers)
	folder := ""
	for _, l := range ledgers {
		if l.state.Bytes == 0 {
			continue
		}
		folder = filepath.Dir(l.rows)
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return durable.Failure("sync open ledger segment", l.rows, durable.Sync(l.rows))
		})
	}
	if err := group.Wait(); err != nil || folder == "" {
		return err
	}
	return durable.Failure("sync directory of open ledger segments", folder, durable.SyncDir(folder))
}

// resume goes back to a checkpoint: rows beyond it are overwritten.
func (k *book) resume(states map[string]ledgerState) error {
	for tenant, at := range states {
		k.open[tenant] = &openSegment{tenant: tenant, at: at}
		if at.Bytes == 0 {
			continue
		}
		path := k.path(tenant, at.Segment)
		if err := os.Truncate(path, at.Bytes); err != nil {
			return durable.Failure("resume open ledger segment", path, err)
		}
	}
	return nil
}
