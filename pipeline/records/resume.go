package records

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// The bucket of the record pipeline's state, and what it holds besides that of
// its output.
const (
	stateBucket = "records"
	begunKey    = "begun" // stored before the sink is touched
	finishedKey = "finished"
)

// jobState is what a cut stores once: all of the merge that is not a file.
type jobState struct {
	Next    int             `json:"next"`
	Turn    int             `json:"turn"`
	Lanes   []position      `json:"lanes"`
	Folders []shard.Folder  `json:"folders"`
	Totals  json.RawMessage `json:"totals"`
	Stubs   int64           `json:"stubs,omitempty"` // bytes of the log of Binary rows
	AllRead bool            `json:"all_read"`
}

// history is what the checkpoint says of earlier processes of this job.
type history struct {
	begun    bool      // one of them may have touched the sink
	state    *jobState // nil before the first cut
	finished bool
}

func (m *Mover) loadHistory() (h history, err error) {
	err = m.store.Each(stateBucket, func(key string, value []byte) error {
		switch key {
		case begunKey:
			h.begun = true
		case finishedKey:
			h.finished = true
			var status metrics.Status
			if err := json.Unmarshal(value, &status); err != nil {
				return err
			}
			m.live.finished(&status)
		}
		return nil
	})
	if err != nil {
		return h, output.Damaged(err)
	}
	state := new(jobState)
	found, err := m.out.State(state)
	switch {
	case err != nil || !found:
		return h, err
	case len(state.Lanes) != m.options.Lanes:
		return h, output.Damaged(errors.New("number of lanes differs"))
	}
	h.state = state
	return h, nil
}

// acceptRepairs lets the job go on with objects that have another MD5 than when
// it began, unless they are moved already. What was moved of an object in the
// middle is compared when its lane goes on: see split.ErrChanged.
func (m *Mover) acceptRepairs(state *jobState) error {
	repaired := m.store.Repaired()
	if len(repaired) == 0 {
		return nil
	}
	for _, i := range repaired {
		if state != nil && state.moved(i) {
			return &pipeline.Error{
				Op: "go on with the job", Object: m.objects[i].Key, Kind: pipeline.KindCheckpoint,
				Err:  errors.New("the object is moved already, and now is another one: by its MD5 in the manifest or, without one, by its size or ETag"),
				Hint: "restore the manifest or the object, or begin again with `fhirhose move --restart`",
			}
		}
	}
	return m.store.AcceptRepairs()
}

// own makes the sink this run's. A run that may have left something behind in
// it sweeps first.
func (m *Mover) own(ctx context.Context, h history, open []output.File) error {
	if !h.begun {
		if err := m.store.Commit([]output.Change{{Bucket: stateBucket, Key: begunKey, Value: []byte("true")}}); err != nil {
			return err
		}
	}
	if err := m.sinks.Own(ctx); err != nil || !h.begun {
		return err
	}
	if s := m.second.Load(); s != nil {
		open = append(slices.Clip(open), s.past...)
	}
	return m.sinks.Sweep(ctx, open)
}

// resume brings the pipeline to the last cut, or to the beginning.
func (m *Mover) resume(state *jobState, files []output.File) error {
	if err := durable.MkdirAll(filepath.Join(m.options.State, "open")); err != nil {
		return durable.Failure("make directory", m.options.State, err)
	}
	m.merger = &merger{m: m, sharder: shard.New(m.options.Caps)}
	for range m.options.Lanes {
		m.merger.lanes = append(m.merger.lanes, newLane(m.plan.depth))
	}
	if state == nil {
		m.stager = newStager(m, nil, 0)
		return nil
	}
	if err := m.restore(*state, files); err != nil {
		return err
	}
	m.stager = newStager(m, state.inLanes(), state.Next)
	return m.discardMoved(state)
}

// inLanes lists the objects that are read in part.
func (s *jobState) inLanes() (objects []int) {
	for _, p := range s.Lanes {
		if p.Object >= 0 {
			objects = append(objects, p.Object)
		}
	}
	slices.Sort(objects)
	return objects
}

// moved tells whether every record of object i is committed.
func (s *jobState) moved(i int) bool {
	return i < s.Next && !slices.ContainsFunc(s.Lanes, func(p position) bool { return p.Object == i })
}

// discardMoved gives up staged objects that an earlier process was killed over.
func (m *Mover) discardMoved(state *jobState) error {
	for i := range state.Next {
		if state.moved(i) {
			if err := m.source.Discard(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// restore brings lanes, shards, files, ledger and totals back to a cut.
func (m *Mover) restore(state jobState, files []output.File) error {
	if err := m.live.restore(state.Totals); err != nil {
		return output.Damaged(err)
	}
	m.merger.next, m.merger.turn = state.Next, state.Turn
	for n, l := range m.merger.lanes {
		l.at = state.Lanes[n]
	}
	open := make([]shard.OpenFile, len(files))
	for i, f := range files {
		open[i] = f.OpenFile
	}
	placed, err := m.merger.sharder.Restore(state.Folders, open, func(tenant, resourceType string, version uint32) *shard.Slot {
		return m.catalog.slot(tenant, resourceType, version).Slot
	})
	if err != nil {
		return output.Damaged(err)
	}
	m.live.foldersAre(m.merger.sharder.Count())
	return m.out.Restore(files, placed)
}

// begin gives every lane its object, as the merge knows it.
func (g *merger) begin() {
	for _, l := range g.lanes {
		switch {
		case l.at.Object >= 0:
			g.m.stager.assign(l, l.at)
		case g.next < len(g.m.objects):
			g.assign(l)
		}
	}
}
