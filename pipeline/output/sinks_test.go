package output

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
)

// places are folders that may be claimed, and a checkpoint.
type places struct {
	mu      sync.Mutex
	t       *testing.T
	stored  map[string]bool
	claims  map[string]string // by tenant
	opened  []string
	failing string // tenant whose claim fails
}

func newPlaces(t *testing.T) *places {
	return &places{t: t, stored: map[string]bool{}, claims: map[string]string{}}
}

func (p *places) open(tenant string) (pipeline.Sink, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened = append(p.opened, tenant)
	return &placeSink{places: p, tenant: tenant}, nil
}

type placeSink struct {
	pipeline.Sink
	*places
	tenant string
}

func (s *placeSink) Claim(_ context.Context, claim []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenant != "" && !s.stored[s.tenant] {
		s.t.Errorf("%q is claimed before the checkpoint knows it", s.tenant)
	}
	if s.tenant != "" && s.tenant == s.failing {
		return errBroken
	}
	if was, ok := s.claims[s.tenant]; ok && was != string(claim) {
		return &pipeline.Error{Op: "claim", Kind: pipeline.KindClaimed, Err: errors.New("another's")}
	}
	s.claims[s.tenant] = string(claim)
	return nil
}

func (p *places) Each(bucket string, f func(string, []byte) error) error {
	if bucket != tenantsBucket {
		return nil
	}
	for _, tenant := range slices.Sorted(maps.Keys(p.stored)) {
		if err := f(tenant, []byte("true")); err != nil {
			return err
		}
	}
	return nil
}

func (p *places) Commit(changes []Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range changes {
		p.stored[c.Key] = true
	}
	return nil
}

func (p *places) Repaired() []int      { return nil }
func (p *places) AcceptRepairs() error { return nil }

// TestAdmit: a tenant is known before its folder is claimed, and its folder is
// claimed before it has a sink; once, and again by every later process.
func TestAdmit(t *testing.T) {
	p := newPlaces(t)
	s := NewSinks(p.open, []byte(`{"run_id":"R"}`+"\n"), p)
	if err := errors.Join(s.Own(t.Context()), s.Admit(t.Context(), []string{"b", "a"}), s.Admit(t.Context(), []string{"a", "c"})); err != nil {
		t.Fatal(err)
	}
	if got := s.Tenants(); !slices.Equal(got, []string{"", "a", "b", "c"}) || len(p.opened) != 4 {
		t.Errorf("tenants %q, opened %q", got, p.opened)
	}
	if p.claims[""] != `{"run_id":"R"}`+"\n" || p.claims["a"] != `{"run_id":"R","tenant":"a"}`+"\n" {
		t.Errorf("claims %q", p.claims)
	}
	p.failing = "d"
	if err := s.Admit(t.Context(), []string{"d"}); !errors.Is(err, errBroken) || len(s.Tenants()) != 4 {
		t.Errorf("%v, tenants %q", err, s.Tenants())
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a sink in a folder that is not claimed")
			}
		}()
		s.Of("d")
	}()
	p.failing = ""
	later := NewSinks(p.open, []byte(`{"run_id":"R"}`+"\n"), p)
	if err := later.Own(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := later.Tenants(); !slices.Equal(got, []string{"", "a", "b", "c", "d"}) {
		t.Errorf("a later process knows %q", got)
	}
	stranger := NewSinks(p.open, []byte(`{"run_id":"S"}`+"\n"), newPlaces(t))
	if err := stranger.Own(t.Context()); pipeline.KindOf(err) != pipeline.KindClaimed {
		t.Errorf("another run: %v", err)
	}
}
