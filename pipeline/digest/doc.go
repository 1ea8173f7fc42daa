// Package digest computes the digests by which the ledger and verification
// compare resources (design section 7):
//
//   - the content digest: SHA-256 of the canonical text of a resource without
//     its meta;
//   - the label digest: SHA-256 of the canonical text of an object that holds
//     meta.profile, meta.security and meta.tag, those that are there, less the
//     tags that package convert adds. No list of tags is the same as an empty one.
//
// Beside them stands the number form, a sum of 32 bits that differs where equal
// numbers are spelled in different ways: 1.5 and 1.50.
//
// It is pure: bytes in, digests out. Canonical text is made by its sub-package
// canon. Package convert computes the same digests while it converts; [Digester]
// computes them from plain FHIR JSON, a line of our output or of another system.
package digest
