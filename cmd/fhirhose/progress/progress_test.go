package progress

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/metrics"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// moving is a job that had read 900 MB of 1000 MB before this process started.
func moving(done int64) *metrics.Status {
	return &metrics.Status{
		Job: "a", Phase: metrics.PhaseMoving, InputBytes: 1000e6, InputBytesDone: 900e6 + done, InputSkipped: 900e6,
		Types: map[string]*metrics.TypeTotals{"Patient": {Read: 1234, Written: 1233, Quarantined: map[string]int64{"bad-id": 1}}},
	}
}

// TestPaceLeavesOutSkippedWork: what a resume skips says nothing about the rate.
func TestPaceLeavesOutSkippedWork(t *testing.T) {
	var p Pace
	p.Add(noon, moving(0))
	if _, known := p.Left(moving(0)); known {
		t.Error("one sample gives no rate")
	}
	p.Add(noon.Add(10*time.Second), moving(10e6))
	if rate := p.Rate(); rate != 1e6 {
		t.Errorf("rate %f", rate)
	}
	if left, known := p.Left(moving(10e6)); !known || left != 90*time.Second {
		t.Errorf("left %v, %v", left, known)
	}
}

// TestVerification: of an export bytes, of single questions resources.
func TestVerification(t *testing.T) {
	f := func(want string, totals ...metrics.VerifyTotals) {
		t.Helper()
		var out bytes.Buffer
		p := Plain{Out: &out}
		for i := range totals {
			s := metrics.Status{Phase: metrics.PhaseVerifying, Verify: &totals[i]}
			if totals[i].Step == "export" {
				s.WaitingFor = "export 17"
			}
			p.Show(noon.Add(time.Duration(i)*10*time.Second), &s)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if got := lines[len(lines)-1]; got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	f("12:00:00Z  0 %  0 of 0  0 resources  export of t  waits for export 17", metrics.VerifyTotals{Step: "export", Tenant: "t"})
	f("12:00:10Z  60 %  600 MB of 1.00 GB  10.0 MB/s  40 s left  1,200 resources  read",
		metrics.VerifyTotals{Step: "read", Bytes: 1e9, BytesDone: 500e6, BytesSkipped: 500e6, ResourcesDone: 1000},
		metrics.VerifyTotals{Step: "read", Bytes: 1e9, BytesDone: 600e6, BytesSkipped: 500e6, ResourcesDone: 1200})
	f("12:00:10Z  50 %  600 of 1,200  50/s  12 s left  600 resources  ask",
		metrics.VerifyTotals{Step: "ask", Resources: 1200, ResourcesDone: 100}, metrics.VerifyTotals{Step: "ask", Resources: 1200, ResourcesDone: 600})
}

func TestPaceForgets(t *testing.T) {
	var p Pace
	for second := range 300 {
		done := int64(0)
		if second >= 200 {
			done = int64(second-200) * 1e6 // it stood still, and now it moves
		}
		p.Add(noon.Add(time.Duration(second)*time.Second), moving(done))
	}
	if rate := p.Rate(); rate != 1e6 {
		t.Errorf("rate %f", rate)
	}
	if len(p.samples) > 70 {
		t.Errorf("%d samples are kept", len(p.samples))
	}
}

func TestPaceOfAStandstill(t *testing.T) {
	var p Pace
	p.Add(noon, moving(5))
	p.Add(noon.Add(30*time.Second), moving(5))
	if _, known := p.Left(moving(5)); known {
		t.Error("nothing moves, so the end is not known")
	}
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	p := &Plain{Out: &out}
	p.Show(noon, moving(0))
	s := moving(50e6)
	s.WaitingFor = "object data/x.json.gz"
	p.Show(noon.Add(10*time.Second), s)
	s = moving(100e6)
	s.Phase = metrics.PhaseDone
	p.Show(noon.Add(20*time.Second), s)
	p.Close()
	want := `12:00:00Z  90 %  900 MB of 1.00 GB  1,234 records  1 quarantined
12:00:10Z  95 %  950 MB of 1.00 GB  5.00 MB/s  10 s left  1,234 records  1 quarantined  waits for object data/x.json.gz
12:00:20Z  100 %  1.00 GB of 1.00 GB  5.00 MB/s  1,234 records  1 quarantined  done
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	l := &Lines{Out: &out}
	l.Show(noon, moving(0))
	l.Show(noon.Add(10*time.Second), moving(50e6))
	s := moving(100e6)
	s.Phase, s.Exit, s.Error, s.Hint = metrics.PhaseFailed, 7, "stage: broken", "mend it"
	l.Show(noon.Add(20*time.Second), s)
	var lines []line
	for text := range strings.Lines(out.String()) {
		var one line
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, one)
	}
	if len(lines) != 3 || lines[0].Rate != nil || lines[0].ETA != nil || lines[0].Exit != nil {
		t.Fatalf("got %s", &out)
	}
	if *lines[1].Rate != 5e6 || *lines[1].ETA != 10 || lines[1].Read != 1234 || lines[1].Quarantined != 1 {
		t.Errorf("got %+v", lines[1])
	}
	if *lines[2].Exit != 7 || lines[2].Error != "stage: broken" || lines[2].Hint != "mend it" {
		t.Errorf("got %+v", lines[2])
	}
}

func TestBar(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	b := NewBar(&out)
	b.Show(noon, moving(0))
	b.Show(noon.Add(10*time.Second), moving(50e6))
	if _, err := b.Write([]byte("a log line\n")); err != nil {
		t.Error(err)
	}
	b.Close()
	for _, want := range []string{"95 % ", "950 MB of 1.00 GB  5.00 MB/s  10 s left", "1,234 records  1 quarantined", "a log line\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}
