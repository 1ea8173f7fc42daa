package generate

import (
	"errors"
	"fmt"
)

// Options describe an export. The zero value of each field but Dir means its
// default.
type Options struct {
	// Dir is the export's folder, the one that holds manifest-summary.json. It
	// is created; files of an earlier export in it are overwritten.
	Dir  string
	Seed uint64

	// Resources is the number of distinct (type, id). Default 1,000.
	Resources int
	// Types is how many of [R4Types] occur, the commonest first. Default 20, at
	// most all of them.
	Types int
	// Even gives every type the same number of resources (resource i has type
	// i mod Types) instead of the weights of a real server.
	Even bool

	// Versions is the highest version. Default 3. Most resources have fewer,
	// each further one being half as likely.
	Versions int
	// AllVersions gives every resource all versions, 1 to Versions.
	AllVersions bool

	// Objects is the number of data files that hold rows. Default 4.
	Objects int
	// Skew is how many times more resources the largest object holds than the
	// smallest. Default 1.
	Skew float64
	// EmptyObjects is the number of further data files without a row, as a
	// table's empty partitions leave them.
	EmptyObjects int

	// Tenants makes a multi-tenant table: each resource belongs to one of them.
	Tenants []string

	// Bad is the fraction of resources that are followed by a row with a
	// record-level defect, each kind in turn but [TooLarge].
	Bad float64
	// Plant lists defects to put into the export once each: the j-th one in the
	// middle of object j mod Objects. Summary.Planted says where they are.
	Plant []Defect

	// Contents is a folder to write the contents of Binary rows to, as the bucket
	// that FHIR Works keeps them in. "" writes none.
	Contents string

	// Prefix is the S3 prefix that the manifest names; keys include it.
	Prefix string
	// GzipLevel is that of klauspost/compress/gzip, 1 to 9. Default 6, which
	// gives about 8.5:1 for the default mix.
	GzipLevel int
	// Workers write objects at the same time; it does not change a byte.
	// Default: one per core.
	Workers int
}

// Object is one data file of an export.
type Object struct {
	Key        string // dataFileS3Key in the manifest
	Path       string // local file
	Items      int64  // lines
	Bytes      int64  // decompressed
	Compressed int64
	MD5        [16]byte // of the compressed bytes
}

// Planted says where a defect stands. Defects that need several rows count the
// first.
type Planted struct {
	Defect Defect
	Object string // key
	Record int64  // record number within the object, from 1
}

// Summary says what an export holds.
type Summary struct {
	Dir        string
	ExportID   string
	Objects    []Object // in the order of manifest-files.json
	Items      int64
	Bytes      int64 // decompressed
	Compressed int64
	Resources  int64            // generated, without planted rows
	Types      map[string]int64 // generated rows per type
	Statuses   map[string]int64 // generated rows per documentStatus
	Planted    []Planted
	Defects    map[Defect]int64 // rows per defect, planted and by fraction
}

func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Resources, 1000)
	setDefault(&o.Types, 20)
	setDefault(&o.Versions, 3)
	setDefault(&o.Objects, 4)
	setDefault(&o.GzipLevel, 6)
	if o.Skew == 0 {
		o.Skew = 1
	}
	switch {
	case o.Dir == "":
		return o, errors.New("generate: Dir is missing")
	case o.Types < 0 || o.Types > len(R4Types()):
		return o, fmt.Errorf("generate: Types must be 1 to %d", len(R4Types()))
	case o.Resources < 0 || o.Versions < 0 || o.Objects < 0 || o.EmptyObjects < 0:
		return o, errors.New("generate: negative count")
	case o.Skew < 1:
		return o, errors.New("generate: Skew must be at least 1")
	case o.Bad < 0 || o.Bad > 1:
		return o, errors.New("generate: Bad must be between 0 and 1")
	}
	return o, nil
}

func setDefault(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}
