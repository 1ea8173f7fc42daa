// Package records is the record pipeline: it moves every record of a source
// into the files of a sink, exactly once and in an order that depends on
// nothing but the input (I2, I3).
//
//	stager ─▶ workers: inflate a lane's next batch, convert it ─▶ merge ─▶ writers ─▶ sealers
//	                                                               │  └──▶ ledger
//	                                                               └─ cut ─▶ committer ─▶ checkpoint
//
// A lane has one object open. Its token travels: whoever holds it inflates the
// lane's next batch, passes the token on, and converts the batch while another
// worker inflates the next one. The merge takes one batch from each lane in
// turn; it alone knows the order, so it alone shards, counts and takes cuts. What
// lies behind the merge (writers, ledger, cuts) is package output.
//
// Every goroutine belongs to an errgroup of Run, every channel is bounded,
// and no buffer outlives its budget (I7).
package records
