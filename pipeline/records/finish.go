package records

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// part is the output of one tenant, and what its ledger says.
type part struct {
	tenant string
	files  []output.File // in the order in which folders import
	ledger *metrics.LedgerTotals
}

// finish proves that everything adds up, and announces the output of each tenant.
// Each step can be repeated: nothing in the files depends on a time or a run (I3).
func (m *Mover) finish(ctx context.Context) error {
	if err := m.finishSecond(ctx); err != nil {
		return err
	}
	parts, err := m.parts()
	if err != nil {
		return err
	}
	if err := m.readLedgers(ctx, parts); err != nil {
		return err
	}
	if err := m.balance(parts); err != nil {
		return err
	}
	tenants := parts
	if m.allTenants() {
		tenants = parts[1:] // nothing is imported from the job's own folder
	}
	if err := m.putEach(ctx, tenants, manifestName, m.writeManifest); err != nil {
		return err
	}
	// Everything that an announcement names must be durable before it (I8).
	if err := m.putEach(ctx, tenants, announceName, m.writeAnnouncement); err != nil {
		return err
	}
	if m.allTenants() {
		if err := m.putEach(ctx, parts[:1], manifestName, func(w io.Writer, own *part) error {
			return m.writeOverview(w, own, tenants)
		}); err != nil {
			return err
		}
	}
	ledgers := make(map[string]*metrics.LedgerTotals, len(parts))
	for _, p := range parts {
		ledgers[p.tenant] = p.ledger
	}
	m.live.done(ledgers)
	return m.recordFinish()
}

// putters is how many tenants get such a file at the same time.
const putters = 16

// putEach writes a file of the same name for each tenant, and makes it durable.
func (m *Mover) putEach(ctx context.Context, parts []part, name string, write func(io.Writer, *part) error) error {
	group, putting := errgroup.WithContext(ctx)
	group.SetLimit(putters)
	for i := range parts {
		p := &parts[i]
		group.Go(func() error {
			return m.out.Put(putting, p.tenant, name, func(w io.Writer) error { return write(w, p) })
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return m.sinks.Settle(ctx)
}

// parts returns the output of each tenant by name, "" first: Binaries first,
// versions by number; then quarantine and ledger.
func (m *Mover) parts() ([]part, error) {
	files, err := m.out.Sealed()
	if err != nil {
		return nil, err
	}
	if s := m.second.Load(); s != nil {
		more, err := s.Output().Sealed()
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	slices.SortFunc(files, func(a, b output.File) int {
		return cmp.Or(
			cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(rank(&a), rank(&b)),
			cmp.Compare(a.Version, b.Version), cmp.Compare(a.Folder, b.Folder),
			cmp.Compare(a.Type, b.Type), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Name, b.Name))
	})
	var parts []part
	for _, tenant := range m.sinks.Tenants() {
		n := 0
		for n < len(files) && files[n].Tenant == tenant {
			n++
		}
		parts = append(parts, part{tenant: tenant, files: files[:n:n]})
		files = files[n:]
	}
	if len(files) > 0 {
		return nil, output.Damaged(fmt.Errorf("file %s is of no tenant of the job", files[0].Name))
	}
	return parts, nil
}

func rank(f *output.File) int {
	switch f.Type {
	case "Binary":
		return 0
	case "":
		return 2
	default:
		return 1
	}
}

// Small ledgers are read several at a time: of many tenants, most have one.
const (
	smallLedger   = 64 // segments
	ledgerReaders = 8
)

// readLedgers asks each tenant's ledger, as it lies in the sink, what it knows.
func (m *Mover) readLedgers(ctx context.Context, parts []part) error {
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(ledgerReaders)
	var large []*part
	for i := range parts {
		p := &parts[i]
		if len(parts) == 1 || p.segments() > smallLedger {
			large = append(large, p)
			continue
		}
		group.Go(func() error { return m.readLedger(reading, p, heavyBytes/ledgerReaders) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, p := range large {
		if err := m.readLedger(ctx, p, heavyBytes); err != nil {
			return err
		}
	}
	return nil
}

func (p *part) segments() (n int) {
	for i := range p.files {
		if p.files[i].IsLedger() {
			n++
		}
	}
	return n
}

func (m *Mover) readLedger(ctx context.Context, p *part, memory int) error {
	p.ledger = &metrics.LedgerTotals{Unidentified: m.tally(p.tenant).Unidentified}
	var segments []ledger.File
	var opened []io.Closer
	defer func() {
		for _, c := range opened {
			_ = c.Close() // it was only read
		}
	}()
	for i := range p.files {
		if !p.files[i].IsLedger() {
			continue
		}
		r, err := m.sinks.Of(p.tenant).Reader(ctx, p.files[i].Name)
		if err != nil {
			return err
		}
		opened = append(opened, r)
		segments = append(segments, r)
		p.ledger.Bytes += r.Size()
	}
	book, err := ledger.Open(ctx, segments)
	if err != nil {
		return err
	}
	totals, err := book.Summarize(ctx, memory)
	if err != nil {
		return err
	}
	p.ledger.Entries = totals.Entries
	p.ledger.Resources = totals.Resources()
	p.ledger.Deleted = totals.Deleted
	p.ledger.Unsettled = totals.Unsettled
	p.ledger.Ambiguous = totals.AmbiguousIDs
	p.ledger.Duplicates = totals.Duplicates
	p.ledger.VersionHoles = totals.Holes
	return nil
}

// recordFinish makes the end known to every later run of the job.
func (m *Mover) recordFinish() error {
	if err := m.removeRows(); err != nil {
		return err
	}
	status, err := json.Marshal(m.Status())
	if err != nil {
		return err
	}
	if err := m.store.Commit([]output.Change{{Bucket: stateBucket, Key: finishedKey, Value: status}}); err != nil {
		return err
	}
	return m.removeLeft()
}
