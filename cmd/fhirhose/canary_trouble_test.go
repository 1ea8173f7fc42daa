package main

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"

	"github.com/fhirhose/fhirhose/objectstore/objecttest"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// kinds are the ways in which a call goes wrong.
var kinds = []string{"throttled", "5xx", "401", "403", "reset", "lost", "truncated"}

// wordsOfServers are what an answer to such a call is full of.
const wordsOfServers = recordstest.Canary + " secret-words-of-the-server"

// trouble stands before every service. Operations go wrong, in one way after the other;
// and it looks at what is sent: nothing may tell a value where none belongs.
type trouble struct {
	mu       sync.Mutex
	left     map[string][]string // what is still to happen to an operation; "" is nothing
	injected map[string]int      // by service and kind
	leaks    []string
	calls    int
	hooks    []func() // run every so many calls
}

func newTrouble() *trouble {
	return &trouble{left: map[string][]string{}, injected: map[string]int{}}
}

// before is a service with the trouble before it.
func (f *trouble) before(service string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		op := operation(service, r)
		f.look(service, op, r, body)
		switch kind := f.next(service, op); kind {
		case "":
			next.ServeHTTP(w, r)
		case "reset":
			panic(http.ErrAbortHandler)
		case "lost", "truncated":
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			if half := answer.Body.Bytes(); kind == "truncated" && len(half) > 1 && r.Method != http.MethodHead {
				w.Header().Set("Content-Length", strconv.Itoa(len(half)))
				w.WriteHeader(answer.Code)
				_, _ = w.Write(half[:len(half)/2])
			}
			panic(http.ErrAbortHandler)
		default:
			refuseAloud(w, r, service, kind)
		}
	})
}

// operation names what is asked for, without its object.
func operation(service string, r *http.Request) string {
	_, target, named := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	name := "read"
	switch path := r.URL.Path; {
	case named:
		name = target
	case service == "s3":
		name = objecttest.Call(r)
		for _, sub := range []string{"encryption", "publicAccessBlock", "location", "lifecycle", "versioning", "object-lock"} {
			if r.URL.Query().Has(sub) {
				name += " " + sub
			}
		}
	case strings.HasSuffix(path, "/token"), strings.HasSuffix(path, "smart-configuration"), strings.HasSuffix(path, "/metadata"), strings.HasSuffix(path, "/_history"):
		name = path[strings.LastIndex(path, "/"):]
	case r.Method == http.MethodPost:
		name = "batch"
	case strings.Contains(r.URL.RawQuery, "_summary"), strings.Contains(r.URL.RawQuery, "_total"):
		name = "search"
	}
	return service + " " + name
}

// look notes where a request tells a value: everywhere but in the URLs and bodies of
// FHIR, and in keys and bodies of objects, of which those of contents alone name ids.
func (f *trouble) look(service, op string, r *http.Request, body []byte) {
	said := r.UserAgent() + " " + r.Header.Get("X-Amz-Target")
	control := r.Header.Get("X-Amz-Target") != ""
	if control || service == "s3" && !strings.HasPrefix(r.URL.Path, "/contents") {
		said += " " + r.URL.String()
	}
	if control && service != "fhirworks" { // where the password is sent to Cognito
		said += string(body)
	}
	f.mu.Lock()
	f.calls++
	due := f.calls%25 == 0
	if recordstest.HoldsCanary([]byte(said)) {
		f.leaks = append(f.leaks, op+": "+said)
	}
	hooks := f.hooks
	f.mu.Unlock()
	if due {
		for _, hook := range hooks {
			hook()
		}
	}
}

// kindsOfEach is how many kinds each operation meets: all would take minutes.
const kindsOfEach = 4

// next is what happens to this call. The turn of each operation begins with another
// kind; a refusal comes twice, since one is tried again.
func (f *trouble) next(service, op string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	turn, known := f.left[op]
	if !known {
		first := fnv.New32a()
		_, _ = first.Write([]byte(op))
		for i := range uint32(kindsOfEach) {
			kind := kinds[(first.Sum32()+i)%uint32(len(kinds))]
			if turn = append(turn, kind); kind == "403" {
				turn = append(turn, kind)
			}
			turn = append(turn, "")
		}
	}
	if len(turn) == 0 {
		return ""
	}
	f.left[op] = turn[1:]
	if turn[0] != "" {
		f.injected[service+" "+turn[0]]++
	}
	return turn[0]
}

// refuseAloud answers as the service would, with values in every place for words.
func refuseAloud(w http.ResponseWriter, r *http.Request, service, kind string) {
	control := r.Header.Get("X-Amz-Target") != ""
	status, code := map[string]int{"throttled": 429, "5xx": 500, "401": 401, "403": 403}[kind], ""
	switch {
	case service == "s3":
		code = map[string]string{"throttled": "SlowDown", "5xx": "InternalError", "401": "ExpiredToken", "403": "AccessDenied"}[kind]
		if kind == "throttled" {
			status = http.StatusServiceUnavailable
		}
	case control:
		code = map[string]string{"throttled": "ThrottlingException", "5xx": "InternalServerException", "401": "ExpiredTokenException", "403": "AccessDeniedException"}[kind]
		if kind != "5xx" {
			status = http.StatusBadRequest
		}
	}
	for _, name := range []string{"X-Amz-Request-Id", "X-Amz-Id-2", "X-Amzn-Requestid", "Www-Authenticate", "Location", "Retry-After", "X-Amz-Retry-After", "Warning"} {
		w.Header().Set(name, wordsOfServers)
	}
	text := fmt.Sprintf(`{"resourceType":"OperationOutcome","__type":"%s","message":"%[2]s","error":"%[2]s","error_description":"%[2]s",`+
		`"issue":[{"severity":"error","code":"%[2]s","diagnostics":"%[2]s","details":{"text":"%[2]s"}}]}`, code, wordsOfServers)
	if service == "s3" {
		text = fmt.Sprintf(`<Error><Code>%s</Code><Message>%[2]s</Message><Key>%[2]s</Key><Resource>%[2]s</Resource><RequestId>%[2]s</RequestId></Error>`, code, wordsOfServers)
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, text)
	}
}
