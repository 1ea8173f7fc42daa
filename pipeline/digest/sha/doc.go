// Package sha is SHA-256 (FIPS 180-4) whose state may be stored.
//
// The state that crypto/sha256 marshals ends with up to 63 bytes of the message:
// medical text in the checkpoint, against I10. [Sum.State] is the chaining value
// alone; who resumes brings the bytes behind the last whole block, from where the
// data lies anyway.
//
// A digest is always that of crypto/sha256. Nothing is allocated per message, and
// no reference is kept to what is written.
package sha
