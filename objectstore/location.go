package objectstore

import (
	"errors"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Location is a bucket and a prefix in it, without slashes at its ends.
type Location struct {
	Bucket string
	Prefix string
}

// Parse reads "s3://bucket" or "s3://bucket/prefix". Anything else is a
// KindConfig error.
func Parse(text string) (Location, error) {
	rest, ok := strings.CutPrefix(text, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" || strings.ContainsAny(bucket, "?#@: ") {
		return Location{}, &pipeline.Error{
			Op: "read location", Kind: pipeline.KindConfig,
			Err: errors.New("not an S3 location"), Hint: "write it as s3://bucket/prefix",
		}
	}
	return Location{Bucket: bucket, Prefix: strings.Trim(prefix, "/")}, nil
}

// String returns the location as Parse reads it.
func (l Location) String() string {
	if l.Prefix == "" {
		return "s3://" + l.Bucket
	}
	return "s3://" + l.Bucket + "/" + l.Prefix
}

// Key returns the whole key of a name relative to the location.
func (l Location) Key(name string) string {
	if l.Prefix == "" {
		return name
	}
	return l.Prefix + "/" + name
}

// Join returns the location of a folder within l.
func (l Location) Join(folder string) Location {
	return Location{Bucket: l.Bucket, Prefix: strings.Trim(l.Key(folder), "/")}
}
