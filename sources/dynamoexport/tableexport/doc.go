// Package tableexport has DynamoDB export a table to S3, and waits for it.
//
//	client, err := tableexport.Open(ctx, tableexport.Options{Region: region})
//	record, err := tableexport.Run(ctx, client, request, tableexport.RunOptions{State: dir, ...})
//	record.Location()   // what package dynamoexport opens
//
// One export is started, however often the process dies: its client token is
// durable in `state`/export.json before DynamoDB is asked, and who has a token but
// no answer first looks for the export that carries it, then asks with the same
// token again. No clock decides. What the record tells holds no PHI.
//
// Throttling, failures of the server and of the network are tried again for
// Options.Patience; credentials that have expired are waited for. What then
// remains is a pipeline.Error without words of the server (I10); a denied call
// names the IAM statement that is missing.
//
// Neighbours: package dynamoexport reads the finished export; dynamodbtest is the
// simulation against which all of this is tested; live DynamoDB was not.
package tableexport
