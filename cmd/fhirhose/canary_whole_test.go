package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// wholeJob is one migration, and all that was said about it.
type wholeJob struct {
	*testing.T
	*wholeWorld
	dir       string
	runs      int
	verb      atomic.Value // that runs, a string
	out, err  lockedBuffer // of the last run
	mu        sync.Mutex
	inspected map[string]time.Time
	address   atomic.Value // of /metrics, a string
	scraped   atomic.Int64
}

func newWholeJob(t *testing.T, w *wholeWorld, n int) *wholeJob {
	j := &wholeJob{T: t, wholeWorld: w, dir: t.TempDir(), inspected: map[string]time.Time{}}
	job := fmt.Sprintf("job: whole-%d", n) + `
source: {binaries: "s3://contents", s3: {path_style: true}, dynamodb_export: {table_arn: "` + wholeTable(n) + `", export_to: s3://bucket/exports}}
sink: {location: s3://bucket/out, s3: {path_style: true}}
limits: {memory: 256MiB}
on_quarantine: continue
http: {listen: "127.0.0.1:0"}
target: {healthlake: {datastore: ` + wholeStores[n] + `, role_arn: "arn:aws:iam::123456789012:role/r",
  output: s3://bucket/results, kms_key: key, on_import_error: continue, requests_per_second: 1000}}
` + verifySettings
	if err := os.WriteFile(j.file(), []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	return j
}

func (j *wholeJob) file() string { return filepath.Join(j.dir, "fhirhose.yaml") }

// end runs a verb, and looks at all that it has left behind. stdout may hold ids where
// phi says so.
func (j *wholeJob) end(phi bool, stdin string, args ...string) int {
	j.Helper()
	j.out.Reset()
	j.err.Reset()
	j.runs++
	j.verb.Store(strings.Join(args, " "))
	format := []string{"text", "json"}[j.runs%2]
	code := run(j.Context(), process{
		args:  append(args, "-c", j.file(), "--log-level", "debug", "--log-format", format),
		stdin: strings.NewReader(stdin), stdout: &j.out, stderr: j,
		setenv: os.Setenv, environ: os.Environ(), signals: make(chan os.Signal), open: openMover, importPause: time.Millisecond,
	})
	j.address.Store("")
	j.silent("stderr of "+args[0], j.err.Bytes())
	if !phi {
		j.silent("stdout of "+args[0], j.out.Bytes())
	}
	j.inspect()
	return code
}

// until runs a verb again and again, until it ends as it should: trouble ends too.
func (j *wholeJob) until(codes []int, args ...string) {
	j.Helper()
	for n := 1; ; n++ {
		switch code := j.end(false, "", args...); {
		case slices.Contains(codes, code):
			return
		case n == 12:
			j.Fatalf("%v: exit code %d, want one of %v\n%s%s", args, code, codes, j.out.String(), j.err.String())
		}
	}
}

// secrets are words that are none of a resource.
var secrets = [][]byte{[]byte("secret-words-of-the-"), []byte("simulated-token"), []byte("secret-token")}

// tells where eight bytes of a value, a secret or a word of a server stand.
func tells(content []byte) bool {
	return recordstest.HoldsCanary(content) || slices.ContainsFunc(secrets, func(s []byte) bool { return bytes.Contains(content, s) })
}

func (j *wholeJob) silent(where string, content []byte) {
	j.Helper()
	if tells(content) {
		j.Errorf("%v: a value is told by %s:\n%.3000s", j.verb.Load(), where, content)
	}
}

// phiFiles are those of state that hold what is moved, or ids, as the documentation says.
var phiFiles = regexp.MustCompile(`^(in|open|stubs|tails)/|^import/([^/]+\.failures|refused|deletes-[0-9]+)\.ndjson$|^verify/[a-z]+\.((findings|explained)\.ndjson|work)`)

// inspect looks at every file of the job that is not PHI, and at what the sink holds
// beside the data.
func (j *wholeJob) inspect() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, name := range files(j.dir) {
		path := filepath.Join(j.dir, name)
		info, err := os.Stat(path)
		inState, _ := strings.CutPrefix(filepath.ToSlash(name), "state/")
		if err != nil || phiFiles.MatchString(inState) || j.inspected[name].Equal(info.ModTime()) {
			continue
		}
		j.inspected[name] = info.ModTime()
		content, _ := os.ReadFile(path)
		j.silent(name, content)
	}
}

// files are those below a directory; some may be gone by then.
func files(dir string) (names []string) {
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return nil
	})
	return names
}

var listening = regexp.MustCompile(`address"?[=:]"?(127\.0\.0\.1:[0-9]+)`)

// Write keeps what is said on stderr, and learns the address of /metrics from it.
func (j *wholeJob) Write(p []byte) (int, error) {
	if at := listening.FindSubmatch(p); at != nil {
		j.address.Store(string(at[1]))
	}
	return j.err.Write(p)
}

// meanwhile looks at what can be seen while a verb runs.
func (j *wholeJob) meanwhile() {
	j.inspect()
	if at, _ := j.address.Load().(string); at != "" {
		for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
			answer, err := http.Get("http://" + at + path)
			if err != nil {
				continue // it ends
			}
			content, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			j.scraped.Add(1)
			j.silent(path, content)
		}
	}
}

// TestWholeMigrationTellsNoValue (I10): every value, id, secret and word of a server is
// a canary; every operation of every service goes wrong, in each way by turns; and no
// canary stands in anything that is said, kept or sent beside the data.
func TestWholeMigrationTellsNoValue(t *testing.T) {
	said := ownStderr(t)
	var tables [][]string
	for n := range wholeStores {
		rows := append(verifyRows(), recordstest.CanaryBinary(200))
		if n != proven {
			rows = append(rows, canaryRows()...)
			rows = append(rows, recordstest.CanaryBinary(202)) // its content is missing
			for i := range rows {
				rows[i] = strings.Replace(rows[i], `"_ttl"`, dirty, 1)
			}
		}
		tables = append(tables, rows)
	}
	w := newWholeWorld(t, tables)
	t.Run("jobs", func(t *testing.T) {
		var jobs []*wholeJob
		for n := range wholeStores {
			jobs = append(jobs, newWholeJob(t, w, n))
			w.trouble.hooks = append(w.trouble.hooks, jobs[n].meanwhile)
		}
		for n, j := range jobs {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				j.T = t
				t.Parallel() // most of the time it waits
				j.migrate(n == proven)
				if j.scraped.Load() == 0 {
					t.Error("nobody has seen the metrics")
				}
			})
		}
	})
	w.inSink(t)
	for _, leak := range w.trouble.leaks {
		t.Errorf("a request tells a value: %s", leak)
	}
	if own := said(); own != "" {
		t.Errorf("stderr of the process: %s", own)
	}
	for _, kind := range kinds {
		for _, service := range []string{"s3", "healthlake"} { // of others too few operations are called
			if w.trouble.injected[service+" "+kind] == 0 {
				t.Errorf("%s never met %s", service, kind)
			}
		}
	}
	t.Logf("%d calls, trouble %v", w.trouble.calls, w.trouble.injected)
}

// proven is the job that ends with everything in its place, and is cleaned.
const proven = 1

func (j *wholeJob) migrate(proven bool) {
	logs := "--log.dir=" + filepath.Join(j.dir, "logs")
	full := []int{0, 3}
	j.until([]int{0, 2, 3}, "check", logs)
	j.until([]int{0}, "iam")
	j.until([]int{0}, "iam", "--json")
	j.until([]int{0}, "export", logs)
	j.until(full, "check", "--write-probe")
	j.until(full, "move", logs, "--metrics-textfile", filepath.Join(j.dir, "metrics.prom"))
	j.until(full, "check", "--json")
	j.until(full, "import", logs)
	j.tell()
	j.until(full, "quarantine", "replay")
	if proven {
		j.mended.Store(true)
	}
	j.until(full, "quarantine", "replay", "--json")
	j.verify(logs)
	j.tell()
	j.find()
	j.until([]int{0, 4}, "quarantine", "accept", "--yes", "--by", "Jane Roe", "--because", "ticket 4711")
	j.until([]int{0, 4}, "clean")
	if proven {
		j.until([]int{0}, "clean", "--yes")
	} else {
		j.until([]int{4}, "clean", "--yes")
	}
}

// tell runs what only tells.
func (j *wholeJob) tell() {
	j.until([]int{0}, "status")
	j.until([]int{0}, "status", "--json")
	j.until([]int{0}, "quarantine", "list")
	j.until([]int{0}, "quarantine", "list", "--records", "--json")
	j.until([]int{0, 4}, "report", "--html", filepath.Join(j.dir, "report.html"))
	j.until([]int{0, 4}, "report", "--json")
	j.end(true, "", "report", "--with-ids")
	j.until([]int{0}, "audit", "--copies")
	j.until([]int{0}, "audit", "--json")
}

func (j *wholeJob) verify(logs string) {
	for key, body := range j.healthLake.Current(wholeStores[proven]) {
		j.api.Set(key, string(body))
	}
	for _, mode := range verification.Modes() {
		j.until([]int{0, 4}, "verify", "--mode", mode, logs)
		j.until([]int{0, 4}, "verify", "--mode", mode, "--json")
	}
}

// find has ids on stdin, and refuses those in arguments without repeating them.
func (j *wholeJob) find() {
	questions := patientKey(0) + "\n" + patientKey(2) + "\n" + recordstest.Canary + "-100\n"
	for _, args := range [][]string{{"find"}, {"find", "--json"}, {"find", "--target"}} {
		for n := 0; j.end(true, questions, args...) != 0; n++ {
			if n == 12 {
				j.Fatalf("%v: %s", args, j.err.String())
			}
		}
	}
	for _, args := range [][]string{
		{"find", patientKey(1)},
		{"find", "--", patientKey(1)},
		{"find", "-" + recordstest.Canary},
		{"find", "--" + recordstest.Canary},
		{"find", "--tenant", recordstest.Canary},
		{patientKey(1)},
		{"report", patientKey(1)},
		{"quarantine", "list", patientKey(1)},
		{"quarantine", "accept", "--by", "J", "--because", "x", patientKey(1)},
		{"verify", patientKey(1)},
	} {
		if code := j.end(false, "", args...); code != 2 {
			j.Errorf("%v: exit code %d", args, code)
		}
	}
	if code := j.end(false, patientKey(1)+"/and/more\n", "find"); code != 2 {
		j.Errorf("a line that is no id: exit code %d", code)
	}
}

// ownStderr is what this process writes to its stderr past the verbs, as libraries may.
func ownStderr(t *testing.T) (written func() string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stderr
	os.Stderr = file
	log.SetOutput(file)
	t.Cleanup(func() {
		os.Stderr = was
		log.SetOutput(was)
		_ = file.Close()
	})
	return func() string {
		content, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
}
