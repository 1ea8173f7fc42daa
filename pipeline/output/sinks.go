package output

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Sinks are where the files of a job come to rest: one sink for each tenant,
// rooted in that tenant's folder, so that no name leads into another's. The
// tenant "" is the job's own folder; only a job of all tenants has others.
//
// A tenant is in the checkpoint before its folder is claimed, and the folder is
// claimed before anything else is written there: whatever a killed process has
// left is found again, and two jobs never share a folder. Each pipeline of a job has
// Sinks of its own, for its cuts tell a sink what no checkpoint needs any more. Any
// goroutine may call them.
type Sinks struct {
	open  func(tenant string) (pipeline.Sink, error)
	claim []byte
	store Checkpoint

	mu      sync.RWMutex
	claimed map[string]pipeline.Sink
}

// tenantsBucket of the checkpoint has a key for each tenant but "".
const tenantsBucket = "tenants"

// NewSinks returns the sinks of the run that claim names. open is called once for
// each tenant, from several goroutines at a time.
func NewSinks(open func(tenant string) (pipeline.Sink, error), claim []byte, store Checkpoint) *Sinks {
	return &Sinks{open: open, claim: claim, store: store, claimed: make(map[string]pipeline.Sink)}
}

// ClaimOf returns what _fhirhose/claim.json of a tenant's folder holds. It names
// the tenant: where two tenants' folders are one, as on a file system that does
// not tell a from A, the second is refused.
func ClaimOf(claim []byte, tenant string) []byte {
	object, ok := bytes.CutSuffix(claim, []byte("}\n"))
	if tenant == "" || !ok {
		return claim
	}
	name, err := json.Marshal(tenant)
	if err != nil {
		panic(err) // a string always marshals
	}
	return fmt.Appendf(slices.Clone(object), `,"tenant":%s}`+"\n", name)
}

// Tenants lists the tenants in the checkpoint by name, without "".
func Tenants(store Entries) (tenants []string, err error) {
	err = store.Each(tenantsBucket, func(tenant string, _ []byte) error {
		tenants = append(tenants, tenant)
		return nil
	})
	return tenants, err
}

// Own claims the job's own folder, and those of the tenants in the checkpoint. A
// folder of another run is KindClaimed.
func (s *Sinks) Own(ctx context.Context) error {
	if err := s.claimAll(ctx, []string{""}); err != nil {
		return err
	}
	tenants, err := Tenants(s.store)
	if err != nil {
		return err
	}
	return s.claimAll(ctx, tenants)
}

// Admit makes the folders of tenants this run's, as far as they are not.
func (s *Sinks) Admit(ctx context.Context, tenants []string) error {
	var fresh []string
	var changes []Change
	s.mu.RLock()
	for _, tenant := range tenants {
		if s.claimed[tenant] == nil {
			fresh = append(fresh, tenant)
			changes = append(changes, Change{tenantsBucket, tenant, []byte("true")})
		}
	}
	s.mu.RUnlock()
	if len(fresh) == 0 {
		return nil
	}
	if err := s.store.Commit(changes); err != nil {
		return err
	}
	return s.claimAll(ctx, fresh)
}

// at is how many tenants' sinks are asked something at the same time.
const at = 16

func (s *Sinks) claimAll(ctx context.Context, tenants []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(at)
	for _, tenant := range tenants {
		group.Go(func() error {
			sink, err := s.open(tenant)
			if err != nil {
				return err
			}
			if err := sink.Claim(ctx, ClaimOf(s.claim, tenant)); err != nil {
				return err
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.claimed[tenant] = sink
			return nil
		})
	}
	return group.Wait()
}

// Of returns the sink of a tenant whose folder is this run's.
func (s *Sinks) Of(tenant string) pipeline.Sink {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sink := s.claimed[tenant]
	if sink == nil {
		panic("bug: a tenant that was not admitted") // nothing may be written there
	}
	return sink
}

// Tenants lists the tenants whose folders are this run's by name, "" first.
func (s *Sinks) Tenants() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.claimed))
}

// each calls do with every sink, several at a time.
func (s *Sinks) each(ctx context.Context, do func(ctx context.Context, tenant string, sink pipeline.Sink) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(at)
	for _, tenant := range s.Tenants() {
		group.Go(func() error { return do(ctx, tenant, s.Of(tenant)) })
	}
	return group.Wait()
}

// Sweep removes what an unclean stop has left in all folders: see
// [pipeline.Sink]. open are the files that the checkpoint knows to be open.
func (s *Sinks) Sweep(ctx context.Context, open []File) error {
	states := make(map[string]map[string]json.RawMessage)
	for _, f := range open {
		if states[f.Tenant] == nil {
			states[f.Tenant] = make(map[string]json.RawMessage)
		}
		states[f.Tenant][f.Name] = f.Sink
	}
	return s.each(ctx, func(ctx context.Context, tenant string, sink pipeline.Sink) error {
		return sink.Sweep(ctx, states[tenant])
	})
}

// Settle makes every name in every folder durable: see [pipeline.Sink].
func (s *Sinks) Settle(ctx context.Context) error {
	return s.each(ctx, func(ctx context.Context, _ string, sink pipeline.Sink) error { return sink.Settle(ctx) })
}
