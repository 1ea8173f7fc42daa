package records

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Names of the outputs that end a job (design section 6).
const (
	manifestName = "_fhirhose/manifest.json"
	announceName = "migration_output.json"
)

// manifestFile is one line of the manifest.
type manifestFile struct {
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`
	Records uint32 `json:"records"`
	Longest int64  `json:"longest,omitempty"`
	SHA256  string `json:"sha256"`
}

// manifestHead is what a manifest begins with: see docs/manifest.md.
type manifestHead struct {
	Format  int                              `json:"format_version"`
	Job     string                           `json:"job"`
	Shape   map[string]string                `json:"settings"`
	Totals  map[string]*metrics.TypeTotals   `json:"totals"`
	Tenants map[string]*metrics.TenantTotals `json:"tenants,omitempty"`
}

// writeManifest writes _fhirhose/manifest.json of one tenant.
func (m *Mover) writeManifest(w io.Writer, p *part) error {
	head := manifestHead{pipeline.FormatVersion, m.options.Job, m.options.Shape(), m.tally(p.tenant).Types, nil}
	if p.tenant != "" { // the list of objects is the job's
		return writeManifest(w, head, p.files, nil)
	}
	return writeManifest(w, head, p.files, m.objects)
}

// writeOverview writes that of the job's own folder, in a job of all tenants: the
// totals of all, and the files of records without a certain tenant.
func (m *Mover) writeOverview(w io.Writer, own *part, tenants []part) error {
	head := manifestHead{
		pipeline.FormatVersion, m.options.Job, m.options.Shape(), m.live.totals.Types,
		make(map[string]*metrics.TenantTotals, len(tenants)),
	}
	for i := range tenants {
		t := m.tally(tenants[i].tenant).sum()
		t.Folders, t.Ledger = tenants[i].folders(), tenants[i].ledger
		head.Tenants[tenants[i].tenant] = t
	}
	return writeManifest(w, head, own.files, m.objects)
}

// folders counts the folders that a target imports.
func (p *part) folders() int {
	names := make(map[string]bool)
	for i := range p.files {
		if p.files[i].Type != "" {
			names[p.files[i].Dir()] = true
		}
	}
	return len(names)
}

// writeManifest ends with the names of the objects, to which the ledger's numbers
// are indexes.
func writeManifest(w io.Writer, fields manifestHead, files []output.File, objects []pipeline.Object) error {
	head, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s,\n\"files\":[", head[:len(head)-1]); err != nil {
		return err
	}
	for i := range files {
		f := &files[i]
		line, err := json.Marshal(manifestFile{f.Name, f.Size, f.Lines, f.Longest, hex.EncodeToString(f.Sum)})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator(i), line); err != nil {
			return err
		}
	}
	for i := range objects {
		line, err := json.Marshal(objects[i].Key)
		if err != nil {
			return err
		}
		before := separator(i)
		if i == 0 {
			before = "\n],\n\"objects\":[\n"
		}
		if _, err := fmt.Fprintf(w, "%s%s", before, line); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

func separator(i int) string {
	if i == 0 {
		return "\n"
	}
	return ",\n"
}

// writeAnnouncement writes migration_output.json in the form of the FHIR Works
// tool, whose import script can read it.
func (m *Mover) writeAnnouncement(w io.Writer, p *part) error {
	prefix := m.options.Prefix
	if p.tenant != "" {
		prefix = p.tenant + "/" + prefix
	}
	var folders []string // in the order of import
	names := make(map[string][]string)
	for i := range p.files {
		f := &p.files[i]
		if f.Type == "" {
			continue
		}
		folder := f.Dir()
		if names[folder] == nil {
			folders = append(folders, folder)
		}
		names[folder] = append(names[folder], prefix+f.Name)
	}
	if _, err := fmt.Fprintf(w, `{"jobId":%q,"file_names":{`, m.options.Job); err != nil {
		return err
	}
	for i, folder := range folders {
		list, err := json.Marshal(names[folder])
		if err != nil {
			return err
		}
		if i < len(folders)-1 {
			list = append(list, ',')
		}
		if _, err := fmt.Fprintf(w, "%q:%s", folder, list); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "}}\n")
	return err
}
