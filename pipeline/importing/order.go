package importing

import (
	"slices"
	"strings"
)

// InOrder sorts folders as they are to be imported: by name, numbers in it by
// their value. It is the order of the FHIR Works tool's localeCompare with
// `numeric` (facts: Binary-v1 Binary-v2 Binary-v10 v1-0 v1-1 v1-10 v2-0 v10-0).
func InOrder(folders []Folder) {
	slices.SortFunc(folders, func(a, b Folder) int { return compare(a.Name, b.Name) })
}

// compare orders two names piece by piece: runs of digits by value, all else by
// byte. Names that differ only in leading zeros are ordered by byte.
func compare(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		p, q := piece(x), piece(y)
		x, y = x[len(p):], y[len(q):]
		if isDigit(p[0]) && isDigit(q[0]) {
			p, q = strings.TrimLeft(p, "0"), strings.TrimLeft(q, "0")
			if len(p) != len(q) {
				return len(p) - len(q)
			}
		}
		if c := strings.Compare(p, q); c != 0 {
			return c
		}
	}
	if c := len(x) - len(y); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// piece returns the first run of digits of s, or its first other byte.
func piece(s string) string {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return s[:max(n, 1)]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// version is the part of a folder's name that it shares with the others of its
// version: v2 of v2-10, Binary-v1 of Binary-v1-0, and of Binary-v1.
func version(name string) string {
	const binary = "Binary-"
	rest := strings.TrimPrefix(name, binary)
	number, _, _ := strings.Cut(rest, "-")
	return name[:len(name)-len(rest)+len(number)]
}

// sameVersion returns the first of the folders, and what follows it of its version:
// n at most, and at least one.
func sameVersion(folders []Folder, n int) []Folder {
	end := 1
	for end < min(n, len(folders)) && version(folders[end].Name) == version(folders[0].Name) {
		end++
	}
	return folders[:end]
}
