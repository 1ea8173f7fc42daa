package main

import (
	"fmt"
	"strings"
	"time"
)

// report is everything that was measured.
type report struct {
	machine   machine
	rounds    int
	cores     int
	floors    []*contest
	peers     *contest
	scenarios []scenarioResult
}

type scenarioResult struct {
	scenario scenario
	contests []*contest
}

func (r *report) markdown() string {
	var b strings.Builder
	m := r.machine
	fmt.Fprintf(&b, "# fhirhose, measured\n\n")
	fmt.Fprintf(&b, "%s, %d cores (%s), %s, %s, %s, %s. Medians of %d interleaved runs; CPU is user + system. Load average before the first run: %s.\n",
		m.CPU, m.Cores, strings.Join(m.Flags, " "), m.Memory, m.Kernel, m.Go, m.Gzip, r.rounds, m.Load)
	for _, c := range r.floors {
		writeFloors(&b, c)
	}
	if r.peers != nil {
		r.writePeers(&b)
	}
	for _, s := range r.scenarios {
		writeScenario(&b, s)
	}
	return b.String()
}

func describe(b *strings.Builder, in input) {
	fmt.Fprintf(b, "%d items in %d objects, %s decompressed, %s compressed (%.1f:1).\n\n", in.Items, len(in.Files),
		megabytes(in.Bytes), megabytes(in.Gzipped), float64(in.Bytes)/float64(in.Gzipped))
}

// writeFloors compares each contender with the first, zcat.
func writeFloors(b *strings.Builder, c *contest) {
	fmt.Fprintf(b, "\n## Against inflating the same files: %s\n\n", c.input.Name)
	describe(b, c.input)
	b.WriteString("| | CPU s | CPU / zcat | wall s | wall / zcat | MB/s | peak RSS MiB | spread |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	base := c.entries[0].median()
	for _, e := range c.entries {
		if e.failure != "" || len(e.runs) == 0 {
			fmt.Fprintf(b, "| %s | %s | | | | | | |\n", e.name, cell(e.failure))
			continue
		}
		u := e.median()
		fmt.Fprintf(b, "| %s | %.2f | %.2f | %.2f | %.2f | %.0f | %d | %.0f %% |\n", e.name, u.CPU.Seconds(), ratio(u.CPU, base.CPU),
			u.Wall.Seconds(), ratio(u.Wall, base.Wall), speed(c.input, u), u.RSS>>20, e.spread())
	}
	writeStages(b, c)
}

// writePeers compares wall and CPU with fhirhose's on the same sample, and with
// its throughput on the main input, where its start and end weigh less.
func (r *report) writePeers(b *strings.Builder) {
	c := r.peers
	fmt.Fprintf(b, "\n## Against what a user would run, one process per core on %d cores\n\n", r.cores)
	describe(b, c.input)
	b.WriteString("| | version | CPU s | wall s | MB/s | fhirhose is faster (sample) | (main input) | less CPU | peak RSS MiB | output |\n|---|---|--:|--:|--:|--:|--:|--:|--:|---|\n")
	own := c.entries[0].median()
	full := r.mainSpeed()
	for _, e := range c.entries {
		if e.failure != "" || len(e.runs) == 0 {
			fmt.Fprintf(b, "| %s | %s | | | | | | | | missing: %s |\n", e.name, e.version, cell(e.failure))
			continue
		}
		u := e.median()
		fmt.Fprintf(b, "| %s | %s | %.2f | %.2f | %.1f | %.1fx | %.1fx | %.1fx | %d | %s |\n", e.name, e.version, u.CPU.Seconds(),
			u.Wall.Seconds(), speed(c.input, u), ratio(u.Wall, own.Wall), full/speed(c.input, u), ratio(u.CPU, own.CPU), u.RSS>>20, e.equal)
	}
}

// mainSpeed is fhirhose's throughput on the main input.
func (r *report) mainSpeed() float64 {
	for _, c := range r.floors {
		for _, e := range c.entries {
			if e.fhirhose && len(e.runs) > 0 {
				return speed(c.input, e.median())
			}
		}
	}
	return 0
}

func writeScenario(b *strings.Builder, s scenarioResult) {
	fmt.Fprintf(b, "\n## %s: %s\n\n", s.scenario.name, s.scenario.about)
	b.WriteString("| | items | MB | CPU s | wall s | MB/s | peak RSS MiB | files | cuts | cut s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, c := range s.contests {
		for _, e := range c.entries {
			writeScenarioRun(b, c.input, e)
		}
	}
	for _, c := range s.contests {
		writeStages(b, c)
	}
}

func writeScenarioRun(b *strings.Builder, in input, e *contender) {
	if e.failure != "" || len(e.runs) == 0 {
		fmt.Fprintf(b, "| %s | %d | | failed: %s | | | | | | |\n", e.name, in.Items, cell(e.failure))
		return
	}
	u := e.median()
	fmt.Fprintf(b, "| %s | %d | %.0f | %.2f | %.2f | %.0f | %d | %d | %d | %.2f |\n", e.name, in.Items, float64(in.Bytes)/1e6,
		u.CPU.Seconds(), u.Wall.Seconds(), speed(in, u), u.RSS>>20, e.status.Files, e.status.Cuts, e.status.CutSeconds)
}

// writeStages says where fhirhose's time went.
func writeStages(b *strings.Builder, c *contest) {
	for _, e := range c.entries {
		if e.fhirhose && len(e.status.Stages) > 0 {
			fmt.Fprintf(b, "\n%s, busy: %s. %d cuts took %.2f s.\n", e.name, e.status.busy(), e.status.Cuts, e.status.CutSeconds)
		}
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func speed(in input, u usage) float64 { return float64(in.Bytes) / 1e6 / u.Wall.Seconds() }

// cell makes an error fit into a table.
func cell(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "|", "/")
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return text
}
