// Package dynamoexport reads a full export of a DynamoDB table to S3, from the
// bucket or from a copy in a directory. It is a [pipeline.Source].
//
// An export is a folder AWSDynamoDB/<export id> with manifest-summary.json,
// manifest-files.json (JSON Lines in spite of its name) and data/*.json.gz. The
// folder is never listed: the manifest alone says what belongs to the export.
//
// It promises:
//
//   - Open reads the manifest, refuses what is no whole full export in DynamoDB
//     JSON, and finds every data file before the first is read. Refusals name
//     what was found.
//   - Stage proves the MD5 of an object before anything of it is converted (I9).
//     A directory's objects are hashed where they lie, a bucket's are copied to
//     `state`/in first. A marker beside it lets the next process skip both.
//   - Closing what Staged.Open returned proves that the bytes read were the bytes
//     verified: size, mtime and inode are still the same.
//
// Neighbours: objectstore speaks S3; pipeline/split inflates what is staged.
package dynamoexport
