package generate

import (
	"bytes"
	"strings"
)

// Defect names something that is wrong with a row or with the history of a
// resource.
type Defect string

// Defects of one row. Their names are those of pipeline.Reason.
const (
	NotJSON        Defect = "not-json"
	InvalidUTF8    Defect = "invalid-utf8"
	DuplicateKey   Defect = "duplicate-key"
	TooDeep        Defect = "too-deep"  // 5,000 levels
	TooLarge       Defect = "too-large" // a line of LargeLineBytes and a little more
	NoItem         Defect = "no-item"
	NoType         Defect = "no-type"
	BadType        Defect = "bad-type" // ../../etc
	NoID           Defect = "no-id"
	BadID          Defect = "bad-id"
	NoVersion      Defect = "no-version"
	BadVersion     Defect = "bad-version"
	NoStatus       Defect = "no-status"
	BadStatus      Defect = "bad-status"
	NoMeta         Defect = "no-meta"
	BadMeta        Defect = "bad-meta"
	BadTag         Defect = "bad-meta-tag"
	BadNumber      Defect = "bad-number"
	BadAttribute   Defect = "bad-attribute"
	TenantMismatch Defect = "tenant-mismatch" // only in a multi-tenant export
)

// Oddities: readable rows that a ledger or a report must notice.
const (
	DuplicateRow     Defect = "duplicate-row"     // the same (type, id, version) twice
	TwoTypes         Defect = "two-types"         // version 1 and 2 of an id have different types
	VersionHole      Defect = "version-hole"      // versions 1 and 3
	PendingTop       Defect = "pending-top"       // version 1 LOCKED, version 2 PENDING
	BadLastUpdated   Defect = "bad-last-updated"  // not a time
	UnknownAttribute Defect = "unknown-attribute" // a top-level one that FHIR Works does not know
)

// LargeLineBytes is how many bytes of filling a TooLarge row has.
const LargeLineBytes = 100 << 20

// deepLevels is how many lists a TooDeep row nests.
const deepLevels = 5000

// RowDefects lists the defects for which a row must be quarantined.
func RowDefects() []Defect {
	return []Defect{
		NotJSON, InvalidUTF8, DuplicateKey, TooDeep, TooLarge, NoItem,
		NoType, BadType, NoID, BadID, NoVersion, BadVersion, NoStatus, BadStatus,
		NoMeta, BadMeta, BadTag, BadNumber, BadAttribute, TenantMismatch,
	}
}

// Oddities lists the defects for which every row is written nevertheless,
// PENDING ones apart.
func Oddities() []Defect {
	return []Defect{DuplicateRow, TwoTypes, VersionHole, PendingTop, BadLastUpdated, UnknownAttribute}
}

// scattered are the defects that Options.Bad puts in, in turn.
func (c *corpus) scattered() []Defect {
	var all []Defect
	for _, d := range RowDefects() {
		if d == TooLarge || d == TenantMismatch && len(c.Tenants) == 0 {
			continue
		}
		all = append(all, d)
	}
	return all
}

// writeDefect writes the rows of a defect. i is the number of a resource that
// the export does not hold otherwise.
func (m *rowMaker) writeDefect(w *objectWriter, d Defect, i int) error {
	switch d {
	case TooLarge:
		return m.writeLarge(w, i)
	case NotJSON:
		return w.line([]byte(`{"Item":{"resourceType":{"S":"Patient"},"id":`))
	case NoItem:
		return w.line([]byte(`{"item":{"resourceType":{"S":"Patient"}}}`))
	}
	for _, r := range m.defective(d, i) {
		if err := w.line(r.appendLine(nil)); err != nil {
			return err
		}
	}
	return nil
}

// writeLarge streams the long line.
func (m *rowMaker) writeLarge(w *objectWriter, i int) error {
	r := m.make(i, 1, 1)
	r.body = append(bytes.Clone(r.body), `,"modifierExtension":{"S":"@"}`...)
	head, tail, _ := bytes.Cut(r.appendLine(nil), []byte("@"))
	if err := w.write(head); err != nil {
		return err
	}
	filling := bytes.Repeat([]byte("synthetic filling. "), 1<<15)
	for left := LargeLineBytes; left > 0; left -= len(filling) {
		if err := w.write(filling[:min(left, len(filling))]); err != nil {
			return err
		}
	}
	return w.line(tail)
}

// defective returns the rows of a defect.
func (m *rowMaker) defective(d Defect, i int) []row {
	if rows := m.oddity(d, i); rows != nil {
		return rows
	}
	r := m.make(i, 1, 1)
	switch d {
	case InvalidUTF8:
		r.extend(`{"S":"` + "a\xffb" + `"}`)
	case DuplicateKey:
		r.extend(`{"M":{"url":{"S":"a"},"url":{"S":"b"}}}`)
	case TooDeep:
		r.extend(strings.Repeat(`{"L":[`, deepLevels) + strings.Repeat(`]}`, deepLevels))
	case BadNumber:
		r.extend(`{"N":"1.2.3"}`)
	case BadAttribute:
		r.extend(`{"S":"two tags","N":"1"}`)
	case NoType:
		r.resourceType = ""
	case BadType:
		r.resourceType = tag("S", "../../etc")
	case NoID:
		r.id, r.ownID = "", ""
	case BadID:
		r.id, r.ownID = strings.Replace(r.id, "-", "/../", 1), strings.Replace(r.ownID, "-", "/../", 1)
	case NoVersion:
		r.vid = ""
	case BadVersion:
		r.vid = tag("N", "1.5")
	case NoStatus:
		r.status = ""
	case BadStatus:
		r.status = tag("S", "RETIRED")
	case NoMeta:
		r.meta = ""
	case BadMeta:
		r.meta = tag("S", "meta")
	case BadTag:
		r.meta = strings.Replace(r.meta, `{"M":{`, `{"M":{"tag":{"S":"none"},`, 1)
		r.meta = strings.Replace(r.meta, `"tag":{"L":[`, `"was":{"L":[`, 1)
	case TenantMismatch:
		r.tenant = tag("S", "another-tenant")
	}
	return []row{r}
}

// oddity returns the rows of an oddity, or nil if d is none.
func (m *rowMaker) oddity(d Defect, i int) []row {
	fresh := func(v, n int, status string) row {
		r := m.make(i, v, n)
		r.body, r.references = bytes.Clone(r.body), bytes.Clone(r.references)
		r.status = tag("S", status)
		return r
	}
	switch d {
	case DuplicateRow:
		return []row{fresh(1, 1, available), fresh(1, 1, available)}
	case TwoTypes:
		rows := []row{fresh(1, 2, available), fresh(2, 2, available)}
		rows[0].resourceType, rows[1].resourceType = tag("S", "Patient"), tag("S", "Observation")
		return rows
	case VersionHole:
		return []row{fresh(1, 3, deleted), fresh(3, 3, available)}
	case PendingTop:
		return []row{fresh(1, 2, locked), fresh(2, 2, pending)}
	case BadLastUpdated:
		r := fresh(1, 1, available)
		r.meta = `{"M":{"versionId":{"S":"1"},"lastUpdated":{"S":"yesterday"}}}`
		return []row{r}
	case UnknownAttribute:
		r := fresh(1, 1, available)
		r.body = append(r.body, `,"_ttlForCleaning":{"N":"1700000000"}`...)
		return []row{r}
	}
	return nil
}

// extend adds an element that no template has.
func (r *row) extend(value string) {
	r.body = append(bytes.Clone(r.body), `,"modifierExtension":{"L":[`+value+`]}`...)
}
