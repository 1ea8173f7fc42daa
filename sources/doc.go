// Package sources holds, one folder each, the adapters that records come from:
//
//	dynamoexport        a DynamoDB full export, in a directory or in S3
//	fhirworks/folders   folders that the FHIR Works tool has written, likewise
//	binarybucket        the contents of its Binary rows, in a directory or in S3
//
// The first two fulfil [pipeline.Source], share package staging and pass the suite in
// sourcetest; the last fulfils [pipeline.Contents] and passes that in contentstest. A
// source lists its input objects in a fixed order, stages them and proves that their
// bytes are the promised ones, or counts what nobody has promised; it never looks into a record. What the bytes hold
// is the business of packages split and convert below pipeline.
package sources
