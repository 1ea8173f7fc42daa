package dynamodbtest

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fhirhose/fhirhose/objectstore/awstest"
)

// Simulation is the DynamoDB of one account and region. It is an [http.Handler]
// and safe for concurrent use.
type Simulation struct {
	options   Options
	signature awstest.Signature

	mu      sync.Mutex
	traps   Traps
	tables  map[string]*Table
	exports []*export
	calls   map[string]int // by operation
}

// New returns a simulation.
func New(o Options) *Simulation {
	o.Region = orElse(o.Region, "us-east-1")
	if o.Keys == nil {
		o.Keys = map[string]string{AccessKey: SecretKey}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Simulation{
		options: o, traps: o.Traps, tables: map[string]*Table{}, calls: map[string]int{},
		signature: awstest.Signature{Service: "dynamodb", Region: o.Region, Keys: o.Keys},
	}
	for i := range o.Tables {
		s.tables[o.Tables[i].ARN] = &o.Tables[i]
	}
	return s
}

// SetTraps changes the traps.
func (s *Simulation) SetTraps(change func(*Traps)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.traps)
}

// Calls returns how many calls of each operation came in.
func (s *Simulation) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Exports returns the ARNs of all exports that were started, the first first.
func (s *Simulation) Exports() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var arns []string
	for _, e := range s.exports {
		arns = append(arns, e.arn)
	}
	return arns
}

// Transport carries requests to the simulation without a network.
func (s *Simulation) Transport() http.RoundTripper { return awstest.Transport(s) }

// ServeHTTP implements [http.Handler].
func (s *Simulation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	status, answer, fault, latency := s.execute(r, body)
	if latency > 0 {
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	if fault == Reset || fault == Lost {
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	header.Set("Date", s.options.Now().UTC().Format(http.TimeFormat))
	header.Set("Content-Type", "application/x-amz-json-1.0")
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer)), 10))
	w.WriteHeader(status)
	if fault == Truncated {
		_, _ = w.Write(answer[:len(answer)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(answer)
}

// execute carries a call out.
func (s *Simulation) execute(r *http.Request, body []byte) (status int, answer []byte, fault Fault, latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
	s.calls[op]++
	call := Call{Op: op, N: s.calls[op]}
	if s.traps.Fault != nil {
		fault = s.traps.Fault(call)
	}
	if s.traps.Latency != nil {
		latency = s.traps.Latency(call)
	}
	if n := s.traps.ThrottleEvery; fault == NoFault && n > 0 && call.N%n == 0 {
		fault = Throttled
	}
	if fault == Reset {
		return 0, nil, fault, latency
	}
	out, refused := s.operate(r, op, body, fault)
	status = http.StatusOK
	if refused != nil {
		out, status = refused, refused.status
	}
	answer, err := json.Marshal(out)
	if err != nil {
		status = http.StatusInternalServerError
	}
	return status, answer, fault, latency
}

// apiError is an error as awsJson1.0 words it.
type apiError struct {
	status int
	Type   string `json:"__type"`
	Text   string `json:"message"`
}

func refusal(status int, code, text string) *apiError {
	return &apiError{status: status, Type: "com.amazonaws.dynamodb.v20120810#" + code, Text: text + " " + ServerText}
}

func refused(code, format string, args ...any) *apiError {
	return refusal(http.StatusBadRequest, code, fmt.Sprintf(format, args...))
}

// injected is how DynamoDB words a fault.
func injected(fault Fault) *apiError {
	switch fault {
	case Throttled:
		return refused("ThrottlingException", "Rate exceeded.")
	case TooMany:
		return refused("LimitExceededException", "Too many concurrent exports.")
	case ServerError:
		return refusal(http.StatusInternalServerError, "InternalServerError", "Internal error.")
	case Expired:
		return refused("ExpiredTokenException", "The security token included in the request is expired.")
	case Denied:
		return refused("AccessDeniedException", "User is not authorized to perform this action.")
	case NoFault, Reset, Lost, Truncated:
	}
	return nil
}

func (s *Simulation) operate(r *http.Request, op string, body []byte, fault Fault) (any, *apiError) {
	if e := injected(fault); e != nil {
		return nil, e
	}
	if code := s.signature.Check(r, body, s.options.Now()); code != "" {
		return nil, refused(code, "The request is not signed as it must be.")
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.0" {
		return nil, refused("UnknownOperationException", "")
	}
	switch op {
	case "ExportTableToPointInTime":
		return with(body, s.start)
	case "DescribeExport":
		return with(body, s.describe)
	case "ListExports":
		return with(body, s.list)
	case "DescribeContinuousBackups":
		return with(body, s.backups)
	}
	return nil, refused("UnknownOperationException", "")
}

// with reads the request's body.
func with[In any](body []byte, do func(In) (any, *apiError)) (any, *apiError) {
	var in In
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, refused("SerializationException", "%v", err)
	}
	return do(in)
}
