// Package folder is the sink on a disk: the job's folder is a directory.
//
// A file grows in a temporary beside its final name and gets that name, by a
// rename that never replaces, when it is whole and durable:
//
//	v1-0/.Patient-v1-00000.ndjson.partial    while it is written
//	v1-0/Patient-v1-00000.ndjson             sealed
//
// A name is durable once its directory is synced, see sinks/tree. No descriptor
// stays open between calls, since tens of thousands of files are open at once.
// Files are 0600 and directories 0700: the output is PHI.
//
// The steps that survive a power cut, and their fault points, are those of
// pipeline/durable. sinks/sinktest holds this package to its contract.
package folder
