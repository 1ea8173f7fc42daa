package jobfile

import "time"

// Job is a migration as its settings describe it, validated, with every path
// absolute.
type Job struct {
	Name         string
	State        string // directory
	Source       Source
	Sink         Sink
	Layout       Layout
	Limits       Limits
	OnQuarantine string // "stop" or "continue"
	Listen       string // host:port of the metrics server; "" for none

	File     string   // the job file, "" when there is none
	Warnings []string // what is accepted but probably not meant
}

// Output is where the job's folders go: [<tenant>/]<job> below the sink.
func (j *Job) Output() Location { return j.Sink.Location.Join(j.Source.Tenant, j.Name) }

// Source says where records come from, and which of them are meant.
type Source struct {
	Export   Location // of a DynamoDB export
	Binaries Location // of the contents of Binary rows; zero unless they are fetched
	Region   string
	Tenant   string    // "" single-tenant
	Since    time.Time // exclusive; zero for none
	Until    time.Time // inclusive; zero for none
	Types    []string  // empty for all
	Deleted  bool      // write DELETED rows
	Owner    string    // account that must own the bucket; "" for any
	S3       S3

	BinaryRows     BinaryRows
	BinaryField    string // "data" or "content"
	RecoverDeleted bool   // look for noncurrent contents of DELETED Binary rows
}

// Sink says where folders come to rest.
type Sink struct {
	Location Location
	Region   string
	KMSKey   string
	Owner    string // account that must own the bucket; "" for any
	S3       S3
}

// S3 holds the switches for S3 look-alikes.
type S3 struct {
	PathStyle         bool
	RequestChecksums  string // when_supported, when_required, or "" for the AWS default
	ConditionalWrites bool
}

// Layout shapes the output; it is fixed at the job's first start.
type Layout struct {
	MaxFileSize    int64 // bytes
	MaxFolderSize  int64 // bytes
	MaxFolderFiles int
	Lanes          int

	MaxBinaryFileSize int64 // bytes; that of a file of Binaries
}

// Limits bound what the process uses; they never shape the output.
type Limits struct {
	Memory    int64 // bytes
	Workers   int   // 0: one per core
	Spool     int64 // bytes
	Bandwidth int64 // bytes per second; 0: none
	Binaries  int   // contents fetched at the same time
}
