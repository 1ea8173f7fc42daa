package jobfile

import (
	"time"

	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/sources/fhirworks"
)

// Job is a migration as its settings describe it, validated, with every path
// absolute.
type Job struct {
	Name         string
	State        string // directory
	Source       Source
	Sink         Sink
	Target       Target
	Verify       Verify
	Layout       Layout
	Limits       Limits
	OnQuarantine string // "stop" or "continue"
	Listen       string // host:port of the metrics server; "" for none
	LogDir       string // of a file for each run; "" for none

	Values map[string]string // every setting as text, by key: given, or its default

	File     string   // the job file, "" when there is none
	Warnings []string // what is accepted but probably not meant
}

// AllTenants tells whether each tenant of the table has a folder of its own.
func (j *Job) AllTenants() bool { return j.Source.Tenant == convert.AllTenants }

// Output is where the job's folders go: [<tenant>/]<job> below the sink. In a job
// of all tenants it is <job>, which holds what belongs to none of them.
func (j *Job) Output() Location {
	if j.AllTenants() {
		return j.OutputOf("")
	}
	return j.OutputOf(j.Source.Tenant)
}

// OutputOf is where the folders of one of all tenants go; "" is for none.
func (j *Job) OutputOf(tenant string) Location { return j.Sink.Location.Join(tenant, j.Name) }

// Source says where records come from, and which of them are meant.
type Source struct {
	Export   Location          // of a DynamoDB export; zero before Table is exported
	Table    Table             // to export; zero where Export is given
	Folders  Location          // that the FHIR Works tool has written, instead of an export or a table
	API      fhirworks.Options // of the live source, from the environment
	Binaries Location          // of the contents of Binary rows; zero unless they are fetched
	Region   string
	Tenant   string    // "" single-tenant, convert.AllTenants, or the only one whose rows are moved
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

// Location is where the records lie; zero before Table is exported.
func (s *Source) Location() Location {
	if !s.Folders.IsZero() {
		return s.Folders
	}
	return s.Export
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
