package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/pipeline/shard"
)

// newFoldersJob is a job over folders of the FHIR Works tool, with caps that are
// smaller than theirs.
func newFoldersJob(t testing.TB, folders string) diskJob {
	t.Helper()
	j := newJob(t, "")
	j.Folders = folders
	j.Place = j.disk
	j.Options.Convert.Resources = true
	j.Options.Caps = shard.Caps{FileBytes: 10 << 10, FolderBytes: 90 << 10, FolderFiles: 12}
	return j
}

// movedFolders are the folders that a move of a table has left.
func movedFolders(t testing.TB) diskJob {
	t.Helper()
	j := newJob(t, recordstest.SmallExport(t))
	j.MustRun(t)
	return j
}

// TestFoldersMovedAgain: a table that is moved, and the folders of that moved again
// into smaller ones, give ledgers that say the same of every version that was
// written: time, digests, whether it was DELETED. The second move takes every line.
func TestFoldersMovedAgain(t *testing.T) {
	first := movedFolders(t)
	again := newFoldersJob(t, first.Sink)
	s := again.MustRun(t).Status()
	if s.Read() != s.Written() || s.Read() == 0 || s.Filtered()+s.Quarantined() != 0 {
		t.Errorf("read %d, written %d, filtered %d, quarantined %d", s.Read(), s.Written(), s.Filtered(), s.Quarantined())
	}
	want, got := writtenEntries(t, first.Sink), writtenEntries(t, again.Sink)
	if !slices.Equal(got, want) {
		t.Errorf("the ledgers differ: %d entries, want %d", len(got), len(want))
	}
	if n := slices.IndexFunc(want, func(e string) bool { return strings.Contains(e, "deleted true") }); n < 0 {
		t.Error("nothing was deleted")
	}
	if got, want := linesIn(t, again.Sink), linesIn(t, first.Sink); !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d: they are not the same", len(got), len(want))
	}
	checkCaps(t, again)
}

// checkCaps: no file and no folder is over its cap, and what there was is (I6).
func checkCaps(t *testing.T, j diskJob) {
	t.Helper()
	over := 0
	for _, root := range []string{j.Sink, j.Folders} {
		dirs, _ := filepath.Glob(filepath.Join(root, "*v*-*"))
		for _, dir := range dirs {
			files, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			var total, largest int64
			for _, f := range files {
				info, err := f.Info()
				if err != nil {
					t.Fatal(err)
				}
				total += info.Size()
				largest = max(largest, info.Size())
			}
			if c := j.Options.Caps; largest > c.FileBytes || total > c.FolderBytes || len(files) > c.FolderFiles {
				if over++; root == j.Sink {
					t.Errorf("%s is over a cap", dir)
				}
			}
		}
	}
	if over == 0 {
		t.Error("the folders that were moved are within the caps")
	}
}

// writtenEntries lists what a ledger says of written versions, less where they are.
func writtenEntries(t *testing.T, folder string) (all []string) {
	t.Helper()
	for r, err := range openLedger(t, folder).Resources(t.Context(), 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Versions {
			if e.Written() {
				all = append(all, fmt.Sprintf("%s/%s %d, %d, deleted %v, %x %x %x", e.Type, e.ID, e.Version, e.LastUpdated,
					e.Status == pipeline.Deleted, e.Content, e.Label, e.Form))
			}
		}
	}
	slices.Sort(all)
	return all
}

// linesIn lists every line of a job's folders with the kind and version of its folder.
func linesIn(t *testing.T, root string) (all []string) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(root, "*v*-*", "*.ndjson"))
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Base(filepath.Dir(name))
		for line := range strings.Lines(string(content)) {
			all = append(all, folder[:strings.LastIndexByte(folder, '-')]+" "+line)
		}
	}
	slices.Sort(all)
	return all
}

// TestFoldersAreDeterministic: I3, here too.
func TestFoldersAreDeterministic(t *testing.T) {
	from := movedFolders(t).Sink
	var want []string
	for _, workers := range []int{1, 2, 16} {
		j := newFoldersJob(t, from)
		j.Options.Workers = workers
		j.MustRun(t)
		if want == nil {
			want = j.Tree(t)
		}
		recordstest.SameTree(t, j.Tree(t), want)
	}
}

func foldersJobs(from string) func(t *testing.T) recordstest.Job {
	return func(t *testing.T) recordstest.Job { return newFoldersJob(t, from).Job }
}

func TestKillMovingFolders(t *testing.T) {
	from := movedFolders(t).Sink
	t.Run("at every point", func(t *testing.T) {
		recordstest.KillAtEveryPoint(t, foldersJobs(from),
			"stage", "staged", "write", "written", "fsync", "rename", "renamed", "syncdir", "commit", "committed")
	})
	t.Run("at random moments", func(t *testing.T) {
		recordstest.KillAtRandomMoments(t, foldersJobs(from), 25)
	})
}

// toolFolders lays folders out as the tool does: lines by file, below a job's folder.
func toolFolders(t testing.TB, files map[string]string) string {
	t.Helper()
	dir, names := t.TempDir(), map[string][]string{}
	for name, content := range files {
		names[path.Dir(name)] = append(names[path.Dir(name)], "7f/"+name)
		if err := os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(map[string]any{"jobId": "7f", "file_names": names})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "migration_output.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// toolLine is a line of the tool: version of a Patient, or of a type.
func toolLine(id string, version int, tags ...string) string {
	meta := fmt.Sprintf(`"versionId":"%d","lastUpdated":"2024-01-%02[1]dT00:00:00.000Z"`, version)
	if len(tags) > 0 {
		meta += `,"tag":[` + strings.Join(tags, ",") + `]`
	}
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"meta":{%s},"multipleBirthInteger":1.0}`, id, meta)
}

const (
	toolDeleted = `{"display":"DELETED","code":"DELETED"}`
	toolTime    = `{"display":"2024-01-01T00:00:00.000Z","code":"originalLastUpdated"}`
)

// TestToolFolders: what the FHIR Works tool is known to write, and what becomes of it.
func TestToolFolders(t *testing.T) {
	from := toolFolders(t, map[string]string{
		// Blank lines, CRs, a last line without an end, one without tags.
		"v1-0/Patient-v1-00000.ndjson": toolLine("a", 1, toolTime, toolDeleted) + "\r\n\n  \n" + toolLine("b", 1) + "\n" + toolLine("c", 1, toolTime),
		"v2-0/Patient-v2-00000.ndjson": toolLine("a", 2, toolTime) + "\n" + // superseded rows are DELETED, too
			toolLine("b", 2, toolTime, toolDeleted) + "\n" + toolLine("c", 3, toolTime) + "\n" + toolLine("", 2) + "\n{\n\n",
		"v10-0/Patient-v10-00000.ndjson": "\n",
		"v3-0/Patient-v3-00000.ndjson":   "",
		"Binary-v1/Binary-v1-00000.ndjson": `{"resourceType":"Binary","id":"x","meta":{"versionId":"1"},"contentType":"a/b","data":"` +
			strings.Repeat("QUJD", 3<<20) + `"}` + "\n" +
			`{"resourceType":"Binary","id":"y","meta":{"versionId":"1"},"contentType":"a/b","data":"` + strings.Repeat("QUJD", 5<<20) + `"}` + "\n",
		// WE5: a Binary that the tool puts into a folder of records.
		"v1-1/Binary-v1-00001.ndjson": `{"resourceType":"Binary","id":"z","meta":{"versionId":"1"},"contentType":"a/b"}` + "\n",
	})
	j := newFoldersJob(t, from)
	j.Options.Caps = shard.Caps{FileBytes: 100 << 20, FolderBytes: 200 << 20, FolderFiles: 10}
	s := j.MustRun(t).Status()
	if s.Read() != 11 || s.Written() != 7 || s.Quarantined() != 4 {
		t.Errorf("read %d, written %d, quarantined %d", s.Read(), s.Written(), s.Quarantined())
	}
	quarantined := map[string]int64{}
	for _, of := range s.Types {
		for reason, n := range of.Quarantined {
			quarantined[reason] += n
		}
	}
	if fmt.Sprint(quarantined) != "map[bad-id:1 bad-version:1 not-json:1 too-large:1]" {
		t.Errorf("quarantined %v", quarantined)
	}
	if got, want := writtenIDs(t, j.Sink), []string{"a/1", "a/2", "b/1", "b/2", "c/1"}; !slices.Equal(got, want) {
		t.Errorf("written %v", got)
	}
	if got := *s.Ledger; got.Resources != 5 || got.Deleted != 1 || got.Unidentified != 4 {
		t.Errorf("ledger %+v", got)
	}
	if binaries, _ := filepath.Glob(filepath.Join(j.Sink, "Binary-v1-0", "Binary-v1-*.ndjson")); len(binaries) != 1 {
		t.Errorf("files of Binaries: %v", binaries)
	}
	content, err := os.ReadFile(filepath.Join(j.Sink, "v1-0", "Patient-v1-00000.ndjson"))
	want := toolLine("a", 1, toolTime, toolDeleted) + "\n" + toolLine("b", 1, toolTime) + "\n" + toolLine("c", 1, toolTime) + "\n"
	if err != nil || string(content) != want {
		t.Errorf("%v, got  %s\nwant %s", err, content, want)
	}
}

// TestFolderReplacedAfterItWasMoved: a file of which every record is moved must stay what
// it was as long as the job runs; one that is still to come may be repaired.
func TestFolderReplacedAfterItWasMoved(t *testing.T) {
	lines := func(from, n int) (text string) {
		for i := range n {
			text += toolLine(fmt.Sprint("p", from+i), 1, toolTime) + "\n"
		}
		return text
	}
	const first, second = "v1-0/Patient-v1-00000.ndjson", "v1-0/Patient-v1-00001.ndjson"
	from := toolFolders(t, map[string]string{first: lines(0, 300), second: lines(1000, 200)})
	j := newFoldersJob(t, from)
	j.Options.Lanes = 1
	stop := make(chan struct{})
	waiting := j.disk
	waiting.wrap = func(s pipeline.Source) pipeline.Source { return stoppingAfterFirst{s, stop} }
	j.Place = waiting
	if _, err := j.Run(t.Context(), stop); !errors.Is(err, records.ErrStopped) {
		t.Fatal(err)
	}
	replace := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j.Place = j.disk
	replace(first, lines(0, 299))
	if _, err := j.Run(t.Context(), nil); pipeline.KindOf(err) != pipeline.KindCheckpoint || !strings.Contains(err.Error(), "7f/"+first) ||
		!strings.Contains(err.Error(), "moved already") {
		t.Errorf("got %v", err)
	}
	replace(first, lines(0, 300))
	replace(second, lines(1000, 201))
	if s := j.MustRun(t).Status(); s.Written() != 501 {
		t.Errorf("%d written", s.Written())
	}
}

// stoppingAfterFirst lets nothing of the second object be read until every record of
// the first is committed, and then stops the job.
type stoppingAfterFirst struct {
	pipeline.Source
	stop chan struct{}
}

func (s stoppingAfterFirst) Discard(i int) error {
	if i == 0 {
		close(s.stop)
	}
	return s.Source.Discard(i)
}

func (s stoppingAfterFirst) Stage(ctx context.Context, i int) (pipeline.Staged, error) {
	staged, err := s.Source.Stage(ctx, i)
	if i > 0 && err == nil {
		staged = waitingStaged{staged, s.stop}
	}
	return staged, err
}

type waitingStaged struct {
	pipeline.Staged
	stop chan struct{}
}

func (s waitingStaged) Open() (io.ReadCloser, error) {
	<-s.stop
	return s.Staged.Open()
}

// TestMiscountedFolder: I4, the second read must find as many records as the first.
func TestMiscountedFolder(t *testing.T) {
	j := newFoldersJob(t, toolFolders(t, map[string]string{"v1-0/Patient-v1-00000.ndjson": toolLine("a", 1) + "\n"}))
	lying := j.disk
	lying.wrap = func(s pipeline.Source) pipeline.Source { return miscounting{s} }
	j.Place = lying
	_, err := j.Run(t.Context(), nil)
	if pipeline.KindOf(err) != pipeline.KindFatal || !strings.Contains(err.Error(), "7f/v1-0/Patient-v1-00000.ndjson") ||
		!strings.Contains(err.Error(), "held 2 records when it was looked at, now 1") {
		t.Errorf("got %v", err)
	}
	if j.Announced(t) {
		t.Error("announced")
	}
}

type miscounting struct{ pipeline.Source }

func (s miscounting) Stage(ctx context.Context, i int) (pipeline.Staged, error) {
	staged, err := s.Source.Stage(ctx, i)
	return miscounted{staged}, err
}

type miscounted struct{ pipeline.Staged }

func (s miscounted) Records() int64 { return s.Staged.Records() + 1 }
