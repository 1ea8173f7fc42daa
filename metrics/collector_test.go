package metrics

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
)

var update = flag.Bool("update", false, "rewrite docs/metrics.md and golden files")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testLabels() Labels {
	return Labels{Reasons: []string{"pending", "bad-id"}, Retries: []string{"throttled"}, Classes: []string{"equal", "missing"}}
}

// gather returns every sample of fhirhose's own families by "name{labels}".
func gather(t *testing.T, s Status, now time.Time) map[string]map[string]float64 {
	t.Helper()
	c := NewCollector(func() Status { return s }, testLabels())
	c.now = func() time.Time { return now }
	gathered, err := NewRegistry(c).Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]float64{}
	for _, f := range gathered {
		name, ours := strings.CutPrefix(f.GetName(), namespace)
		if !ours {
			continue
		}
		all[name] = map[string]float64{}
		for _, m := range f.GetMetric() {
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue()
			all[name][fmt.Sprint(m.GetLabel())] = value
		}
	}
	return all
}

// before and after differ in everything that can move.
func before() Status {
	return Status{
		Phase: PhaseMoving, Build: "v1", Format: 1, Objects: 4, InputBytes: 100, InputBytesDone: 10,
		Types:   map[string]*TypeTotals{"Patient": {Read: 1}},
		Tenants: map[string]*TenantTotals{"": {}, "a": {Read: 1}},
		Stages:  []Stage{{Name: "merge", Busy: 1, Capacity: 8}, {Name: "binaries-fetch", Busy: 1, Capacity: 8}},
	}
}

func after() Status {
	return Status{
		Phase: PhaseFinishing, Build: "v2", Format: 2, Objects: 5, ObjectsDone: 1,
		InputBytes: 200, InputBytesDone: 190, InputSkipped: 7, StagedBytes: 8, InflatedBytes: 9, ReinflateBytes: 10,
		Types: map[string]*TypeTotals{"Patient": {
			Read: 5, Written: 2, BytesRead: 50, BytesWritten: 20,
			Filtered: map[string]int64{"pending": 1}, Quarantined: map[string]int64{"bad-id": 2},
		}},
		Tenants: map[string]*TenantTotals{
			"": {Read: 1}, "a": {Read: 3, Written: 1, Filtered: 1, Quarantined: 1, BytesWritten: 10, Folders: 2}, "b": {Read: 1},
		},
		Files: 3, FilesSealed: 2, OpenFiles: 1, Folders: map[string]int{"v1": 2},
		LockedAges: map[string]int64{"<1h": 1}, UnknownAttributes: map[string]int64{"x": 1}, NoLastUpdated: 1,
		Ledger: &LedgerTotals{
			Entries: 1, Bytes: 2, Resources: 3, Deleted: 4, Unsettled: 5, Ambiguous: 6,
			Duplicates: 7, VersionHoles: 8, Unidentified: 9,
		},
		Stages:        []Stage{{Name: "merge", Busy: 2, Queue: 3, Capacity: 16}, {Name: "binaries-fetch", Busy: 2, Queue: 3, Capacity: 16}},
		BytesInFlight: 1, MemoryLimit: 2, Cuts: 3, CutSeconds: 4, LastCut: noon, LastCutLength: 5,
		Retries: map[string]int64{"throttled": 1}, LastProgress: noon, WaitingFor: "object data/x.json.gz", LastRetryWait: noon,
		StateFree: 11, Elapsed: 12, Binaries: movedBinaries(),
		Verify: &VerifyTotals{Step: "read", Bytes: 9, BytesDone: 8, ResourcesDone: 7, Classes: map[string]int64{"equal": 6, "missing": 1}},
		Import: &ImportTotals{Folders: 9, FoldersDone: 2, Resources: 100, Scanned: 50, Imported: 40, Refused: 10, Stale: 1, Deleted: 2, Gone: 3, Left: 4, Folder: "v1-0", State: "running"},
	}
}

// TestEachMetricMoves fails for a family that shows the same whatever happens.
func TestEachMetricMoves(t *testing.T) {
	old, moved := gather(t, before(), noon), gather(t, after(), noon.Add(time.Second))
	if len(old) != len(families()) || len(moved) != len(families()) {
		t.Errorf("%d and %d families gathered of %d", len(old), len(moved), len(families()))
	}
	for _, f := range families() {
		if fmt.Sprint(old[f.name]) == fmt.Sprint(moved[f.name]) {
			t.Errorf("%s did not move: %v", f.name, moved[f.name])
		}
	}
}

// TestLabelsAreClosed feeds values that no list knows: nothing that a table
// holds may become a label (I10).
func TestLabelsAreClosed(t *testing.T) {
	const secret = "canary"
	s := Status{
		Types: map[string]*TypeTotals{secret: {
			Read:     1,
			Filtered: map[string]int64{secret: 1}, Quarantined: map[string]int64{secret: 1},
		}, Unreadable: {Read: 2}},
		LockedAges: map[string]int64{secret: 1}, UnknownAttributes: map[string]int64{secret: 1},
		Folders: map[string]int{secret: 1}, Retries: map[string]int64{secret: 1}, WaitingFor: secret,
		Stages: []Stage{{Name: secret}}, Phase: secret, Job: secret, Error: secret, Hint: secret,
		Source: secret, Sink: secret, Import: &ImportTotals{Folder: secret, State: secret},
	}
	c := NewCollector(func() Status { return s }, testLabels())
	text, err := testutil.CollectAndFormat(c, expfmt.TypeTextPlain)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secret) {
		t.Errorf("a value became a label:\n%s", text)
	}
	got := gather(t, s, noon)["records_read_total"]
	if len(got) != 2 || got[`[name:"type" value:"other"]`]+got[`[name:"type"  value:"other"]`] != 1 {
		t.Errorf("records_read_total = %v", got)
	}
}

// TestTenantsAreBounded: however many tenants a table has.
func TestTenantsAreBounded(t *testing.T) {
	s := Status{Tenants: map[string]*TenantTotals{"": {Read: 3}}}
	for i := range 1000 {
		s.Tenants[fmt.Sprintf("t%04d", i)] = &TenantTotals{Read: 1}
	}
	got := gather(t, s, noon)["tenant_records_read_total"]
	var sum float64
	for _, n := range got {
		sum += n
	}
	if len(got) != labelledTenants+2 || sum != 1003 {
		t.Errorf("%d series, sum %v", len(got), sum)
	}
	if got := foldTenants(s.Tenants, func(t *TenantTotals) int64 { return t.Read }); got["(none)"] != 3 || got["t0049"] != 1 || got["(other)"] != 950 {
		t.Errorf("%v", got)
	}
	if len(gather(t, Status{}, noon)["tenant_records_read_total"]) != 0 {
		t.Error("series of tenants in a job of one")
	}
}

// TestLint holds names and help texts to Prometheus' conventions.
func TestLint(t *testing.T) {
	problems, err := testutil.CollectAndLint(NewCollector(after, testLabels()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestDocument keeps docs/metrics.md the list of what is exposed.
func TestDocument(t *testing.T) {
	const path = "../docs/metrics.md"
	want := document()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s does not list what the collector exposes; run: go test ./metrics -update", path)
	}
}

func document() string {
	var b strings.Builder
	b.WriteString(`# Metrics

` + "`fhirhose move`" + ` serves these on ` + "`http.listen`" + ` under ` + "`/metrics`" + `, beside those of the Go runtime
and of the process, and writes them to the file of ` + "`--metrics-textfile`" + `;
` + "`fhirhose import` and `fhirhose verify`" + ` serve them too. Counters cover the whole
job, also what earlier processes of it did, unless the text says "this process". Label values come
from closed sets; what is outside its set counts as ` + "`other`" + `. No value of a resource and no id appears.

`)
	for _, f := range families() {
		kind := "gauge"
		if f.kind == prometheus.CounterValue {
			kind = "counter"
		}
		name := namespace + f.name
		if len(f.labels) > 0 {
			name += "{" + strings.Join(f.labels, ",") + "}"
		}
		fmt.Fprintf(&b, "- `%s` (%s): %s\n", name, kind, f.help)
	}
	b.WriteString(`
The labels: ` + "`type`" + ` is a resource type of FHIR STU3, R4, R4B or R5, or ` + "`unreadable`" + `; ` + "`stage`" + ` one of
` + strings.Join(StageNames(), ", ") + `; ` + "`reason`" + ` a code of the list in docs/job-file.md; ` + "`phase`" + `
one of starting, moving, finishing, verifying, done, stopped, failed; ` + "`class`" + ` one of docs/verify.md; ` + "`step`" + ` one of
` + strings.Join(VerifySteps(), ", ") + `; ` + "`tenant`" + `, only in a job with ` + "`source.tenant: \"*\"`" + `,
one of the first 50 tenants by name, ` + "`(other)`" + ` for the rest, or ` + "`(none)`" + ` for records without a certain one.
`)
	return b.String()
}
