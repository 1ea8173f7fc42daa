// Package healthlake is the target Amazon HealthLake: the calls with which
// folders are imported, deletes applied, and what arrived is looked at.
//
//	store, err := healthlake.Open(ctx, healthlake.Options{Datastore: id, ...})
//	id, err := store.StartImport(ctx, "s3://bucket/job/v1-0/", token, name)
//	job, err := store.DescribeImport(ctx, id)         // until job.Over()
//	job, found, err := store.FindImport(ctx, name)    // after a crash
//
// A [Store] makes single calls. What they add up to, and that no older version
// goes over a newer one (I11), is the caller's. Every call may be made again: a
// start carries its client token, a delete that was carried out is told of by
// its status.
//
// Throttling, failures of the server and of the network are tried again for
// Options.Patience. Credentials and tokens that are refused are asked for anew,
// for Options.CredentialPatience where they have expired, once where access is
// denied. A start that is refused for its role is tried again for
// Options.Settling: a new role is not known everywhere at once. What then remains is a pipeline.Error. URLs, which hold ids, and words of the
// server are in no error (I10).
//
// Neighbours: healthlaketest is the simulation against which all of this is
// tested; live HealthLake was not.
package healthlake
