package survey

import (
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
)

const (
	binaryType    = "Binary"
	binaryFolders = binaryType + "-"
	// perObject is what the listing takes in state.
	perObject = 100
	// perRow is what a Binary row takes in state besides its source line, which is
	// kept until the row is written: its identity, and the number of its object.
	perRow = 100
	// usualRow is the length of a Binary row's source line, where none was sampled.
	usualRow = 700
)

// shares divides the contents among the versions of Binaries as the sampled rows
// are. Without such rows they are versions 1.
func (c *Contents) shares(s *Sample) map[file]int64 {
	shares := map[file]int64{}
	if c == nil || c.Objects == 0 {
		return shares
	}
	rows := int64(0)
	for f, sampled := range s.files {
		if f.resourceType == binaryType {
			rows += sampled.records
		}
	}
	for f, sampled := range s.files {
		if f.resourceType == binaryType {
			shares[f] = int64(float64(c.Encoded) / float64(rows) * float64(sampled.records))
		}
	}
	if rows == 0 {
		shares[file{resourceType: binaryType, version: 1}] = c.Encoded
	}
	return shares
}

// layout is that of a version's folders.
func (c *Contents) layout(folders string, layout jobfile.Layout) jobfile.Layout {
	if c != nil && strings.HasPrefix(folders, binaryFolders) {
		layout.MaxFileSize = layout.MaxBinaryFileSize
	}
	return layout
}

// waiting is what Binary rows take in state if all of them wait for their contents:
// the bucket may be much slower than the table, and records do not wait for it.
func (c *Contents) waiting(s *Sample, scale float64) int64 {
	if c == nil {
		return 0
	}
	rows, lines := float64(s.stubs), float64(s.stubBytes)
	if rows == 0 {
		return c.Objects * (usualRow + perRow)
	}
	return int64((lines/rows + perRow) * max(rows*scale, float64(c.Objects)))
}

// measure notes what part of the estimate are Binaries, and returns what they may
// take in state: staged contents, within the spool, and the listing.
func (c *Contents) measure(e *Estimate) (staged, listing int64) {
	if c == nil {
		return 0, 0
	}
	for version, folders := range e.Folders {
		if strings.HasPrefix(version, binaryFolders) {
			c.Folders += folders
		}
	}
	c.Hours = importHours(c.Folders, c.Encoded)
	return c.Bytes, c.Objects * perObject
}
