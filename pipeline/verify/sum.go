package verify

import "github.com/fhirhose/fhirhose/pipeline/ledger"

// leads is how many hash ranges there are: one per leading byte of SHA-256(id).
const leads = 256

// cell sums up the resources of one type in one hash range.
type cell struct {
	content, label ledger.SetSum
}

func (c *cell) merge(d *cell) {
	c.content.Merge(d.content)
	c.label.Merge(d.label)
}

// cells are the cells of one type.
type cells [leads]cell
