package deleting_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errKilled = errors.New("killed")

// fake is a FHIR store in memory that does its worst.
type fake struct {
	t     *testing.T
	fail  func() error // is asked before and after each call is carried out
	trap  func(key string) int
	clock time.Duration // its clock is ahead by this

	mu     sync.Mutex
	dice   *rand.Rand
	held   map[string]*stored // by Type/id
	sent   map[string]int     // DELETEs of it that came in
	seen   map[string]bool    // it was looked at since the last one
	calls  int
	most   int       // entries of a call
	last   time.Time // when a delete was carried out
	before func(key string)
}

// stored is what the store has of a resource.
type stored struct {
	body    []byte // nil: deleted
	version int
	large   bool
	deletes int // carried out
}

func newFake(t *testing.T) *fake {
	return &fake{
		t: t, fail: func() error { return nil }, trap: func(string) int { return 0 }, most: 1 << 30, before: func(string) {},
		dice: rand.New(rand.NewPCG(1, 1)), held: map[string]*stored{}, sent: map[string]int{}, seen: map[string]bool{},
	}
}

func (f *fake) put(key string, body string) {
	if f.held[key] == nil {
		f.held[key] = &stored{}
	}
	f.held[key].body = []byte(body)
	f.held[key].version++
}

// now is the store's clock, which tells whole seconds.
func (f *fake) now() time.Time { return time.Now().Add(f.clock).Truncate(time.Second) }

func (f *fake) call(n int, do func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if n == 0 || n > f.most {
		f.t.Errorf("a call with %d entries", n)
	}
	if err := f.fail(); err != nil {
		return err
	}
	do()
	return f.fail()
}

func (f *fake) Look(_ context.Context, resources []deleting.Resource, tell func(int, deleting.Found)) error {
	return f.call(len(resources), func() {
		for _, i := range f.dice.Perm(len(resources)) {
			key := resources[i].Type + "/" + resources[i].ID
			found := f.look(key)
			f.seen[key] = found.Status == 200 || found.Status == 413
			tell(i, found)
		}
	})
}

func (f *fake) look(key string) deleting.Found {
	if status := f.trap(key); status != 0 {
		return deleting.Found{Status: status}
	}
	switch h := f.held[key]; {
	case h == nil:
		return deleting.Found{Status: 404}
	case h.body == nil:
		return deleting.Found{Status: 410}
	case h.large:
		return deleting.Found{Status: 413}
	default:
		return deleting.Found{Status: 200, Version: fmt.Sprint(h.version), Body: slices.Clone(h.body)}
	}
}

func (f *fake) Read(_ context.Context, r deleting.Resource, take func(io.Reader) error) (status int, version string, err error) {
	key := r.Type + "/" + r.ID
	err = errors.Join(f.call(1, func() {
		if status = f.trap(key); status != 0 {
			return
		}
		switch h := f.held[key]; {
		case h == nil:
			status = 404
		case h.body == nil:
			status = 410
		default:
			status, version = 200, fmt.Sprint(h.version)
			if f.dice.IntN(3) == 0 { // it breaks off, and comes again
				_ = take(iotest.ErrReader(io.ErrUnexpectedEOF))
			}
			err = take(bytes.NewReader(h.body))
		}
		f.seen[key] = status == 200
	}), err)
	return status, version, err
}

func (f *fake) Delete(_ context.Context, deletions []deleting.Deletion) (statuses []int, at time.Time, err error) {
	statuses = make([]int, len(deletions))
	err = f.call(len(deletions), func() {
		for _, i := range f.dice.Perm(len(deletions)) {
			statuses[i] = f.delete(deletions[i])
		}
		at = f.now()
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return statuses, at, nil
}

func (f *fake) delete(d deleting.Deletion) int {
	key := d.Type + "/" + d.ID
	f.sent[key]++
	if !f.seen[key] {
		f.t.Errorf("%s is to be deleted unseen", key)
	}
	f.seen[key] = false
	f.before(key)
	if status := f.trap(key); status != 0 {
		return status
	}
	h := f.held[key]
	switch {
	case h == nil:
		return 404
	case d.Version != "" && d.Version != fmt.Sprint(h.version):
		return 412 // of what was deleted, too
	case h.body == nil:
		return 410
	}
	h.body, h.deletes, f.last = nil, h.deletes+1, f.now()
	h.version++
	return 204
}

// memory is a checkpoint that fails before and after a commit.
type memory struct {
	buckets map[string]map[string][]byte
	fail    func() error
}

func (m *memory) Each(bucket string, f func(key string, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(m.buckets[bucket])) {
		if err := f(key, m.buckets[bucket][key]); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Commit(changes []output.Change) error {
	if err := m.fail(); err != nil {
		return err
	}
	for _, c := range changes {
		if m.buckets[c.Bucket] == nil {
			m.buckets[c.Bucket] = map[string][]byte{}
		}
		m.buckets[c.Bucket][c.Key] = slices.Clone(c.Value)
	}
	return m.fail()
}
