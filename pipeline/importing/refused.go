package importing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Refusals sums up what the target has refused of a tenant's folders, as far as they
// were sent. It holds no id.
type Refusals struct {
	// Stale resources are in the target in an older version than the last, which it
	// has refused.
	Stale int64 `json:"stale"`
	// Absent resources are not in the target in any version.
	Absent int64 `json:"absent"`
	// Overtaken resources lack older versions alone: the last was not refused. What was
	// refused of them must not be sent again (I11).
	Overtaken int64 `json:"overtaken"`
	// Unnamed failures tell no resource that the ledger knows: whether theirs is stale
	// is not known.
	Unnamed int64 `json:"unnamed"`
	// Failures that were judged.
	Failures int64 `json:"failures"`
	// Of tells these failures from those of another moment.
	Of string `json:"of"`
	// LinesFrom is what the target numbers the first line of a file: 0 or 1; -1 if
	// that is not known, or differs.
	LinesFrom int `json:"lines_from"`
}

// Refused is a resource of which the target has refused versions. It may be sent
// again only if none of a later version is in (I11): from the first of Versions that
// is greater than In.
type Refused struct {
	Resource string           `json:"resource"` // Type/id. PHI
	Stale    bool             `json:"stale"`
	Last     uint32           `json:"last"`         // version that was written
	In       uint32           `json:"in,omitempty"` // the highest version that the target has taken; 0 is none
	Versions []RefusedVersion `json:"refused"`      // by version
}

// RefusedVersion is a line that the target has refused.
type RefusedVersion struct {
	Version uint32 `json:"version"`
	File    string `json:"file"`   // below the tenant's folder
	Line    int64  `json:"line"`   // in it, from 1, as the ledger knows it; 0 is unknown
	Reason  string `json:"reason"` // as in Failure.Code
}

// RefusedFile is the file of the resources of a tenant of which the target has
// refused versions: a line of JSON for each, a [Refused], those that are stale first
// among those of a pass. It holds PHI, and is absent if there are none.
func RefusedFile(state, tenant string) string {
	return filepath.Join(state, "import", hex.EncodeToString([]byte(tenant)), "refused.ndjson")
}

// refusalsBucket of the checkpoint has the Refusals of each tenant.
const refusalsBucket = "import-refusals"

func refusalsKey(tenant string) string { return "of/" + tenant }

// RefusalsOf returns what [Judge] has found last; nil is that nothing is refused.
func RefusalsOf(store output.Entries, tenant string) (found *Refusals, err error) {
	err = store.Each(refusalsBucket, func(key string, value []byte) error {
		if key != refusalsKey(tenant) {
			return nil
		}
		found = new(Refusals)
		return json.Unmarshal(value, found)
	})
	if err != nil {
		return nil, output.Damaged(err)
	}
	if found != nil && found.Failures == 0 { // what was refused has been mended
		return nil, nil
	}
	return found, nil
}

// Judgement is what Judge needs.
type Judgement struct {
	Tenant, State string
	Store         Checkpoint
	Ledger        *ledger.Ledger // of the tenant
	// Resource reads from Failure.Raw which resource was refused; "" is unknown.
	Resource func(raw []byte) (resourceType, id string)
	Memory   int // bytes, for the ledger
}

// atOnce is how many failures are held in memory at the same time.
const atOnce = 1 << 16

// Judge compares what the target has refused with the ledger, keeps the resources in
// RefusedFile, and what they add up to in the checkpoint. What it has judged before it
// does not judge again. It returns nil if nothing is refused.
func Judge(ctx context.Context, j Judgement) (*Refusals, error) {
	known, err := Records(j.Store, j.Tenant)
	if err != nil {
		return nil, err
	}
	g := judge{Judgement: j, file: lineWriter{path: RefusedFile(j.State, j.Tenant)}}
	for name, r := range known {
		if r.Done && r.Failed > 0 {
			g.folders = append(g.folders, name)
			g.failures += r.Failed
		}
	}
	slices.Sort(g.folders)
	sum := sha256.New()
	for _, name := range g.folders {
		_, _ = fmt.Fprintf(sum, "%q %d\n", name, known[name].Failed) // it cannot fail
	}
	g.found.Failures, g.found.Of = g.failures, hex.EncodeToString(sum.Sum(nil)[:8])
	if last, err := RefusalsOf(j.Store, j.Tenant); err != nil || last != nil && last.Of == g.found.Of || last == nil && g.failures == 0 {
		return last, err
	}
	if err := os.Remove(g.file.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, durable.Failure("remove", g.file.path, err)
	}
	parts := uint32(g.failures/atOnce + 1)
	for part := range parts {
		if err := g.pass(ctx, part, parts); err != nil {
			return nil, err
		}
	}
	if g.failures > 0 {
		if err := g.file.close(); err != nil {
			return nil, durable.Failure("write", g.file.path, err)
		}
	}
	return g.conclude()
}

// judge is a Judge at work.
type judge struct {
	Judgement
	folders   []string
	failures  int64
	found     Refusals
	zero, one int64 // failures whose line is numbered so
	file      lineWriter
}

// refusedLine is a failure whose resource is known.
type refusedLine struct {
	version uint32
	file    string
	line    int64 // as the target counts
	reason  string
}

func (g *judge) conclude() (*Refusals, error) {
	switch {
	case g.zero > 0 && g.one == 0:
		g.found.LinesFrom = 0
	case g.one > 0 && g.zero == 0:
		g.found.LinesFrom = 1
	default:
		g.found.LinesFrom = -1
	}
	value, err := json.Marshal(g.found)
	if err != nil {
		return nil, err
	}
	if err := g.Store.Commit([]output.Change{{Bucket: refusalsBucket, Key: refusalsKey(g.Tenant), Value: value}}); err != nil || g.failures == 0 {
		return nil, err
	}
	return &g.found, nil
}

// pass judges the resources of one part of all ids.
func (g *judge) pass(ctx context.Context, part, parts uint32) error {
	lines, ids := map[string][]refusedLine{}, map[string]bool{}
	for _, folder := range g.folders {
		err := EachFailure(g.State, g.Tenant, folder, func(k Kept) error {
			kind, id := g.Resource(k.Raw)
			if partOf(id, parts) != part {
				return nil
			}
			if id == "" {
				g.found.Unnamed++
				return nil
			}
			ids[id] = true
			key := kind + "/" + id
			lines[key] = append(lines[key], refusedLine{versionOf(folder), k.File, k.Line, k.Code})
			return nil
		})
		if err != nil {
			return err
		}
	}
	var judged []Refused
	for r, err := range g.Ledger.Find(ctx, ids, g.Memory) {
		if err != nil {
			return err
		}
		key := string(r.Type) + "/" + string(r.ID)
		if of := lines[key]; of != nil {
			judged = append(judged, g.resource(key, r, of))
			delete(lines, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(lines)) { // nothing that we wrote
		g.found.Unnamed += int64(len(lines[key]))
	}
	slices.SortStableFunc(judged, func(a, b Refused) int { return cmp.Compare(number(b.Stale), number(a.Stale)) })
	for i := range judged {
		if err := g.file.add(&judged[i]); err != nil {
			return durable.Failure("write", g.file.path, err)
		}
	}
	return nil
}

// resource judges one resource by what was written of it, and what was refused.
func (g *judge) resource(name string, r *ledger.Resource, lines []refusedLine) Refused {
	refused, written := map[uint32]int{}, map[uint32]int{} // lines, by version
	for _, l := range lines {
		refused[l.version]++
	}
	it := Refused{Resource: name}
	for i := range r.Versions {
		if e := &r.Versions[i]; e.Written() {
			written[e.Version]++
			it.Last = e.Version // they are in order
		}
	}
	for version, n := range written {
		if n > refused[version] { // one of several of the same version is enough
			it.In = max(it.In, version)
		}
	}
	for _, l := range lines {
		it.Versions = append(it.Versions, g.place(r, l, written[l.version] == 1))
	}
	slices.SortFunc(it.Versions, func(a, b RefusedVersion) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	switch {
	case it.In == it.Last:
		g.found.Overtaken++
	case it.In > 0:
		it.Stale = true
		g.found.Stale++
	default:
		g.found.Absent++
	}
	return it
}

// place finds the line that was refused, where only one of its version was written.
func (g *judge) place(r *ledger.Resource, l refusedLine, alone bool) RefusedVersion {
	at := RefusedVersion{Version: l.version, File: l.file, Reason: l.reason}
	for i := range r.Versions {
		e := &r.Versions[i]
		if _, file := e.Place(); !alone || !e.Written() || e.Version != l.version || file != l.file {
			continue
		}
		at.Line = int64(e.Line) + 1
		switch l.line {
		case int64(e.Line):
			g.zero++
		case int64(e.Line) + 1:
			g.one++
		default:
			g.zero, g.one = g.zero+1, g.one+1
		}
	}
	return at
}

// versionOf is the version of every resource in a folder: 2 of v2-0 and of
// Binary-v2-0. Of another name it is 0.
func versionOf(folder string) uint32 {
	digits, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(folder, "Binary-"), "v"), "-")
	n, _ := strconv.ParseUint(digits, 10, 32)
	return uint32(n)
}

// partOf spreads ids over parts; those without one are in the first.
func partOf(id string, parts uint32) uint32 {
	if id == "" || parts == 1 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // it cannot fail
	return h.Sum32() % parts
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
