// Package folders reads the folders of NDJSON that the FHIR Works tool (fwoa-tools)
// has written, or that fhirhose has, which look the same, from the bucket or from a
// copy in a directory. It is a [pipeline.Source], of which a line is a FHIR
// resource, see package convert.
//
// Such folders lie in [<tenant>/]<jobId>/ beside migration_output.json, which alone
// says which files belong to them:
//
//	{"jobId": "7f3c", "file_names": {"v1-0": ["7f3c/v1-0/Patient-v1-00000.ndjson", ...], "Binary-v1": [...]}}
//
// The tool's folders are v<version>-<n> and Binary-v<version>, fhirhose's are
// v<version>-<n> and Binary-v<version>-<n>.
//
// It promises:
//
//   - Open reads migration_output.json and finds every file that it names before the
//     first is read: the tool announces files that it has lost.
//   - Nothing promises how many records a file holds. Package staging counts the
//     lines in a first read, and whoever reads them must find as many (I4, I9).
//   - Objects come by size descending, then by key.
//   - Unnamed tells what lies there and is not named.
//
// Neighbours: sources/staging finds and stages; sources/fhirworks speaks to the live
// API of FHIR Works.
package folders
