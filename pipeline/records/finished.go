package records

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/binaries"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Finished is what a finished job has left.
type Finished struct {
	Status metrics.Status // the last one
	Files  []output.File  // that a target imports, of all tenants, by name
	Ledger []output.File  // segments of the ledgers, of all tenants, by name
	// Quarantine holds what could not be moved, of all tenants, by name.
	Quarantine []output.File
}

// LedgerRoot names a tenant's ledger, and so what was moved: SHA-256, in hex, over
// names and contents of its segments.
func (f *Finished) LedgerRoot(tenant string) string {
	all := sha256.New()
	for i := range f.Ledger {
		if s := &f.Ledger[i]; s.Tenant == tenant {
			_, _ = fmt.Fprintf(all, "%s %x\n", s.Name, s.Sum)
		}
	}
	return hex.EncodeToString(all.Sum(nil))
}

// Result reads from its checkpoint what a finished job has left. It needs neither
// source nor sink. A job that is not finished is KindConfig.
func Result(store output.Entries) (*Finished, error) {
	var f Finished
	finished := false
	err := store.Each(stateBucket, func(key string, value []byte) error {
		if key != finishedKey {
			return nil
		}
		finished = true
		return json.Unmarshal(value, &f.Status)
	})
	if err != nil {
		return nil, output.Damaged(err)
	}
	if !finished {
		return nil, &pipeline.Error{
			Op: "read checkpoint", Kind: pipeline.KindConfig,
			Err: errors.New("the move of this job is not finished"), Hint: "fhirhose move",
		}
	}
	for _, name := range []string{stateBucket, binaries.Name} {
		files, err := output.FilesOf(store, name)
		if err != nil {
			return nil, err
		}
		f.Files = append(f.Files, files...)
	}
	if slices.ContainsFunc(f.Files, func(f output.File) bool { return !f.Sealed && !f.IsQuarantine() }) {
		return nil, output.Damaged(errors.New("a file of a finished job is not sealed"))
	}
	slices.SortFunc(f.Files, func(a, b output.File) int { return strings.Compare(a.Name, b.Name) })
	for i := range f.Files {
		switch file := &f.Files[i]; {
		case file.IsLedger():
			f.Ledger = append(f.Ledger, *file)
		case file.IsQuarantine() && file.Lines > 0:
			f.Quarantine = append(f.Quarantine, *file)
		}
	}
	f.Files = slices.DeleteFunc(f.Files, func(f output.File) bool { return f.Type == "" })
	return &f, nil
}
