package records

import (
	"errors"
	"maps"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Status returns the job as an operator may see it now. It may be called from
// any goroutine at any time. What only the process knows (build, locations,
// retries, free space) is left to the caller.
func (m *Mover) Status() metrics.Status {
	v := m.live
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.status
	if s.Phase == metrics.PhaseDone && s.Ledger != nil && s.Job != "" {
		return s // finished, maybe by an earlier process
	}
	s.Job, s.Format = m.options.Job, pipeline.FormatVersion
	s.Started, s.Updated, s.Elapsed = v.started, time.Now(), v.elapsed().Seconds()
	s.ExportTime = m.exportTime
	s.Objects, s.ObjectsDone = len(m.objects), v.totals.ObjectsDone
	for i := range m.objects {
		s.InputBytes += m.objects[i].Size
	}
	s.InputBytesDone, s.InputSkipped = v.inputDone(), v.skipped
	s.InflatedBytes, s.ReinflateBytes = v.totals.Inflated, v.reinflated.Load()
	s.Types = copyTypes(v.totals.Types)
	s.Folders = maps.Clone(v.folders)
	s.LockedAges, s.UnknownAttributes = maps.Clone(v.totals.LockedAges), maps.Clone(v.totals.Unknown)
	s.NoLastUpdated = v.totals.NoLastUpdated
	s.Tenants = v.tenants()
	s.MemoryLimit = m.options.Memory
	s.BytesInFlight = m.bytesInFlight()
	s.LastProgress, s.WaitingFor = v.moved, m.waitingFor()
	for _, stage := range m.allStages() {
		queue, capacity := stage.Queue()
		s.Stages = append(s.Stages, metrics.Stage{
			Name: stage.Name, Busy: stage.Busy().Seconds(), Queue: queue, Capacity: capacity,
		})
	}
	m.addSecond(&s)
	return s
}

// tenants sums up each tenant's tally; nil in a job of one.
func (v *live) tenants() map[string]*metrics.TenantTotals {
	if v.totals.Tenants == nil {
		return nil
	}
	all := make(map[string]*metrics.TenantTotals, len(v.totals.Tenants))
	for name, t := range v.totals.Tenants {
		all[name] = t.sum()
		all[name].Folders = v.byTenant[name]
		all[name].Ledger = v.ledgers[name]
	}
	return all
}

func (y *tally) sum() *metrics.TenantTotals {
	all := new(metrics.TenantTotals)
	for _, t := range y.Types {
		all.Read += t.Read
		all.Written += t.Written
		all.Filtered += sum(t.Filtered)
		all.Quarantined += sum(t.Quarantined)
		all.BytesRead += t.BytesRead
		all.BytesWritten += t.BytesWritten
	}
	return all
}

// inputDone is the compressed bytes of finished objects, plus what lanes have
// read of theirs. It may run a little ahead of the merge.
func (v *live) inputDone() int64 {
	return max(v.totals.InputBytesDone, v.skipped+v.compressed.Load())
}

// bytesInFlight is the memory of batches under way and of files' newest bytes.
func (m *Mover) bytesInFlight() int64 {
	return int64(cap(m.batches)-len(m.batches))*int64(m.options.BatchBytes) + m.out.InMemory()
}

// waitingFor says what the merge waits for, "" when it moves. It needs live.mu.
func (m *Mover) waitingFor() string {
	switch v := m.live; {
	case v.status.Phase == metrics.PhaseFinishing:
		return "files to be sealed"
	case v.waiting < 0 || time.Since(v.since) < time.Second:
		return ""
	default:
		return "object " + m.objects[v.waiting].Key
	}
}

// finished takes over the final status of an earlier process.
func (v *live) finished(s *metrics.Status) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status = *s
}

// done notes that everything arrived and adds up: the ledgers of all tenants.
func (v *live) done(ledgers map[string]*metrics.LedgerTotals) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := new(metrics.LedgerTotals)
	for _, l := range ledgers {
		all.Add(l)
	}
	v.ledgers = ledgers
	v.status.Phase, v.status.Ledger = metrics.PhaseDone, all
}

// end notes how Run ended.
func (v *live) end(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err == nil:
	case errors.Is(err, ErrStopped):
		v.status.Phase = metrics.PhaseStopped
	default:
		v.status.Phase = metrics.PhaseFailed
		v.status.Error, v.status.Hint = err.Error(), pipeline.HintOf(err)
	}
}
