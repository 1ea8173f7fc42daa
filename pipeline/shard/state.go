package shard

import (
	"cmp"
	"fmt"
	"slices"
)

// Folder is the state of one sequence of folders, as a checkpoint stores it.
// Together with the open files it is all that the sharder remembers.
type Folder struct {
	Tenant  string `json:"tenant,omitempty"`
	Kind    uint8  `json:"kind"` // 0 records, 1 Binaries, 2 quarantine
	Version uint32 `json:"version"`
	Folder  uint32 `json:"folder"` // number of the current one
	Bytes   int64  `json:"bytes"`  // assigned to the current one
	Files   int    `json:"files"`  // begun in the current one
}

// OpenFile is the state of one open file, as a checkpoint stores it.
type OpenFile struct {
	Tenant  string `json:"tenant,omitempty"`
	Type    string `json:"type,omitempty"`
	Version uint32 `json:"version,omitempty"`
	Folder  uint32 `json:"folder"`
	Number  uint32 `json:"number"`
	Size    int64  `json:"size"`
	Lines   uint32 `json:"lines"`
}

// Snapshot returns the folders' state in a fixed order.
func (s *Sharder) Snapshot() []Folder {
	groups := s.sorted()
	folders := make([]Folder, 0, len(groups))
	for _, g := range groups {
		folders = append(folders, Folder{g.key.tenant, uint8(g.key.kind), g.key.version, g.folder, g.bytes, g.files})
	}
	return folders
}

// Count returns how many folders each version has, by "v1" or "Binary-v1", and
// how many each tenant has.
func (s *Sharder) Count() (versions, tenants map[string]int) {
	versions, tenants = make(map[string]int), make(map[string]int)
	for _, g := range s.groups {
		if g.key.kind != quarantine {
			versions[g.name()] += int(g.folder) + 1
			tenants[g.key.tenant] += int(g.folder) + 1
		}
	}
	return versions, tenants
}

// Snapshot returns the file's state.
func (f *File) Snapshot() OpenFile {
	return OpenFile{f.Slot.Tenant, f.Slot.Type, f.Slot.Version, f.Folder, f.Number, f.Size, f.Lines}
}

// Restore brings a new sharder back to a snapshot. slotOf returns the caller's
// slot for a tenant, type and version. The files come back in the order given.
func (s *Sharder) Restore(folders []Folder, files []OpenFile, slotOf func(string, string, uint32) *Slot) ([]*File, error) {
	for _, f := range folders {
		g := s.group(groupKey{f.Tenant, groupKind(f.Kind), f.Version})
		g.folder, g.bytes, g.files = f.Folder, f.Bytes, f.Files
	}
	open := make([]*File, 0, len(files))
	for _, f := range files {
		slot := slotOf(f.Tenant, f.Type, f.Version)
		s.join(slot)
		if slot.open != nil || f.Folder != slot.group.folder {
			return nil, fmt.Errorf("restore shards: file %d of %s v%d does not fit folder %d", f.Number, f.Type, f.Version, slot.group.folder)
		}
		slot.open = &File{Slot: slot, Folder: f.Folder, Number: f.Number, Size: f.Size, Lines: f.Lines}
		slot.group.slots = append(slot.group.slots, slot)
		open = append(open, slot.open)
	}
	return open, nil
}

// sorted returns the groups by tenant, in the order in which their folders import.
func (s *Sharder) sorted() []*group {
	all := make([]*group, 0, len(s.groups))
	for _, g := range s.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.key.tenant, b.key.tenant), cmp.Compare(a.key.kind, b.key.kind), cmp.Compare(a.key.version, b.key.version))
	})
	return all
}

// Open returns the files that take lines.
func (s *Sharder) Open() []*File {
	var open []*File
	for _, g := range s.sorted() {
		for _, slot := range g.slots {
			open = append(open, slot.open)
		}
	}
	return open
}
