package output

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// rowsOf is a batch with one row of each of some tenants.
type rowsOf struct {
	Batch
	tenants []string
	rows    []byte
}

func (b *rowsOf) Rows() []byte            { return b.rows }
func (b *rowsOf) Tenant(row int) string   { return b.tenants[row] }
func (b *rowsOf) Place(int) (Place, bool) { return Place{}, false }

// TestRowsAreBounded proves I7 for the ledger of many tenants: what is gathered
// stays under one bound for all of them, and each tenant's rows are its own.
func TestRowsAreBounded(t *testing.T) {
	const tenants, rounds = 2000, 8
	state := t.TempDir()
	if err := os.Mkdir(filepath.Join(state, "open"), 0o700); err != nil {
		t.Fatal(err)
	}
	o := New(Options{Name: "records", State: state, SegmentEntries: 1000, Writers: 1}, nil, nil)
	k := o.book
	b := new(rowsOf)
	for i := range tenants {
		b.tenants = append(b.tenants, fmt.Sprint("t", i))
		b.rows = ledger.AppendRow(b.rows, &ledger.Entry{
			Type: []byte("Patient"), ID: fmt.Append(nil, "id-", i), Version: 1,
			Status: pipeline.Available, Reason: pipeline.OtherType,
		})
	}
	for range rounds {
		if err := k.enter(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		held := 0
		for _, s := range k.open {
			held += cap(s.buf)
		}
		if held > 2*(k.budget+len(b.rows)) {
			t.Fatalf("%d bytes are held, %d are the bound", held, k.budget)
		}
	}
	if err := k.flushAll(); err != nil {
		t.Fatal(err)
	}
	if k.held != 0 || len(k.open) != tenants {
		t.Errorf("%d bytes held, %d tenants", k.held, len(k.open))
	}
	for _, tenant := range []string{"t0", "t1", "t10", "t1999"} {
		rows, err := os.ReadFile(k.path(tenant, 0))
		if err != nil {
			t.Fatal(err)
		}
		read := ledger.NewRows(rows)
		n := 0
		for ; read.Next(); n++ {
			if got := string(read.Row().Entry().ID); got != "id-"+tenant[1:] {
				t.Fatalf("%s has a row of %s", tenant, got)
			}
		}
		if n != rounds {
			t.Errorf("%s has %d rows", tenant, n)
		}
	}
}
