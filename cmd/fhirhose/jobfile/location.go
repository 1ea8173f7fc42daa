package jobfile

import (
	"errors"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Location is a directory or a prefix in an S3 bucket. Exactly one of Dir and
// Bucket is set, none in the zero value.
type Location struct {
	Dir    string // absolute
	Bucket string
	Prefix string // without leading or trailing slash
}

var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]+$`)

// parseLocation never repeats the text in an error: a URL may carry a secret.
func parseLocation(text, dir string) (Location, error) {
	scheme, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return Location{Dir: absolute(text, dir)}, nil
	}
	if scheme != "s3" {
		return Location{}, errors.New("is neither s3://bucket/prefix nor a directory")
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !bucketName.MatchString(bucket) || len(bucket) > 255 {
		return Location{}, errors.New("does not name a bucket; write s3://bucket/prefix")
	}
	return Location{Bucket: bucket, Prefix: strings.Trim(prefix, "/")}, nil
}

func absolute(name, dir string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, name)
}

// IsS3 tells a bucket from a directory.
func (l Location) IsS3() bool { return l.Bucket != "" }

// IsZero tells whether no location was given.
func (l Location) IsZero() bool { return l == Location{} }

// Join returns the location of a name below l; empty parts are left out.
func (l Location) Join(parts ...string) Location {
	if l.IsS3() {
		l.Prefix = strings.TrimPrefix(path.Join(append([]string{l.Prefix}, parts...)...), "/")
	} else {
		l.Dir = filepath.Join(append([]string{l.Dir}, parts...)...)
	}
	return l
}

func (l Location) String() string {
	switch {
	case !l.IsS3():
		return l.Dir
	case l.Prefix == "":
		return "s3://" + l.Bucket
	default:
		return "s3://" + l.Bucket + "/" + l.Prefix
	}
}

// within tells whether l is outer or lies below it.
func (l Location) within(outer Location) bool {
	if l.IsS3() != outer.IsS3() || l.Bucket != outer.Bucket {
		return false
	}
	return l.path() == outer.path() || strings.HasPrefix(l.path(), outer.path()+"/")
}

// below returns the name of l below outer, within which it lies.
func (l Location) below(outer Location) string {
	return strings.TrimPrefix(strings.TrimPrefix(l.path(), outer.path()), "/")
}

func (l Location) path() string {
	if l.IsS3() {
		return strings.TrimSuffix("/"+l.Prefix, "/")
	}
	return strings.TrimSuffix(filepath.ToSlash(l.Dir), "/")
}
