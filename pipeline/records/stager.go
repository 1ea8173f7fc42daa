package records

import (
	"context"
	"fmt"
	"sync"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	// stageAhead is how many objects are staged beyond those that lanes hold.
	stageAhead = 4
	// stagers work at the same time.
	stagers = 4
)

// stager stages objects in order, a few ahead of the lanes, within the spool.
// The objects that lanes hold are staged whatever the spool says: without them
// nothing would move.
type stager struct {
	m *Mover

	mu       sync.Mutex
	changed  sync.Cond
	resumed  []int              // objects that lanes were in the middle of
	next     int                // object to stage after those
	assigned int                // objects that lanes have or had: all below are wanted now
	held     int64              // compressed bytes staged or being staged, not discarded
	waiting  map[int]assignment // by object
	staged   map[int]pipeline.Staged
	stopped  bool
}

// assignment is a lane that waits for its object to be staged.
type assignment struct {
	lane  *lane
	start position
}

func newStager(m *Mover, resumed []int, next int) *stager {
	s := &stager{
		m: m, resumed: resumed, next: next, assigned: next,
		waiting: make(map[int]assignment), staged: make(map[int]pipeline.Staged),
	}
	s.changed.L = &s.mu
	return s
}

// checkSpool refuses a spool that the lanes' objects alone overflow.
func (s *stager) checkSpool() error {
	var need int64
	for i, object := range s.m.objects {
		if i < s.m.options.Lanes {
			need += object.Size
		}
	}
	if need > s.m.options.Spool && s.m.source.Spools() {
		return &pipeline.Error{
			Op: "divide limits.spool", Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("%d lanes need %d bytes", s.m.options.Lanes, need),
			Hint: fmt.Sprintf("set limits.spool to at least %dMiB", need>>20+1),
		}
	}
	return nil
}

// run is the life of one staging goroutine: it ends when every object is
// staged, or with the first error.
func (s *stager) run(ctx context.Context) error {
	for {
		i, ok := s.claim()
		if !ok {
			return ctx.Err()
		}
		stop := s.m.stages.stage.Start()
		staged, err := s.m.source.Stage(ctx, i)
		stop()
		if err != nil {
			return err
		}
		s.deliver(i, staged)
	}
}

// claim waits until the next object may be staged.
func (s *stager) claim() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.stopped {
			return 0, false
		}
		if len(s.resumed) > 0 {
			i := s.resumed[0]
			s.resumed = s.resumed[1:]
			s.held += s.m.objects[i].Size
			return i, true
		}
		if s.next >= len(s.m.objects) {
			return 0, false
		}
		size := s.m.objects[s.next].Size
		ahead := s.next < s.assigned+stageAhead && s.held+size <= s.m.options.Spool
		if s.next < s.assigned || ahead {
			i := s.next
			s.next++
			s.held += size
			return i, true
		}
		s.changed.Wait()
	}
}

func (s *stager) deliver(i int, staged pipeline.Staged) {
	s.mu.Lock()
	s.staged[i] = staged
	waiting, ok := s.waiting[i]
	delete(s.waiting, i)
	s.mu.Unlock()
	if ok {
		s.begin(waiting, staged)
	}
}

func (s *stager) begin(a assignment, staged pipeline.Staged) {
	a.lane.begin(staged, a.start)
	s.m.requeue(a.lane)
}

// assign gives a lane its object, now or when it is staged. Only objects from
// start.Object on are ever asked for again.
func (s *stager) assign(l *lane, start position) {
	a := assignment{l, start}
	s.mu.Lock()
	s.assigned = max(s.assigned, start.Object+1)
	staged := s.staged[start.Object]
	if staged == nil {
		s.waiting[start.Object] = a
	}
	s.changed.Broadcast()
	s.mu.Unlock()
	if staged != nil {
		s.begin(a, staged)
	}
}

// discard gives up the space of objects whose every record is committed.
func (s *stager) discard(objects []int) error {
	for _, i := range objects {
		if err := s.m.source.Discard(i); err != nil {
			return err
		}
		s.mu.Lock()
		delete(s.staged, i)
		s.held -= s.m.objects[i].Size
		s.changed.Broadcast()
		s.mu.Unlock()
	}
	return nil
}

// stop wakes the goroutines that wait; no object is claimed any more.
func (s *stager) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.changed.Broadcast()
}
