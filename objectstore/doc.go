// Package objectstore is the one place that talks to S3. Sources read through
// it, sinks write through it, and nobody else imports the AWS SDK for S3.
//
// It promises that
//
//   - every call is bounded: a number of attempts with growing pauses, and no
//     connection on which nothing moves is kept;
//   - every retry is told to an [Observer], by cause;
//   - an expired token is retried at once with fresh credentials, and then
//     waited for, while somebody renews them;
//   - an error that leaves it is a pipeline.Error whose text is ours: an error
//     code, a status, never an URL, a host, a request id or server text (I10);
//   - bodies are seekable and sent as they are, never aws-chunked, with a
//     checksum that the caller computed.
//
// Keys are whole keys of the bucket; [Location.Key] makes them. Neighbours:
// sources/dynamoexport (Head, Get, Download), sources/binarybucket (ListVersions,
// ListObjects, OpenRange), sinks/bucket (everything else).
package objectstore
