package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// TestMemoryStaysFlat proves I7 on the binary that users run: lines and gzip
// bombs of 100 MB are discarded as a stream, and records of nearly 16 MiB in
// every lane at once are converted one at a time, within the least limit.
func TestMemoryStaysFlat(t *testing.T) {
	const limit = 128 << 20
	dir := t.TempDir()
	huge := bytes.Repeat([]byte("h"), 100_000_000)
	summary, err := generate.WriteLines(filepath.Join(dir, "export"), 16, func(k int, add func([]byte) error) error {
		large := fmt.Appendf(nil, `{"Item":{"resourceType":{"S":"Patient"},"id":{"S":"large-%d"},"vid":{"N":"1"},"text":{"S":"`, k)
		large = append(large, bytes.Repeat([]byte("l"), 15<<20)...)
		large = append(large, `"},"meta":{"M":{"lastUpdated":{"S":"2026-01-02T03:04:05Z"}}},"documentStatus":{"S":"AVAILABLE"}}}`...)
		for n := range 200 {
			if err := add([]byte(recordstest.CanaryRow(1000*k + n))); err != nil {
				return err
			}
		}
		return errors.Join(add(large), add(huge), add(large))
	})
	if err != nil {
		t.Fatal(err)
	}
	job := "job: flat\nsource: {binaries: none, dynamodb_export: {location: export}}\nsink: {location: out}\n" +
		"limits: {memory: 128MiB}\nlayout: {lanes: 16}\nhttp: {listen: \"\"}\n"
	file := filepath.Join(dir, "fhirhose.yaml")
	if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	peak, exit, out := peakMemory(t, exec.CommandContext(t.Context(), buildBinary(t), "move", "-c", file))
	if exit != 3 {
		t.Fatalf("exit %d, want 3: %s", exit, out)
	}
	if want := fmt.Sprintf("%d quarantined", 16); !strings.Contains(out, want) {
		t.Errorf("not %s of %d records:\n%s", want, summary.Items, out)
	}
	within(t, peak, limit)
}

// TestManyOpenFiles: 140 types at 200 versions are 28,000 files open at once,
// with 1,024 descriptors.
func TestManyOpenFiles(t *testing.T) {
	const limit = 256 << 20
	dir := t.TempDir()
	_, err := generate.Write(t.Context(), generate.Options{
		Dir: filepath.Join(dir, "export"), Seed: 1, Objects: 24,
		Types: 140, Even: true, Resources: 280, Versions: 200, AllVersions: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	job := "job: many\nsource: {binaries: none, dynamodb_export: {location: export}}\nsink: {location: out}\n" +
		"limits: {memory: 256MiB}\nhttp: {listen: \"\"}\n"
	file := filepath.Join(dir, "fhirhose.yaml")
	if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	peak, exit, out := peakMemory(t, exec.CommandContext(t.Context(), "sh", "-c",
		fmt.Sprintf("ulimit -n 1024; exec %s move -c %s", buildBinary(t), file)))
	if exit != 0 || !strings.Contains(out, "28,000 sealed, 0 open") {
		t.Fatalf("exit %d: %s", exit, out)
	}
	within(t, peak, limit)
}

// TestManyTenants: a thousand tenants, each with files, a ledger and a quarantine
// of its own, within the least limit.
func TestManyTenants(t *testing.T) {
	const limit, tenants = 128 << 20, 1000
	dir := t.TempDir()
	o := generate.Options{
		Dir: filepath.Join(dir, "export"), Seed: 1, Objects: 24, Types: 4, Even: true, Resources: 12_000, Versions: 2, AllVersions: true,
		Plant: []generate.Defect{generate.TenantMismatch, generate.NoMeta},
	}
	for i := range tenants {
		o.Tenants = append(o.Tenants, fmt.Sprintf("tenant-%d", i))
	}
	if _, err := generate.Write(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	job := "job: many\nsource: {binaries: none, tenant: \"*\", dynamodb_export: {location: export}}\nsink: {location: out}\n" +
		"limits: {memory: 128MiB}\nhttp: {listen: \"\"}\n"
	file := filepath.Join(dir, "fhirhose.yaml")
	if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	peak, exit, out := peakMemory(t, exec.CommandContext(t.Context(), "sh", "-c",
		fmt.Sprintf("ulimit -n 1024; exec %s move -c %s", buildBinary(t), file)))
	if exit != 3 || !strings.Contains(out, "tenants  1,000;") {
		t.Fatalf("exit %d: %s", exit, out)
	}
	t.Log(out[max(0, len(out)-600):])
	within(t, peak, limit)
}

// buildBinary makes the binary that users run: without the race detector, which needs
// several times the memory.
func buildBinary(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "fhirhose")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func within(t *testing.T, peak, limit int64) {
	t.Helper()
	t.Logf("peak %d MiB of %d MiB", peak>>20, limit>>20)
	if peak > limit {
		t.Errorf("peak memory %d MiB is over limits.memory of %d MiB", peak>>20, limit>>20)
	}
}

// peakMemory runs a command and returns its largest resident set, as the kernel
// counts it (VmHWM).
func peakMemory(t *testing.T, cmd *exec.Cmd) (peak int64, exit int, out string) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			if exited, ok := errors.AsType[*exec.ExitError](err); ok {
				return peak, exited.ExitCode(), said.String()
			} else if err != nil {
				t.Fatal(err)
			}
			return peak, 0, said.String()
		case <-time.After(2 * time.Millisecond):
			peak = max(peak, highWater(cmd.Process.Pid))
		}
	}
}

func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0 // it has ended
	}
	_, rest, found := strings.Cut(string(status), "VmHWM:")
	if !found {
		return 0
	}
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}
