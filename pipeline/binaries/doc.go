// Package binaries is the second pipeline: it gives each Binary row its content,
// an object of the binary bucket, and writes it as a FHIR Binary with base64 data
// (design section 3). It runs beside the record pipeline, which it knows only by
// the rows that are committed there: a slow bucket never holds up a record.
//
//	stubs ─▶ read ─▶ look up ─▶ admit ─▶ fetch, encode, digest ─▶ place ─▶ output
//	                                  └▶ stage ──────────────────┘  └─ cut
//
// A stub is the source line of a row; read converts it, for the second time.
// Rows are looked up and fetched many at a time, and placed one after the other:
// read, admit and place know the order, the stages between them do not (I3).
// Memory and spool are given out in that order too, so that the row which is
// placed next never waits for one behind it.
//
// A small content is fetched into memory, as the line that it will be part of. A
// large one is staged whole to a local file, so that it is known to be what was
// listed before a byte of its line is placed; then it passes in chunks, with cuts
// between them. What is committed is not read again.
//
// In `state`/binaries lie staged contents, content-<row>, and named: 8 bytes for
// each row with a listed object, little-endian, its number in the listing, and in
// the upper 16 bits, if there is more than one, the length of the keys' common
// beginning. pipeline.FormatVersion covers it.
//
// Neighbours: pipeline/stub is the form of a row on its way here, pipeline/output
// writes, pipeline.Contents is the bucket.
package binaries
