// Package convert turns one row of a DynamoDB export of a FHIR Works table into
// one line of FHIR NDJSON, and applies the rules of such a row (design section
// 6): what is quarantined, what is filtered, which attributes go, which tags
// are added. Its formats: facts of AWS, DynamoDB JSON and the resource table.
//
// It is pure: bytes in, bytes and a [Record] out. One pass over the row writes
// the line and the canonical text that its digests are computed from (package
// digest). A row in the shape that DynamoDB writes, without white space, is
// matched eight bytes at a time (value.go); whatever does not match, be it
// unusual or wrong, goes through a general path (slow.go).
//
// A row that is no strict JSON ends the scan. A value that is no DynamoDB value
// does not: it is noted and passed over, because the row's identity and the
// filters come before it in the rules.
//
// With Options.Resources a line is a resource already, as the FHIR Works tool has
// made it of a row (resource.go): it stays as it is, and the same is said of it.
//
// In a job of [AllTenants] each row says its tenant, or none if any of its three
// fields contradicts. Of a Binary, whose content a second pipeline adds, a row
// also gives the halves of the canonical text around it (binary.go).
package convert
