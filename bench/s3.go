package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	exportsBucket = "exports"
	outBucket     = "out"
	copyBucket    = "copies"
	exportPrefix  = "p/AWSDynamoDB/01693685827463-2d8752fd"
)

// measureS3 compares a move from S3 to S3 with rclone, which only downloads the
// input and uploads our output, both at the same time, and with a move from
// disk to disk. All share the machine with the S3 server, whose CPU counts for
// nobody.
func measureS3(ctx context.Context, s *settings) (string, error) {
	in, err := s.mainInput(ctx)
	if err != nil {
		return "", err
	}
	gateway, err := s.startGateway(ctx, "gateway")
	if err != nil {
		return "", err
	}
	defer gateway.stop()
	if err := gateway.makeBuckets(ctx, exportsBucket, outBucket, copyBucket); err != nil {
		return "", err
	}
	if err := gateway.upload(ctx, in.Dir, exportsBucket, exportPrefix); err != nil {
		return "", err
	}
	ours, err := s.outputToUpload(ctx, in, "s3-output")
	if err != nil {
		return "", err
	}
	move, tool, disk := s.moveS3(in, gateway), s.rclone(ctx, ours, gateway), s.move("fhirhose move, disk to disk", in, moveOptions{})
	c := &contest{settings: s, name: "s3", input: in, rounds: min(3, s.rounds), entries: []*contender{move, tool, disk}}
	if err := c.run(ctx); err != nil {
		return "", err
	}
	return s3Table(move, tool, disk), nil
}

func (s *settings) moveS3(in input, g *gateway) *contender {
	move := s.move("fhirhose move, S3 to S3", in, moveOptions{})
	move.commands = func(out string) ([][]string, error) {
		argv, err := s.moveCommand(out, in, moveOptions{
			from: "s3://" + exportsBucket + "/" + exportPrefix, to: "s3://" + outBucket + "/" + filepath.Base(out),
			before: append([]string{"env"}, g.environment...),
		})
		return [][]string{argv}, err
	}
	return move
}

// outputToUpload is the sink of a move from disk to disk, in a folder of that name.
func (s *settings) outputToUpload(ctx context.Context, in input, name string) (string, error) {
	out := filepath.Join(s.work, name)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	argv, err := s.moveCommand(out, in, moveOptions{})
	if err != nil {
		return "", err
	}
	_, err = measure(ctx, [][]string{argv}, out+".log")
	return filepath.Join(out, "sink"), err
}

// rclone downloads the export and uploads our output at the same time.
func (s *settings) rclone(ctx context.Context, ours string, g *gateway) *contender {
	e := &contender{name: "rclone, input down and our output up at once"}
	e.version, e.failure = s.rcloneVersion()
	run := func(from, to string) []string { return append(g.copier(s), from, to) }
	e.commands = func(out string) ([][]string, error) {
		return [][]string{
			run("gw:"+exportsBucket+"/"+exportPrefix, filepath.Join(out, "in")),
			run(ours, "gw:"+copyBucket+"/"+filepath.Base(out)),
		}, nil
	}
	return e
}

// rcloneVersion is empty where rclone is missing, and why says so.
func (s *settings) rcloneVersion() (version, why string) {
	if version = firstLine(s.installed("rclone"), "version"); version == "missing" {
		return "", "not installed (bench/peers/setup.sh)"
	}
	return version, ""
}

// copier is a command that copies from its first further argument to its second;
// the server is gw:. Times of objects are those of the listing: it asks for
// nothing but the objects.
func (g *gateway) copier(s *settings) []string {
	argv := append([]string{"env"}, g.environment...)
	argv = append(argv, "RCLONE_CONFIG_GW_TYPE=s3", "RCLONE_CONFIG_GW_PROVIDER=Other", "RCLONE_CONFIG_GW_ENV_AUTH=true",
		"RCLONE_CONFIG_GW_FORCE_PATH_STYLE=true", "RCLONE_CONFIG_GW_ENDPOINT="+g.endpoint, "RCLONE_CONFIG_GW_REGION="+gatewayRegion)
	return append(argv, s.installed("rclone"), "--config", "/dev/null", "--transfers", "16", "--use-server-modtime", "--s3-no-check-bucket", "copy")
}

func s3Table(move, tool, disk *contender) string {
	var b strings.Builder
	b.WriteString("\n| | wall s (least to most) | S3 to S3 against it, wall | CPU s | peak RSS MiB |\n|---|--:|--:|--:|--:|\n")
	for _, e := range []*contender{move, tool, disk} {
		if e.failed() {
			fmt.Fprintf(&b, "| %s | failed: %s | | | |\n", e.name, cell(e.failure))
			continue
		}
		against := ""
		if e != move && !move.failed() {
			against = move.against(e, wallOf).String()
		}
		fmt.Fprintf(&b, "| %s | %v | %s | %.2f | %d |\n", e.name, e.of(wallOf), against, e.median().CPU.Seconds(), e.median().RSS>>20)
	}
	if !move.failed() && !disk.failed() {
		bar, of := 1.1*disk.of(wallOf).median, "1.1x our disk to disk"
		if !tool.failed() && 1.5*tool.of(wallOf).median > bar {
			bar, of = 1.5*tool.of(wallOf).median, "1.5x the tool"
		}
		fmt.Fprintf(&b, "\nBar: at most %.2f s (%s); measured %.2f s: %s.\n", bar, of, move.of(wallOf).median, met(move.of(wallOf).median <= bar))
	}
	fmt.Fprintf(&b, "Server: versitygw %s on the same disk and cores; its CPU is in nobody's row. Tool: %s, 16 transfers. "+
		"rclone's writes to disk are not synced.\n", gatewayVersion, tool.version)
	if move.status.Stages != nil {
		fmt.Fprintf(&b, "S3 to S3, busy: %s.\n", move.status.busy())
	}
	return b.String()
}

func met(yes bool) string {
	if yes {
		return "met"
	}
	return "NOT met"
}

var errNoGateway = errors.New("versitygw is not installed (bench/peers/setup.sh)")
