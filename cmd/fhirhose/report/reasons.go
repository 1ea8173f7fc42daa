package report

import "github.com/fhirhose/fhirhose/pipeline"

// Meaning explains a reason in a few words; "" for one that it does not know.
func Meaning(reason string) string { return meanings[reason] }

var meanings = map[string]string{
	pipeline.OtherTenant.String(): "belongs to another tenant than source.tenant",
	pipeline.IsPending.String():   "documentStatus PENDING: the transaction was never committed",
	pipeline.OtherType.String():   "type is not in source.types",
	pipeline.NotSince.String():    "not updated after source.since",
	pipeline.AfterUntil.String():  "updated after source.until",
	pipeline.IsDeleted.String():   "DELETED, left out by source.deleted: false",

	pipeline.NotJSON.String():      "the line is not JSON",
	pipeline.InvalidUTF8.String():  "the line is not UTF-8",
	pipeline.DuplicateKey.String(): "a key stands twice in one object",
	pipeline.TooDeep.String():      "nested deeper than 256 levels",
	pipeline.TooLarge.String():     "the line is over 16 MiB, or of some MiB and little but numbers",
	pipeline.NoItem.String():       "the line has no Item",
	pipeline.NoType.String():       "no resourceType",
	pipeline.BadType.String():      "resourceType is not the name of a type",
	pipeline.NoID.String():         "no id",
	pipeline.BadID.String():        "the id is not a FHIR id",
	pipeline.NoVersion.String():    "no vid, or no meta.versionId in a line of the FHIR Works tool",
	pipeline.BadVersion.String():   "vid, or meta.versionId, is not a version number, or not that of its folder",
	pipeline.NoStatus.String():     "no documentStatus",
	pipeline.BadStatus.String():    "documentStatus is none that FHIR Works writes",

	pipeline.NoMeta.String():         "no meta",
	pipeline.BadMeta.String():        "meta is not an object",
	pipeline.BadTag.String():         "meta.tag is not a list",
	pipeline.BadNumber.String():      "a number is none",
	pipeline.BadAttribute.String():   "an attribute is not DynamoDB JSON",
	pipeline.NoTenant.String():       "no _tenantId, in a job with source.tenant",
	pipeline.TenantMismatch.String(): "_tenantId, _id and id disagree",
	pipeline.OverFileCap.String():    "larger than layout.max_file_size, or a Binary than layout.max_binary_file_size",
	pipeline.BadTenant.String():      "_tenantId is not the id of a tenant",

	pipeline.ContentMissing.String():   "the binary bucket holds no object of this Binary",
	pipeline.ContentAmbiguous.String(): "the binary bucket holds more than one object of this Binary",
	pipeline.ContentChanged.String():   "the object of this Binary changed while it was read",
	pipeline.RowTooLarge.String():      "the row of this Binary is over 1 MiB, before its content is added",
}
