package generate

import (
	"strconv"
	"time"
)

// row is one table item. Attributes other than body are DynamoDB JSON values;
// an empty one is left out, which is how defects are made.
type row struct {
	resourceType string
	id, ownID    string // ownID: _id of a multi-tenant table
	tenant       string
	vid          string
	status       string
	meta         string
	lockEnd      string
	metaFirst    bool // meta where the client put it, not near the end
	idLate       bool // the server made the id, so it comes after the body
	body         []byte
	references   []byte
	active       bool // an active Subscription
}

func tag(kind, value string) string { return `{"` + kind + `":"` + value + `"}` }

// appendLine appends the row as a line of a data file, without the line feed.
// The order of the attributes is that of FHIR Works.
func (r *row) appendLine(dst []byte) []byte {
	dst = append(dst, `{"Item":{`...)
	start := len(dst)
	dst = appendAttribute(dst, start, "resourceType", r.resourceType)
	if !r.idLate {
		dst = appendAttribute(dst, start, "id", r.id)
	}
	if r.metaFirst {
		dst = appendAttribute(dst, start, "meta", r.meta)
	}
	if len(r.body) > 0 {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, r.body...)
	}
	if r.idLate {
		dst = appendAttribute(dst, start, "id", r.id)
	}
	dst = appendAttribute(dst, start, "vid", r.vid)
	if !r.metaFirst {
		dst = appendAttribute(dst, start, "meta", r.meta)
	}
	dst = appendAttribute(dst, start, "documentStatus", r.status)
	dst = appendAttribute(dst, start, "lockEndTs", r.lockEnd)
	dst = appendAttribute(dst, start, "_tenantId", r.tenant)
	dst = appendAttribute(dst, start, "_id", r.ownID)
	if r.active {
		dst = appendAttribute(dst, start, "_subscriptionStatus", tag("S", "active"))
	}
	dst = append(dst, `,"_references":{"L":[`...)
	dst = append(dst, r.references...)
	return append(dst, `]}}}`...)
}

func appendAttribute(dst []byte, start int, name, value string) []byte {
	if value == "" {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return append(dst, value...)
}

// The statuses of FHIR Works.
const (
	available     = "AVAILABLE"
	locked        = "LOCKED"
	pending       = "PENDING"
	pendingDelete = "PENDING_DELETE"
	deleted       = "DELETED"
)

// rowMaker makes the rows of one resource after the other, reusing its buffers:
// a row is valid until the next call.
type rowMaker struct {
	corpus *corpus
	render renderer
	body   []byte
	id     []byte
}

func newRowMaker(c *corpus) *rowMaker {
	return &rowMaker{corpus: c, render: renderer{corpus: c, chosen: make([]int, c.tables)}}
}

// make returns version v of n of resource i.
func (m *rowMaker) make(i, v, n int) row {
	c := m.corpus
	number := uint64(i)
	typ := c.typeOf(i)
	history := c.random(forRow, number)
	batch := history.chance(300) // which path of FHIR Works wrote it
	m.render.stable = c.random(forBody, number)
	m.render.varied = c.random(forVersion, number, uint64(v))
	m.render.at = clinicalStart.Add(time.Duration(m.render.stable.below(14*365*24*3600)) * time.Second)
	m.render.references = m.render.references[:0]
	m.body = m.render.render(m.body[:0], c.bodies[typ.template])
	m.id = c.appendID(m.id[:0], i)

	r := row{
		resourceType: tag("S", typ.name),
		id:           tag("S", string(m.id)),
		vid:          tag("N", strconv.Itoa(v)),
		idLate:       history.chance(300) && v == 1,
		body:         m.body,
		references:   m.render.references,
		active:       typ.name == "Subscription",
	}
	if tenant := c.tenantOf(i); tenant != "" {
		r.tenant, r.ownID = tag("S", tenant), r.id
		r.id = tag("S", tenant+"|"+string(m.id))
	}
	r.status = tag("S", statusOf(&history, v, n, batch))
	updated := tableStart.Add(time.Duration(history.below(200*24*3600*1000)) * time.Millisecond)
	updated = updated.Add(time.Duration(v-1) * 35 * time.Hour)
	r.lockEnd = tag("N", strconv.FormatInt(updated.UnixMilli()+3, 10))
	r.meta, r.metaFirst = metaOf(&history, v, updated)
	return r
}

// statusOf draws the status of version v of n. A superseded version is DELETED
// when a transaction replaced it and AVAILABLE when a batch did.
func statusOf(history *random, v, n int, batch bool) string {
	at := history.below(10_000)
	switch {
	case v < n && batch:
		return available
	case v < n:
		return deleted
	case at < 200:
		return deleted
	case at < 220:
		return locked
	case at < 240:
		return pending
	case at < 250:
		return pendingDelete
	default:
		return available
	}
}

// metaOf renders meta. A client that sent one (with a profile, a tag or a
// security label) finds it where it put it.
func metaOf(history *random, v int, updated time.Time) (meta string, first bool) {
	own := `"versionId":{"S":"` + strconv.Itoa(v) + `"},"lastUpdated":{"S":"` + updated.Format("2006-01-02T15:04:05.000Z") + `"}`
	at := history.below(1000)
	switch {
	case at < 150:
		own = `"profile":{"L":[{"S":"http://example.org/fhir/StructureDefinition/synthetic-record"}]},` + own
	case at < 190:
		own = `"tag":{"L":[{"M":{"system":{"S":"http://example.org/tags"},"code":{"S":"synthetic"},"display":{"S":"made up \u2013 no person"}}}]},` + own
	case at < 220:
		own = own + `,"security":{"L":[{"M":{"system":{"S":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality"},"code":{"S":"R"}}}]},"source":{"S":"#synthetic"}`
	}
	return `{"M":{` + own + `}}`, at < 190
}

func (r *row) statusText() string { return r.status[len(`{"S":"`) : len(r.status)-len(`"}`)] }
