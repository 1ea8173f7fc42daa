package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// settings say what to measure.
type settings struct {
	fhirhose  string // binary; "" builds ./cmd/fhirhose
	data      string // inputs, scratch space and installed peers
	peers     string // folder of the peers' scripts
	results   string // file to write
	size      byteSize
	sample    byteSize
	content   byteSize // 0: the scenario's own
	rounds    int
	only      string // peers: all, none, or names
	scenarios string // all, none, or names
	testdata  string
	cores     int
	peerRuns  int
	budget    time.Duration // no part begins after it
	runLimit  time.Duration // of one contender's run

	work  string // scratch space of this measurement
	start time.Time
}

func parseSettings(args []string) (settings, error) {
	s := settings{size: 1 << 30, sample: 256 << 20, cores: runtime.NumCPU(), testdata: os.Getenv("FHIRHOSE_TESTDATA"), start: time.Now()}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&s.fhirhose, "binary", "", "binary to measure (default: build ./cmd/fhirhose)")
	f.StringVar(&s.data, "data", "bench/data", "folder of inputs, scratch space and installed peers")
	f.StringVar(&s.peers, "peers", "bench/peers", "folder of the peers' scripts")
	f.StringVar(&s.results, "out", "", "file to write (default: bench/results/<machine>.md; - for none)")
	f.Var(&s.size, "size", "decompressed bytes of the main input")
	f.Var(&s.sample, "sample", "decompressed bytes of the peers' input")
	f.Var(&s.content, "content", "bytes of the one large content (default: 400MB, nightly 3.7GB)")
	f.IntVar(&s.rounds, "rounds", 5, "runs of each contender")
	f.IntVar(&s.peerRuns, "peer-rounds", 3, "runs of each peer")
	f.DurationVar(&s.budget, "budget", 19*time.Minute, "no part begins later than this")
	f.DurationVar(&s.runLimit, "run-limit", 3*time.Minute, "a run that takes longer has failed")
	f.StringVar(&s.only, "only", "all", "peers to run: all, none, or names with commas")
	f.StringVar(&s.scenarios, "scenarios", "default", "scenarios to run: default (all but nightly), all, none, or names with commas ("+strings.Join(scenarioNames(), ", ")+")")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if s.scenarios == "default" {
		s.scenarios = strings.Join(slices.DeleteFunc(scenarioNames(), func(n string) bool { return n == "nightly" }), ",")
	}
	for _, path := range []*string{&s.data, &s.peers, &s.fhirhose} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return s, err
		}
		*path = absolute
	}
	return s, os.MkdirAll(s.data, 0o755)
}

// say prints progress.
func (s *settings) say(format string, args ...any) {
	at := time.Since(s.start).Round(time.Second)
	fmt.Fprintf(os.Stderr, "%02d:%02d  %s\n", int(at.Minutes()), int(at.Seconds())%60, fmt.Sprintf(format, args...))
}

func wanted(list, name string) bool {
	return list == "all" || strings.Contains(","+list+",", ","+name+",")
}

// byteSize is a flag like 300MB or 2GiB.
type byteSize int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"", 1}}

func (b *byteSize) String() string { return megabytes(int64(*b)) }

// Set implements flag.Value.
func (b *byteSize) Set(text string) error {
	for _, unit := range sizeUnits {
		number, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		var n float64
		if _, err := fmt.Sscanf(number+"\n", "%g\n", &n); err != nil || n <= 0 {
			return fmt.Errorf("%q is no size", text)
		}
		*b = byteSize(n * float64(unit.bytes))
		return nil
	}
	return fmt.Errorf("%q is no size", text)
}

func megabytes(n int64) string { return fmt.Sprintf("%.0fMB", float64(n)/1e6) }
