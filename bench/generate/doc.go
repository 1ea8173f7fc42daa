// Package generate writes DynamoDB full exports of a FHIR Works table that no
// person ever stood behind: input for tests, for `fhirhose demo` and for the
// benchmarks, from a few rows to many gigabytes.
//
// [Write] makes an export from a seed: the same [Options] give the same bytes on
// every machine. Resources are rendered from templates (templates/*.json, plain
// FHIR with slots) that are compiled once to DynamoDB JSON, so that rendering
// is copying; the cost of an export is that of its gzip. Rows come in the order
// in which DynamoDB exports them: by hash of the id, so types are mixed and the
// versions of one id are neighbours. It also writes the bucket of the contents of
// Binary rows, if asked to.
//
// [WriteObjects] and [Export] write an export from lines that a test gives.
//
// The shape of the files: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
// The shape of a row: persistence-ddb/src/dataServices/dynamoDbUtil.ts of FHIR
// Works on AWS. Nothing here imports another package of this module.
package generate
