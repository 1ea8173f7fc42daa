package records

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

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
		case stateKey:
			h.state = new(jobState)
			return json.Unmarshal(value, h.state)
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
	if err == nil && h.state != nil && len(h.state.Lanes) != m.options.Lanes {
		err = errors.New("number of lanes differs")
	}
	if err != nil {
		return h, damaged(err)
	}
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
				Err:  errors.New("the object is moved already, and now has another MD5 in the manifest"),
				Hint: "restore the manifest, or begin again with `fhirhose move --restart`",
			}
		}
	}
	return m.store.AcceptRepairs()
}

// own makes the sink this run's. A run that may have left something behind in
// it sweeps first.
func (m *Mover) own(ctx context.Context, h history, open []openFile) error {
	if !h.begun {
		if err := m.store.Commit([]Change{{stateBucket, begunKey, []byte("true")}}); err != nil {
			return err
		}
	}
	if err := m.sink.Claim(ctx, m.options.Claim); err != nil || !h.begun {
		return err
	}
	states := make(map[string]json.RawMessage, len(open))
	for _, f := range open {
		states[f.name] = f.record.Sink
	}
	return m.sink.Sweep(ctx, states)
}

// resume brings the pipeline to the last cut, or to the beginning.
func (m *Mover) resume(state *jobState, files []openFile) error {
	if err := durable.MkdirAll(filepath.Join(m.options.State, "open")); err != nil {
		return durable.Failure("make directory", m.options.State, err)
	}
	m.merger = &merger{m: m, sharder: shard.New(m.options.Caps), closed: make([][]*shard.File, len(m.writers))}
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

// openFile is a file of the checkpoint that is not sealed.
type openFile struct {
	name   string
	record fileRecord
}

func (m *Mover) loadOpenFiles() (files []openFile, err error) {
	err = m.store.Each(filesBucket, func(name string, value []byte) error {
		var record fileRecord
		if err := json.Unmarshal(value, &record); err != nil {
			return damaged(err)
		}
		if !strings.HasPrefix(name, ledgerFolder) {
			m.live.fileKnown(record.Sealed)
		}
		if record.Sealed {
			return nil
		}
		files = append(files, openFile{name, record})
		return nil
	})
	return files, err
}

// restore brings lanes, shards, files, ledger and totals back to a cut.
func (m *Mover) restore(state jobState, files []openFile) error {
	if err := m.live.restore(state.Totals); err != nil {
		return damaged(err)
	}
	m.merger.next, m.merger.turn = state.Next, state.Turn
	for n, l := range m.merger.lanes {
		l.at = state.Lanes[n]
	}
	open := make([]shard.OpenFile, len(files))
	for i, f := range files {
		open[i] = f.record.OpenFile
	}
	placed, err := m.merger.sharder.Restore(state.Folders, open, func(resourceType string, version uint32) *shard.Slot {
		return m.catalog.slot(resourceType, version).Slot
	})
	if err != nil {
		return damaged(err)
	}
	for i, file := range placed {
		if err := m.restoreFile(file, files[i]); err != nil {
			return err
		}
	}
	m.live.foldersAre(m.merger.sharder.Count())
	return m.ledger.resume(state.Ledger)
}

func (m *Mover) restoreFile(file *shard.File, f openFile) error {
	sum := sha256.New()
	if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(f.record.Sum); err != nil {
		return damaged(err)
	}
	w := m.writers[writerOf(file.Slot, len(m.writers))]
	w.files[file] = &output{
		file: file, sum: sum, size: f.record.Size, lines: f.record.Lines,
		sink: m.sink.Resume(f.name, f.record.Size, f.record.Sink),
	}
	return nil
}

// damaged is a checkpoint that can be opened but makes no sense.
func damaged(err error) error {
	return &pipeline.Error{
		Op: "read checkpoint", Kind: pipeline.KindCheckpoint, Err: err,
		Hint: "restore `state` from a copy, or begin again with `fhirhose move --restart`",
	}
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

// removeRows removes the rows of ledger segments: all are sealed.
func (m *Mover) removeRows() error {
	paths, err := filepath.Glob(filepath.Join(m.options.State, "open", "ledger-*.rows"))
	for _, path := range paths {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
