package survey

import (
	"fmt"
	"math"
	"path"
	"sort"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// What an estimate assumes.
const (
	// HealthLake runs one import job at a time, and each folder is one.
	ImportJobMinutes   = 15             // to start and end a job, whatever it holds
	ImportBytesPerHour = 50_000_000_000 // while it runs
	// manyHours of import deserve a warning.
	manyHours = 200
	// manyTenants deserve one, too: a larger folder makes no fewer of theirs.
	manyTenants = 1000
	// openTail is the most that one open file keeps in state on an S3 sink.
	openTail = 8 << 20
	// stateFixed holds the open ledger segment and the checkpoint.
	stateFixed = 64 << 20
	perFile    = 600 // bytes of the checkpoint
)

// Estimate is what the whole job will probably need and give. Sizes are bytes.
type Estimate struct {
	OutputBytes int64          `json:"output_bytes"`
	Files       int64          `json:"files"`
	Folders     map[string]int `json:"folders"`              // by version: "v1", "Binary-v1"; of all sampled tenants
	MostTypes   int            `json:"types_in_one_version"` // at most
	ImportJobs  int            `json:"import_jobs"`
	ImportHours float64        `json:"import_hours"`
	LedgerBytes int64          `json:"ledger_bytes"`
	StateBytes  int64          `json:"state_bytes"` // at most
	// RowBytes are those of StateBytes that Binary rows take if all of them wait for
	// their contents. limits.spool does not bound them.
	RowBytes int64 `json:"state_binary_rows_bytes"`
}

// Project scales the sample up to the whole source, and adds the contents of
// Binaries, nil without, as if each object were named by a row. spools tells that
// the source copies objects to state before it reads them.
func Project(s *Sample, c *Contents, objects []pipeline.Object, spools bool, job *jobfile.Job) Estimate {
	e := Estimate{Folders: map[string]int{}}
	records, stored := Totals(objects)
	if records == pipeline.Unpromised {
		records = s.Extrapolate(stored)
	}
	e.LedgerBytes = records * ledger.EstimatedBytes
	perVersion := map[sequence][]int64{} // bytes of each type
	contents := c.shares(s)
	scale := 0.0
	if s.Records > 0 {
		scale = float64(records) / float64(s.Records)
	}
	outputs := s.outputs(objects, scale)
	for f, bytes := range outputs {
		bytes += contents[f]
		delete(contents, f)
		e.OutputBytes += bytes
		perVersion[f.folders()] = append(perVersion[f.folders()], bytes)
	}
	for f, bytes := range contents { // of no sampled row
		e.OutputBytes += bytes
		perVersion[f.folders()] = append(perVersion[f.folders()], bytes)
	}
	for version, types := range perVersion {
		folders, files := divide(types, c.layout(version.folders, job.Layout))
		e.Folders[version.folders] += int(folders)
		e.ImportJobs += int(folders)
		e.Files += files
		e.MostTypes = max(e.MostTypes, len(types))
	}
	e.ImportHours = importHours(e.ImportJobs, e.OutputBytes)
	staged, listing := c.measure(&e)
	if spools {
		staged += stored
	}
	e.RowBytes = c.waiting(s, scale)
	e.StateBytes = stateBytes(e.Files, int64(len(outputs)), staged, job) + listing + e.RowBytes
	return e
}

// outputs returns about how many bytes of each sequence of files there will be: the
// sample's, scaled up; or those of the objects, if each says which it is of, as far as
// the filters let the sample through.
func (s *Sample) outputs(objects []pipeline.Object, scale float64) map[file]int64 {
	all := make(map[file]int64, len(s.files))
	if len(objects) == 0 || objects[0].Version == 0 {
		for f, sampled := range s.files {
			all[f] = int64(float64(sampled.bytes) * scale)
		}
		return all
	}
	share := 1.0
	if s.looked > 0 {
		share = float64(s.OutputBytes) / float64(s.looked)
	}
	for i := range objects {
		if o := &objects[i]; o.Size > 0 && share > 0 {
			resourceType, _, _ := strings.Cut(path.Base(o.Key), "-")
			all[file{resourceType: resourceType, version: o.Version}] += int64(float64(o.Size) * share)
		}
	}
	return all
}

func importHours(jobs int, bytes int64) float64 {
	return float64(jobs)*ImportJobMinutes/60 + float64(bytes)/ImportBytesPerHour
}

// divide returns the folders of one version and the files in them. Each folder
// takes about the same mix of types, and each type begins a file in each: there
// are as many folders as it takes for a folder's share to be within both caps.
func divide(types []int64, layout jobfile.Layout) (folders, files int64) {
	var total, largest, wholes int64
	for _, bytes := range types {
		total += bytes
		largest = max(largest, bytes)
		wholes += ceil(bytes, layout.MaxFileSize)
	}
	inEach := func(folders int64) (files int64) {
		for _, bytes := range types {
			files += ceil(ceil(bytes, folders), layout.MaxFileSize)
		}
		return files
	}
	folders = ceil(total, layout.MaxFolderSize)
	most := int64(layout.MaxFolderFiles)
	if int64(len(types)) > most { // a warning of check says that there are many more
		return max(folders, ceil(wholes, most)), wholes
	}
	enough := ceil(largest, layout.MaxFileSize) // then each type has one file
	folders += int64(sort.Search(int(max(0, enough-folders)), func(more int) bool { return inEach(folders+int64(more)) <= most }))
	return folders, folders * inEach(folders)
}

// sequence is one of folders: a tenant's of one version.
type sequence struct{ tenant, folders string }

// folders names the sequence of folders that the file goes to (design section 6).
func (f file) folders() sequence {
	if f.resourceType == binaryType {
		return sequence{f.tenant, fmt.Sprintf("Binary-v%d", f.version)}
	}
	return sequence{f.tenant, fmt.Sprintf("v%d", f.version)}
}

// stateBytes is what state holds at most: staged input and tails within
// limits.spool, and the small rest.
func stateBytes(files, open, staged int64, job *jobfile.Job) int64 {
	spool := staged
	if job.Sink.Location.IsS3() {
		spool += open * openTail
	}
	return min(spool, job.Limits.Spool) + stateFixed + files*perFile
}

// Totals sums the records that a source promises, or says that they are
// pipeline.Unpromised, and sums the bytes that it stores.
func Totals(objects []pipeline.Object) (records, stored int64) {
	for i := range objects {
		if records += objects[i].Items; objects[i].Items == pipeline.Unpromised {
			records = pipeline.Unpromised
		}
		stored += objects[i].Size
	}
	return records, stored
}

// ceil is the number of containers of a size that hold n; one for the empty.
func ceil(n, size int64) int64 {
	return max(1, int64(math.Ceil(float64(n)/float64(size))))
}
