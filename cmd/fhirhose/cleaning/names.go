package cleaning

import (
	"regexp"
	"strings"
)

// Names of the files that every finished job has; docs/output.md knows all.
const (
	ClaimName    = "_fhirhose/claim.json"
	ManifestName = "_fhirhose/manifest.json"
	announceName = "migration_output.json"
	orphansName  = "_fhirhose/orphans.ndjson"
	auditFolder  = "_fhirhose/audit/"
)

// KindOf says what lies under a name, below a place. "" is nothing of this job's.
// size is -1 of a version that is not the current one.
type KindOf func(name string, size int64) Kind

// InSink knows the files of a sink by its manifest: names and sizes. A file whose
// size is another is not what the move has written. Claim and manifest go with the
// ledger, which cannot be read without them.
func InSink(manifest map[string]int64) KindOf {
	return func(name string, size int64) Kind {
		switch {
		case name == ClaimName, name == ManifestName:
			return Ledger
		case name == announceName:
			return Folders
		case name == orphansName:
			return Quarantine
		case strings.HasPrefix(name, auditFolder) && strings.HasSuffix(name, ".ndjson"):
			return Audit
		}
		written, known := manifest[name]
		switch {
		case !known || size >= 0 && size != written:
			return ""
		case strings.HasPrefix(name, "_fhirhose/ledger/"):
			return Ledger
		case strings.HasPrefix(name, "_fhirhose/quarantine-"):
			return Quarantine
		}
		return Folders
	}
}

// Unless hides what is below folders that belong to other places.
func Unless(folders []string, kind KindOf) KindOf {
	return func(name string, size int64) Kind {
		for _, folder := range folders {
			if strings.HasPrefix(name, folder+"/") {
				return elsewhere
			}
		}
		return kind(name, size)
	}
}

// elsewhere is what another place counts.
const elsewhere Kind = "elsewhere"

var (
	resultName = regexp.MustCompile(`^([Mm]anifest\.json|(SUCCESS|FAILURE|SUCCESS_WITH_SEARCH_VALIDATION_FAILURES)/.+)$`)
	exportName = regexp.MustCompile(`^(_started|manifest-(summary|files)\.(json|md5|checksum)|data/[^/]+\.(json|ion)\.gz)$`)
)

// InResults knows what an import of HealthLake leaves in the folder of its job.
func InResults(name string, _ int64) Kind {
	if resultName.MatchString(name) {
		return Results
	}
	return ""
}

// InVerification knows what an export of HealthLake leaves in the folder of its job.
func InVerification(name string, _ int64) Kind {
	if strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(strings.ToLower(name), "manifest.json") {
		return Verification
	}
	return ""
}

// InExport knows what an export of DynamoDB leaves in its folder.
func InExport(name string, _ int64) Kind {
	if exportName.MatchString(name) {
		return Export
	}
	return ""
}
