package diff

import (
	_ "embed"
	"strings"

	"github.com/fhirhose/fhirhose/metrics"
)

// Kind is what became of an element. The list is closed.
type Kind string

// The kinds. Their names are part of reports: append, never rename.
const (
	// Changed: a value of the same JSON type, but another one.
	Changed Kind = "changed"
	// Digits: a number of another value. How it is spelled does not matter.
	Digits Kind = "changed digits"
	// Truncated: the target has the beginning of our string, and no more.
	Truncated Kind = "truncated"
	// OtherType: a value of another JSON type, as a number that became a string.
	OtherType Kind = "changed in type"
	// Missing: the target does not have it.
	Missing Kind = "missing"
	// Added: the target has it, and we do not. An index is the target's then.
	Added Kind = "added"
	// Order: a list of the same elements in another order.
	Order Kind = "in another order"
	// Lost: a profile, a security label or a tag that the target does not have.
	Lost Kind = "lost"
)

// Difference is one element in which two resources differ.
type Difference struct {
	// Path is like "Patient.name[0].given[1]". Indexes count from 0.
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
}

func (d Difference) String() string { return d.Path + ": " + string(d.Kind) }

// Element returns the path without indexes: that of the element in all resources.
func (d Difference) Element() string {
	var b strings.Builder
	for rest := d.Path; ; {
		before, after, found := strings.Cut(rest, "[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, rest, _ = strings.Cut(after, "]")
	}
}

// unnamed stands for every name that FHIR does not have: it may hold anything (I10).
const unnamed = "(unnamed)"

// elementNames are the names of all elements of FHIR STU3, R4, R4B and R5, one on
// each line, sorted: the properties in HL7's definitions, as @types/fhir 0.0.41 (npm)
// lists them, without the underscore of a primitive's extensions.
//
//go:embed elements.txt
var elementNames string

var elements = func() map[string]bool {
	set := make(map[string]bool)
	for name := range strings.Lines(elementNames) {
		set[strings.TrimSuffix(name, "\n")] = true
	}
	return set
}()

// nameOf returns the name of an element, given as canonical text with quotes and
// colon, as it may be shown.
func nameOf(key string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(key, `"`), `":`)
	if !elements[strings.TrimPrefix(name, "_")] {
		return unnamed
	}
	return name
}

// rootOf returns the name of a resource type as it may be shown.
func rootOf(resourceType string) string {
	if !metrics.KnownType(resourceType) {
		return unnamed
	}
	return resourceType
}
