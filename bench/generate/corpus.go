package generate

import (
	"fmt"
	"sort"
	"time"
)

// corpus answers, from seed and resource number alone, what a resource is. It
// is read-only once built, so that objects can be written at the same time.
type corpus struct {
	Options
	types  []weightedType
	sums   []int // running sums of the weights
	bodies map[string][]op
	tables int
	byType map[string][]int // some resource numbers of each type, for references
}

// Each purpose draws from its own sequence, so that a new one changes no other.
const (
	forID = iota + 1
	forType
	forVersions
	forBody
	forVersion
	forRow
	forTenant
	forDefect
	forNames
	forContent
)

// referenceScan is how many resources are looked at for reference targets.
const referenceScan = 1 << 17

func newCorpus(o Options) (*corpus, error) {
	c := &corpus{Options: o, types: weightedTypes()[:o.Types], byType: map[string][]int{}}
	sum := 0
	for _, t := range c.types {
		sum += t.weight
		c.sums = append(c.sums, sum)
	}
	var err error
	if c.bodies, c.tables, err = loadBodies(c.types); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	for i := range min(o.Resources, referenceScan) {
		name := c.typeOf(i).name
		c.byType[name] = append(c.byType[name], i)
	}
	return c, nil
}

func (c *corpus) random(purpose uint64, keys ...uint64) random {
	return newRandom(c.Seed, append([]uint64{purpose}, keys...)...)
}

func (c *corpus) typeOf(i int) weightedType {
	if c.Even {
		return c.types[i%len(c.types)]
	}
	r := c.random(forType, uint64(i))
	at := int(r.below(uint64(c.sums[len(c.sums)-1])))
	return c.types[sort.SearchInts(c.sums, at+1)]
}

func (c *corpus) appendID(dst []byte, i int) []byte {
	r := c.random(forID, uint64(i))
	return r.appendUUID(dst)
}

// appendSomeID appends the id of a resource of the type, or one that leads
// nowhere if the export has none.
func (c *corpus) appendSomeID(dst []byte, name string, r *random) []byte {
	some := c.byType[name]
	if len(some) == 0 {
		return r.appendUUID(dst)
	}
	return c.appendID(dst, some[r.below(uint64(len(some)))])
}

func (c *corpus) versionsOf(i int) int {
	if c.AllVersions {
		return c.Versions
	}
	r := c.random(forVersions, uint64(i))
	n := 1
	for n < c.Versions && r.chance(400) {
		n++
	}
	return n
}

func (c *corpus) tenantOf(i int) string {
	if len(c.Tenants) == 0 {
		return ""
	}
	r := c.random(forTenant, uint64(i))
	return c.Tenants[r.below(uint64(len(c.Tenants)))]
}

var (
	clinicalStart = time.Date(2009, 1, 1, 0, 0, 0, 0, time.FixedZone("", -5*3600))
	tableStart    = time.Date(2022, 3, 1, 0, 0, 0, 0, time.UTC)
	exportTime    = time.Date(2023, 9, 2, 20, 16, 50, 0, time.UTC)
)
