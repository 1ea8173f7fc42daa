package convert

import (
	"crypto/sha256"
	"math"
	"slices"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/digest/canon"
)

// Record describes the row that was converted last. Its slices are valid until
// the next call of Convert.
type Record struct {
	Type        []byte                  // FHIR resource type; nil if unreadable
	ID          []byte                  // FHIR id, without tenant; nil if unreadable
	Version     uint32                  // vid, or meta.versionId of a resource; 0 if unreadable
	Status      pipeline.DocumentStatus // StatusUnknown if unreadable
	LastUpdated int64                   // meta.lastUpdated, Unix ms; math.MinInt64 if unreadable
	LockEnd     int64                   // lockEndTs, Unix ms; 0 if there is none
	Reason      pipeline.Reason         // NoReason: written
	Path        []byte                  // element path of the first defect of a quarantined row, e.g. "name.given"
	MultiTenant bool                    // the row has _tenantId or _id
	Tenant      []byte                  // in a job of AllTenants, if _tenantId, _id and id agree on it; else nil

	Content [sha256.Size]byte // content digest, if written
	Label   [sha256.Size]byte // label digest, if written
	Form    uint32            // number form, if written: see digest.Sums

	Mentions metrics.Mentions // of a written row

	// Unknown names the top-level attributes of a written row that FHIR Works
	// is not known to add: they begin with "_" and are no primitive extension.
	// Names unlike those of FHIR elements are "?".
	Unknown [][]byte

	// Of a written row of type Binary, in a job with BinaryField, whose content
	// will be added to the line in front of its last brace: SHA-256 of Before,
	// the content in base64, and After will be the content digest. Nil if the row
	// has that field itself: HasData.
	Before, After []byte
	HasData       bool
}

// Converter converts rows, one at a time. Its buffers are reused.
type Converter struct {
	// Version is that of every resource to come, as the folder of its file says, or
	// 0; of Options.Resources alone.
	Version uint32

	filter
	tape   canon.Tape
	labels digest.Labels
	row    row
	kind   kind   // type of the value that was copied last
	inMeta bool   // the next map is that in meta
	added  []byte // tags to add to the row
	halves []byte // Before and After of a Binary
}

// Room is what a line that is written may be longer than the one that it was, with a
// meta.lastUpdated of up to 128 bytes; with a longer one, which is no time, it is copied.
const Room = 256

// Convert appends the FHIR JSON line of a row, with its LF, to dst if the row is
// to be written; else it returns dst with its content unchanged. line is one
// line of an export, or one resource, with or without its line end; if it has
// canon.Room bytes of capacity behind its length, they change during the call. r is
// overwritten.
//
// In a job without tenant, a row with MultiTenant set is never written: the
// caller stops the job.
func (c *Converter) Convert(dst, line []byte, r *Record) []byte {
	*r = Record{LastUpdated: math.MinInt64, Unknown: r.Unknown[:0]}
	start := len(dst)
	dst = slices.Grow(dst, len(line)+Room)
	c.labels.Reset()
	c.row.reset()
	var end int
	if c.resources {
		text := canon.Longest(line)
		if text > longestText {
			r.Reason = pipeline.TooLarge
			return dst
		}
		c.scanResource(line, dst, start, text)
	} else {
		c.tape.Reset(line, dst, len(line))
		end = c.scan(start)
		c.tape.Release()
	}
	if r.Reason = c.judge(r); r.Reason != pipeline.NoReason {
		return dst
	}
	var out []byte
	if c.resources {
		out = c.appendResource(dst, line)
	} else {
		out = c.addTags(dst[:end], r.Status == pipeline.Deleted)
	}
	out = append(out, '\n')
	if c.maxLine > 0 && int64(len(out)-start) > c.maxLine {
		r.Reason = pipeline.OverFileCap
		return out[:start]
	}
	r.Content = sha256.Sum256(c.row.content)
	r.Label, r.Form = c.labels.Sum(), c.tape.Form()
	r.Unknown = c.appendUnknown(r.Unknown)
	r.Mentions = c.mentions(r)
	if c.binaryField != "" && string(r.Type) == "Binary" {
		c.halve(r)
	}
	return out
}

// appendUnknown appends the names of unknown attributes.
func (c *Converter) appendUnknown(names [][]byte) [][]byte {
	for _, s := range c.row.unknown {
		name := c.tape.Text(s.from, s.to)
		if !canon.IsElement(name) {
			name = append(name[:0:0], '?')
		}
		names = append(names, name)
	}
	return names
}
