package main

import (
	"fmt"
	"strings"
	"time"
)

// report is everything that was measured.
type report struct {
	machine   machine
	settings  *settings
	floors    []*contest
	peers     *contest
	scenarios []scenarioResult
	skipped   []string // parts for which the time was too short
}

type scenarioResult struct {
	scenario scenario
	contests []*contest
	text     string // of a measurement of its own
}

func (r *report) markdown() string {
	var b strings.Builder
	m := r.machine
	fmt.Fprintf(&b, "# fhirhose, measured\n\n")
	fmt.Fprintf(&b, "%s, %d cores (%s), %s, %s, %s, %s. CPU is user + system. Load average before the first run: %s. Whole measurement: %s.\n",
		m.CPU, m.Cores, strings.Join(m.Flags, " "), m.Memory, m.Kernel, m.Go, m.Gzip, m.Load, time.Since(r.settings.start).Round(time.Second))
	b.WriteString("Several runs are shown as median (least to most). Contenders take turns, and a ratio is that of two runs of the same round.\n")
	if len(r.skipped) > 0 {
		fmt.Fprintf(&b, "\nNOT RUN, the time was up: %s.\n", strings.Join(r.skipped, ", "))
	}
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

// The bars of a move from disk to disk against zcat.
const (
	cpuBar  = 1.25
	wallBar = 0.75
)

// writeFloors compares each contender with the first, zcat.
func writeFloors(b *strings.Builder, c *contest) {
	fmt.Fprintf(b, "\n## Against inflating the same files: %s\n\n", c.input.Name)
	describe(b, c.input)
	b.WriteString("| | CPU s | CPU / zcat | wall s | wall / zcat | MB/s | peak RSS MiB |\n|---|--:|--:|--:|--:|--:|--:|\n")
	base := c.entries[0]
	for _, e := range c.entries {
		if e.failed() {
			fmt.Fprintf(b, "| %s | %s | | | | | |\n", e.name, cell(e.failure))
			continue
		}
		fmt.Fprintf(b, "| %s | %v | %v | %v | %v | %.0f | %.0f |\n", e.name, e.of(cpuOf), e.against(base, cpuOf),
			e.of(wallOf), e.against(base, wallOf), speed(c.input, e.median()), e.of(rssOf).max)
	}
	for _, e := range c.entries {
		if e.fhirhose && !e.failed() && !base.failed() {
			cpu, wall := e.against(base, cpuOf).median, e.against(base, wallOf).median
			fmt.Fprintf(b, "\nBars, of %d rounds on %d cores: CPU %.2f, at most %.2f: %s; wall %.2f, at most %.2f: %s.\n", len(e.runs), c.settings.cores,
				cpu, cpuBar, met(cpu <= cpuBar), wall, wallBar, met(wall <= wallBar))
		}
	}
	writeStages(b, c)
}

// writePeers compares wall and CPU with fhirhose's on the same sample, and with
// its throughput on the main input, where its start and end weigh less.
func (r *report) writePeers(b *strings.Builder) {
	c := r.peers
	fmt.Fprintf(b, "\n## Against what a user would run, one process per core on %d cores\n\n", r.settings.cores)
	describe(b, c.input)
	b.WriteString("| | version | CPU s | wall s | MB/s | fhirhose is faster, by pairs (sample) | (main input) | less CPU, by pairs | peak RSS MiB | output |\n|---|---|--:|--:|--:|--:|--:|--:|--:|---|\n")
	own := c.entries[0]
	full := r.mainSpeed()
	for _, e := range c.entries {
		if e.failed() {
			fmt.Fprintf(b, "| %s | %s | | | | | | | | missing: %s |\n", e.name, e.version, cell(e.failure))
			continue
		}
		u := e.median()
		fmt.Fprintf(b, "| %s | %s | %.2f | %v | %.1f | %v | %.1fx | %v | %d | %s |\n", e.name, e.version, u.CPU.Seconds(),
			e.of(wallOf), speed(c.input, u), e.against(own, wallOf), full/speed(c.input, u), e.against(own, cpuOf), u.RSS>>20, e.equal)
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
	if s.scenario.measure != nil {
		b.WriteString(strings.TrimPrefix(s.text, "\n"))
		return
	}
	b.WriteString("| | items | MB | CPU s | wall s | MB/s | peak RSS MiB | files | cuts | cut s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, c := range s.contests {
		for _, e := range c.entries {
			writeScenarioRun(b, c.input, e)
		}
	}
	for _, c := range s.contests {
		writeStages(b, c)
	}
	if s.scenario.growth && len(s.contests) > 0 {
		writeGrowth(b, s.contests)
	}
	b.WriteString(s.text)
}

func writeScenarioRun(b *strings.Builder, in input, e *contender) {
	if e.failed() {
		fmt.Fprintf(b, "| %s | %d | | failed: %s | | | | | | |\n", e.name, in.Items, cell(e.failure))
		return
	}
	fmt.Fprintf(b, "| %s | %d | %.0f | %v | %v | %.0f | %s | %d | %d | %.2f |\n", e.name, in.Items, float64(in.Bytes)/1e6,
		e.of(cpuOf), e.of(wallOf), speed(in, e.median()), rssCell(e, e.limit), e.status.Files, e.status.Cuts, e.status.CutSeconds)
}

// rssCell is the most that any run held, and whether that is within the limit, if
// there is one.
func rssCell(e *contender, limit string) string {
	rss := fmt.Sprintf("%.0f", e.of(rssOf).max)
	var bytes byteSize
	if bytes.Set(limit) == nil {
		rss += ": " + met(e.of(rssOf).max <= float64(bytes>>20))
	}
	return rss
}

// writeGrowth compares the peak memory of the largest input with that of the
// smallest.
func writeGrowth(b *strings.Builder, contests []*contest) {
	first, last := contests[0].entries[0], contests[len(contests)-1].entries[0]
	if len(contests) > 1 && !first.failed() && !last.failed() {
		fmt.Fprintf(b, "\nPeak RSS (median) of the last row is %.2f times that of the first; bar 1.10.\n", last.of(rssOf).median/first.of(rssOf).median)
	}
}

// writeStages says where fhirhose's time went.
func writeStages(b *strings.Builder, c *contest) {
	for _, e := range c.entries {
		if e.fhirhose && len(e.status.Stages) > 0 {
			fmt.Fprintf(b, "\n%s, busy: %s. %d cuts took %.2f s.\n", e.name, e.status.busy(), e.status.Cuts, e.status.CutSeconds)
		}
	}
}

func speed(in input, u usage) float64 { return float64(in.Bytes) / 1e6 / u.Wall.Seconds() }

// cell makes an error fit into a table.
func cell(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "|", "/")
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return text
}
