package importing_test

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline/importing"
)

func inOrder(names []string) (sorted []string) {
	var folders []importing.Folder
	for _, name := range names {
		folders = append(folders, importing.Folder{Name: name})
	}
	importing.InOrder(folders)
	for _, f := range folders {
		sorted = append(sorted, f.Name)
	}
	return sorted
}

// The order that the FHIR Works tool was seen to give (facts 4.4).
func TestOrderOfTheOldTool(t *testing.T) {
	want := []string{"Binary-v1", "Binary-v2", "Binary-v10", "v1-0", "v1-1", "v1-10", "v2-0", "v10-0"}
	got := slices.Clone(want)
	for range 20 {
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		if got = inOrder(got); !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

// For any set of folders: by kind, then version, then number, as numbers.
func TestOrderOfAnyFolders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type folder struct {
			kind            string
			version, number uint32
		}
		drawn := rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) folder {
			return folder{
				rapid.SampledFrom([]string{"Binary-", ""}).Draw(t, "kind"),
				rapid.Uint32().Draw(t, "version"), rapid.Uint32Range(0, 120).Draw(t, "number"),
			}
		}), func(f folder) folder { return f }).Draw(t, "folders")
		name := func(f folder) string { return fmt.Sprintf("%sv%d-%d", f.kind, f.version, f.number) }
		var names, want []string
		for _, f := range drawn {
			names = append(names, name(f))
		}
		slices.SortFunc(drawn, func(a, b folder) int {
			switch {
			case a.kind != b.kind:
				return len(b.kind) - len(a.kind)
			case a.version != b.version:
				return int(int64(a.version) - int64(b.version))
			}
			return int(a.number) - int(b.number)
		})
		for _, f := range drawn {
			want = append(want, name(f))
		}
		if got := inOrder(names); !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

// localeCompare is an order of names that
//
//	names.sort((a, b) => a.localeCompare(b, undefined, {numeric: true, sensitivity: 'base'}))
//
// has given, as the FHIR Works tool calls it: of every folder v<n>, v<n>-<k> and the
// same of Binaries, with n from 0 to beyond 64 bits (Node 20.20, ICU 78.2).
//
//go:embed testdata/localecompare.txt
var localeCompare string

// TestOrderIsLocaleCompare: any set of folders, in any order, comes out as the old
// tool would sort it.
func TestOrderIsLocaleCompare(t *testing.T) {
	all := strings.Fields(localeCompare)
	if len(all) != 288 {
		t.Fatalf("%d names", len(all))
	}
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.Permutation(all).Draw(t, "order")[:rapid.IntRange(0, len(all)).Draw(t, "size")]
		want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !slices.Contains(drawn, name) })
		if got := inOrder(drawn); !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}
