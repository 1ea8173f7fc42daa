package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// binaryShapes are what `fhirhose move` is measured with against the published
// way to convert Binaries.
var binaryShapes = []contentShape{{300, 200_000}, {10_000, 10_000}}

// binaryBar is how many times faster than that move shall be.
const binaryBar = 10

const (
	binaryMemory   = "256MiB"
	exportedBucket = "exported" // Binary files without data, as the export leaves them
)

// measureBinaries moves Binaries from S3 to S3, and compares that with what the
// published converter does: bring the whole bucket and the exported files to a
// local disk, read them whole, encode, write, and bring the result back. That way
// is spared its export, its pauses and its waits for one copy after the other.
func measureBinaries(ctx context.Context, s *settings) (string, error) {
	g, err := s.startGateway(ctx, "gateway-binaries")
	if err != nil {
		return "", err
	}
	defer g.stop()
	if err := g.makeBuckets(ctx, outBucket, copyBucket, exportedBucket); err != nil {
		return "", err
	}
	var b strings.Builder
	var versions string
	b.WriteString("\n| contents | | wall s | fhirhose is faster | CPU s | CPU s of the server | peak RSS MiB | output |\n|---|---|--:|--:|--:|--:|--:|---|\n")
	for _, shape := range binaryShapes {
		m := binaryMeasurement{settings: s, gateway: g, shape: shape}
		if err := m.prepare(ctx); err != nil {
			return b.String(), err
		}
		if err := m.run(ctx); err != nil {
			return b.String(), err
		}
		m.write(&b)
		versions = m.rclone.version + "; " + m.aws.version
	}
	fmt.Fprintf(&b, "\nBar: %dx. limits.memory of fhirhose is %s. Server: versitygw %s on the same disk and cores; its CPU is in everybody's wall. Tools: %s; one Node process %s.\n",
		binaryBar, binaryMemory, gatewayVersion, versions, firstLine("node", "--version"))
	return b.String(), nil
}

// binaryMeasurement is that of one shape.
type binaryMeasurement struct {
	*settings
	*gateway
	shape                    contentShape
	from                     contents
	move, rclone, aws, floor *contender
	served                   []served
}

// served is what the server had used when a contender began.
type served struct {
	by  *contender
	cpu time.Duration
}

func (m *binaryMeasurement) bucketName() string { return fmt.Sprintf("contents-%d", m.shape.objects) }

// prepare fills the buckets.
func (m *binaryMeasurement) prepare(ctx context.Context) (err error) {
	if m.from, err = m.small(ctx, m.shape); err != nil {
		return err
	}
	if err := m.makeBuckets(ctx, m.bucketName()); err != nil {
		return err
	}
	if err := m.upload(ctx, m.from.bucket, m.bucketName(), ""); err != nil {
		return err
	}
	exported, err := m.outputToUpload(ctx, m.from.export, "exported-"+m.shape.String())
	if err != nil {
		return err
	}
	if err := m.upload(ctx, filepath.Join(exported, "bench", "Binary-v1-0"), exportedBucket, m.shape.String()); err != nil {
		return err
	}
	m.makeContenders()
	return nil
}

func (m *binaryMeasurement) makeContenders() {
	m.move = m.moveBinaries()
	m.rclone = m.published("the published way, with rclone", "gw:", m.copier(m.settings))
	m.rclone.version, m.rclone.failure = m.rcloneVersion()
	aws := m.awsProgram()
	m.aws = m.published("the published way, with aws s3 sync", "s3://",
		append(append([]string{"env"}, m.environment...), aws, "s3", "sync", "--only-show-errors"))
	if m.aws.version = firstLine(aws, "--version"); m.aws.version == "missing" {
		m.aws.failure = "not installed (bench/peers/setup.sh)"
	}
	if firstLine("node", "--version") == "missing" {
		m.rclone.failure, m.aws.failure = "no node", "no node"
	}
	m.floor = &contender{name: "the same bytes read and sent, and nothing done (floor)", commands: func(out string) ([][]string, error) {
		return [][]string{{self(), "floor", strings.TrimPrefix(m.endpoint, "http://"), m.bucketName(), copyBucket, filepath.Base(out)}}, nil
	}}
	for _, e := range m.all() {
		m.noteServer(e)
	}
}

func (m *binaryMeasurement) all() []*contender {
	return []*contender{m.move, m.rclone, m.aws, m.floor}
}

// noteServer notes what the server has used whenever the contender begins.
func (m *binaryMeasurement) noteServer(e *contender) {
	commands := e.commands
	e.commands = func(out string) ([][]string, error) {
		m.served = append(m.served, served{e, m.cpu()})
		return commands(out)
	}
}

// servedTo is what the server used for a contender, by run.
func (m *binaryMeasurement) servedTo(e *contender) spread {
	var seconds []float64
	for i := range len(m.served) - 1 {
		if m.served[i].by == e {
			seconds = append(seconds, (m.served[i+1].cpu - m.served[i].cpu).Seconds())
		}
	}
	return spreadOf(seconds)
}

// awsProgram is the one that setup.sh installs, or the system's.
func (m *binaryMeasurement) awsProgram() string {
	program := filepath.Join(m.data, "peers", "venv", "bin", "aws")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	program, _ = exec.LookPath("aws")
	return program
}

func (m *binaryMeasurement) moveBinaries() *contender {
	move := m.settings.move("fhirhose move", m.from.export, moveOptions{})
	move.commands = func(out string) ([][]string, error) {
		argv, err := m.moveCommand(out, m.from.export, moveOptions{
			memory: binaryMemory, binaries: "s3://" + m.bucketName(), to: "s3://" + outBucket + "/" + filepath.Base(out),
			before: append([]string{"env"}, m.environment...),
		})
		return [][]string{argv}, err
	}
	return move
}

// published does what the published converter does, with a program that copies
// from its first further argument to its second.
func (m *binaryMeasurement) published(name, remote string, program []string) *contender {
	return &contender{name: name, complete: true, commands: func(out string) ([][]string, error) {
		argv := []string{
			filepath.Join(m.peers, "binaries.sh"), filepath.Join(m.peers, "binaries.mjs"), out,
			remote + m.bucketName(), remote + exportedBucket + "/" + m.shape.String(), remote + copyBucket + "/" + filepath.Base(out),
		}
		return [][]string{append(argv, program...)}, nil
	}}
}

// run lets move, the fast tool and the floor take turns, and measures the slow
// tool once.
func (m *binaryMeasurement) run(ctx context.Context) error {
	name := "binaries " + m.shape.String()
	fast := &contest{settings: m.settings, name: name, input: m.from.export, rounds: min(3, m.rounds), entries: []*contender{m.move, m.rclone, m.floor}}
	if err := fast.run(ctx); err != nil {
		return err
	}
	slow := &contest{settings: m.settings, name: name, input: m.from.export, rounds: 1, entries: []*contender{m.aws}}
	if err := slow.run(ctx); err != nil {
		return err
	}
	m.served = append(m.served, served{cpu: m.cpu()})
	return m.judge()
}

// judge compares what lies in the buckets, which the server keeps as files.
func (m *binaryMeasurement) judge() error {
	if m.move.failed() {
		return nil
	}
	want, err := readRecords(m.folder(outBucket, filepath.Base(m.move.out)))
	if err != nil {
		return err
	}
	m.move.equal = fmt.Sprintf("%d resources", len(want))
	if len(want) != m.shape.objects {
		m.move.failure = fmt.Sprintf("wrote %d resources of %d", len(want), m.shape.objects)
	}
	for _, e := range []*contender{m.rclone, m.aws} {
		if !e.failed() {
			e.equal = sameOutput(want, m.folder(copyBucket, filepath.Base(e.out)))
		}
	}
	return nil
}

// awsAgainst is how many times longer the slow tool's run took than e's.
func (m *binaryMeasurement) awsAgainst(e *contender) float64 {
	return m.aws.of(wallOf).median / e.of(wallOf).median
}

func (m *binaryMeasurement) write(b *strings.Builder) {
	title := fmt.Sprintf("%d of %d kB", m.shape.objects, m.shape.size/1000)
	for _, e := range m.all() {
		if e.failed() {
			fmt.Fprintf(b, "| %s | %s | failed: %s | | | | | |\n", title, e.name, cell(e.failure))
			continue
		}
		faster, rss := "", fmt.Sprint(e.median().RSS>>20)
		switch {
		case e == m.move:
			rss = rssCell(e, binaryMemory)
		case m.move.failed():
		case e == m.floor:
			faster = e.against(m.move, wallOf).String()
		case e == m.aws: // its one run is no pair of any
			ratio := m.awsAgainst(m.move)
			faster = fmt.Sprintf("%.2f: %s", ratio, met(ratio >= binaryBar))
			if !m.floor.failed() {
				faster += fmt.Sprintf("; the floor is by %.2f", m.awsAgainst(m.floor))
			}
		default:
			ratio := e.against(m.move, wallOf)
			faster = fmt.Sprintf("%v: %s", ratio, met(ratio.median >= binaryBar))
		}
		fmt.Fprintf(b, "| %s | %s | %v | %s | %.2f | %.2f | %s | %s |\n", title, e.name, e.of(wallOf), faster, e.median().CPU.Seconds(), m.servedTo(e).median, rss, e.equal)
	}
	if !m.move.failed() {
		m.say("binaries %v: %.0f MB/s, %s", m.shape, float64(m.shape.bytes())/1e6/m.move.median().Wall.Seconds(), m.move.status.busy())
	}
}
