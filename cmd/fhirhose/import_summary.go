package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/pipeline/importing"
)

// importSummary is what `import --json` prints: how far the import has come.
type importSummary struct {
	Job string `json:"job"`
	importCounts
	Stores []importStore `json:"stores"` // by tenant
}

// importCounts sum up folders.
type importCounts struct {
	Done     bool  `json:"done"`     // all folders are
	Imported int64 `json:"imported"` // resources of folders that are done
	Refused  int64 `json:"refused"`  // the same
}

// importStore is the data store of one tenant.
type importStore struct {
	Tenant    string `json:"tenant,omitempty"`
	Datastore string `json:"datastore"` // ARN
	importCounts
	Refusals *importRefusals `json:"refusals,omitempty"` // if anything was refused
	Folders  []importFolder  `json:"folders"`            // in the order of import
	Deletes  *importDeletes  `json:"deletes,omitempty"`  // once they have begun
}

// importFolder is one folder of it.
type importFolder struct {
	Folder   string `json:"folder"`
	Lines    int64  `json:"lines"`
	Done     bool   `json:"done"`
	Name     string `json:"name,omitempty"`   // of HealthLake's job, once it is to be started
	Job      string `json:"job,omitempty"`    // its id, once HealthLake has told it
	Status   string `json:"status,omitempty"` // its last word, once the job is over
	Imported int64  `json:"imported"`
	Refused  int64  `json:"refused"`
	Failures string `json:"failures,omitempty"` // file that tells of the refused ones; PHI

	over bool
}

func (i *importRun) summarize() (*importSummary, error) {
	s := &importSummary{Job: i.job.Name, importCounts: importCounts{Done: true}, Stores: []importStore{}}
	for _, d := range i.to {
		known, err := importing.Records(i.store, d.tenant)
		if err != nil {
			return nil, err
		}
		store := d.summarize(known, i.job.State)
		if store.Refusals, err = i.summarizeRefusals(d); err != nil {
			return nil, err
		}
		if store.Deletes, err = i.summarizeDeletes(d); err != nil {
			return nil, err
		}
		s.add(store.importCounts)
		s.Stores = append(s.Stores, store)
	}
	return s, nil
}

// importedStore is what the audit log holds of one data store.
type importedStore struct {
	Tenant    string `json:"tenant,omitempty"`
	Datastore string `json:"datastore"`
	importCounts
	Refusals *importRefusals `json:"refusals,omitempty"`
	Deletes  *importDeletes  `json:"deletes,omitempty"`
}

func (s *importSummary) stores() any {
	stores := make([]importedStore, 0, len(s.Stores))
	for _, of := range s.Stores {
		stores = append(stores, importedStore{of.Tenant, of.Datastore, of.importCounts, of.Refusals, of.Deletes})
	}
	return struct {
		importCounts
		Stores []importedStore `json:"stores"`
	}{s.importCounts, stores}
}

func (c *importCounts) add(of importCounts) {
	c.Done = c.Done && of.Done
	c.Imported += of.Imported
	c.Refused += of.Refused
}

func (d *destination) summarize(known map[string]*importing.Record, state string) importStore {
	s := importStore{
		Tenant: d.tenant, Datastore: d.about.ARN, importCounts: importCounts{Done: true},
		Folders: make([]importFolder, 0, len(d.folders)),
	}
	for _, folder := range d.folders {
		f := importFolder{Folder: folder.Name, Lines: folder.Lines}
		if r := known[folder.Name]; r != nil {
			f.Done, f.Name, f.Job, f.Status, f.Imported, f.Refused = r.Done, r.Name, r.Job, r.Status, r.Imported, r.Failed
			f.over = r.Over
		}
		counts := importCounts{Done: f.Done}
		if f.Done {
			counts.Imported, counts.Refused = f.Imported, f.Refused
		}
		if f.Done && f.Refused > 0 {
			f.Failures = importing.Failures(state, d.tenant, f.Folder)
		}
		s.add(counts)
		s.Folders = append(s.Folders, f)
	}
	return s
}

func (s *importSummary) write(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(s)
	}
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	done, all := 0, 0
	for _, store := range s.Stores {
		all += len(store.Folders)
		done += store.done()
	}
	line("job %s: %d of %s imported", s.Job, done, human.Plural(int64(all), "folder"))
	for _, store := range s.Stores {
		store.text(line)
	}
	if len(s.Stores) > 1 {
		line("  resources %s imported, %s refused, of %d tenants", human.Count(s.Imported), human.Count(s.Refused), len(s.Stores))
	}
	if s.Done {
		line("what arrived is not verified beyond these counts: fhirhose verify")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// done counts the folders that are.
func (s *importStore) done() (n int) {
	for _, f := range s.Folders {
		if f.Done {
			n++
		}
	}
	return n
}

func (s *importStore) text(line func(string, ...any)) {
	if s.Tenant != "" {
		line("  tenant    %s: %d of %s", s.Tenant, s.done(), human.Plural(int64(len(s.Folders)), "folder"))
	}
	s.Refusals.text(line)
	line("  into      %s", s.Datastore)
	line("  resources %s imported, %s refused", human.Count(s.Imported), human.Count(s.Refused))
	for _, f := range s.Folders {
		name := path.Join(s.Tenant, f.Folder)
		switch {
		case f.Failures != "":
			line("  refused   %s of %s, kept in %s (PHI)", human.Count(f.Refused), name, f.Failures)
		case !f.Done && f.Job != "":
			line("  not in    %s: job %s of HealthLake is %s", name, f.Job, cmp.Or(f.Status, "under way"))
		}
	}
	s.Deletes.text(line)
}
