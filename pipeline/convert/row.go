package convert

import "github.com/fhirhose/fhirhose/pipeline"

// row is what the scan finds out about a row.
type row struct {
	item bool // there is an Item

	seen uint // which attributes that are no part of the content have occurred

	resourceType, id  field
	status            pipeline.DocumentStatus
	version           int64  // vid; 0 if it is no integer
	lockEnd           int64  // lockEndTs; 0 if it is no integer
	tenantID, plainID kept   // _tenantId and _id
	idPrefix          []byte // what stood before the first | of id, in a job with tenants

	tenancy     pipeline.Reason // what is wrong with the row's tenant
	tenancyPath string          // and where

	metaEnd    int     // offset in the output of meta's closing brace
	tagEnd     int     // offset in the output of the bracket that closes meta.tag; 0: there is no list
	updatedRaw span    // meta.lastUpdated in the output, without quotes; 0: it is no string
	updated    instant // its value, if updatedOK
	updatedOK  bool

	dated   bool // a resource has the tag of its time already
	deleted bool // and the tag of a row that was DELETED

	unknown []span // names of unknown attributes in the canonical text
	content []byte // canonical text for the content digest

	defect pipeline.Reason // the first defect that is none of JSON or identity
	path   []byte          // where it is
}

func (r *row) reset() {
	*r = row{
		tenantID: kept{text: r.tenantID.text[:0]}, plainID: kept{text: r.plainID.text[:0]},
		idPrefix: r.idPrefix[:0], unknown: r.unknown[:0], path: r.path[:0],
	}
}

// has tells whether an attribute that is no part of the content has occurred.
func (r *row) has(a attribute) bool { return r.seen>>a&1 != 0 }

// span is a piece of one of the outputs.
type span struct{ from, to int }

// unquoted is the span of a string without its quotes.
func (s span) unquoted() span { return span{s.from + 1, s.to - 1} }

// field is a string attribute that stays in the canonical text.
type field struct {
	span         // of its value in the canonical text, without quotes
	present bool // the attribute is there
	ok      bool // and a string
}

// kept is a string attribute that does not stay there.
type kept struct {
	text []byte
	ok   bool // the attribute is there and a string
}

// keep takes over the canonical text of a value.
func (f *kept) keep(text []byte, kind kind) {
	if f.ok = kind == kindS; f.ok {
		f.text = append(f.text[:0], text[1:len(text)-1]...)
	}
}

// attribute says what becomes of a top-level attribute.
type attribute uint8

const (
	attrOrdinary attribute = iota
	attrUnknown
	attrType
	attrID

	// These are no part of the content digest.

	attrMeta

	// These are dropped from the resource.

	attrVersion
	attrStatus
	attrLockEnd
	attrReferences
	attrTenantID
	attrPlainID
	attrSubscription
)

// attributeOf knows the attributes of FHIR Works by name.
func attributeOf(name []byte) attribute {
	switch string(name) {
	case "resourceType":
		return attrType
	case "id":
		return attrID
	case "meta":
		return attrMeta
	case "vid":
		return attrVersion
	case "documentStatus":
		return attrStatus
	case "lockEndTs":
		return attrLockEnd
	case "_references":
		return attrReferences
	case "_tenantId":
		return attrTenantID
	case "_id":
		return attrPlainID
	case "_subscriptionStatus":
		return attrSubscription
	}
	if len(name) > 0 && name[0] == '_' {
		return attrUnknown
	}
	return attrOrdinary
}

// content tells whether an attribute is part of the content digest.
func (a attribute) content() bool { return a < attrMeta }

// dropped tells whether an attribute is no part of the resource.
func (a attribute) dropped() bool { return a > attrMeta }
