package convert

import "github.com/fhirhose/fhirhose/pipeline"

// row is what the scan finds out about a row.
type row struct {
	item bool // there is an Item

	resourceType, id, status field
	tenantID, plainID        field  // _tenantId and _id
	idPrefix                 []byte // what stood before the first | of id, in a job with a tenant
	split                    bool   // id had a |
	hasVersion               bool
	version                  int64 // vid; 0 if it is no integer
	lockEnd                  int64 // lockEndTs; 0 if it is no integer

	meta       bool
	metaEnd    int     // offset in the output of meta's closing brace
	tagEnd     int     // offset in the output of the bracket that closes meta.tag; 0: there is no list
	updatedRaw span    // meta.lastUpdated in the output, without quotes; 0: it is no string
	updated    instant // its value, if updatedOK
	updatedOK  bool

	unknown []span // names of unknown attributes in the canonical text
	content []byte // canonical text for the content digest

	defect pipeline.Reason // the first defect that is none of JSON or identity
	path   []byte          // where it is
}

func (r *row) reset() {
	*r = row{idPrefix: r.idPrefix[:0], unknown: r.unknown[:0], path: r.path[:0]}
}

// span is a piece of one of the outputs.
type span struct{ from, to int }

// field is a string attribute that the rules ask for.
type field struct {
	span         // of its value in the canonical text, without quotes
	present bool // the attribute is there
	ok      bool // and a string
}

// attribute says what becomes of a top-level attribute.
type attribute uint8

const (
	attrOrdinary attribute = iota
	attrUnknown
	attrType
	attrID
	attrMeta // written, but no part of the content digest

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

func (a attribute) dropped() bool { return a >= attrVersion }

// field returns where the value of a string attribute is remembered, or nil.
func (r *row) field(a attribute) *field {
	switch a {
	case attrType:
		return &r.resourceType
	case attrID:
		return &r.id
	case attrStatus:
		return &r.status
	case attrTenantID:
		return &r.tenantID
	case attrPlainID:
		return &r.plainID
	}
	return nil
}
