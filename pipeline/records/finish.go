package records

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Names of the outputs that end a job (design section 6).
const (
	manifestName = "_fhirhose/manifest.json"
	announceName = "migration_output.json"
)

// finish proves that everything adds up, and announces the output. Each step
// can be repeated: nothing in the files depends on a time or a run (I3).
func (m *Mover) finish(ctx context.Context) error {
	files, err := m.sealedFiles()
	if err != nil {
		return err
	}
	totals, err := m.readLedger(ctx, files)
	if err != nil {
		return err
	}
	if err := m.balance(files, totals); err != nil {
		return err
	}
	if err := m.out.Put(ctx, manifestName, func(w io.Writer) error { return m.writeManifest(w, files) }); err != nil {
		return err
	}
	// Everything that the announcement names must be durable before it (I8).
	if err := m.sink.Settle(ctx); err != nil {
		return err
	}
	if err := m.out.Put(ctx, announceName, func(w io.Writer) error { return m.writeAnnouncement(w, files) }); err != nil {
		return err
	}
	if err := m.sink.Settle(ctx); err != nil {
		return err
	}
	m.live.done(totals)
	return m.recordFinish()
}

// sealedFiles lists the output in the order in which folders import, Binaries
// first, versions by number; then quarantine and ledger.
func (m *Mover) sealedFiles() ([]output.File, error) {
	files, err := m.out.Sealed()
	slices.SortFunc(files, func(a, b output.File) int {
		return cmp.Or(
			cmp.Compare(rank(&a), rank(&b)),
			cmp.Compare(a.Version, b.Version), cmp.Compare(a.Folder, b.Folder),
			cmp.Compare(a.Type, b.Type), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Name, b.Name))
	})
	return files, err
}

func rank(f *output.File) int {
	switch f.Type {
	case "Binary":
		return 0
	case "":
		return 2
	default:
		return 1
	}
}

// readLedger asks the whole ledger, as it lies in the sink, what it knows.
func (m *Mover) readLedger(ctx context.Context, files []output.File) (*metrics.LedgerTotals, error) {
	result := &metrics.LedgerTotals{Unidentified: m.live.totals.Unidentified}
	var segments []ledger.File
	var opened []io.Closer
	defer func() {
		for _, c := range opened {
			_ = c.Close() // it was only read
		}
	}()
	for i := range files {
		if !files[i].IsLedger() {
			continue
		}
		r, err := m.sink.Reader(ctx, files[i].Name)
		if err != nil {
			return nil, err
		}
		opened = append(opened, r)
		segments = append(segments, r)
		result.Bytes += r.Size()
	}
	book, err := ledger.Open(ctx, segments)
	if err != nil {
		return nil, err
	}
	totals, err := book.Summarize(ctx, heavyBytes)
	if err != nil {
		return nil, err
	}
	result.Entries = totals.Entries
	result.Resources = totals.Resources()
	result.Deleted = totals.Deleted
	result.Unsettled = totals.Unsettled
	result.Ambiguous = totals.AmbiguousIDs
	result.Duplicates = totals.Duplicates
	result.VersionHoles = totals.Holes
	return result, nil
}

// balance compares three independent counts: what workers said became of the
// records, the lines that writers put into files, and the ledger's entries (I4).
func (m *Mover) balance(files []output.File, l *metrics.LedgerTotals) error {
	lines := make(map[string]int64)
	var quarantineLines int64
	for i := range files {
		switch f := &files[i]; {
		case f.IsQuarantine():
			quarantineLines += int64(f.Lines)
		case !f.IsLedger():
			lines[f.Type] += int64(f.Lines)
		}
	}
	status := m.Status()
	for _, name := range slices.Sorted(maps.Keys(status.Types)) {
		t := status.Types[name]
		if t.Written != lines[name] {
			return unbalanced(fmt.Errorf("type %s: %d records written, %d lines in files", name, t.Written, lines[name]))
		}
		if rest := t.Read - t.Written - sum(t.Filtered) - sum(t.Quarantined); rest != 0 {
			return unbalanced(fmt.Errorf("type %s: %d records without outcome", name, rest))
		}
	}
	if q := status.Quarantined(); q != quarantineLines {
		return unbalanced(fmt.Errorf("%d records quarantined, %d lines in quarantine", q, quarantineLines))
	}
	var promised, foreign int64
	for i := range m.objects {
		promised += m.objects[i].Items
	}
	if read := status.Read(); read != promised {
		return unbalanced(fmt.Errorf("%d records read, %d promised by the manifest", read, promised))
	}
	for _, t := range status.Types {
		foreign += t.Filtered[pipeline.OtherTenant.String()]
	}
	if want := promised - l.Unidentified - foreign; l.Entries != want {
		return unbalanced(fmt.Errorf("%d ledger entries, %d records with identity", l.Entries, want))
	}
	return nil
}

func sum(by map[string]int64) (n int64) {
	for _, count := range by {
		n += count
	}
	return n
}

func unbalanced(err error) error {
	return &pipeline.Error{
		Op: "balance the records", Kind: pipeline.KindFatal, Err: err,
		Hint: "this is a defect of fhirhose; nothing was announced: keep `state` and the sink, and report it",
	}
}

// manifestFile is one line of the manifest.
type manifestFile struct {
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`
	Records uint32 `json:"records"`
	SHA256  string `json:"sha256"`
}

// writeManifest writes _fhirhose/manifest.json: see docs/manifest.md.
func (m *Mover) writeManifest(w io.Writer, files []output.File) error {
	head, err := json.Marshal(struct {
		Format int               `json:"format_version"`
		Job    string            `json:"job"`
		Shape  map[string]string `json:"settings"`
		Totals any               `json:"totals"`
	}{pipeline.FormatVersion, m.options.Job, m.options.Shape(), m.live.totals.Types})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s,\n\"files\":[", head[:len(head)-1]); err != nil {
		return err
	}
	for i := range files {
		f := &files[i]
		line, err := json.Marshal(manifestFile{f.Name, f.Size, f.Lines, hex.EncodeToString(f.Sum)})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator(i), line); err != nil {
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
func (m *Mover) writeAnnouncement(w io.Writer, files []output.File) error {
	var folders []string // in the order of import
	names := make(map[string][]string)
	for i := range files {
		f := &files[i]
		if f.Type == "" {
			continue
		}
		folder, _, _ := strings.Cut(f.Name, "/")
		if names[folder] == nil {
			folders = append(folders, folder)
		}
		names[folder] = append(names[folder], m.options.Prefix+f.Name)
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

// recordFinish makes the end known to every later run of the job.
func (m *Mover) recordFinish() error {
	if err := m.out.RemoveRows(); err != nil {
		return err
	}
	status, err := json.Marshal(m.Status())
	if err != nil {
		return err
	}
	return m.store.Commit([]output.Change{{Bucket: stateBucket, Key: finishedKey, Value: status}})
}
