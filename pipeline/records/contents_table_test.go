package records_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
)

// table is an export with Binary rows among others, and the directories of their
// contents.
type table struct {
	t                     testing.TB
	export, contents, old string
	rows                  []string
	puts                  int // objects so far
}

// emptyTable has no rows yet.
func emptyTable(t testing.TB) *table {
	t.Helper()
	dir := t.TempDir()
	b := &table{t: t, export: filepath.Join(dir, "export"), contents: filepath.Join(dir, "contents"), old: filepath.Join(dir, "old")}
	for _, folder := range []string{b.contents, b.old} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// exportRows writes rows as the objects of the export.
func (b *table) exportRows(objects [][]string) {
	if _, err := generate.WriteObjects(b.export, objects); err != nil {
		b.t.Fatal(err)
	}
}

// newTable has, for each tenant, a row of every kind: those of one tenant have
// the ids of the others. large is the size of its largest content.
func newTable(t testing.TB, large int, tenants ...string) *table {
	t.Helper()
	b := emptyTable(t)
	for _, tenant := range tenants {
		b.addTenant(tenant, large)
	}
	b.put(b.contents, "stray.bin", 5)
	b.put(b.contents, "nobody/a_1.pdf", 7)
	random := rand.New(rand.NewPCG(3, 4))
	random.Shuffle(len(b.rows), func(i, k int) { b.rows[i], b.rows[k] = b.rows[k], b.rows[i] })
	var objects [][]string
	for left := b.rows; len(left) > 0; {
		n := min(len(left), 1+len(left)/2)
		objects = append(objects, left[:n])
		left = left[n:]
	}
	b.exportRows(objects)
	return b
}

// put writes an object of n bytes that says whose it is. Its age follows from how
// many there are, its bytes from its key: nothing from when the test runs.
func (b *table) put(folder, key string, n int) {
	mark := []byte(key + folder[len(folder)-3:] + "\x00\xff")
	b.putBytes(folder, key, bytes.Repeat(mark, n/len(mark)+1)[:n])
}

func (b *table) putBytes(folder, key string, content []byte) {
	path := filepath.Join(folder, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.date(path)
}

// date gives the next object its age.
func (b *table) date(path string) {
	b.puts++
	at := exported.AddDate(0, -1, 0).Add(time.Duration(b.puts) * time.Minute)
	if filepath.Ext(path) == ".newer" {
		at = exported.AddDate(0, 0, 1)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		b.t.Fatal(err)
	}
}

// binaryRow is one row of type Binary; more are attributes.
func binaryRow(tenant, id string, version int, status string, more ...string) string {
	extra := ""
	if tenant != "" {
		extra = fmt.Sprintf(`,"_tenantId":{"S":%q},"_id":{"S":%q}`, tenant, id)
		id = tenant + "|" + id
	}
	updated := "2023-08-02T10:00:00.123Z"
	for _, m := range more {
		if m == late {
			updated = "2026-06-02T10:00:00.123Z"
			continue
		}
		extra += "," + m
	}
	return fmt.Sprintf(`{"Item":{"resourceType":{"S":"Binary"},"contentType":{"S":"application/pdf"},"id":{"S":%q},"vid":{"N":"%d"},`+
		`"meta":{"M":{"versionId":{"S":"%[2]d"},"lastUpdated":{"S":%q},"tag":{"L":[{"M":{"code":{"S":"own"}}}]}}},`+
		`"documentStatus":{"S":%q},"lockEndTs":{"N":"17"}%s}}`, id, version, updated, status, extra)
}

// late makes a row one that untilBound leaves out.
const late = "late"

// kinds are what may be with a Binary row: its status, what lies under its
// prefix, and what there was.
var kinds = []struct {
	status   string
	now, old []int // sizes
	more     string
	twice    bool
}{
	{status: "AVAILABLE", now: []int{0}},
	{status: "AVAILABLE", now: []int{1}},
	{status: "LOCKED", now: []int{2}},
	{status: "PENDING_DELETE", now: []int{3}},
	{status: "DELETED", now: []int{100}},
	{status: "AVAILABLE", now: []int{3072}, twice: true},
	{status: "AVAILABLE", now: []int{4096}},
	{status: "AVAILABLE", now: []int{4097}}, // a large one, as they are scaled
	{status: "AVAILABLE"},                   // missing
	{status: "AVAILABLE", now: []int{9, 9}}, // ambiguous
	{status: "DELETED", now: []int{0, 0}},
	{status: "DELETED"}, // erased at source
	{status: "DELETED", old: []int{77}},
	{status: "AVAILABLE", old: []int{5000}}, // recovered
	{status: "AVAILABLE", old: []int{1, 1}},
	{status: "PENDING", now: []int{10}},
	{status: "AVAILABLE", now: []int{11}, more: late},
	{status: "AVAILABLE", now: []int{12}, more: `"data":{"S":"QUJD"}`},
	{status: "AVAILABLE", more: `"data":{"S":""}`},
	{status: "AVAILABLE", now: []int{90_000}}, // over the cap
	{status: "AVAILABLE", now: []int{13}, more: `"meta2":{"N":"none"}`},
	{status: "AVAILABLE", now: []int{20_000}},
	{status: "DELETED", now: []int{14}, more: late},
}

// ids may be prefixes of each other, with dots, and differ in case only.
var binaryIDs = []string{"a", "ab", "a.b", "a.b.c", "A", "a-1", "1", "6c5d9ca9-54d7-42f5-bfae-a7c19cd217f2"}

func (b *table) addTenant(tenant string, large int) {
	folder := ""
	if tenant != "" {
		folder = tenant + "/"
	}
	extensions := []string{"pdf", "false", "tar.gz", "x"}
	for i, k := range kinds {
		id, version := binaryIDs[i%len(binaryIDs)], []int{1, 2, 11}[i/len(binaryIDs)]
		var more []string
		if k.more != "" {
			more = append(more, k.more)
		}
		row := binaryRow(tenant, id, version, k.status, more...)
		b.rows = append(b.rows, row)
		if k.twice {
			b.rows = append(b.rows, row)
		}
		for n, size := range k.now {
			b.put(b.contents, fmt.Sprintf("%s%s_%d.%s", folder, id, version, extensions[(i+n)%4]), size)
		}
		for n, size := range k.old {
			b.put(b.old, fmt.Sprintf("%s%s_%d.%s", folder, id, version, extensions[(i+n)%4]), size)
		}
	}
	b.rows = append(b.rows, binaryRow(tenant, "large", 1, "AVAILABLE"))
	b.put(b.contents, folder+"large_1.bin", large)
	for _, orphan := range []string{"a_7.pdf", "zz_1.pdf", "a_111.pdf", "folder/a_1.pdf", "soon_1.newer"} {
		b.put(b.contents, folder+orphan, 50)
	}
	b.addOthers(tenant)
}

// addOthers adds rows of other types, and rows that are none of the tenant's.
func (b *table) addOthers(tenant string) {
	for i := range 60 {
		n := triple{tenantID: tenant, plainID: fmt.Sprint("p-", i)}
		n.id = n.tenantID + "|" + n.plainID
		status := []string{"AVAILABLE", "DELETED", "LOCKED", "PENDING"}[i%4]
		if tenant == "" {
			b.rows = append(b.rows, version(n.plainID, i%3+1, status, fmt.Sprintf(`"note":{"S":"row %d %0300[1]d"}`, i)))
			continue
		}
		b.rows = append(b.rows, n.row(i, status))
	}
	b.rows = append(b.rows, "not JSON", binaryRow(tenant, "unsure", 1, "NONSENSE"))
	b.put(b.contents, filepath.Join(tenant, "unsure_1.pdf"), 8)
	if tenant != "" { // rows whose fields disagree
		b.rows = append(b.rows, fmt.Sprintf(`{"Item":{"resourceType":{"S":"Binary"},"id":{"S":"other|a"},"_tenantId":{"S":%q},"_id":{"S":"a"},`+
			`"vid":{"N":"1"},"meta":{"M":{}},"documentStatus":{"S":"AVAILABLE"}}}`, tenant))
	}
}
