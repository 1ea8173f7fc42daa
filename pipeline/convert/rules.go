package convert

import (
	"bytes"

	"github.com/fhirhose/fhirhose/pipeline"
)

// judge fills r with what the row says of itself, and returns what becomes of
// it: the first rule that applies (design section 6).
func (c *Converter) judge(r *Record) pipeline.Reason {
	if fault := c.tape.Fault(); fault != pipeline.NoReason {
		r.Path = c.tape.Path()
		return fault
	}
	if !c.row.item {
		return pipeline.NoItem
	}
	c.describe(r)
	if reason, path := c.identify(r); reason != pipeline.NoReason {
		r.Path = append(c.row.path[:0], path...)
		return reason
	}
	if reason := c.filtered(r); reason != pipeline.NoReason {
		return reason
	}
	reason := c.defective()
	if reason != pipeline.NoReason {
		r.Path = c.row.path
	}
	return reason
}

// describe fills in what no rule depends on.
func (c *Converter) describe(r *Record) {
	r.MultiTenant = c.row.has(attrTenantID) || c.row.has(attrPlainID)
	if c.row.updatedOK {
		r.LastUpdated = c.row.updated.millis()
	}
	r.LockEnd = c.row.lockEnd
	c.row.tenancy, c.row.tenancyPath = c.tenancy(r.MultiTenant)
	if c.tenants && c.tenant == "" && c.row.tenancy == pipeline.NoReason {
		r.Tenant = c.row.tenantID.text
	}
}

// tenancy tells what is wrong with the row's tenant, and where: in a job with
// tenants id is _tenantId, |, and _id. Without, no row of a multi-tenant table
// may be written.
func (c *Converter) tenancy(multiTenant bool) (pipeline.Reason, string) {
	row := &c.row
	switch {
	case !c.tenants && !multiTenant:
		return pipeline.NoReason, ""
	case !c.tenants:
		return pipeline.TenantMismatch, "id"
	case !row.has(attrTenantID):
		return pipeline.NoTenant, "_tenantId"
	case row.tenantID.ok && !isTenant(row.tenantID.text):
		return pipeline.BadTenant, "_tenantId"
	case !row.tenantID.ok || !row.plainID.ok ||
		!bytes.Equal(row.idPrefix, row.tenantID.text) || !bytes.Equal(c.text(row.id), row.plainID.text):
		return pipeline.TenantMismatch, "id"
	}
	return pipeline.NoReason, ""
}

// identify reads type, id, version and status.
func (c *Converter) identify(r *Record) (pipeline.Reason, string) {
	row := &c.row
	resourceType := c.text(row.resourceType)
	switch {
	case !row.resourceType.present:
		return pipeline.NoType, "resourceType"
	case !isType(resourceType):
		return pipeline.BadType, "resourceType"
	}
	r.Type = resourceType
	id := c.plainID()
	switch {
	case !row.id.present:
		return pipeline.NoID, "id"
	case !isID(id):
		return pipeline.BadID, "id"
	}
	r.ID = id
	if c.resources {
		return c.identifyVersion(r)
	}
	switch {
	case !row.has(attrVersion):
		return pipeline.NoVersion, "vid"
	case row.version < 1 || row.version > 999_999_999:
		return pipeline.BadVersion, "vid"
	}
	r.Version = uint32(row.version)
	r.Status = row.status
	switch {
	case !row.has(attrStatus):
		return pipeline.NoStatus, "documentStatus"
	case r.Status == pipeline.StatusUnknown:
		return pipeline.BadStatus, "documentStatus"
	}
	return pipeline.NoReason, ""
}

// plainID returns the FHIR id: of a row of a multi-tenant table that is _id.
func (c *Converter) plainID() []byte {
	if c.row.plainID.ok {
		return c.row.plainID.text
	}
	return c.text(c.row.id)
}

// filtered asks the filters in their order.
func (c *Converter) filtered(r *Record) pipeline.Reason {
	updated := c.row.updatedOK // else no bound applies
	switch {
	case c.tenant != "" && c.row.tenantID.ok && string(c.row.tenantID.text) != c.tenant:
		return pipeline.OtherTenant
	case r.Status == pipeline.Pending:
		return pipeline.IsPending
	case c.types != nil && !c.types[string(r.Type)]:
		return pipeline.OtherType
	case c.since != nil && updated && !c.row.updated.after(*c.since):
		return pipeline.NotSince
	case c.until != nil && updated && c.row.updated.after(*c.until):
		return pipeline.AfterUntil
	case !c.deleted && r.Status == pipeline.Deleted:
		return pipeline.IsDeleted
	}
	return pipeline.NoReason
}

// defective returns the first other defect and leaves its path in c.row.path.
func (c *Converter) defective() pipeline.Reason {
	row := &c.row
	switch {
	case row.defect != pipeline.NoReason:
		return row.defect
	case !row.has(attrMeta):
		row.path = append(row.path, "meta"...)
		return pipeline.NoMeta
	}
	row.path = append(row.path, row.tenancyPath...)
	return row.tenancy
}

// text returns the value of a string attribute, nil if it is none.
func (c *Converter) text(f field) []byte {
	if !f.ok {
		return nil
	}
	return c.tape.Text(f.from, f.to)
}

// integer returns the value of 1 to 18 digits that do not begin with 0, else 0.
func integer(digits []byte) (n int64) {
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' {
		return 0
	}
	for _, b := range digits {
		if b-'0' > 9 {
			return 0
		}
		n = n*10 + int64(b-'0')
	}
	return n
}

// isType tells whether text is ^[A-Z][A-Za-z0-9]{0,63}$.
func isType(text []byte) bool {
	if len(text) == 0 || len(text) > 64 || text[0] < 'A' || text[0] > 'Z' {
		return false
	}
	for _, b := range text {
		if !isAlphanumeric(b) {
			return false
		}
	}
	return true
}

// isID tells whether text is ^[A-Za-z0-9\-.]{1,64}$.
func isID(text []byte) bool {
	if len(text) == 0 || len(text) > 64 {
		return false
	}
	for _, b := range text {
		if !idBytes[b] {
			return false
		}
	}
	return true
}

// isTenant tells whether text is ^[A-Za-z0-9_-]{1,64}$.
func isTenant(text []byte) bool {
	if len(text) == 0 || len(text) > 64 {
		return false
	}
	for _, b := range text {
		if !isAlphanumeric(b) && b != '_' && b != '-' {
			return false
		}
	}
	return true
}

// idBytes are the bytes of a FHIR id.
var idBytes = func() (set [256]bool) {
	for b := range set {
		set[b] = isAlphanumeric(byte(b)) || b == '-' || b == '.'
	}
	return set
}()

func isAlphanumeric(b byte) bool {
	return b-'0' <= 9 || b|0x20-'a' <= 'z'-'a'
}
