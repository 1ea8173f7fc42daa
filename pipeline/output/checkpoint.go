package output

// Checkpoint stores how far the job may claim to have come. checkpoint.Store
// fulfils it.
type Checkpoint interface {
	Entries
	// Commit stores all changes in one durable transaction, or none of them.
	Commit(changes []Change) error
	// Repaired lists the objects that have another MD5 than when the job began;
	// AcceptRepairs goes on with them.
	Repaired() []int
	AcceptRepairs() error
}

// Entries is what a checkpoint holds.
type Entries interface {
	// Each calls f for every entry of a bucket in key order.
	Each(bucket string, f func(key string, value []byte) error) error
}

// Change is one entry to store, or to delete where Value is nil.
type Change struct {
	Bucket, Key string
	Value       []byte
}
