package shard_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline/shard"
)

func TestFileCap(t *testing.T) {
	s := shard.New(shard.Caps{FileBytes: 100, FolderBytes: 1000, FolderFiles: 10})
	slot := shard.NewSlot("", "Patient", 1)
	var names []string
	for _, length := range []uint32{50, 50, 33, 67, 1} {
		for _, p := range s.Assign(nil, slot, []uint32{length}, int64(length)) {
			names = append(names, fmt.Sprintf("%s:%d", p.File.Name(), p.FirstLine))
		}
	}
	want := "[v1-0/Patient-v1-00000.ndjson:0 v1-0/Patient-v1-00000.ndjson:1 " +
		"v1-0/Patient-v1-00001.ndjson:0 v1-0/Patient-v1-00001.ndjson:1 v1-0/Patient-v1-00002.ndjson:0]"
	if got := fmt.Sprint(names); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestFolderCapsTouchOneVersionOnly: Binaries that overflow a folder stay among
// Binaries (WE5).
func TestFolderCapsTouchOneVersionOnly(t *testing.T) {
	s := shard.New(shard.Caps{FileBytes: 100, FolderBytes: 150, FolderFiles: 2})
	patient1, patient2 := shard.NewSlot("", "Patient", 1), shard.NewSlot("", "Patient", 2)
	binary, encounter := shard.NewSlot("", "Binary", 1), shard.NewSlot("", "Encounter", 1)
	place := func(slot *shard.Slot, length uint32) string {
		pieces := s.Assign(nil, slot, []uint32{length}, int64(length))
		return pieces[0].File.Name()
	}
	f := func(slot *shard.Slot, length uint32, want string) {
		t.Helper()
		if got := place(slot, length); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(patient1, 90, "v1-0/Patient-v1-00000.ndjson")
	f(patient2, 90, "v2-0/Patient-v2-00000.ndjson")
	f(binary, 90, "Binary-v1-0/Binary-v1-00000.ndjson")
	f(encounter, 61, "v1-1/Encounter-v1-00000.ndjson") // 90+61 > 150
	f(patient1, 10, "v1-1/Patient-v1-00000.ndjson")    // numbers restart
	f(shard.NewSlot("", "Group", 1), 10, "v1-2/Group-v1-00000.ndjson")
	f(patient2, 10, "v2-0/Patient-v2-00000.ndjson") // another version is not touched
	f(binary, 61, "Binary-v1-1/Binary-v1-00000.ndjson")
	if closed := len(s.TakeClosed()); closed != 4 {
		t.Errorf("%d files closed, want 4", closed)
	}
}

func TestQuarantineLineLargerThanCapGetsItsOwnFile(t *testing.T) {
	s := shard.New(shard.Caps{FileBytes: 100, FolderBytes: 150, FolderFiles: 1})
	slot := shard.NewQuarantine("")
	for i, length := range []uint32{10, 500, 10} {
		pieces := s.Assign(nil, slot, []uint32{length}, int64(length))
		if want := fmt.Sprintf("_fhirhose/quarantine-%05d.ndjson", i); pieces[0].File.Name() != want {
			t.Errorf("line %d went to %s, want %s", i, pieces[0].File.Name(), want)
		}
	}
}

// lineup is a random sequence of extents.
type extent struct {
	slot    int
	lengths []uint32
}

func drawExtents(t *rapid.T, caps shard.Caps) []extent {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) extent {
		return extent{
			slot:    rapid.IntRange(0, 8).Draw(t, "slot"),
			lengths: rapid.SliceOfN(rapid.Uint32Range(1, uint32(caps.MaxLine())), 1, 8).Draw(t, "lengths"),
		}
	}), 1, 60).Draw(t, "extents")
}

func drawCaps(t *rapid.T) shard.Caps {
	return shard.Caps{
		FileBytes:   rapid.Int64Range(10, 200).Draw(t, "file bytes"),
		FolderBytes: rapid.Int64Range(10, 600).Draw(t, "folder bytes"),
		FolderFiles: rapid.IntRange(1, 5).Draw(t, "folder files"),
	}
}

func newSlots() []*shard.Slot {
	return []*shard.Slot{
		shard.NewSlot("", "Patient", 1), shard.NewSlot("", "Group", 1), shard.NewSlot("", "Task", 1),
		shard.NewSlot("", "Patient", 2), shard.NewSlot("", "Binary", 1), shard.NewSlot("", "Binary", 2),
		shard.NewSlot("a", "Patient", 1), shard.NewSlot("a", "Group", 1), shard.NewSlot("ab", "Patient", 1),
	}
}

// TestCaps proves I6 for any lines and any caps, and that every line has exactly
// one place, with numbers that run from 0 in each file.
func TestCaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := drawCaps(t)
		s, slots := shard.New(caps), newSlots()
		fileBytes, fileLines := map[string]int64{}, map[string]uint32{}
		folderBytes, folderFiles := map[string]int64{}, map[string]int{}
		closed := map[string]bool{}
		for _, e := range drawExtents(t, caps) {
			lengths := e.lengths
			for _, p := range s.Assign(nil, slots[e.slot], lengths, total(lengths)) {
				name, folder := nameOf(p.File), p.File.Slot.Tenant+"/"+p.File.FolderName()
				if closed[name] {
					t.Fatalf("line assigned to %s after it was closed", name)
				}
				if p.New {
					folderFiles[folder]++
				}
				if p.FirstLine != fileLines[name] || p.New != (p.FirstLine == 0) {
					t.Fatalf("%s: piece at line %d, %d expected", name, p.FirstLine, fileLines[name])
				}
				if got := total(lengths[:p.Lines]); got != p.Bytes {
					t.Fatalf("piece of %d bytes, %d expected", p.Bytes, got)
				}
				lengths = lengths[p.Lines:]
				fileLines[name] += uint32(p.Lines)
				fileBytes[name] += p.Bytes
				folderBytes[folder] += p.Bytes
			}
			if len(lengths) != 0 {
				t.Fatalf("%d lines without a place", len(lengths))
			}
			for _, f := range s.TakeClosed() {
				closed[nameOf(f)] = true
			}
		}
		for name, bytes := range fileBytes {
			if bytes > caps.FileBytes {
				t.Errorf("file %s has %d bytes", name, bytes)
			}
		}
		for folder, bytes := range folderBytes {
			if bytes > caps.FolderBytes || folderFiles[folder] > caps.FolderFiles {
				t.Errorf("folder %s has %d bytes in %d files", folder, bytes, folderFiles[folder])
			}
		}
	})
}

// TestPlacesDoNotDependOnExtents: a line's place is the same however lines are
// cut into extents, and however often the sharder is stored and restored.
func TestPlacesDoNotDependOnExtents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := drawCaps(t)
		extents := drawExtents(t, caps)
		whole, slots := shard.New(caps), newSlots()
		single, others := shard.New(caps), newSlots()
		for _, e := range extents {
			want := places(whole.Assign(nil, slots[e.slot], e.lengths, total(e.lengths)))
			var got []string
			for _, length := range e.lengths {
				got = append(got, places(single.Assign(nil, others[e.slot], []uint32{length}, int64(length)))...)
				if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
					single, others = restart(t, caps, single, others)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}

// restart brings the sharder back from what a checkpoint would hold.
func restart(t *rapid.T, caps shard.Caps, s *shard.Sharder, slots []*shard.Slot) (*shard.Sharder, []*shard.Slot) {
	var open []shard.OpenFile
	for _, f := range s.Open() {
		open = append(open, f.Snapshot())
	}
	restored, fresh := shard.New(caps), newSlots()
	_, err := restored.Restore(s.Snapshot(), open, func(tenant, resourceType string, version uint32) *shard.Slot {
		for i, slot := range slots {
			if slot.Tenant == tenant && slot.Type == resourceType && slot.Version == version {
				return fresh[i]
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return restored, fresh
}

func places(pieces []shard.Piece) (names []string) {
	for _, p := range pieces {
		for i := range p.Lines {
			names = append(names, fmt.Sprintf("%s:%d", nameOf(p.File), p.FirstLine+uint32(i)))
		}
	}
	return names
}

func nameOf(f *shard.File) string { return f.Slot.Tenant + "/" + f.Name() }

// TestTenantsDoNotTouchEachOther: a tenant's lines have the places that they have
// where there is no other tenant.
func TestTenantsDoNotTouchEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := drawCaps(t)
		together, slots := shard.New(caps), newSlots()
		alone, own := map[string]*shard.Sharder{}, newSlots()
		for _, e := range drawExtents(t, caps) {
			tenant := slots[e.slot].Tenant
			if alone[tenant] == nil {
				alone[tenant] = shard.New(caps)
			}
			got := places(together.Assign(nil, slots[e.slot], e.lengths, total(e.lengths)))
			want := places(alone[tenant].Assign(nil, own[e.slot], e.lengths, total(e.lengths)))
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}

func total(lengths []uint32) (n int64) {
	for _, length := range lengths {
		n += int64(length)
	}
	return n
}
