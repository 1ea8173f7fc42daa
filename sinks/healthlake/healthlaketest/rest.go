package healthlaketest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/fhirhose/fhirhose/metrics"
)

// outcome is an OperationOutcome, with the words that services are known to add.
func outcome(code, diagnostics string) any {
	return map[string]any{"resourceType": "OperationOutcome", "issue": []map[string]string{
		{"severity": "error", "code": code, "diagnostics": diagnostics + " " + ServerText},
	}}
}

// reply is the answer to an interaction of the REST API.
type reply struct {
	status int
	etag   int // the version; 0 is none
	body   any // a json.RawMessage is written as it is; nil is none
}

func problem(status int, code, diagnostics string) reply {
	return reply{status: status, body: outcome(code, diagnostics)}
}

// restOp names the interaction, see [Call].
func restOp(method, path string) string {
	parts := strings.Split(path, "/")
	switch {
	case method == http.MethodPost && path == "":
		return "batch"
	case method == http.MethodGet && path == "metadata":
		return "capabilities"
	case method == http.MethodGet && path == smartPath:
		return "smart-configuration"
	case method == http.MethodGet && len(parts) == 1 && path != "":
		return "search"
	case method == http.MethodGet && len(parts) == 2:
		return "read"
	case method == http.MethodGet && len(parts) == 3 && parts[2] == "_history":
		return "history"
	case method == http.MethodGet && len(parts) == 4 && parts[2] == "_history":
		return "vread"
	case method == http.MethodPut && len(parts) == 2:
		return "update"
	case method == http.MethodDelete && len(parts) == 2:
		return "delete"
	}
	return ""
}

// rest answers a call of the REST API.
func (s *Simulation) rest(r *request, fault Fault, answer *bytes.Buffer) (int, http.Header) {
	out := s.restReply(r, fault)
	header := http.Header{}
	if out.etag > 0 {
		header.Set("ETag", etag(out.etag))
	}
	if out.body != nil {
		header.Set("Content-Type", "application/fhir+json")
		if raw, ok := out.body.(json.RawMessage); ok {
			answer.Write(raw)
		} else if json.NewEncoder(answer).Encode(out.body) != nil {
			out.status = http.StatusInternalServerError
		}
	}
	if out.status != http.StatusNoContent {
		header.Set("Content-Length", strconv.Itoa(answer.Len()))
	}
	return out.status, header
}

func (s *Simulation) restReply(r *request, fault Fault) reply {
	switch fault {
	case Throttled:
		return problem(http.StatusTooManyRequests, "throttled", "Too many requests")
	case ServerError:
		return problem(http.StatusInternalServerError, "exception", "Internal error")
	case Unauthorized:
		return problem(http.StatusUnauthorized, "login", "The token has expired")
	case Forbidden:
		return problem(http.StatusForbidden, "forbidden", "Not allowed")
	case NoFault, Reset, Lost, Truncated:
	}
	store, known := s.stores[r.store]
	if !known {
		return problem(http.StatusNotFound, "not-found", "Data store "+r.store+" not found")
	}
	if r.op == "smart-configuration" && store.Authority != nil {
		return reply{status: http.StatusOK, body: map[string]string{"token_endpoint": tokenEndpoint(r.Request, store)}}
	}
	if refused, ok := s.letIn(r, store); !ok {
		return refused
	}
	switch r.op {
	case "batch":
		return s.batch(r, store)
	case "capabilities":
		return capabilities(store)
	case "search":
		return s.search(store, r.path, r.URL.Query())
	case "":
		return problem(http.StatusNotFound, "not-supported", "The simulation does not know "+r.Method+" "+r.path)
	}
	return s.interact(r, store)
}

// letIn checks who calls. A call without any authorization is a 401.
func (s *Simulation) letIn(r *request, store *datastore) (reply, bool) {
	if store.Bearer != nil {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !store.Bearer(token) {
			return problem(http.StatusUnauthorized, "login", "The token is not valid"), false
		}
		return reply{}, true
	}
	switch code := s.checkSignature(r); code {
	case "":
		return reply{}, true
	case "MissingAuthenticationTokenException":
		return problem(http.StatusUnauthorized, "login", code), false
	default:
		return problem(http.StatusForbidden, "forbidden", code), false
	}
}

// capabilities is the capability statement of a store.
func capabilities(store *datastore) reply {
	types := store.Types
	if types == nil {
		types = metrics.ResourceTypes()
	}
	resources := []map[string]string{}
	for _, name := range types {
		resources = append(resources, map[string]string{"type": name})
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1",
		"rest": []any{map[string]any{"mode": "server", "resource": resources}},
	}}
}

func etag(version int) string { return `W/"` + strconv.Itoa(version) + `"` }
