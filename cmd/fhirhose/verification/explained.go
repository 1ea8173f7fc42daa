package verification

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/pipeline/digest/diff"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

const (
	// MostExplained is of how many resources a verification names what differs.
	MostExplained = 100
	// mostElements of a verification are listed.
	mostElements = 20
)

// Explained is what differs in the resources that a verification has found. It holds
// no id and no value: elements and kinds are from closed lists (I10).
type Explained struct {
	// File has a line of JSON for each resource that was looked at, below the state
	// directory. It is PHI.
	File      string    `json:"file"`
	Resources int64     `json:"resources"` // of which elements are named
	Elements  []Element `json:"elements"`  // that differ most often, at most 20
	// More elements than those, and paths beyond ten of a resource.
	More int64 `json:"more,omitempty"`
	// Failures are resources of which nothing is named, by verify.Failure.
	Failures map[string]int64 `json:"failures,omitempty"`
	// Left are those that were not looked at, beyond the first MostExplained.
	Left int64 `json:"left,omitempty"`
}

// Element is an element that differs, of all resources of a type.
type Element struct {
	Path      string    `json:"path"` // without indexes
	Kind      diff.Kind `json:"kind"`
	Resources int64     `json:"resources"`
}

// Explanation is a line of [Explained].File: PHI.
type Explanation struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	verify.Explained
}

// explainable are the classes in which there are two texts to compare: what may be a
// fault of the migration, and what is somebody else's change.
var explainable = map[string]bool{
	verify.Different.String(): true, verify.LabelLost.String(): true,
	verify.ChangedAfterImport.String(): false, verify.ChangedAtSource.String(): false,
}

// IsExplainable tells whether elements can be named of a resource of this class.
func IsExplainable(class string) bool {
	_, known := explainable[class]
	return known
}

// Explainable returns the findings that are to be explained: at most MostExplained,
// first those that are different or have lost labels; left counts all others.
func (r *Result) Explainable(state string) (subjects []*verify.Subject, left int64, err error) {
	var others []*verify.Subject
	err = r.EachFinding(state, func(f *Finding) error {
		fault, known := explainable[f.Class]
		if !known {
			return nil
		}
		to := &others
		if fault {
			to = &subjects
		}
		if len(*to) == MostExplained {
			left++
			return nil
		}
		*to = append(*to, &verify.Subject{Type: f.Type, ID: f.ID, Object: f.Object, Line: f.Line})
		return nil
	})
	n := min(len(others), MostExplained-len(subjects))
	return append(subjects, others[:n]...), left + int64(len(others)-n), err
}

func (r *Result) explainedFile(state string) string {
	return filepath.Join(Dir(state, r.Tenant), r.Mode+".explained.ndjson")
}

// Explain keeps what was found out of the subjects.
func (r *Result) Explain(state string, subjects []*verify.Subject, left int64) error {
	path := r.explainedFile(state)
	if len(subjects) == 0 {
		r.Explained = nil
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return durable.Failure("remove", path, err)
		}
		return nil
	}
	name, err := filepath.Rel(state, path)
	if err != nil {
		return err
	}
	e := &Explained{File: name, Elements: []Element{}, Failures: make(map[string]int64), Left: left}
	var text bytes.Buffer
	to := json.NewEncoder(&text)
	counts := make(map[Element]int64)
	for _, s := range subjects {
		if err := to.Encode(Explanation{s.Type, s.ID, s.Explained}); err != nil {
			return err
		}
		e.add(&s.Explained, counts)
	}
	e.list(counts)
	if err := durable.WriteFile(path, text.Bytes()); err != nil {
		return durable.Failure("write", path, err)
	}
	r.Explained = e
	return nil
}

func (e *Explained) add(of *verify.Explained, counts map[Element]int64) {
	if of.Failure != verify.NoFailure {
		e.Failures[string(of.Failure)]++
		return
	}
	e.Resources++
	e.More += int64(of.More)
	seen := make(map[Element]bool)
	for _, d := range of.Differences {
		if it := (Element{Path: d.Element(), Kind: d.Kind}); !seen[it] {
			seen[it] = true
			counts[it]++
		}
	}
}

func (e *Explained) list(counts map[Element]int64) {
	for it, n := range counts {
		it.Resources = n
		e.Elements = append(e.Elements, it)
	}
	slices.SortFunc(e.Elements, func(a, b Element) int {
		return cmp.Or(cmp.Compare(b.Resources, a.Resources), strings.Compare(a.Path, b.Path), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	if n := len(e.Elements) - mostElements; n > 0 {
		e.More += int64(n)
		e.Elements = e.Elements[:mostElements]
	}
}

// Words says in lines what differs.
func (e *Explained) Words(mode string) (lines []string) {
	if e == nil {
		return nil
	}
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if len(e.Elements) > 0 {
		line("what differs, in %s:", human.Plural(e.Resources, "resource"))
	}
	for _, it := range e.Elements {
		line("  %s: %s, in %s", it.Path, KindWords(it.Kind, mode), human.Plural(it.Resources, "resource"))
	}
	if e.More > 0 {
		line("  and %s more", human.Plural(e.More, "difference"))
	}
	for _, failure := range slices.Sorted(func(yield func(string) bool) {
		for name := range e.Failures {
			if !yield(name) {
				return
			}
		}
	}) {
		line("what differs is not known of %s: %s", human.Plural(e.Failures[failure], "resource"), failure)
	}
	if e.Left > 0 {
		line("%s more %s not compared element by element: the first %d are", human.Count(e.Left), are(e.Left), MostExplained)
	}
	return lines
}

func are(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// KindWords says what became of an element, in a verification of this mode.
func KindWords(kind diff.Kind, mode string) string {
	other := "target"
	if mode == Source {
		other = "live source"
	}
	switch kind {
	case diff.Missing, diff.Added:
		return string(kind) + " in " + other
	case diff.Truncated:
		return string(kind) + " (" + other + " shorter)"
	}
	return string(kind)
}

// DifferenceWords says what differs in one resource, in a verification of this mode.
func DifferenceWords(e *verify.Explained, mode string) string {
	if e.Failure != verify.NoFailure {
		return "what differs is not known: " + string(e.Failure)
	}
	words := make([]string, 0, len(e.Differences)+1)
	for _, d := range e.Differences {
		words = append(words, d.Path+": "+KindWords(d.Kind, mode))
	}
	if e.More > 0 {
		words = append(words, fmt.Sprintf("and %d more", e.More))
	}
	all := strings.Join(words, ", ")
	if mode == History { // elsewhere it is the last one
		return fmt.Sprintf("version %d: %s", e.Version, all)
	}
	return all
}
