// Package jobfile reads the settings of a job (design section 5): from the job
// file, the environment with its .env, and flags, into one validated [Job].
//
// Each key is one row of [Settings], which drives the strict reading of the
// file, the names of flags and variables, the defaults and the help text. A
// layer overrides those below it:
//
//	flag                  --sink.location
//	environment           FHIRHOSE_SINK_LOCATION
//	.env                  the same names, in a file beside the job file
//	job file              sink: {location: ...}
//	FHIR Works' own names EXPORT_BUCKET_URI, MIGRATION_TENANT_ID, ...
//
// Nothing here touches the network, the source, the sink or state.
package jobfile
