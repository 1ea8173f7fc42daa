package metrics

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestStatusFileRoundTrip(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadStatus(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no status: %v", err)
	}
	want := after()
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, StatusFile), data)
	got, err := ReadStatus(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	write(t, filepath.Join(dir, StatusFile), data[:len(data)/2])
	if _, err := ReadStatus(dir); err == nil {
		t.Error("half a status was read")
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReady(t *testing.T) {
	recent, old := noon.Add(-59*time.Second), noon.Add(-61*time.Second)
	for name, c := range map[string]struct {
		status Status
		want   bool
	}{
		"nothing yet":       {Status{Started: recent}, false},
		"a recent cut":      {Status{LastCut: recent, LastProgress: old}, true},
		"a staged byte":     {Status{LastProgress: recent, LastCut: old}, true},
		"waits for a retry": {Status{LastRetryWait: recent}, true},
		"all long ago":      {Status{LastCut: old, LastProgress: old, LastRetryWait: old}, false},
		"failed":            {Status{LastCut: recent, Phase: PhaseFailed}, false},
	} {
		if got := c.status.Ready(noon); got != c.want {
			t.Errorf("%s: ready = %v", name, got)
		}
	}
}

func TestUnbalanced(t *testing.T) {
	s := Status{Types: map[string]*TypeTotals{
		"Patient":     {Read: 4, Written: 1, Filtered: map[string]int64{"pending": 2}, Quarantined: map[string]int64{"bad-id": 1}},
		"Observation": {Read: 4, Written: 3},
		"Basic":       {Read: 1, Written: 2},
	}}
	if got := s.Unbalanced(); !reflect.DeepEqual(got, []string{"Basic", "Observation"}) {
		t.Errorf("unbalanced: %v", got)
	}
}

func TestKnownTypes(t *testing.T) {
	types := ResourceTypes()
	if len(types) < 180 {
		t.Errorf("%d types", len(types))
	}
	for i, name := range types {
		if !KnownType(name) || i > 0 && types[i-1] == name {
			t.Errorf("%s: unknown or twice", name)
		}
	}
	if KnownType(Unreadable) || KnownType("") || KnownType("patient") {
		t.Error("knows what is none")
	}
}
