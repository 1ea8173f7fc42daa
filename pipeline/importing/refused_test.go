package importing_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// refusals is a tenant of whose folders the target has refused resources.
type refusals struct {
	*testing.T
	state   string
	store   *memory
	entries []ledger.Entry
	kept    map[string]string // lines, by folder
	count   map[string]int
}

func newRefusals(t *testing.T) *refusals {
	return &refusals{
		t, t.TempDir(), &memory{buckets: map[string]map[string][]byte{"import/x": {}}, fail: never},
		nil,
		map[string]string{},
		map[string]int{},
	}
}

// wrote adds a version to the ledger.
func (r *refusals) wrote(id string, version, line uint32, reason ...pipeline.Reason) {
	e := ledger.Entry{Type: []byte("Patient"), ID: []byte(id), Version: version, Status: pipeline.Available, LastUpdated: ledger.UnknownTime, Line: line}
	if len(reason) > 0 {
		e.Reason = reason[0]
	}
	r.entries = append(r.entries, e)
}

// refused adds a failure, of which the target tells the line so.
func (r *refusals) refused(id string, version, line int) {
	r.Helper()
	folder := fmt.Sprintf("v%d-0", version)
	raw, err := json.Marshal([]byte("Patient/" + id)) // in base64
	if err != nil {
		r.Fatal(err)
	}
	r.kept[folder] += fmt.Sprintf(`{"folder":%q,"job":"j","file":"%s/Patient-v%d-00000.ndjson","line":%d,"reason":"invalid","raw":%s}`+"\n",
		folder, folder, version, line, raw)
	r.count[folder]++
}

func (r *refusals) judge() (*importing.Refusals, []importing.Refused) {
	r.Helper()
	var rows []byte
	for i := range r.entries {
		row := ledger.AppendRow(nil, &r.entries[i])
		if r.entries[i].Written() {
			ledger.Row(row).SetPlace(0, 0, r.entries[i].Line)
		}
		rows = append(rows, row...)
	}
	var sealed strings.Builder
	if _, err := ledger.Seal(&sealed, rows, len(r.entries)); err != nil {
		r.Fatal(err)
	}
	book, err := ledger.Open(r.Context(), []ledger.File{strings.NewReader(sealed.String())})
	if err != nil {
		r.Fatal(err)
	}
	for folder, lines := range r.kept {
		path := importing.Failures(r.state, "x", folder)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			r.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			r.Fatal(err)
		}
		r.store.buckets["import/x"][folder] = fmt.Appendf(nil, `{"done":true,"failed":%d}`, r.count[folder])
	}
	found, err := importing.Judge(r.Context(), importing.Judgement{
		Tenant: "x", State: r.state, Store: r.store, Ledger: book, Memory: 1 << 20,
		Resource: func(raw []byte) (string, string) {
			kind, id, _ := strings.Cut(string(raw), "/")
			return kind, id
		},
	})
	if err != nil {
		r.Fatal(err)
	}
	text, err := os.ReadFile(importing.RefusedFile(r.state, "x"))
	if (err != nil) != (found == nil) {
		r.Fatal(err)
	}
	var all []importing.Refused
	for line := range strings.Lines(string(text)) {
		var one importing.Refused
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			r.Fatal(err)
		}
		all = append(all, one)
	}
	return found, all
}

// TestStaleInTarget: WI7. A resource whose last version was refused while an older
// one is in is found, and told from those that are absent or lack history alone.
func TestStaleInTarget(t *testing.T) {
	for base := range 2 { // lines are counted from 0 or from 1
		r := newRefusals(t)
		for _, id := range []string{"stale", "absent", "overtaken", "fine", "filtered"} {
			for v := uint32(1); v <= 3; v++ {
				if id == "filtered" && v == 3 {
					r.wrote(id, v, 0, pipeline.IsDeleted) // the last that was written is another
					continue
				}
				r.wrote(id, v, v*10+uint32(len(id)))
			}
		}
		line := func(id string, v int) int { return v*10 + len(id) + base }
		r.refused("stale", 2, line("stale", 2))
		r.refused("stale", 3, line("stale", 3))
		for v := 1; v <= 3; v++ {
			r.refused("absent", v, line("absent", v))
		}
		r.refused("overtaken", 2, line("overtaken", 2))
		r.refused("filtered", 2, line("filtered", 2))
		r.refused("nobody", 1, 5)
		r.refused("", 1, 6)
		found, all := r.judge()
		want := importing.Refusals{Stale: 2, Absent: 1, Overtaken: 1, Unnamed: 2, Failures: 9, LinesFrom: base, Of: found.Of}
		if *found != want {
			t.Errorf("found %+v, want %+v", *found, want)
		}
		if stored, err := importing.RefusalsOf(r.store, "x"); err != nil || *stored != want {
			t.Errorf("stored %+v, %v", stored, err)
		}
		for bucket, entries := range r.store.buckets { // I10
			for key, value := range entries {
				if strings.Contains(string(value), "Patient") || strings.Contains(string(value), "nobody") {
					t.Errorf("%s/%s of the checkpoint holds %s", bucket, key, value)
				}
			}
		}
		byName := map[string]importing.Refused{}
		for _, one := range all {
			byName[one.Resource] = one
		}
		if len(all) != 4 || !all[0].Stale || !all[1].Stale {
			t.Errorf("stale ones do not come first: %+v", all)
		}
		if s := byName["Patient/stale"]; s.In != 1 || s.Last != 3 || len(s.Versions) != 2 || s.Versions[1].Version != 3 ||
			s.Versions[1].File != "v3-0/Patient-v3-00000.ndjson" || s.Versions[1].Line != 36 || s.Versions[1].Reason != "invalid" {
			t.Errorf("%+v", s)
		}
		if f := byName["Patient/filtered"]; f.In != 1 || f.Last != 2 || !f.Stale {
			t.Errorf("%+v", f)
		}
		if o := byName["Patient/overtaken"]; o.In != 3 || o.Stale {
			t.Errorf("%+v", o)
		}
		info, err := os.Stat(importing.RefusedFile(r.state, "x"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
}

// TestStaleDuplicates: of two lines of one version one is enough.
func TestStaleDuplicates(t *testing.T) {
	r := newRefusals(t)
	r.wrote("a", 1, 1)
	r.wrote("a", 2, 4)
	r.wrote("a", 2, 5)
	r.refused("a", 2, 5)
	r.wrote("b", 1, 2)
	r.wrote("b", 2, 7)
	r.wrote("b", 2, 8)
	r.refused("b", 2, 8)
	r.refused("b", 2, 9)
	found, _ := r.judge()
	if want := (importing.Refusals{Stale: 1, Overtaken: 1, Failures: 3, LinesFrom: -1, Of: found.Of}); *found != want {
		t.Errorf("found %+v, want %+v", *found, want)
	}
}

// TestStaleMended: what is refused no more is not told of, and what is refused instead
// is judged.
func TestStaleMended(t *testing.T) {
	r := newRefusals(t)
	for _, id := range []string{"a", "b"} {
		r.wrote(id, 1, 1)
		r.wrote(id, 2, 2)
	}
	r.refused("a", 2, 2)
	if found, _ := r.judge(); found.Stale != 1 {
		t.Errorf("%+v", found)
	}
	r.kept, r.count = map[string]string{"v2-0": ""}, map[string]int{}
	r.refused("b", 1, 1)
	if found, all := r.judge(); found.Stale != 0 || found.Overtaken != 1 || len(all) != 1 {
		t.Errorf("%+v, %+v", found, all)
	}
	r.kept, r.count = map[string]string{"v1-0": ""}, map[string]int{}
	if found, all := r.judge(); found != nil || len(all) != 0 {
		t.Errorf("%+v, %+v", found, all)
	}
	if stored, err := importing.RefusalsOf(r.store, "x"); stored != nil || err != nil {
		t.Errorf("%+v, %v", stored, err)
	}
}

// TestStaleInParts: more failures than fit are judged in passes, each resource once.
func TestStaleInParts(t *testing.T) {
	r := newRefusals(t)
	for n := range 200 {
		id := fmt.Sprint("id-", n)
		r.wrote(id, 1, uint32(n))
		r.wrote(id, 2, uint32(n))
		r.refused(id, 2, n+1)
	}
	r.count["v2-0"] = 5 << 16 // as if there were so many
	found, all := r.judge()
	if found.Stale != 200 || found.LinesFrom != 1 || len(all) != 200 {
		t.Errorf("%+v, %d resources", found, len(all))
	}
}
