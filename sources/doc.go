// Package sources holds, one folder each, the adapters that records come from:
//
//	dynamoexport   a DynamoDB full export, in a directory or in S3
//	binarybucket   the contents of its Binary rows, in a directory or in S3
//
// The one fulfils [pipeline.Source] and passes the suite in sourcetest, the other
// [pipeline.Contents] and that in contentstest. A source
// lists its input objects in a fixed order, stages them and proves that their
// bytes are the promised ones; it never looks into a record. What the bytes hold
// is the business of packages split and convert below pipeline.
package sources
