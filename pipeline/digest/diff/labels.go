package diff

import (
	"bytes"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline/digest"
)

// labels compares what the label digest is made of. Lists of labels are sets to
// people: what is not the same is lost, or added.
func (c *comparison) labels(root path, ours, theirs *object) {
	const meta = `"meta":`
	a, b := members(ours.values[meta]), members(theirs.values[meta])
	for _, name := range []string{`"profile":`, `"security":`, `"tag":`} {
		c.label(root.member(meta), name, a.values[name], b.values[name])
	}
}

func (c *comparison) label(meta path, name string, ours, theirs []byte) {
	all, isList := items(ours)
	others, areList := items(theirs)
	if ours != nil && !isList || theirs != nil && !areList {
		c.member(meta, name, ours, theirs)
		return
	}
	if name == `"tag":` {
		all = slices.DeleteFunc(all, func(it item) bool { return digest.AddedTag(it.text) })
		others = slices.DeleteFunc(others, func(it item) bool {
			mine := slices.ContainsFunc(all, func(our item) bool { return bytes.Equal(our.text, it.text) })
			return digest.AddedTag(it.text) || !mine && c.marks.Tag(it.text)
		})
	}
	p := meta.member(name)
	lost, added := without(all, others), without(others, all)
	for _, it := range lost {
		c.add(p.element(it.index), Lost)
	}
	for _, it := range added {
		c.add(p.element(it.index), Added)
	}
	switch {
	case len(lost) > 0 || len(added) > 0:
	case !slices.EqualFunc(all, others, func(a, b item) bool { return bytes.Equal(a.text, b.text) }):
		c.add(p, Order)
	case name != `"tag":` && len(all) == 0: // a list without elements is not the same as none
		c.member(meta, name, ours, theirs)
	}
}
