package records_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// TestMentionsAreCounted by both pipelines, of what is written alone, and over any
// number of runs.
func TestMentionsAreCounted(t *testing.T) {
	const absolute, versioned = `"x":{"M":{"reference":{"S":"https://old.example/Patient/a"}}}`, `"y":{"M":{"reference":{"S":"Patient/a/_history/1"}}}`
	b := emptyTable(t)
	objects := make([][]string, 6)
	for i := range 600 {
		of := &objects[i%len(objects)]
		*of = append(*of, version(fmt.Sprint("p-", i), 1, "AVAILABLE", absolute, versioned))
		if i < 60 {
			id := fmt.Sprint("b-", i)
			*of = append(*of, binaryRow("", id, 1, "AVAILABLE", absolute))
			if i%2 == 0 { // the content of the others is missing
				b.put(b.contents, id+"_1.pdf", 100)
			}
		}
	}
	b.exportRows(objects)
	j := newContentsJob(t, b, "")
	stopped := 0
	for {
		stop := make(chan struct{})
		j.Options.OnCut = sync.OnceValue(func() error { close(stop); return nil })
		m, err := j.Run(t.Context(), stop)
		if errors.Is(err, records.ErrStopped) {
			stopped++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s := m.Status()
		patients, binaries := s.Types["Patient"].Mentions, s.Types["Binary"].Mentions
		if want := (metrics.Mentions{AbsoluteReferences: 600, VersionedReferences: 600}); patients != want {
			t.Errorf("Patients: %+v, want %+v", patients, want)
		}
		if want := (metrics.Mentions{AbsoluteReferences: 30}); binaries != want {
			t.Errorf("Binaries: %+v, want %+v", binaries, want)
		}
		if want := (metrics.Mentions{AbsoluteReferences: 630, VersionedReferences: 600}); s.Mentions() != want {
			t.Errorf("all: %+v, want %+v", s.Mentions(), want)
		}
		break
	}
	if stopped == 0 {
		t.Error("the job was never stopped in the middle")
	}
}
