// Package dynamodbtest is a simulation of what DynamoDB offers to export a table
// to S3: ExportTableToPointInTime, DescribeExport, ListExports and
// DescribeContinuousBackups over awsJson1.0, with signatures recomputed and the
// service's surprises switchable as [Traps]. Live DynamoDB was never exercised by
// it; where the service's behaviour is not published, the simulation does what is
// worst for a client.
//
//	simulation := dynamodbtest.New(dynamodbtest.Options{S3: bucket, Tables: []dynamodbtest.Table{table}})
//	server := httptest.NewServer(simulation)   // its URL is what AWS_ENDPOINT_URL_DYNAMODB names
//	...                                        // run the client, kill it, run it again
//	len(simulation.Exports()) == 1
//
// A finished export lies in S3 as the service would leave it. The simulation has
// no goroutine and no timer: an export ends when somebody asks for it after its
// time, by [Options].Now. Without network, by [Simulation.Transport], it works
// inside of testing/synctest; with Traps.Running zero every export is finished
// when it is first asked for, which is what a demonstration needs.
package dynamodbtest
