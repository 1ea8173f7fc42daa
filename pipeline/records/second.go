package records

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/binaries"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// second is the binary pipeline beside this one. It has its own output, its own
// entries in the checkpoint, and its own view of the sinks: two committers must
// not settle one sink.
type second struct {
	*binaries.Pipeline
	sinks *output.Sinks
	past  []output.File // open at the last cut
}

// binaryMemory is the second pipeline's part of limits.memory.
func (o *Options) binaryMemory() int64 {
	if o.Binaries == nil {
		return 0
	}
	return min(max(o.Memory/4, binaries.MinMemory), 256<<20)
}

// openSecond brings the road and the second pipeline to their last cuts, as far
// as that touches `state` alone.
func (m *Mover) openSecond(state *jobState) error {
	if m.road == nil {
		return nil
	}
	if err := m.road.open(state); err != nil {
		return err
	}
	options := *m.options.Binaries
	options.State, options.Objects, options.Heavy = m.options.State, m.objects, m.heavy
	options.Tenant, options.Field = m.options.Convert.Tenant, m.options.Convert.BinaryField
	options.Memory, options.SegmentEntries = m.options.binaryMemory(), m.options.SegmentEntries
	options.CutEvery, options.CutBytes, options.CutRest = m.options.CutEvery, m.options.CutBytes, m.options.CutRest
	options.OnCut = m.onCut
	s := &second{sinks: output.NewSinks(m.openSink, m.options.Claim, m.store)}
	var err error
	if s.Pipeline, err = binaries.New(options, m.options.Contents, m.road.log, s.sinks, m.store); err != nil {
		return err
	}
	s.past, err = s.Output().Open()
	m.second.Store(s)
	return err
}

// resumeSecond comes after the sinks are this run's.
func (m *Mover) resumeSecond(ctx context.Context) error {
	s := m.second.Load()
	if s == nil {
		return nil
	}
	if err := s.sinks.Own(ctx); err != nil {
		return err
	}
	return s.Resume(s.past)
}

// moveBoth runs the two pipelines side by side. A stop drains both.
func (m *Mover) moveBoth(ctx context.Context, stop <-chan struct{}, records bool) error {
	var stopped atomic.Bool
	group, ctx := errgroup.WithContext(ctx)
	run := func(pipeline func(context.Context, <-chan struct{}) error) {
		group.Go(func() error {
			err := pipeline(ctx, stop)
			if errors.Is(err, ErrStopped) {
				stopped.Store(true) // the other one drains too
				return nil
			}
			return err
		})
	}
	if records {
		run(m.move)
	}
	if s := m.second.Load(); s != nil {
		run(func(ctx context.Context, stop <-chan struct{}) error {
			if err := unlessStopped(ctx, stop, m.list); err != nil {
				return err
			}
			return s.Run(ctx, stop)
		})
	}
	if err := group.Wait(); err != nil || !stopped.Load() {
		return err
	}
	return ErrStopped
}

// list lists the binary bucket, unless an earlier process has. A stop ends it at
// once, since nothing of it can be kept: a large bucket takes minutes.
func (m *Mover) list(ctx context.Context) error {
	err := m.options.Contents.List(ctx, func(objects int64) { m.live.listed(objects, -1) })
	if err == nil {
		m.live.listed(m.options.Contents.Totals())
	}
	return err
}

// finishSecond takes the second pipeline's totals over into the job's, and lists
// the objects that no row names.
func (m *Mover) finishSecond(ctx context.Context) error {
	s := m.second.Load()
	if s == nil {
		return nil
	}
	orphans, err := s.Orphans(ctx, m.exportTime)
	if err != nil {
		return err
	}
	m.live.takeOver(s.Status(), orphans)
	return nil
}

// takeOver adds the totals of Binaries. It comes once, when all are written.
func (v *live) takeOver(s binaries.Status, orphans map[string]binaries.Orphans) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.settled, v.orphans = &s, orphans
	for tenant, t := range s.Tenants {
		addBinaries(binaryTotals(v.totals.Types), t)
		if y := v.tenant(tenant); y != nil {
			addBinaries(binaryTotals(y.Types), t)
		}
	}
	v.folders = withFolders(v.folders, s.Folders)
	for tenant, n := range s.TenantFolders {
		v.byTenant[tenant] += n
	}
}

// binaryTotals returns the totals of type Binary.
func binaryTotals(types map[string]*metrics.TypeTotals) *metrics.TypeTotals {
	t := types["Binary"]
	if t == nil {
		t = &metrics.TypeTotals{}
		types["Binary"] = t
	}
	return t
}

func addBinaries(t *metrics.TypeTotals, b binaries.Totals) {
	t.Written += b.Written
	t.BytesWritten += b.WrittenBytes
	t.Mention(b.Mentions)
	for reason, n := range b.Quarantined {
		if t.Quarantined == nil {
			t.Quarantined = make(map[string]int64)
		}
		t.Quarantined[reason] += n
	}
}

// withFolders adds the folders of Binaries, which have names of their own.
func withFolders(folders, more map[string]int) map[string]int {
	all := make(map[string]int, len(folders)+len(more))
	maps.Copy(all, folders)
	maps.Copy(all, more)
	return all
}

// removeRows removes what no run needs any more, whether or not it knows that the
// job is finished.
func (m *Mover) removeRows() error {
	if err := m.out.RemoveRows(); err != nil {
		return err
	}
	s := m.second.Load()
	if s == nil {
		return nil
	}
	return errors.Join(s.Output().RemoveRows(), m.road.log.Remove())
}

// removeLeft removes the rest once the job is known to be finished: who finishes
// it asks the second pipeline's state which contents were named. A later run
// removes what this one was killed over.
func (m *Mover) removeLeft() error {
	if m.options.Binaries == nil {
		return nil
	}
	return binaries.RemoveState(m.options.State)
}

// listed notes how many objects of the binary bucket are listed so far.
func (v *live) listed(objects, size int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.listing, v.contents, v.moved = objects, size, time.Now()
}

// binaryTotals sums up the second pipeline over all tenants. It needs live.mu.
func (m *Mover) binaryTotals(now *binaries.Status) *metrics.BinaryTotals {
	all := &metrics.BinaryTotals{
		Objects: m.live.listing, Bytes: max(0, m.live.contents), RecoverDeleted: m.options.Binaries.RecoverDeleted,
		Fetched: now.FetchedBytes, InFlight: now.InFlight, WaitingBytes: m.road.log.Size(), WaitSeconds: now.WaitSeconds,
	}
	if c, ok := m.options.Contents.(interface{ SeesErased() bool }); ok {
		all.VersionsHidden = m.live.contents >= 0 && !c.SeesErased()
	}
	for _, t := range now.Tenants {
		all.Add(binaryCounts(t, 0))
	}
	all.Rows = m.live.totals.Handed
	all.Waiting = all.Rows - all.Written - sum(all.Quarantined)
	for tenant := range m.live.orphans {
		all.Add(&metrics.BinaryCounts{Orphans: m.live.orphansOf(tenant)})
	}
	return all
}

// binaryCounts are those of one tenant, of whom so many rows were handed down.
func binaryCounts(t binaries.Totals, handed int64) *metrics.BinaryCounts {
	return &metrics.BinaryCounts{
		Rows: handed, Written: t.Written, BytesWritten: t.WrittenBytes, ContentBytes: t.ContentBytes,
		Quarantined: t.Quarantined, Erased: t.Erased, Recovered: t.Recovered, Waiting: handed - t.Written - sum(t.Quarantined),
	}
}

// addTenants adds each tenant's Binaries to the operator's view. It needs live.mu.
func (m *Mover) addTenants(s *metrics.Status, now *binaries.Status) {
	if s.Tenants == nil {
		return
	}
	for name := range m.live.orphans {
		if s.Tenants[name] == nil { // an object was repaired, and no record is of it any more
			s.Tenants[name] = new(metrics.TenantTotals)
		}
	}
	for name, of := range s.Tenants {
		handed, orphans := int64(0), m.live.orphansOf(name)
		if t := m.live.totals.Tenants[name]; t != nil {
			handed = t.Handed
		}
		if handed > 0 || orphans != nil {
			of.Binaries = binaryCounts(now.Tenants[name], handed)
			of.Binaries.Orphans = orphans
		}
	}
}

// orphansOf returns those of a tenant; nil until all rows are read. It needs live.mu.
func (v *live) orphansOf(tenant string) *metrics.OrphanTotals {
	o, counted := v.orphans[tenant]
	if !counted {
		return nil
	}
	return &metrics.OrphanTotals{
		Objects: o.Objects, Bytes: o.Bytes, Oldest: o.Oldest, Newest: o.Newest, Newer: o.Newer, NewerBytes: o.NewerBytes,
	}
}

// addSecond adds the second pipeline to the operator's view. It needs live.mu.
func (m *Mover) addSecond(s *metrics.Status) {
	p := m.second.Load()
	if p == nil {
		return
	}
	now := p.Status()
	s.Binaries = m.binaryTotals(&now)
	m.addTenants(s, &now)
	if m.live.settled == nil {
		for tenant, t := range now.Tenants {
			addBinaries(binaryTotals(s.Types), t)
			if of := s.Tenants[tenant]; of != nil {
				of.Written += t.Written
				of.BytesWritten += t.WrittenBytes
				of.Quarantined += sum(t.Quarantined)
			}
		}
		s.Folders = withFolders(s.Folders, now.Folders)
	}
	s.Files += now.Files
	s.OpenFiles += now.OpenFiles
	s.FilesSealed += now.FilesSealed
	s.BytesInFlight += now.BytesInMemory
	s.Cuts += now.Cuts
	s.CutSeconds += now.CutSeconds
	if now.LastCut.After(s.LastCut) {
		s.LastCut, s.LastCutLength = now.LastCut, now.LastSeconds
	}
	if now.LastProgress.After(s.LastProgress) {
		s.LastProgress = now.LastProgress
	}
	if s.WaitingFor == "" {
		s.WaitingFor = now.WaitingFor
	}
	for _, stage := range now.Stages {
		queue, capacity := stage.Queue()
		s.Stages = append(s.Stages, metrics.Stage{
			Name: metrics.BinariesStage + stage.Name, Busy: stage.Busy().Seconds(), Queue: queue, Capacity: capacity,
		})
	}
}
