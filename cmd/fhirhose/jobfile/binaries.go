package jobfile

import (
	"errors"
	"fmt"
	"slices"
)

// BinaryRows is what a job does with rows of type Binary, whose content lies in a
// bucket of its own.
type BinaryRows string

// What source.binaries can say.
const (
	BinariesUnset BinaryRows = "unset" // the job stops at such a row: nobody has said what it shall become
	BinariesNone  BinaryRows = "none"  // they are moved as they are, without data
	BinariesFetch BinaryRows = "fetch" // they get their contents from Source.Binaries
)

// noBinaries is the word for BinariesNone in the job file.
const noBinaries = "none"

// BinariesHint says what to do about Binary rows while source.binaries is unset.
const BinariesHint = "name their bucket, or a copy of it, in source.binaries; or set source.binaries: none to move the rows as they are, without data"

func setBinaries(j *Job, value, dir string) (err error) {
	switch value {
	case "":
		j.Source.BinaryRows = BinariesUnset
	case noBinaries:
		j.Source.BinaryRows = BinariesNone
	default:
		j.Source.BinaryRows = BinariesFetch
		j.Source.Binaries, err = parseLocation(value, dir)
	}
	return err
}

func binaryField(value string) error {
	if value != "data" && value != "content" {
		return fmt.Errorf("%q is neither data (R4) nor content (STU3)", value)
	}
	return nil
}

// binariesApart keeps the contents away from what the job writes: the listing of
// the one would hold the other.
func binariesApart(j *Job) error {
	at := j.Source.Binaries
	if at.IsZero() {
		return nil
	}
	output := place{"the output below sink.location", j.Output()}
	if j.Source.Tenant == "*" { // any tenant's folder below it
		output = place{"sink.location", j.Sink.Location}
	}
	for _, other := range append(j.exports(), output, place{"state", Location{Dir: j.State}}) {
		if at.within(other.at) || other.at.within(at) {
			return configError("read settings", "", fmt.Errorf("source.binaries and %s lie within one another", other.name), "use a place of its own for each")
		}
	}
	return nil
}

type place struct {
	name string
	at   Location
}

// binaryCaps completes and checks the file cap of Binaries.
func binaryCaps(j *Job) error {
	if j.Layout.MaxBinaryFileSize == 0 {
		j.Layout.MaxBinaryFileSize = j.Layout.MaxFileSize
	}
	if j.Layout.MaxBinaryFileSize > j.Layout.MaxFolderSize {
		return configError("read setting", "layout.max_binary_file_size", errors.New("is larger than layout.max_folder_size"), "a folder must hold at least one file")
	}
	return nil
}

func warnOfBinaries(j *Job) {
	s := j.Source
	warn := func(text string) { j.Warnings = append(j.Warnings, text) }
	without := len(s.Types) > 0 && !slices.Contains(s.Types, "Binary")
	switch {
	case s.BinaryRows == BinariesFetch && without:
		warn("source.binaries has no use: source.types leaves out Binary")
	case s.RecoverDeleted && s.BinaryRows != BinariesFetch:
		warn("source.recover_deleted has no use without source.binaries")
	case s.RecoverDeleted && !s.Deleted:
		warn("source.recover_deleted has no use: source.deleted leaves out every DELETED row")
	}
	if j.Layout.MaxBinaryFileSize > max(j.Target.HealthLake.Quotas.FileSize, j.Layout.MaxFileSize) {
		warn("layout.max_binary_file_size is over target.healthlake.quotas.file_size, which HealthLake does not import")
	}
}
