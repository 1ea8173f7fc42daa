package objectstore

import "github.com/aws/aws-sdk-go-v2/service/s3"

// The variants of a store share its connections: it alone is to be closed.

// OtherStyle returns the same bucket, named in the path where s names it in the
// host, or the other way round.
func (s *Store) OtherStyle() *Store {
	other := *s
	other.options.PathStyle = !s.options.PathStyle
	other.client = s3.New(s.client.Options(), func(o *s3.Options) { o.UsePathStyle = other.options.PathStyle })
	return &other
}

// PathStyle tells whether the bucket is named in the path.
func (s *Store) PathStyle() bool { return s.options.PathStyle }

// withoutChecksums is the same bucket, to which writes carry none.
func (s *Store) withoutChecksums() *Store {
	other := *s
	other.checksums = false
	return &other
}

// once is the same bucket, of which each call is made once.
func (s *Store) once() *Store {
	other := *s
	other.options.Attempts = 1
	other.client = s3.New(s.client.Options(), func(o *s3.Options) { o.Retryer = newRetryer(other.options, s.observe) })
	return &other
}
