package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// fake is a record pipeline that does what a test says.
type fake struct {
	run    func(ctx context.Context, stop <-chan struct{}) error
	status metrics.Status
}

func (f *fake) Run(ctx context.Context, stop <-chan struct{}) error { return f.run(ctx, stop) }
func (f *fake) Status() metrics.Status                              { return f.status }

// invocation is one run of `fhirhose move` over a fake.
type invocation struct {
	dir            string
	signals        chan os.Signal
	stdout, stderr lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func newInvocation(t *testing.T) *invocation {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	i := &invocation{dir: t.TempDir(), signals: make(chan os.Signal, 2)}
	file := "job: a\nsource:\n  binaries: none\n  dynamodb_export:\n    location: export\nsink:\n  location: out\nhttp:\n  listen: \"\"\n"
	if err := os.WriteFile(filepath.Join(i.dir, jobfile.DefaultFile), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *invocation) state() string { return filepath.Join(i.dir, "state") }

// move returns the exit code.
func (i *invocation) move(f *fake, args ...string) int {
	f.status.Started = cmpTime(f.status.Started, time.Now().Add(time.Hour)) // of this process, whenever it started
	return run(context.Background(), process{
		args:  append([]string{"move", "-c", filepath.Join(i.dir, jobfile.DefaultFile)}, args...),
		stdin: strings.NewReader(""), stdout: &i.stdout, stderr: &i.stderr, setenv: os.Setenv, signals: i.signals,
		open: func(_, _ context.Context, _ *jobfile.Job, _ *observation, _ *slog.Logger) (*opened, error) {
			return &opened{f, func() error { return nil }}, nil
		},
	})
}

func cmpTime(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

func (i *invocation) lastStatus(t *testing.T) *metrics.Status {
	t.Helper()
	s, err := metrics.ReadStatus(i.state())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFirstSignalDrains(t *testing.T) {
	for signal, want := range map[os.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		i := newInvocation(t)
		code := i.move(&fake{run: func(ctx context.Context, stop <-chan struct{}) error {
			i.signals <- signal
			<-stop
			if ctx.Err() != nil {
				t.Error("the first signal cancelled")
			}
			return records.ErrStopped
		}})
		s := i.lastStatus(t)
		if code != want || s.Phase != metrics.PhaseStopped || s.Exit != want {
			t.Errorf("%v: exit %d, status %s %d", signal, code, s.Phase, s.Exit)
		}
		if strings.Contains(i.stderr.String(), "error:") || !strings.Contains(i.stdout.String(), "stopped cleanly") {
			t.Errorf("%v: stdout %s, stderr %s", signal, &i.stdout, &i.stderr)
		}
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	i := newInvocation(t)
	code := i.move(&fake{run: func(ctx context.Context, stop <-chan struct{}) error {
		i.signals <- syscall.SIGINT
		<-stop
		i.signals <- syscall.SIGTERM
		<-ctx.Done()
		return ctx.Err()
	}})
	if code != 130 || !strings.Contains(i.stderr.String(), "error: move: stopped at once; what was not committed is read again") {
		t.Errorf("exit %d, stderr %s", code, &i.stderr)
	}
}

func TestExitCodes(t *testing.T) {
	for kind, want := range map[pipeline.Kind]int{
		pipeline.KindOther: 1, pipeline.KindConfig: 2, pipeline.KindRetryLater: 5, pipeline.KindFatal: 7,
		pipeline.KindCheckpoint: 10, pipeline.KindClaimed: 11, pipeline.KindAuth: 12,
	} {
		i := newInvocation(t)
		code := i.move(&fake{run: func(context.Context, <-chan struct{}) error {
			return &pipeline.Error{Op: "stage", Object: "x.json.gz", Kind: kind, Err: errors.New("broken"), Hint: "mend it"}
		}})
		if code != want {
			t.Errorf("kind %d: exit %d", kind, code)
		}
		if got := i.stderr.String(); !strings.Contains(got, "error: stage x.json.gz: broken\ntry: mend it\n") {
			t.Errorf("kind %d: stderr %s", kind, got)
		}
		if s := i.lastStatus(t); s.Phase != metrics.PhaseFailed || s.Exit != want || s.Error != "stage x.json.gz: broken" || s.Hint != "mend it" {
			t.Errorf("kind %d: status %+v", kind, s)
		}
	}
}

func quarantined() map[string]*metrics.TypeTotals {
	return map[string]*metrics.TypeTotals{"Patient": {Read: 2, Written: 1, Quarantined: map[string]int64{"bad-id": 1}}}
}

func TestQuarantineEndsWithThree(t *testing.T) {
	i := newInvocation(t)
	code := i.move(&fake{run: func(context.Context, <-chan struct{}) error { return nil }, status: metrics.Status{Types: quarantined()}})
	if s := i.lastStatus(t); code != 3 || s.Phase != metrics.PhaseDone || s.Exit != 3 {
		t.Errorf("exit %d, status %s %d", code, s.Phase, s.Exit)
	}
}

// TestFinishedJobIsNotTouched: an earlier process has finished it.
func TestFinishedJobIsNotTouched(t *testing.T) {
	i := newInvocation(t)
	f := &fake{run: func(context.Context, <-chan struct{}) error { return nil }, status: metrics.Status{
		Job: "a", Phase: metrics.PhaseDone, Started: time.Now().Add(-time.Hour), Types: quarantined(),
	}}
	if code := i.move(f); code != 3 {
		t.Errorf("exit %d", code)
	}
	if s := i.lastStatus(t); s.Phase != metrics.PhaseDone {
		t.Errorf("a status that was lost is not written again: %+v", s)
	}
	path := filepath.Join(i.state(), metrics.StatusFile)
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if code := i.move(f); code != 3 {
		t.Errorf("exit %d", code)
	}
	if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("status.json was written: %v, %v", info.ModTime(), err)
	}
}

func TestJSONLines(t *testing.T) {
	i := newInvocation(t)
	i.move(&fake{run: func(context.Context, <-chan struct{}) error { return nil }, status: metrics.Status{Types: quarantined()}}, "--json")
	lines := strings.Split(strings.TrimSpace(i.stdout.String()), "\n")
	for n, text := range lines {
		var line struct {
			Exit *int `json:"exit"`
			Read int  `json:"records_read"`
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if last := n == len(lines)-1; last && (line.Exit == nil || *line.Exit != 3 || line.Read != 2) {
			t.Errorf("last line %s", text)
		}
	}
}

func TestMetricsTextfile(t *testing.T) {
	i := newInvocation(t)
	path := filepath.Join(i.dir, "fhirhose.prom")
	i.move(&fake{run: func(context.Context, <-chan struct{}) error { return nil }, status: metrics.Status{Types: quarantined()}}, "--metrics-textfile", path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`fhirhose_records_quarantined_total{reason="bad-id"} 1`, `fhirhose_phase{phase="done"} 1`, "go_goroutines"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestLockedState(t *testing.T) {
	i := newInvocation(t)
	lock, err := statedir.Take(i.state())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Release() }()
	code := i.move(&fake{run: func(context.Context, <-chan struct{}) error { t.Error("it ran"); return nil }})
	if code != 11 || !strings.Contains(i.stderr.String(), "process "+strconv.Itoa(os.Getpid())+" works here") {
		t.Errorf("exit %d, stderr %s", code, &i.stderr)
	}
}

func TestListenInUse(t *testing.T) {
	i := newInvocation(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	code := i.move(&fake{run: func(context.Context, <-chan struct{}) error { t.Error("it ran"); return nil }}, "--http.listen="+other.Addr().String())
	if code != 2 || !strings.Contains(i.stderr.String(), "the address is in use") || !strings.Contains(i.stderr.String(), "try: --http.listen=127.0.0.1:") {
		t.Errorf("exit %d, stderr %s", code, &i.stderr)
	}
}

func TestServer(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	var mu sync.Mutex
	s := metrics.Status{Phase: metrics.PhaseMoving, WaitingFor: "object data/x.json.gz"}
	status := func() metrics.Status { mu.Lock(); defer mu.Unlock(); return s }
	server, err := serve(t.Context(), "127.0.0.1:0", status, metrics.NewRegistry(metrics.NewCollector(status, collectorLabels())))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (int, string) {
		response, err := client.Get("http://" + server.address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("/healthz: %d", code)
	}
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "waits for object") {
		t.Errorf("/readyz of a stuck job: %d %s", code, body)
	}
	mu.Lock()
	s.LastCut = time.Now()
	mu.Unlock()
	if code, _ := get("/readyz"); code != 200 {
		t.Errorf("/readyz after a cut: %d", code)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, `fhirhose_waiting{for="object"} 1`) {
		t.Errorf("/metrics: %d %s", code, body)
	}
	if err := server.close(); err != nil {
		t.Error(err)
	}
}

// TestReadiness: a retry wait is a sign of life, waiting for credentials is none.
func TestReadiness(t *testing.T) {
	o := newObservation(&jobfile.Job{State: t.TempDir()})
	o.onRetry(objectstore.ExpiredToken, time.Minute)
	if s := o.status(); s.Ready(time.Now()) || s.Retries["expired-token"] != 1 {
		t.Errorf("waiting for credentials: %+v", s)
	}
	o.onRetry(objectstore.Throttle, time.Second)
	if s := o.status(); !s.Ready(time.Now()) || s.LastRetryWait.After(time.Now()) {
		t.Errorf("waiting for a retry: %+v", s)
	}
	p := newObservation(&jobfile.Job{State: t.TempDir()})
	p.onStaged(7)
	if s := p.status(); !s.Ready(time.Now()) || s.StagedBytes != 7 {
		t.Errorf("staging: %+v", s)
	}
}
