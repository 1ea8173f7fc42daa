package verify

import (
	"encoding/binary"

	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// leads is how many hash ranges there are: one per leading byte of SHA-256(id).
const leads = 256

// cell sums up the resources of one type in one hash range.
type cell struct {
	content, label ledger.SetSum
	forms          forms
}

func (c *cell) merge(d *cell) {
	c.content.Merge(d.content)
	c.label.Merge(d.label)
	c.forms.count += d.forms.count
	c.forms.sum += d.forms.sum
}

// same tells whether both hold the same resources, whatever the form of their numbers.
func (c *cell) same(d *cell) bool { return c.content == d.content && c.label == d.label }

// forms sums up number forms that are not 0. It guards nothing: what it misses is
// equal all the same.
type forms struct {
	count uint64 // resources that have one
	sum   uint64 // mod 2^64, of a hash of content digest and form
}

// formsBytes is the stored size of forms.
const formsBytes = 16

// add adds the number form of a resource with this content digest, which holds its
// type and id too.
func (f *forms) add(content *[32]byte, form uint32) {
	if form == 0 {
		return
	}
	h := binary.LittleEndian.Uint64(content[:]) ^ uint64(form) // mixed as SplitMix64 does it
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	f.count++
	f.sum += h ^ h>>31
}

// differ returns of how many resources, which are the same on both sides, the number
// forms differ at least: of as many as there are if one side has none.
func (f forms) differ(g forms) uint64 {
	if f == g {
		return 0
	}
	return max(1, max(f.count, g.count)-min(f.count, g.count))
}

// cells are the cells of one type.
type cells [leads]cell
