package objecttest

import (
	"cmp"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What is listed comes in pages, so that clients have to ask for the next.
const page = 100

const timeFormat = "2006-01-02T15:04:05.000Z"

// listedObject is an object, a version or a delete marker in a listing.
type listedObject struct {
	Key          string
	VersionID    string `xml:"VersionId,omitempty"`
	IsLatest     *bool  `xml:",omitempty"`
	LastModified string
	ETag         string `xml:",omitempty"`
	Size         *int   `xml:",omitempty"`
}

func list(r *http.Request, key string, o object) listedObject {
	l := listedObject{Key: encoded(r, key), LastModified: o.modified.UTC().Format(timeFormat)}
	if !o.marker {
		size := len(o.content)
		l.ETag, l.Size = o.etag, &size
	}
	return l
}

// encoded is a key as the client has asked for it: XML cannot hold them all.
func encoded(r *http.Request, key string) string {
	if r.URL.Query().Get("encoding-type") == "url" {
		return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
	}
	return key
}

// keys returns, in order, the keys behind marker that have the prefix.
func (m *Memory) keys(prefix, marker string) []string {
	if m.sorted == nil {
		m.sorted = slices.Collect(maps.Keys(m.objects))
		for key := range m.history {
			if _, current := m.objects[key]; !current {
				m.sorted = append(m.sorted, key)
			}
		}
		slices.Sort(m.sorted)
	}
	from, _ := slices.BinarySearch(m.sorted, max(prefix, marker))
	return m.sorted[from:]
}

func (m *Memory) listObjects(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	result := struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		EncodingType          string   `xml:",omitempty"`
		Contents              []listedObject
		IsTruncated           bool
		NextContinuationToken string
	}{EncodingType: q.Get("encoding-type")}
	token, last := cmp.Or(q.Get("continuation-token"), q.Get("start-after")), ""
	for _, key := range m.keys(q.Get("prefix"), token) {
		o, current := m.objects[key]
		if !current || key == token {
			continue
		}
		if !strings.HasPrefix(key, q.Get("prefix")) {
			break
		}
		if result.IsTruncated = len(result.Contents) == page; result.IsTruncated {
			break
		}
		result.Contents = append(result.Contents, list(r, key, o))
		last = key
	}
	if result.IsTruncated {
		result.NextContinuationToken = last
	}
	reply(w, result)
}

func (m *Memory) listVersions(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	result := struct {
		XMLName             xml.Name `xml:"ListVersionsResult"`
		EncodingType        string   `xml:",omitempty"`
		IsTruncated         bool
		NextKeyMarker       string         `xml:",omitempty"`
		NextVersionIDMarker string         `xml:"NextVersionIdMarker,omitempty"`
		Version             []listedObject `xml:"Version"`
		DeleteMarker        []listedObject `xml:"DeleteMarker"`
	}{EncodingType: q.Get("encoding-type")}
	switch m.answers["versions"] {
	case "":
	case "NotImplemented":
		fail(w, r, http.StatusNotImplemented, "NotImplemented")
		return
	default:
		fail(w, r, http.StatusForbidden, "AccessDenied")
		return
	}
	after, whole := q.Get("version-id-marker"), !q.Has("version-id-marker") // of the first key
	for _, key := range m.keys(q.Get("prefix"), q.Get("key-marker")) {
		if !strings.HasPrefix(key, q.Get("prefix")) {
			break
		}
		for i, o := range m.versions(key) {
			if key == q.Get("key-marker") && (whole || after != "") {
				if o.version == after {
					after = ""
				}
				continue
			}
			if result.IsTruncated = len(result.Version)+len(result.DeleteMarker) == page; result.IsTruncated {
				reply(w, result)
				return
			}
			l, latest := list(r, key, o), i == 0
			l.VersionID, l.IsLatest = o.version, &latest
			if o.marker {
				result.DeleteMarker = append(result.DeleteMarker, l)
			} else {
				result.Version = append(result.Version, l)
			}
			result.NextKeyMarker, result.NextVersionIDMarker = l.Key, o.version
		}
	}
	result.NextKeyMarker, result.NextVersionIDMarker = "", ""
	reply(w, result)
}

func (m *Memory) list(w http.ResponseWriter, r *http.Request) {
	type listed struct {
		Key       string
		UploadID  string `xml:"UploadId"`
		Initiated string
	}
	var found []listed
	for _, id := range slices.Sorted(maps.Keys(m.uploads)) {
		u := m.uploads[id]
		if !strings.HasPrefix(u.key, r.URL.Query().Get("prefix")) {
			continue
		}
		found = append(found, listed{u.key, id, u.initiated.UTC().Format(timeFormat)})
	}
	reply(w, struct {
		XMLName xml.Name `xml:"ListMultipartUploadsResult"`
		Upload  []listed
	}{Upload: found})
}
