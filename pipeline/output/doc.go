// Package output is where a pipeline ends: files and their newest bytes, the
// ledger's open segment, and the cuts that make them safe to claim.
//
//	producer ─┬▶ writers ─▶ sealers
//	          ├▶ ledger  ─▶ segments
//	          └─ cut, behind the data ─▶ committer ─▶ checkpoint
//
// The producer alone knows the order: it shards, hands over batches, and takes
// cuts. Writers own the files and the memory of their newest bytes. A cut travels
// behind the data through every writer and the ledger; when all that it covers is
// durable, the committer stores it in one transaction (I1).
//
// Each pipeline has an Output of its own, with its own entries in the checkpoint:
// a slow one never holds up another.
package output
