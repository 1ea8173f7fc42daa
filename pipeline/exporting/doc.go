// Package exporting has a target export all that it holds, once for each attempt.
//
//	e := exporting.New(target, checkpoint, exporting.Options{...})
//	job, err := e.Run(ctx, attempt)     // any number of times, until it returns nil
//
// As in package importing, what is about to be done is stored before it is done:
// the job's name and its client token, which depend on the run, the target and the
// attempt alone. After a crash the job of that name is taken up again; where the
// target knows none, the start is repeated with the same token, which starts
// nothing twice. A stop leaves the target's job running: the next run takes it up.
//
// Neighbours: sinks/healthlake is a target; what was exported is read by
// pipeline/verify.
package exporting
