package jobfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// keySet is what may stand where in a job file.
type keySet struct {
	leaves   map[string]Setting
	sections map[string]bool
}

func knownKeys() keySet {
	k := keySet{leaves: map[string]Setting{}, sections: map[string]bool{}}
	for _, s := range Settings() {
		k.leaves[s.Key] = s
		for path := parent(s.Key); path != ""; path = parent(path) {
			k.sections[path] = true
		}
	}
	return k
}

func parent(key string) string {
	return key[:max(0, strings.LastIndexByte(key, '.'))]
}

func last(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// all lists leaves and sections, sorted.
func (k keySet) all() []string {
	return slices.Sorted(func(yield func(string) bool) {
		maps.Keys(k.leaves)(yield)
		maps.Keys(k.sections)(yield)
	})
}

// below lists the names that may stand directly in a section.
func (k keySet) below(section string) []string {
	var names []string
	for _, key := range k.all() {
		if parent(key) == section {
			names = append(names, last(key))
		}
	}
	return names
}

// suggestion says what an unknown name probably means: the nearest key of its
// section, or the same or nearly the same name elsewhere.
func (k keySet) suggestion(section, name string) string {
	best, least := "", len(name)/3+2
	for _, key := range k.all() {
		distance := editDistance(name, last(key))
		if parent(key) != section {
			distance++ // a slip of the finger is likelier than a slip of the section
		}
		if distance < least {
			best, least = key, distance
		}
	}
	switch {
	case best == "":
		return fmt.Sprintf("; %s takes %s", orFile(section), strings.Join(k.below(section), ", "))
	case parent(best) == section:
		return fmt.Sprintf("; the nearest known key is %q", last(best))
	default:
		return fmt.Sprintf("; the nearest known key is %q", best)
	}
}

// nearest returns the candidate that is at most a few slips from name, or "".
func nearest(name string, candidates []string) string {
	best, least := "", len(name)/3+1
	for _, candidate := range candidates {
		if d := editDistance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, changes and swaps of
// neighbours that make b of a.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
