package objecttest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Memory is an S3 of one bucket, whatever it is called, in memory.
type Memory struct {
	mu      sync.Mutex
	objects map[string]object
	uploads map[string]*upload // by id
	nextID  int
	answers map[string]string // by what of the bucket is asked, see Configure

	versioned bool
	history   map[string][]object // all versions of each key, the newest first; empty unless versioned
	sorted    []string            // keys in order; nil after a change

	eraseCode  string // of the next eraseFails versions that are erased
	eraseFails int
}

type object struct {
	content   []byte
	etag      string
	sha256    string // base64, or ""
	crc64nvme string
	modified  time.Time
	version   string    // "" unless versioned
	marker    bool      // of a deletion
	locked    time.Time // until then nobody deletes this version
}

type upload struct {
	key       string
	parts     map[int][]byte
	checksums bool
	initiated time.Time
}

// NewMemory returns an empty bucket.
func NewMemory() *Memory {
	return &Memory{objects: map[string]object{}, uploads: map[string]*upload{}, history: map[string][]object{}}
}

// Objects returns the content of every object by key.
func (m *Memory) Objects() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string][]byte{}
	for key, o := range m.objects {
		all[key] = o.content
	}
	return all
}

// ETags returns the ETag of every object by key.
func (m *Memory) ETags() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]string{}
	for key, o := range m.objects {
		all[key] = o.etag
	}
	return all
}

// Uploads returns the keys of the unfinished uploads by id.
func (m *Memory) Uploads() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]string{}
	for id, u := range m.uploads {
		all[id] = u.key
	}
	return all
}

// Put makes an object appear that another wrote, without a checksum.
func (m *Memory) Put(key string, content []byte) { m.PutAt(key, content, time.Now()) }

// Remove takes an object away.
func (m *Memory) Remove(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
}

// PutAt makes an object appear that another wrote at some time.
func (m *Memory) PutAt(key string, content []byte, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store(key, object{content: bytes.Clone(content), etag: etag(content), modified: at})
}

// Begin makes an unfinished upload appear that another began at some time.
func (m *Memory) Begin(key string, at time.Time) (id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.begin(key, false, at)
}

// Forget drops an unfinished upload, as a lifecycle rule does.
func (m *Memory) Forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.uploads, id)
}

func (m *Memory) begin(key string, checksums bool, at time.Time) string {
	m.nextID++
	id := fmt.Sprintf("upload-%d", m.nextID)
	m.uploads[id] = &upload{key: key, parts: map[int][]byte{}, checksums: checksums, initiated: at}
	return id
}

// ServeHTTP implements [http.Handler] for path-style requests.
func (m *Memory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if o := m.execute(w, r, key, body); o != nil {
		http.ServeContent(w, r, "", o.modified, bytes.NewReader(o.content)) // a slow reader stops nobody else
	}
}

// execute does what is asked, and answers it, but for the content of an object,
// which it returns.
func (m *Memory) execute(w http.ResponseWriter, r *http.Request, key string, body []byte) *object {
	m.mu.Lock()
	defer m.mu.Unlock()
	if reason := damaged(r, body); reason != "" {
		fail(w, r, http.StatusBadRequest, reason)
		return nil
	}
	if key == "" && m.configuration(w, r) {
		return nil
	}
	switch Call(r) {
	case "CREATE":
		id := m.begin(key, r.Header.Get("X-Amz-Checksum-Algorithm") != "", time.Now())
		reply(w, struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadID string   `xml:"UploadId"`
		}{UploadID: id})
	case "PART":
		m.part(w, r, key, body)
	case "COMPLETE":
		m.complete(w, r, key, body)
	case "ABORT":
		if m.find(w, r, key) != nil {
			delete(m.uploads, r.URL.Query().Get("uploadId"))
			w.WriteHeader(http.StatusNoContent)
		}
	case "UPLOADS":
		m.list(w, r)
	case "LIST":
		m.listObjects(w, r)
	case "VERSIONS":
		m.listVersions(w, r)
	case "ERASE":
		m.erase(w, r, body)
	case "HELD":
		m.held(w, r, key)
	case http.MethodPut:
		m.put(w, r, key, body)
	case http.MethodGet, http.MethodHead:
		return m.get(w, r, key)
	case http.MethodDelete:
		m.delete(key)
		w.WriteHeader(http.StatusNoContent)
	default:
		fail(w, r, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
	return nil
}

func (m *Memory) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	if m.taken(w, r, key) {
		return
	}
	o := object{content: body, etag: etag(body), sha256: r.Header.Get("X-Amz-Checksum-Sha256"), modified: time.Now()}
	m.store(key, o)
	w.Header().Set("ETag", o.etag)
}

func (m *Memory) taken(w http.ResponseWriter, r *http.Request, key string) bool {
	_, exists := m.objects[key]
	if exists && r.Header.Get("If-None-Match") == "*" {
		fail(w, r, http.StatusPreconditionFailed, "PreconditionFailed")
		return true
	}
	return false
}

func (m *Memory) find(w http.ResponseWriter, r *http.Request, key string) *upload {
	u, ok := m.uploads[r.URL.Query().Get("uploadId")]
	if !ok || u.key != key {
		fail(w, r, http.StatusNotFound, "NoSuchUpload")
		return nil
	}
	return u
}

func (m *Memory) part(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	u := m.find(w, r, key)
	number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if u == nil || err != nil {
		return
	}
	u.parts[number] = body
	w.Header().Set("ETag", etag(body))
}

func (m *Memory) complete(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	u := m.find(w, r, key)
	if u == nil || m.taken(w, r, key) {
		return
	}
	var asked struct {
		Parts []struct {
			PartNumber int
			ETag       string
		} `xml:"Part"`
	}
	if err := xml.Unmarshal(body, &asked); err != nil {
		fail(w, r, http.StatusBadRequest, "MalformedXML")
		return
	}
	var whole, sums []byte
	for _, p := range asked.Parts {
		content, ok := u.parts[p.PartNumber]
		if !ok || strings.Trim(etag(content), `"`) != strings.Trim(p.ETag, `"`) {
			fail(w, r, http.StatusBadRequest, "InvalidPart")
			return
		}
		whole = append(whole, content...)
		sum := md5.Sum(content)
		sums = append(sums, sum[:]...)
	}
	if want := r.Header.Get("X-Amz-Checksum-Crc64nvme"); want != "" && want != crc64nvme(whole) {
		fail(w, r, http.StatusBadRequest, "BadDigest")
		return
	}
	delete(m.uploads, r.URL.Query().Get("uploadId"))
	o := object{content: whole, etag: strings.TrimSuffix(etag(sums), `"`) + fmt.Sprintf(`-%d"`, len(asked.Parts)), modified: time.Now()}
	if u.checksums {
		o.crc64nvme = crc64nvme(whole)
	}
	m.store(key, o)
	reply(w, struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		ETag    string
	}{ETag: o.etag})
}

// get returns the object that is asked for, if it can be sent.
func (m *Memory) get(w http.ResponseWriter, r *http.Request, key string) *object {
	o, code := m.version(key, r.URL.Query().Get("versionId"))
	switch code {
	case "":
	case "MethodNotAllowed":
		fail(w, r, http.StatusMethodNotAllowed, code)
		return nil
	default:
		fail(w, r, http.StatusNotFound, code)
		return nil
	}
	w.Header().Set("ETag", o.etag)
	if o.version != "" {
		w.Header().Set("X-Amz-Version-Id", o.version)
	}
	if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && r.Header.Get("Range") == "" {
		if o.sha256 != "" {
			w.Header().Set("X-Amz-Checksum-Sha256", o.sha256)
		}
		if o.crc64nvme != "" {
			w.Header().Set("X-Amz-Checksum-Crc64nvme", o.crc64nvme)
			w.Header().Set("X-Amz-Checksum-Type", "FULL_OBJECT")
		}
	}
	if want := r.Header.Get("If-Match"); want != "" && want != o.etag {
		fail(w, r, http.StatusPreconditionFailed, "PreconditionFailed")
		return nil
	}
	return &o
}

// damaged compares a body with the checksums that came with it.
func damaged(r *http.Request, body []byte) string {
	sum := sha256.Sum256(body)
	if want := r.Header.Get("X-Amz-Content-Sha256"); len(want) == 64 && want != hex.EncodeToString(sum[:]) {
		return "XAmzContentSHA256Mismatch"
	}
	if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		return "NotImplemented"
	}
	if want := r.Header.Get("X-Amz-Checksum-Sha256"); want != "" && want != base64.StdEncoding.EncodeToString(sum[:]) {
		return "BadDigest"
	}
	if want := r.Header.Get("X-Amz-Checksum-Crc64nvme"); want != "" && !isComplete(r) && want != crc64nvme(body) {
		return "BadDigest"
	}
	return ""
}

func crc64nvme(p []byte) string {
	sum := crc64.Checksum(p, crc64.MakeTable(0x9a6c9329ac4bc9b5))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum))
}

func etag(p []byte) string {
	return fmt.Sprintf(`"%x"`, md5.Sum(p))
}

func reply(w http.ResponseWriter, result any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(result)
}

func fail(w http.ResponseWriter, r *http.Request, status int, code string) {
	w.Header().Del("ETag")
	refuse(w, r, status, code)
}
