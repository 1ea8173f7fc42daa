package objecttest

import (
	"encoding/xml"
	"net/http"
	"slices"
	"time"
)

// Lock keeps the current version of a key until then, as Object Lock does.
func (m *Memory) Lock(key string, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history[key][0].locked = until
}

// KeepErasing lets the n next versions that are erased fail with this code.
func (m *Memory) KeepErasing(code string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.eraseCode, m.eraseFails = code, n
}

type erased struct {
	Key       string
	VersionID string `xml:"VersionId,omitempty"`
	Code      string `xml:",omitempty"`
	Message   string `xml:",omitempty"`
}

// erase is DeleteObjects.
func (m *Memory) erase(w http.ResponseWriter, r *http.Request, body []byte) {
	var asked struct {
		Objects []erased `xml:"Object"`
	}
	if xml.Unmarshal(body, &asked) != nil || len(asked.Objects) > 1000 {
		fail(w, r, http.StatusBadRequest, "MalformedXML")
		return
	}
	result := struct {
		XMLName xml.Name `xml:"DeleteResult"`
		Error   []erased
	}{}
	for _, o := range asked.Objects {
		if o.Code = m.eraseOne(o); o.Code != "" {
			o.Message = ServerText
			result.Error = append(result.Error, o)
		}
	}
	reply(w, result)
}

// eraseOne returns the code of what keeps it from being deleted, or "".
func (m *Memory) eraseOne(o erased) (code string) {
	switch {
	case m.eraseFails > 0:
		m.eraseFails--
		return m.eraseCode
	case o.VersionID == "" || !m.versioned:
		m.delete(o.Key)
		return ""
	}
	all := m.history[o.Key]
	at := slices.IndexFunc(all, func(v object) bool { return v.version == o.VersionID })
	switch {
	case at < 0:
		return "NoSuchVersion"
	case time.Now().Before(all[at].locked):
		return "AccessDenied"
	}
	all = slices.Delete(all, at, at+1)
	m.history[o.Key], m.sorted = all, nil
	delete(m.objects, o.Key)
	switch {
	case len(all) == 0:
		delete(m.history, o.Key)
	case !all[0].marker:
		m.objects[o.Key] = all[0]
	}
	return ""
}

// held is GetObjectRetention and GetObjectLegalHold.
func (m *Memory) held(w http.ResponseWriter, r *http.Request, key string) {
	id := r.URL.Query().Get("versionId")
	at := slices.IndexFunc(m.history[key], func(v object) bool { return v.version == id })
	if at < 0 || m.history[key][at].locked.IsZero() || r.URL.Query().Has("legal-hold") {
		fail(w, r, http.StatusNotFound, "NoSuchObjectLockConfiguration")
		return
	}
	reply(w, struct {
		XMLName xml.Name `xml:"Retention"`
		Mode    string
		Until   string `xml:"RetainUntilDate"`
	}{Mode: "COMPLIANCE", Until: m.history[key][at].locked.UTC().Format(timeFormat)})
}

// Versions returns how many versions and delete markers a key has, or all keys for
// "".
func (m *Memory) Versions(key string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, all := range m.history {
		if key == "" || k == key {
			n += len(all)
		}
	}
	return n
}

// Unlock ends the locks of all versions of a key.
func (m *Memory) Unlock(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.history[key] {
		m.history[key][i].locked = time.Time{}
	}
}
