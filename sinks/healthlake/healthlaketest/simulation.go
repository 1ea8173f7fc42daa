package healthlaketest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fhirhose/fhirhose/objectstore/awstest"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Simulation is a HealthLake of one account and region. It is an
// [http.Handler] and safe for concurrent use.
type Simulation struct {
	options Options
	stop    context.CancelFunc
	workers sync.WaitGroup

	mu         sync.Mutex
	traps      Traps
	stores     map[string]*datastore
	imports    queue
	exports    queue
	calls      map[string]int // by operation
	violations []string
}

// New returns a simulation, which runs until Close.
func New(o Options) *Simulation {
	o.Region = orElse(o.Region, "us-east-1")
	o.Quotas = o.Quotas.withDefaults()
	if o.Keys == nil {
		o.Keys = map[string]string{AccessKey: SecretKey}
	}
	if o.Stores == nil {
		o.Stores = []Store{{ID: DatastoreID}}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = pipeline.Sleep
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Simulation{
		options: o, traps: o.Traps, stop: cancel,
		stores: map[string]*datastore{}, calls: map[string]int{},
		imports: newQueue("FHIR_IMPORT"), exports: newQueue("FHIR_EXPORT"),
	}
	for _, store := range o.Stores {
		if store.Authority != nil {
			store.Authority.now = o.Now
		}
		s.stores[store.ID] = newDatastore(store, o.Now())
	}
	s.workers.Go(func() { s.work(ctx, &s.imports, s.runImport) })
	s.workers.Go(func() { s.work(ctx, &s.exports, s.runExport) })
	return s
}

// Close ends the jobs that run, and waits for them.
func (s *Simulation) Close() {
	s.stop()
	s.workers.Wait()
}

// SetTraps changes the traps. A job that runs keeps those that it began with.
func (s *Simulation) SetTraps(change func(*Traps)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.traps)
}

// Calls returns how many calls of each operation came in. See [Call].
func (s *Simulation) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := map[string]int{}
	for op, n := range s.calls {
		calls[op] = n
	}
	return calls
}

// Transport carries requests to the simulation without a network. The context
// of a request ends its latency alone.
func (s *Simulation) Transport() http.RoundTripper { return awstest.Transport(s) }

// ServeHTTP implements [http.Handler].
func (s *Simulation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	call := &request{Request: r, body: body}
	call.classify()
	fault, latency := s.meet(call)
	if fault == Reset {
		breakOff()
	}
	answer := &bytes.Buffer{}
	status, header := s.execute(call, fault, answer)
	if latency > 0 && s.options.Sleep(r.Context(), latency) != nil || fault == Lost {
		breakOff()
	}
	w.Header().Set("Date", s.options.Now().UTC().Format(http.TimeFormat))
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	if fault == Truncated {
		_, _ = w.Write(answer.Bytes()[:answer.Len()/2])
		_ = http.NewResponseController(w).Flush()
		breakOff()
	}
	_, _ = w.Write(answer.Bytes())
}

// breakOff closes the connection without an answer.
func breakOff() { panic(http.ErrAbortHandler) }

// request is a call, of which it is known what it asks.
type request struct {
	*http.Request
	body  []byte
	op    string // see Call.Op; "" is unknown
	store string // of the REST API, else ""
	path  string // below the store's base
}

func (r *request) isControl() bool { return r.store == "" }

func (r *request) classify() {
	rest, isREST := strings.CutPrefix(r.URL.Path, "/datastore/")
	if id, isToken := strings.CutPrefix(r.URL.Path, tokenPath); isToken {
		r.op, r.store = tokenOp, id
		return
	}
	if !isREST {
		r.op, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), "HealthLake.")
		return
	}
	r.store, r.path, _ = strings.Cut(rest, "/")
	r.path = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(r.path, "r4"), "/"), "/")
	r.op = restOp(r.Method, r.path)
}

// meet counts a call and says what goes wrong with it.
func (s *Simulation) meet(r *request) (Fault, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[r.op]++
	call := Call{Op: r.op, N: s.calls[r.op]}
	var fault Fault
	var latency time.Duration
	if s.traps.Latency != nil {
		latency = s.traps.Latency(call)
	}
	if s.traps.Fault != nil {
		fault = s.traps.Fault(call)
	}
	if n := s.traps.ThrottleEvery; fault == NoFault && n > 0 && call.N%n == 0 {
		fault = Throttled
	}
	return fault, latency
}

// execute writes the answer, and returns its status and header.
func (s *Simulation) execute(r *request, fault Fault, answer *bytes.Buffer) (int, http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.isControl():
		return s.control(r, fault, answer)
	case r.op == tokenOp:
		return s.token(r, fault, answer)
	}
	return s.rest(r, fault, answer)
}
