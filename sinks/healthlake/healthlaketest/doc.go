// Package healthlaketest is a simulation of Amazon HealthLake: the published
// API over HTTP, with the service's known oddities switchable as [Traps]. Live
// HealthLake was never exercised by it; where the service's behaviour is not
// published, the simulation does what is worst for a client.
//
//	simulation := healthlaketest.New(healthlaketest.Options{S3: healthlaketest.FromClient(client)})
//	defer simulation.Close()
//	server := httptest.NewServer(simulation)   // its URL is what AWS_ENDPOINT_URL_HEALTHLAKE names
//	...                                        // run the client, kill it, run it again
//	for _, violation := range simulation.Violations() { t.Error(violation) }
//
// It has a control plane (awsJson1.0, signatures recomputed): start, describe
// and list imports and exports, describe and list data stores. An import is a
// PUT of each line of each object under a prefix, one job at a time in the
// account, and its answers lie in S3 as the service would leave them. Each data
// store has a FHIR REST API: read, vread, the history of a resource, update,
// delete, batches, and counts. Its resources lie in memory.
//
// It watches its client: whoever sends an older version after a newer one of the
// same resource, or the same folder twice, or a version before the one below it
// is finished, finds that in [Simulation.Violations] (I11). The version is the
// one in the name of the file, <Type>-v<version>-<number>.ndjson.
//
// Nothing of it is in its clients, so they may be other processes that die. It
// lives by [Options].Now and Sleep; without network, by [Simulation.Transport],
// it works inside of testing/synctest.
package healthlaketest
