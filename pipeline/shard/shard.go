package shard

import (
	"fmt"
	"math"
)

// Caps are the limits of the layout (I6), in bytes and files.
type Caps struct {
	FileBytes   int64
	FolderBytes int64
	FolderFiles int
}

// MaxLine is the longest line, LF included, that fits a file and a folder.
func (c Caps) MaxLine() int64 { return min(c.FileBytes, c.FolderBytes) }

// Slot is one sequence of files of one tenant: a resource type at a version
// number, or the quarantine. Workers find slots by name; only the sharder looks
// inside.
type Slot struct {
	Tenant  string // "" for the job's own folder
	Type    string // "" for the quarantine
	Version uint32
	group   *group
	open    *File
	label   string // of a quarantine, in its files' names
}

// File is one output file while lines are assigned to it.
type File struct {
	Slot   *Slot
	Folder uint32
	Number uint32
	Size   int64  // bytes assigned so far
	Lines  uint32 // lines assigned so far
}

// Name returns the file's path below its tenant's folder (design section 6).
func (f *File) Name() string {
	if f.Slot.Type == "" {
		return fmt.Sprintf("_fhirhose/quarantine-%s%05d.ndjson", f.Slot.label, f.Number)
	}
	return fmt.Sprintf("%s-%d/%s-v%d-%05d.ndjson",
		f.Slot.group.name(), f.Folder, f.Slot.Type, f.Slot.Version, f.Number)
}

// FolderName returns the name of the file's folder, or "" for the quarantine.
func (f *File) FolderName() string {
	if f.Slot.Type == "" {
		return ""
	}
	return fmt.Sprintf("%s-%d", f.Slot.group.name(), f.Folder)
}

// Piece is a run of lines of one extent that goes to one file.
type Piece struct {
	File      *File
	FirstLine uint32 // number within the file, from 0
	Lines     int
	Bytes     int64
	New       bool // the file begins with this piece
}

// Sharder assigns lines to files. It is not safe for concurrent use.
type Sharder struct {
	caps   Caps
	groups map[groupKey]*group
	closed []*File
}

// groupKey names a sequence of folders: all types of one version of a tenant
// share one, but Binaries have their own (Binary-v<n>-<k>), and so has the
// quarantine.
type groupKey struct {
	tenant  string
	kind    groupKind
	version uint32
}

type groupKind uint8

const (
	records groupKind = iota
	binaries
	quarantine
)

type group struct {
	key    groupKey
	caps   Caps
	folder uint32
	bytes  int64 // assigned to the current folder
	files  int   // begun in the current folder, open ones included
	slots  []*Slot
}

func (g *group) name() string {
	if g.key.kind == binaries {
		return fmt.Sprintf("Binary-v%d", g.key.version)
	}
	return fmt.Sprintf("v%d", g.key.version)
}

// New returns a sharder at its beginning.
func New(caps Caps) *Sharder {
	return &Sharder{caps: caps, groups: make(map[groupKey]*group)}
}

// NewSlot returns the slot of a tenant's type at a version. It may be called from
// any goroutine; the caller keeps one slot per (tenant, type, version).
func NewSlot(tenant, resourceType string, version uint32) *Slot {
	return &Slot{Tenant: tenant, Type: resourceType, Version: version}
}

// NewQuarantine returns the slot of a tenant's quarantined records.
func NewQuarantine(tenant string) *Slot { return &Slot{Tenant: tenant} }

// Assign appends to pieces the places of consecutive lines, whose lengths
// include LF and sum up to total. An extent that fits costs the same however
// many lines it has; lines are looked at only near a cap. A line longer than
// Caps.MaxLine must not get here, except in the quarantine, which no target
// imports: there it gets a file of its own.
func (s *Sharder) Assign(pieces []Piece, slot *Slot, lengths []uint32, total int64) []Piece {
	s.join(slot)
	if slot.open != nil && slot.open.Size+total <= slot.group.caps.FileBytes &&
		slot.group.bytes+total <= slot.group.caps.FolderBytes {
		return append(pieces, slot.take(len(lengths), total))
	}
	for _, length := range lengths {
		s.makeRoom(slot, int64(length))
		piece := slot.take(1, int64(length))
		if last := len(pieces) - 1; last >= 0 && pieces[last].File == piece.File &&
			pieces[last].FirstLine+uint32(pieces[last].Lines) == piece.FirstLine {
			pieces[last].Lines++
			pieces[last].Bytes += piece.Bytes
			continue
		}
		pieces = append(pieces, piece)
	}
	return pieces
}

// TakeClosed returns the files that no line can go to any more, since the last
// call, in the order in which they were closed. The slice is valid until the
// next Assign.
func (s *Sharder) TakeClosed() []*File {
	closed := s.closed
	s.closed = s.closed[:0]
	return closed
}

// CloseAll closes every open file: the end of the job.
func (s *Sharder) CloseAll() {
	for _, g := range s.sorted() {
		s.closeFiles(g)
	}
}

func (s *Sharder) join(slot *Slot) {
	if slot.group != nil {
		return
	}
	key := groupKey{slot.Tenant, records, slot.Version}
	switch slot.Type {
	case "":
		key = groupKey{tenant: slot.Tenant, kind: quarantine}
	case "Binary":
		key.kind = binaries
	}
	slot.group = s.group(key)
}

func (s *Sharder) group(key groupKey) *group {
	g := s.groups[key]
	if g == nil {
		g = &group{key: key, caps: s.caps}
		if key.kind == quarantine { // no target imports it
			g.caps.FolderBytes, g.caps.FolderFiles = math.MaxInt64, math.MaxInt
		}
		s.groups[key] = g
	}
	return g
}

// makeRoom sees to it that the slot has an open file that takes length bytes.
func (s *Sharder) makeRoom(slot *Slot, length int64) {
	g := slot.group
	fileFull := slot.open != nil && slot.open.Size > 0 && slot.open.Size+length > g.caps.FileBytes
	needsFile := slot.open == nil || fileFull
	if g.bytes+length > g.caps.FolderBytes || (needsFile && g.files+1 > g.caps.FolderFiles) {
		s.closeFiles(g)
		g.folder++
		g.bytes, g.files = 0, 0
	}
	number := uint32(0)
	if slot.open != nil {
		if !fileFull {
			return
		}
		number = slot.open.Number + 1
		s.closed = append(s.closed, slot.open)
	} else {
		g.slots = append(g.slots, slot)
	}
	slot.open = &File{Slot: slot, Folder: g.folder, Number: number}
	g.files++
}

// closeFiles closes the open files of the current folder, in the order in which
// their slots began in it.
func (s *Sharder) closeFiles(g *group) {
	for _, slot := range g.slots {
		s.closed = append(s.closed, slot.open)
		slot.open = nil
	}
	g.slots = g.slots[:0]
}

func (slot *Slot) take(lines int, bytes int64) Piece {
	f := slot.open
	piece := Piece{File: f, FirstLine: f.Lines, Lines: lines, Bytes: bytes, New: f.Lines == 0}
	f.Size += bytes
	f.Lines += uint32(lines)
	slot.group.bytes += bytes
	return piece
}
