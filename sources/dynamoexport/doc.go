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
//   - Package staging proves the MD5 of an object before anything of it is
//     converted (I9), and that the bytes read were the bytes proved.
//
// Neighbours: sources/staging stages; pipeline/split inflates what is staged.
package dynamoexport
