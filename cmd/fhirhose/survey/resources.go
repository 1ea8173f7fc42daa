package survey

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
)

// resources are those of one type that are over a size: how many files have one, and
// the largest of all.
type resources struct {
	files int64
	bytes int64  // of the largest
	file  string // that it is in
}

func (s *resources) take(bytes int64, file string) {
	s.files++
	if bytes > s.bytes || bytes == s.bytes && file < s.file {
		s.bytes, s.file = bytes, file
	}
}

// largeResource is more than the FHIR API of FHIR Works takes in one request, 5 MB by
// its README. Only a Binary can be larger.
const largeResource = 5_000_000

// JudgeResources compares the largest resource of each file with what HealthLake
// takes. AWS publishes no such limit, so that by default there is none to compare
// with: then it is told what the largest is, and of a large one that nobody knows.
func (r *Result) JudgeResources(t Target, to jobfile.HealthLake) {
	limit := to.Quotas.ResourceSize
	over, all := map[string]*resources{}, resources{}
	for _, f := range t.Folders {
		for name, file := range f.Files {
			bytes := file.Longest - int64(len("\n"))
			if all.take(bytes, name); bytes <= limit || limit == 0 {
				continue
			}
			if over[file.Type] == nil {
				over[file.Type] = &resources{}
			}
			over[file.Type].take(bytes, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(over)) {
		s := over[name]
		words := fmt.Sprintf("resources of type %s in %s are over target.healthlake.quotas.resource_size (%s); the largest has %s, in %s",
			name, human.Plural(s.files, "file"), human.Bytes(limit), human.Bytes(s.bytes), s.file)
		if to.OnImportError == "continue" {
			r.Warn("%s: %s; HealthLake may refuse them", t.name(), words)
			continue
		}
		r.fail(t.About.ARN, "if HealthLake takes them, raise the quota; on_import_error: continue imports all others", "%s", words)
	}
	switch largest := fmt.Sprintf("the largest resource for %s, %s in %s", t.name(), human.Bytes(all.bytes), all.file); {
	case all.bytes <= 0: // nobody knows, or there is nothing to send
	case limit == 0 && all.bytes > largeResource:
		r.Unseen = append(r.Unseen, "whether HealthLake takes "+largest+
			": AWS publishes no limit; if you know one, set target.healthlake.quotas.resource_size")
	case limit == 0:
		r.prove("%s, is of a size that FHIR Works took in one request", largest)
	case len(over) == 0:
		r.prove("%s, is within target.healthlake.quotas.resource_size", largest)
	}
}

// JudgeContents does so for the contents of Binaries, before anything is moved.
func (r *Result) JudgeContents(q jobfile.Quotas) {
	if r.Contents == nil || q.ResourceSize == 0 {
		return
	}
	if bytes := (r.Contents.largestKept + 2) / 3 * 4; bytes > q.ResourceSize {
		r.Warn("the largest content of Binaries to be moved has %s in base64, over target.healthlake.quotas.resource_size (%s): HealthLake may refuse it",
			human.Bytes(bytes), human.Bytes(q.ResourceSize))
	}
}
