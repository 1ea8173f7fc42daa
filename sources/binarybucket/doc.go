// Package binarybucket reads the bucket in which FHIR Works keeps the contents of
// Binary resources, or a copy of it in a directory. It is a [pipeline.Contents].
//
// The content of a row is the object [<tenant>/]<id>_<version>.<extension>, where
// the extension may be anything, "false" included: FHIR Works asks a library for
// it. So objects are found by prefix, in a listing that is made once per job and
// lies in `state`/in (docs/binary-index.md).
//
// It promises:
//
//   - Every process of a job sees the same listing. One that was cut short is
//     begun again; one that is damaged, or of another place, is refused.
//   - What is read is what was listed: an object of S3 is pinned by its version,
//     else by its ETag; a file by size, mtime and inode. What differs is
//     pipeline.ErrContentChanged or pipeline.ErrContentGone.
//   - A read that breaks goes on from where it was. A whole object, or an error.
//   - Memory depends neither on the number of objects nor on their size.
//   - No error holds a key or an URL of an object (I10): they name the location.
//
// Neighbours: objectstore speaks S3; sources/binarybucket/listing is the file
// format of the listing.
package binarybucket
