// Package importing sends the folders of a finished job to a target, in the order
// of their versions, and accounts for every line.
//
//	i := importing.New(target, checkpoint, importing.Options{...})
//	err := i.Run(ctx, folders)     // any number of times, until it returns nil
//
// One folder is one import job of the target. Folders go one after the other in
// natural order (Binary-v1-0, Binary-v2-0, v1-0, v1-1, v2-0, v10-0). A folder
// that has not arrived whole keeps all that come after it from being sent, so no
// older version can follow a newer one (I11).
//
// What is about to be done is stored before it is done: the job's name and its
// client token, which depend on the run, the target and the folder alone. After a
// crash the job of that name is taken up again; where the target knows none, the
// start is repeated with the same token, which starts nothing twice. A stop leaves
// the target's job running: the next run takes it up.
//
// The folders of a run go into one store: another Options.Target is refused.
//
// A folder is done when the target has scanned as many resources as the folder has
// lines, and each of them is imported or among the failures. Failures are kept in
// `state` (they hold PHI), one file for each folder, in the target's own words.
//
// Neighbours: sinks/healthlake is a target; cmd/fhirhose wires them; what arrived
// is proved by pipeline/verify.
package importing
