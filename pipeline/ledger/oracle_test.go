package ledger_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"math/big"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

func naiveHash(id []byte) []byte {
	h := sha256.Sum256(id)
	return h[:8]
}

// inOrder sorts entries as docs/ledger.md says; equal ones keep their order.
func inOrder(entries []ledger.Entry) []ledger.Entry {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b ledger.Entry) int {
		return cmp.Or(bytes.Compare(naiveHash(a.ID), naiveHash(b.ID)), bytes.Compare(a.ID, b.ID),
			bytes.Compare(a.Type, b.Type), cmp.Compare(a.Version, b.Version))
	})
	return sorted
}

// oracleResource is a resource as the simplest program would see it: with all
// its entries in a list.
type oracleResource struct {
	typ, id           string
	versions          []ledger.Entry
	fate              ledger.Fate
	ambiguous         bool
	duplicates, holes int64
	content           [32]byte
}

// oracle judges a whole ledger with everything in memory; entries are in merge
// order.
func oracle(entries []ledger.Entry) []oracleResource {
	var all []oracleResource
	types := map[string]map[string]bool{}
	for _, e := range inOrder(entries) {
		if e.Reason == pipeline.OtherTenant {
			continue
		}
		typ, id := string(e.Type), string(e.ID)
		if n := len(all); n == 0 || all[n-1].typ != typ || all[n-1].id != id {
			all = append(all, oracleResource{typ: typ, id: id})
		}
		r := &all[len(all)-1]
		r.versions = append(r.versions, e)
		if types[id] == nil {
			types[id] = map[string]bool{}
		}
		types[id][typ] = true
	}
	for i := range all {
		r := &all[i]
		r.ambiguous = len(types[r.id]) > 1
		r.judge()
	}
	return all
}

func (r *oracleResource) judge() {
	present := map[uint32]bool{}
	highest, committed := uint32(0), false
	for _, v := range r.versions {
		if present[v.Version] {
			r.duplicates++
		}
		present[v.Version] = true
		if v.Status != pipeline.Pending {
			highest, committed = max(highest, v.Version), true
		}
	}
	if !committed {
		r.fate = ledger.Uncommitted
		return
	}
	for n := uint32(1); n <= highest; n++ {
		if !present[n] {
			r.holes++
		}
	}
	fates, contents := map[ledger.Fate]bool{}, map[[32]byte]bool{}
	for _, v := range r.versions {
		switch {
		case v.Version != highest || v.Status == pipeline.Pending:
			continue
		case v.Reason != pipeline.NoReason:
			fates[ledger.Unsettled] = true
		case v.Status == pipeline.Deleted:
			fates[ledger.Deleted] = true
		default:
			fates[ledger.Live] = true
		}
		contents[v.Content] = true
		r.fate, r.content = maxFate(fates), v.Content
	}
	if len(fates) > 1 || len(contents) > 1 {
		r.fate = ledger.Unsettled
	}
}

func maxFate(fates map[ledger.Fate]bool) ledger.Fate {
	for f := range fates {
		return f
	}
	return ledger.Uncommitted
}

// oracleTotals sums up what oracle says, with big integers for the set sums.
func oracleTotals(entries []ledger.Entry) (ledger.Totals, map[string]string) {
	t := ledger.Totals{Types: map[string]ledger.Tally{}}
	sums := map[string]*big.Int{}
	count := func(typ string, f func(*ledger.Tally)) {
		tally := t.Types[typ]
		f(&tally)
		t.Types[typ] = tally
		f(&t.Tally)
	}
	for _, e := range entries {
		count(string(e.Type), func(c *ledger.Tally) {
			c.Entries++
			if e.Reason == pipeline.OtherTenant {
				c.OtherTenant++
			} else if e.Status == pipeline.Pending {
				c.Pending++
			}
		})
		sums[string(e.Type)] = new(big.Int)
	}
	ambiguous := map[string]bool{}
	for _, r := range oracle(entries) {
		if r.ambiguous {
			ambiguous[r.id] = true
		}
		count(r.typ, func(c *ledger.Tally) {
			c.Duplicates += r.duplicates
			c.Holes += r.holes
			switch r.fate {
			case ledger.Live:
				c.Live++
			case ledger.Deleted:
				c.Deleted++
			case ledger.Unsettled:
				c.Unsettled++
			case ledger.Uncommitted:
				c.Uncommitted++
			}
		})
		if r.fate == ledger.Deleted && r.ambiguous {
			t.AmbiguousDeleted++
		}
		if r.fate == ledger.Live {
			h := sha256.Sum256([]byte(r.typ + "/" + r.id + string(r.content[:])))
			sum := sums[r.typ]
			sum.Add(sum, new(big.Int).SetBytes(h[:]))
			sum.Mod(sum, new(big.Int).Lsh(big.NewInt(1), 256))
		}
	}
	t.AmbiguousIDs = int64(len(ambiguous))
	hex := map[string]string{}
	for typ, sum := range sums {
		hex[typ] = string(bytes.Repeat([]byte("0"), 64-len(sum.Text(16)))) + sum.Text(16)
		if sum.Sign() == 0 {
			hex[typ] = string(bytes.Repeat([]byte("0"), 64))
		}
	}
	return t, hex
}
