package removal

import (
	"regexp"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
)

const (
	// ClaimName is the file that says whose the job's folder is.
	ClaimName    = "_fhirhose/claim.json"
	announceName = "migration_output.json"
)

// The forms of names that a run makes (docs/output.md).
var (
	recordFile = regexp.MustCompile(`^((?:Binary-)?)v(\d+)-\d+/([A-Z][A-Za-z0-9]{0,63})-v(\d+)-\d{5,}\.ndjson$`)
	ownFile    = regexp.MustCompile(`^_fhirhose/(manifest\.json|orphans\.ndjson|quarantine-(Binary-)?\d{5,}\.ndjson|ledger/(Binary-)?\d{5,}\.ledger)$`)
	ownFolder  = regexp.MustCompile(`^((Binary-)?v\d+-\d+|_fhirhose|_fhirhose/ledger)/$`)
	// claiming is a claim that a killed process was about to make; Listed
	// without the dot and suffix of a temporary.
	claiming = regexp.MustCompile(`^_fhirhose/claim\.json\.[A-Z2-7]{26}$`)
)

// ofRun tells whether a run makes files of this name, the claim apart.
func ofRun(l pipeline.Listed) bool {
	if l.Foreign {
		return false
	}
	if parts := recordFile.FindStringSubmatch(l.Name); parts != nil {
		return parts[2] == parts[4] && (parts[1] != "") == (parts[3] == "Binary")
	}
	return l.Name == announceName || ownFile.MatchString(l.Name)
}

// ofAnybody tells what is left of a killed fhirhose and holds nothing: an empty
// folder, a claim that was not made.
func ofAnybody(l pipeline.Listed) bool {
	return !l.Foreign && (ownFolder.MatchString(l.Name) || l.Unfinished && claiming.MatchString(l.Name))
}

// folderOf returns the folder of a file that a target imports, or "".
func folderOf(name string) string {
	folder, _, ok := strings.Cut(name, "/")
	if !ok || folder == "_fhirhose" {
		return ""
	}
	return folder
}
