package healthlaketest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// interact answers a call that concerns one resource.
func (s *Simulation) interact(r *request, store *datastore) reply {
	parts := strings.Split(r.path, "/")
	key := parts[0] + "/" + parts[1]
	switch r.op {
	case "read":
		return read(store, key)
	case "vread":
		return vread(store, key, parts[3])
	case "history":
		return s.history(r, store, key)
	case "update":
		return s.update(store, key, r.body, r.Header.Get("If-Match"), r.Header.Get("If-None-Match"))
	default:
		return s.remove(store, key, r.Header.Get("If-Match"))
	}
}

func missing(key string) reply {
	return problem(http.StatusNotFound, "not-found", "Resource "+key+" is not found")
}

func gone(key string) reply {
	return problem(http.StatusGone, "deleted", "Resource "+key+" was deleted")
}

func read(store *datastore, key string) reply {
	r := store.find(key)
	if r == nil {
		return missing(key)
	}
	v, n := r.last()
	if v.deleted() {
		return gone(key)
	}
	return reply{http.StatusOK, n, json.RawMessage(v.body)}
}

func vread(store *datastore, key, number string) reply {
	r := store.find(key)
	n, err := strconv.Atoi(number)
	if r == nil || err != nil || n < 1 || n > len(r.versions) {
		return missing(key)
	}
	if r.versions[n-1].deleted() {
		return gone(key)
	}
	return reply{http.StatusOK, n, json.RawMessage(r.versions[n-1].body)}
}

// update is a PUT. The body's own id must be that of the URL.
func (s *Simulation) update(store *datastore, key string, raw []byte, ifMatch, ifNoneMatch string) reply {
	body, err := compact(raw)
	if err != nil {
		return problem(http.StatusBadRequest, "structure", "The body is not JSON")
	}
	kind, id, err := identity(body)
	if err != nil || kind+"/"+id != key {
		return problem(http.StatusBadRequest, "invalid", "The resource is not "+key)
	}
	before := store.find(key)
	if !matches(before, ifMatch) || ifNoneMatch == "*" && before != nil { // an id stays taken after a delete
		return problem(http.StatusPreconditionFailed, "conflict", key+" is another version")
	}
	if s.traps.Refuse != nil {
		if reason := s.traps.Refuse(key, body); reason != "" {
			return problem(http.StatusBadRequest, "invalid", key+": "+reason)
		}
	}
	n, err := s.store(store, s.traps, key, body, false)
	if err != nil {
		return problem(http.StatusBadRequest, "structure", err.Error())
	}
	v, _ := store.find(key).last()
	status := http.StatusOK
	if before == nil {
		status = http.StatusCreated
	}
	return reply{status, n, json.RawMessage(v.body)}
}

// remove is a DELETE: another version, without a body.
func (s *Simulation) remove(store *datastore, key, ifMatch string) reply {
	r := store.find(key)
	switch {
	case r == nil:
		return missing(key)
	case !matches(r, ifMatch):
		return problem(http.StatusPreconditionFailed, "conflict", key+" is another version")
	}
	if v, _ := r.last(); v.deleted() {
		return gone(key)
	}
	r.versions = append(r.versions, version{changed: s.options.Now().UnixMilli()})
	return reply{status: http.StatusNoContent}
}

// matches tells whether the current version is that of an If-Match.
func matches(r *resource, ifMatch string) bool {
	if ifMatch == "" {
		return true
	}
	if r == nil {
		return false
	}
	_, n := r.last()
	return ifMatch == etag(n)
}
