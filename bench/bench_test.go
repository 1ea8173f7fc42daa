package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
)

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{"300MB": 300e6, "2GiB": 2 << 30, "1.5GB": 15e8, "77": 77} {
		var b byteSize
		if err := b.Set(text); err != nil || int64(b) != want {
			t.Errorf("%s: %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "MB", "-1MB", "3 apples", "1MB2"} {
		var b byteSize
		if err := b.Set(text); err == nil {
			t.Errorf("%q is accepted as %d", text, b)
		}
	}
}

func writeOutput(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOutputsAreComparedAsMultisets(t *testing.T) {
	want, err := readRecords(writeOutput(t, map[string]string{
		"job/v1-0/Patient-v1-00000.ndjson":      `{"id":"a","n":1.50,"t":"\u00e9/"}` + "\n" + `{"id":"b"}` + "\n",
		"job/v1-0/Observation-v1-00000.ndjson":  `{"id":"b"}` + "\n",
		"job/_fhirhose/quarantine-00000.ndjson": `{"id":"b"}` + "\n",
	}))
	if err != nil || len(want) != 3 {
		t.Fatalf("%d records, %v", len(want), err)
	}
	const observation = `{"id":"b"}` + "\n"
	f := func(patients, observations, verdict string) {
		t.Helper()
		dir := writeOutput(t, map[string]string{"process-0/Patient-v1.ndjson": patients, "process-1/Observation-v1-7.ndjson": observations})
		if got := sameOutput(want, dir); !strings.HasPrefix(got, verdict) {
			t.Errorf("%s, want %s", got, verdict)
		}
	}
	f(`{"id":"b"}`+"\n"+`{"t":"é\/","n":1.5,"id":"a"}`+"\n", observation, "equal")
	f(`{"id":"b"}`+"\n"+`{"t":"é/","n":1.51,"id":"a"}`+"\n", observation, "DIFFERENT: 1 missing, 1 extra")
	f(`{"id":"b"}`+"\n", observation, "DIFFERENT: 1 missing, 0 extra")
	f(`{"id":"b"}`+"\n"+`{"t":"é/","n":1.5,"id":"a"}`+"\n", observation+observation, "DIFFERENT: 0 missing, 1 extra")
	f(`{"id":"b"}`+"\n"+`{"t":"é/","n":"1.5","id":"a"}`+"\n", observation, "DIFFERENT")
	f(`{"id":`, "", "unreadable")
}

func TestStoredRow(t *testing.T) {
	r, err := newStoredRow([]byte(`{"resourceType":"Observation","id":"x","a":[1.50,true,null,{"reference":"Patient/1"},"<é>"],"b":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	line := string(r.appendLine(nil, 3, 4))
	for _, part := range []string{
		`{"Item":{"resourceType":{"S":"Observation"},"id":{"S":"`,
		`"},"a":{"L":[{"N":"1.50"},{"BOOL":true},{"NULL":true},{"M":{"reference":{"S":"Patient/1"}}},{"S":"<é>"}]},"b":{"M":{}},"vid":{"N":"1"},"meta":`,
		`"_references":{"L":[{"S":"Patient/1"}]}}}`,
	} {
		if !strings.Contains(line, part) {
			t.Errorf("no %s in %s", part, line)
		}
	}
	if !json.Valid([]byte(line)) || line == string(r.appendLine(nil, 4, 4)) {
		t.Errorf("line %s", line)
	}
}

func TestGeneratedInputIsCached(t *testing.T) {
	s := &settings{data: t.TempDir(), start: time.Now()}
	o := generate.Options{Seed: 1, Resources: 50}
	first, err := s.generated(context.Background(), "x", o, 0)
	if err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(first.Dir, "mark")
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if again, err := s.generated(context.Background(), "x", o, 0); err != nil || again.Items != first.Items {
		t.Fatalf("%+v, %v", again, err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error("the same input was made again")
	}
	o.Seed = 2
	if _, err := s.generated(context.Background(), "x", o, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("another input was not made")
	}
}

func TestMedian(t *testing.T) {
	e := contender{}
	for _, n := range []time.Duration{9, 1, 5, 2} {
		e.runs = append(e.runs, usage{CPU: n, Wall: 10 * n, RSS: int64(n)})
	}
	if s := e.of(func(u usage) float64 { return float64(u.CPU) }); s != (spread{1, 3.5, 9}) {
		t.Errorf("%v", s)
	}
	if m := e.median(); m.CPU != 3 || m.Wall != 35 || m.RSS != 3 {
		t.Errorf("%+v", m)
	}
}

// shell is a contender that runs a script with the output folder as $1.
func shell(name, script string) *contender {
	return &contender{name: name, complete: true, commands: func(out string) ([][]string, error) {
		return [][]string{{"sh", "-c", script, "sh", out}}, nil
	}}
}

func TestContest(t *testing.T) {
	data := t.TempDir()
	s := &settings{data: data, work: filepath.Join(data, "work-1"), runLimit: time.Minute, start: time.Now(), cores: 1}
	in, err := s.generated(context.Background(), "x", generate.Options{Resources: 20, Objects: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	own := shell("own", `mkdir "$1/state" && echo '{"cuts":3}' > "$1/state/status.json" && echo '{"id":"a"}' > "$1/Patient-v1-00000.ndjson"`)
	own.fhirhose = true
	equal := shell("equal", `echo '{ "id": "a" }' > "$1/Patient-v1.ndjson"`)
	other := shell("other", `echo '{"id":"b"}' > "$1/Patient-v1.ndjson"`)
	broken := shell("broken", `echo why >&2; exit 3`)
	c := &contest{settings: s, input: in, rounds: 3, compare: true, entries: []*contender{own, equal, other, broken}}
	if err := c.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(own.runs) != 3 || own.runs[0].Wall <= 0 {
		t.Errorf("runs %+v", own.runs)
	}
	if equal.equal != "equal" || !strings.HasPrefix(other.equal, "DIFFERENT") {
		t.Errorf("verdicts %q, %q", equal.equal, other.equal)
	}
	if !strings.Contains(broken.failure, "why") || len(broken.runs) != 0 {
		t.Errorf("failure %q", broken.failure)
	}
	for round := range 3 {
		if _, err := os.Stat(c.outputOf(own, round)); err != nil {
			t.Errorf("a run's folder is reused or gone: %v", err)
		}
	}
	s.removeWork()
	if _, err := os.Stat(s.work); err == nil {
		t.Error("the outputs stay")
	}
	r := report{machine: machine{CPU: "test"}, settings: s, skipped: []string{"late"}, floors: []*contest{c}, peers: c, scenarios: []scenarioResult{{contests: []*contest{c}}}}
	for _, want := range []string{"| own |", "missing: sh -c", "equal |", "DIFFERENT", "NOT RUN, the time was up: late"} {
		if !strings.Contains(r.markdown(), want) {
			t.Errorf("no %q in\n%s", want, r.markdown())
		}
	}
}

func TestPeersSplitTheFiles(t *testing.T) {
	files := []string{"0", "1", "2", "3", "4"}
	got, err := peer{command: []string{"run"}}.commands(t.TempDir(), files, 2)
	if err != nil || len(got) != 2 || strings.Join(got[0][2:], "") != "024" || strings.Join(got[1][2:], "") != "13" {
		t.Errorf("%v, %v", got, err)
	}
	if got, _ = (peer{command: []string{"run"}, whole: true}).commands(t.TempDir(), files, 2); len(got) != 1 || len(got[0]) != 7 {
		t.Errorf("%v", got)
	}
}

func TestMemoryOfATree(t *testing.T) {
	if own := treeMemory(os.Getpid()); own < 1<<20 || own > memoryOf(os.Getpid(), "VmHWM:")*2 {
		t.Errorf("%d bytes", own)
	}
	if gone := treeMemory(1 << 30); gone != 0 {
		t.Errorf("%d bytes of no process", gone)
	}
}

func TestRatiosAreOfPairs(t *testing.T) {
	var a, b contender
	for i, n := range []time.Duration{1, 10, 100} { // the machine slows down
		a.runs = append(a.runs, usage{Wall: n * time.Second})
		b.runs = append(b.runs, usage{Wall: n * time.Second * time.Duration(i+2)})
	}
	if got := b.against(&a, wallOf); got != (spread{2, 3, 4}) {
		t.Errorf("%v", got)
	}
	if got := b.against(&contender{}, wallOf); got != (spread{}) {
		t.Errorf("against nothing: %v", got)
	}
}

// samplesOf are one per second; each row is objects done, records, cuts.
func samplesOf(rows ...[3]float64) (samples []sample) {
	for i, r := range rows {
		samples = append(samples, sample{time.Duration(i+1) * time.Second, map[string]float64{
			"fhirhose_objects": 4, "fhirhose_objects_done_total": r[0], "fhirhose_records_read_total": r[1], "fhirhose_cuts_total": r[2],
		}})
	}
	return samples
}

func TestTail(t *testing.T) {
	if got := tailOf(samplesOf([3]float64{1}, [3]float64{2}, [3]float64{3}, [3]float64{3}, [3]float64{4})); got != 2*time.Second {
		t.Errorf("%v", got)
	}
	if got := tailOf(samplesOf([3]float64{2}, [3]float64{4})); got != 0 {
		t.Errorf("%v without a lane alone", got)
	}
}

func TestStartAndCutsOfAProcess(t *testing.T) {
	samples := samplesOf([3]float64{0, 0, 0}, [3]float64{0, 70, 0}, [3]float64{0, 70, 0}, [3]float64{0, 90, 1}, [3]float64{0, 95, 1}, [3]float64{0, 99, 2})
	if at, base := startOf(samples); at != 3*time.Second || base != 70 {
		t.Errorf("%v, %v", at, base)
	}
	if got := cutInterval(samples); got != 2*time.Second {
		t.Errorf("%v", got)
	}
	samples[2].values["fhirhose_last_cut_seconds"] = 0.5
	if got := cutInterval(samples); got != 10*time.Second {
		t.Errorf("%v", got)
	}
}

func TestSumMetrics(t *testing.T) {
	got, err := sumMetrics(strings.NewReader("# HELP x\nfhirhose_a_total{type=\"A b\"} 2\nfhirhose_a_total{type=\"C\"} 3e+06\nfhirhose_b 1\ngo_threads 7\n"))
	if err != nil || len(got) != 2 || got["fhirhose_a_total"] != 3000002 || got["fhirhose_b"] != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestReadBenchmarks(t *testing.T) {
	all, without := readBenchmarks(`pkg: github.com/fhirhose/fhirhose/pipeline/convert
BenchmarkConvert/mix-2         	  1000	      5.5 ns/op	 300.10 MB/s	       0 B/op	       0 allocs/op
PASS
ok  	github.com/fhirhose/fhirhose/pipeline/convert	2.1s
pkg: github.com/fhirhose/fhirhose/pipeline/binaries
BenchmarkFetch-2         	  1000	      5.5 ns/op	 750.50 MB/s
BenchmarkFetchOther-2    	  1000	      5.5 ns/op	 900.50 MB/s
PASS
ok  	github.com/fhirhose/fhirhose/pipeline/binaries	2.1s
PASS
ok  	github.com/fhirhose/fhirhose/pipeline/records	0.1s
?   	github.com/fhirhose/fhirhose/pipeline/shard	[no test files]
`)
	if len(all) != 3 || all[0].row() != "| pipeline/convert Convert/mix-2 | 5.5 | 300.10 | 0 | 0 |\n" {
		t.Errorf("%q", all)
	}
	if fetch, none := speedOf(all, "Fetch"), speedOf(all, "Standard"); fetch != 750.5 || none != 0 {
		t.Errorf("speeds %v, %v", fetch, none)
	}
	if strings.Join(without, " ") != "pipeline/records pipeline/shard" {
		t.Errorf("%q", without)
	}
}

func TestPipelineContender(t *testing.T) {
	s := &settings{data: t.TempDir(), start: time.Now()}
	in, err := s.generated(context.Background(), "x", generate.Options{Resources: 200, Objects: 2}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, every := range []string{"0", "24h"} {
		out := t.TempDir()
		if err := pipelineCommandLine(context.Background(), []string{"-cut-every", every, in.Dir, out}); err != nil {
			t.Fatal(err)
		}
		if all, err := readRecords(out); err != nil || len(all) == 0 {
			t.Errorf("%d records, %v", len(all), err)
		}
	}
}

func TestContentIsComparedAsAStream(t *testing.T) {
	source := strings.Repeat("some bytes, ", 200_000)[:2_000_001]
	sum := sha256.Sum256([]byte(source))
	f := func(line, verdict string) {
		t.Helper()
		path := filepath.Join(writeOutput(t, map[string]string{"Binary-v1-00000.ndjson": line}), "Binary-v1-00000.ndjson")
		if err := sameContent(path, int64(len(source)), sum); (err == nil) != (verdict == "") || err != nil && !strings.Contains(err.Error(), verdict) {
			t.Errorf("%v, want %q", err, verdict)
		}
	}
	data := base64.StdEncoding.EncodeToString([]byte(source))
	f(`{"id":"a","data":"`+data+`","meta":{}}`+"\n", "")
	f(`{"id":"a","data":"`+data+`"}`+"\n", "")
	f(`{"id":"a","data":"`+data[4:]+`"}`+"\n", "other content")
	f(`{"id":"a","data":"AAAA`+data[4:]+`"}`+"\n", "other content")
	f(`{"id":"a","data":"`+data[:len(data)-4]+`"}`+"\n", "other content")
	f(`{"id":"a","data":"`+data, "EOF")
	f(`{"id":"a"}`+"\n", "no data")
	f(`{"id":"a","data":"`+data+`"`+"\n", "not one line")
	f(`{"id":"a","data":"`+data+`"}`+"\n{}\n", "not one line")
}

func TestContentsAreNamedByTheirRows(t *testing.T) {
	s := &settings{data: t.TempDir(), start: time.Now(), cores: 2}
	shape := contentShape{30, 1000}
	first, err := s.small(context.Background(), shape)
	if err != nil || first.export.Items != 30 {
		t.Fatalf("%+v, %v", first.export, err)
	}
	files, err := os.ReadDir(first.bucket)
	if err != nil || len(files) != 30 {
		t.Fatalf("%d contents, %v", len(files), err)
	}
	line := string(mustRow(t).appendLine(nil, 0, 7))
	if id := strings.TrimSuffix(filepath.Base(first.path(7)), "_1.pdf"); !strings.Contains(line, `"id":{"S":"`+id+`"}`) {
		t.Errorf("no id %s in %s", id, line)
	}
	if info, err := os.Stat(first.path(7)); err != nil || info.Size() != 1000 {
		t.Errorf("content: %v, %v", info, err)
	}
	if again, err := s.small(context.Background(), shape); err != nil || again.export.Dir != first.export.Dir {
		t.Errorf("%+v, %v", again, err)
	}
}

func mustRow(t *testing.T) storedRow {
	t.Helper()
	r, err := newStoredRow([]byte(`{"resourceType":"Binary","id":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
