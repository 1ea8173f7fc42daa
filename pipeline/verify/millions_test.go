//go:build unix

package verify

import (
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

// TestMillions verifies FHIRHOSE_RESOURCES resources of 1.2 KB, one in a thousand
// of which is missing, in 256 MiB; 20,000 where nobody says how many, of which no
// memory is measured: the race detector would need its own.
func TestMillions(t *testing.T) {
	n := 4 * perObject
	if text := os.Getenv("FHIRHOSE_RESOURCES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n%perObject != 0 {
			t.Fatalf("FHIRHOSE_RESOURCES=%s is no multiple of %d", text, perObject)
		}
	}
	const memory = 256 << 20
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memory - 32<<20)) // as the process does
	g := newGenerated(n)
	book := g.ledger(t)
	g.drop = func(i int) bool { return i%1000 == 0 }
	resetPeak()
	o := Options{Dir: t.TempDir(), Marks: healthLake, Memory: memory / 2} // as the verb asks for
	start := time.Now()
	if err := Digest(t.Context(), g, o); err != nil {
		t.Fatal(err)
	}
	digested := time.Since(start)
	found := int64(0)
	result, err := Compare(t.Context(), book, o, func(*Finding) error { found++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	missing := int64(n / 1000)
	if found != missing || result.count(Missing) != missing || result.count(Equal) != int64(n)-missing {
		t.Errorf("%d found, %d missing, %d equal", found, result.count(Missing), result.count(Equal))
	}
	if held := peak(); n >= 1_000_000 && held > memory {
		t.Errorf("the process held %d MiB", held>>20)
	}
	t.Logf("%d resources, %d MB: digested in %s, compared in %s, peak %d MiB", n, result.Bytes/1e6,
		digested.Round(time.Second/10), (time.Since(start) - digested).Round(time.Second/10), peak()>>20)
}
