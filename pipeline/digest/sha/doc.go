// Package sha is SHA-256 (FIPS 180-4) for two needs that crypto/sha256 leaves
// open:
//
//   - A state that may be stored. The one that crypto/sha256 marshals ends with
//     up to 63 bytes of the message: medical text in the checkpoint, against I10.
//     [Sum.State] is the chaining value alone; who resumes brings the bytes behind
//     the last whole block, from where the data lies anyway.
//   - Two messages at once. SHA-256 waits for itself all the time, so on amd64
//     [WriteBoth] takes two messages side by side through one core in little more
//     time than one (see block_amd64.s). Without the SHA instructions of such a
//     processor, and on others, it does one after the other.
//
// A digest is always that of crypto/sha256, which also does the work where our
// assembly does not. Nothing is allocated per message, and no reference is kept to
// what is written.
package sha
