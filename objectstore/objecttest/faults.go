package objecttest

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// Fault is a way in which a call goes wrong.
type Fault string

// The faults. Executed says whether the server did what it was asked.
const (
	NoFault     Fault = ""
	SlowDown    Fault = "slow-down"    // 503, not executed
	ServerError Fault = "server-error" // 500, not executed
	Expired     Fault = "expired"      // 400 ExpiredToken, not executed
	Reset       Fault = "reset"        // the connection breaks before anything is executed
	Stall       Fault = "stall"        // nothing comes, until the client gives up; not executed
	Lost        Fault = "lost"         // executed, and the connection breaks before the answer
	Truncated   Fault = "truncated"    // executed, and the connection breaks within the answer
	Starved     Fault = "starved"      // executed, and nothing more comes within the answer, until the client gives up
	WrongETag   Fault = "wrong-etag"   // executed, and the answer has another ETag
	ErrorIn200  Fault = "error-in-200" // CompleteMultipartUpload: status 200 and an error as body; not executed
	FlippedBit  Fault = "flipped-bit"  // the body that comes in is another; executed by a server that does not look
)

// Transient are the faults that a caller must survive without anybody noticing
// it in the output.
func Transient() []Fault {
	return []Fault{SlowDown, ServerError, Expired, Reset, Lost, Truncated, ErrorIn200}
}

// Faults is a server in front of another that lets some calls fail.
type Faults struct {
	next http.Handler

	mu       sync.Mutex
	decide   func(*http.Request) Fault
	injected map[Fault]int
	calls    int
}

// NewFaults returns a server that fails no call of next until Decide.
func NewFaults(next http.Handler) *Faults {
	return &Faults{next: next, injected: map[Fault]int{}}
}

// Decide installs what chooses the fault of each call; nil is none. It is
// called for one call at a time.
func (f *Faults) Decide(decide func(*http.Request) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = decide
}

// Counts returns how many calls came in, and how many of them failed by fault.
func (f *Faults) Counts() (calls int, injected map[Fault]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	injected = map[Fault]int{}
	for fault, n := range f.injected {
		injected[fault] = n
	}
	return f.calls, injected
}

// Seeded returns a choice that lets about rate of all calls fail, by turns in
// each way. It depends on what is asked and how often, not on who asks first.
func Seeded(seed uint64, rate float64, faults ...Fault) func(*http.Request) Fault {
	seen := map[string]int{}
	return func(r *http.Request) Fault {
		call := r.Method + r.URL.Path + "?" + r.URL.RawQuery + r.Header.Get("Range")
		seen[call]++
		h := fnv.New64a()
		_, _ = fmt.Fprint(h, seed, call, seen[call])
		n := h.Sum64() * 0x9e3779b97f4a7c15
		if float64(n>>11)/(1<<53) >= rate {
			return NoFault
		}
		fault := faults[(n>>3)%uint64(len(faults))]
		if fault == ErrorIn200 && !isComplete(r) {
			return SlowDown
		}
		return fault
	}
}

// Once returns a choice that fails the first call that matches.
func Once(fault Fault, match func(*http.Request) bool) func(*http.Request) Fault {
	done := false
	return func(r *http.Request) Fault {
		if done || !match(r) {
			return NoFault
		}
		done = true
		return fault
	}
}

// Call names the S3 operation of a request: "PUT", "CREATE", "PART",
// "COMPLETE", "ABORT", "UPLOADS", "LIST", "VERSIONS", "ERASE", "HELD", or the method.
func Call(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CREATE"
	case isComplete(r):
		return "COMPLETE"
	case r.Method == http.MethodPut && q.Has("uploadId"):
		return "PART"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "ABORT"
	case r.Method == http.MethodGet && q.Has("uploads"):
		return "UPLOADS"
	case r.Method == http.MethodGet && q.Get("list-type") == "2":
		return "LIST"
	case r.Method == http.MethodGet && q.Has("versions"):
		return "VERSIONS"
	case r.Method == http.MethodPost && q.Has("delete"):
		return "ERASE"
	case r.Method == http.MethodGet && (q.Has("retention") || q.Has("legal-hold")):
		return "HELD"
	}
	return r.Method
}

func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

// ServeHTTP implements [http.Handler].
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch fault := f.choose(r); fault {
	case NoFault:
		f.next.ServeHTTP(w, r)
	case SlowDown:
		refuse(w, r, http.StatusServiceUnavailable, "SlowDown")
	case ServerError:
		refuse(w, r, http.StatusInternalServerError, "InternalError")
	case Expired:
		refuse(w, r, http.StatusBadRequest, "ExpiredToken")
	case ErrorIn200:
		refuse(w, r, http.StatusOK, "InternalError")
	case Reset:
		drain(r)
		breakOff()
	case Stall:
		drain(r)
		<-r.Context().Done()
	case FlippedBit:
		r.Body = &flipped{ReadCloser: r.Body}
		f.next.ServeHTTP(w, r)
	case Lost:
		f.next.ServeHTTP(httptest.NewRecorder(), r)
		breakOff()
	case Truncated, Starved, WrongETag:
		answer := httptest.NewRecorder()
		f.next.ServeHTTP(answer, r)
		if fault == WrongETag && answer.Header().Get("ETag") != "" {
			answer.Header().Set("ETag", `"00000000000000000000000000000000"`)
		}
		replay(w, r, answer, fault == Truncated || fault == Starved, fault == Starved)
	}
}

func (f *Faults) choose(r *http.Request) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.decide == nil {
		return NoFault
	}
	fault := f.decide(r)
	if fault != NoFault {
		f.injected[fault]++
	}
	return fault
}

// flipped is a body whose first byte has changed on the way.
type flipped struct {
	io.ReadCloser
	done bool
}

func (b *flipped) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && !b.done {
		p[0] ^= 1
		b.done = true
	}
	return n, err
}

func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// breakOff closes the connection without an answer.
func breakOff() { panic(http.ErrAbortHandler) }

// refuse answers with an error that carries what must not reach a log.
func refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	drain(r)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId></Error>",
			code, ServerText, ServerText)
	}
}

// ServerText is in every error that Faults makes up: it must not be found in an
// error or a log of ours (I10).
const ServerText = "secret-words-of-the-server"

// replay gives the answer to the client, or its first half, after which the
// connection breaks or stalls.
func replay(w http.ResponseWriter, r *http.Request, answer *httptest.ResponseRecorder, half, stall bool) {
	body := answer.Body.Bytes()
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(answer.Code)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if half && (len(body) < 2 || strings.HasPrefix(strconv.Itoa(answer.Code), "204")) {
		breakOff()
	}
	w.WriteHeader(answer.Code)
	if !half {
		_, _ = w.Write(body)
		return
	}
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	if stall {
		<-r.Context().Done()
	}
	breakOff()
}
