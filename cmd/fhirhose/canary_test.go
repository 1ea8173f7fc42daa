package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// canary stands in every value and every id of the exports below. It may appear
// in the sink and nowhere else (I10).
const canary = "C4NARY"

// canaryRow is a whole row; replace changes one part of it, so that the row has
// a defect.
func canaryRow(n int, replace ...string) string {
	row := fmt.Sprintf(`{"Item":{"resourceType":{"S":"Patient"},"id":{"S":"%[1]s-%[2]d"},"vid":{"N":"1"},`+
		`"name":{"L":[{"M":{"family":{"S":"%[1]s"},"given":{"L":[{"S":"%[1]s"}]}}}]},"multipleBirthInteger":{"N":"3"},`+
		`"_ttl":{"S":"%[1]s"},"meta":{"M":{"versionId":{"S":"1"},"lastUpdated":{"S":"2026-01-02T03:04:05.678Z"},`+
		`"tag":{"L":[{"M":{"code":{"S":"%[1]s"}}}]}}},"documentStatus":{"S":"AVAILABLE"},`+
		`"lockEndTs":{"N":"1795194324720"},"_references":{"L":[{"S":"Patient/%[1]s"}]}}}`, canary, n)
	return strings.NewReplacer(replace...).Replace(row)
}

// canaryRows has a row for each record-level defect, and good ones.
func canaryRows() []string {
	rows := []string{
		canary + " is not JSON",
		canaryRow(1, `"resourceType":{"S":"Patient"}`, `"resourceType":{"S":"../../`+canary+`"}`),
		canaryRow(2, `"id":{"S":"`, `"id":{"S":"no id! `),
		canaryRow(3, `"vid":{"N":"1"}`, `"vid":{"N":"`+canary+`"}`),
		canaryRow(4, `"AVAILABLE"`, `"`+canary+`"`),
		canaryRow(5, `"meta":{"M":{`, `"meta":{"S":"`+canary+`"},"other":{"M":{`),
		canaryRow(6, `{"N":"3"}`, `{"N":"`+canary+`"}`),
		canaryRow(7, `{"N":"3"}`, `{"`+canary+`":"3"}`),
		canaryRow(8, `"multipleBirthInteger"`, `"no element `+canary+`!"`, `{"N":"3"}`, `{"N":"x"}`),
		canaryRow(9, `"tag":{"L":[{"M":{"code":{"S":"`+canary+`"}}}]}`, `"tag":{"S":"`+canary+`"}`),
		canaryRow(10, `2026-01-02T03:04:05.678Z`, canary),
		canaryRow(11, `AVAILABLE`, `LOCKED`, `1795194324720`, `17`),
		strings.Replace(canaryRow(12), `"family"`, `"`+canary+"\xff"+`"`, 1),
		canaryRow(13) + canary,
		canaryRow(14, `"given"`, `"family"`),
		strings.Repeat(`{"`+canary+`":`, 5000),
	}
	for n := range 50 {
		rows = append(rows, canaryRow(100+n))
	}
	return rows
}

func TestCanary(t *testing.T) {
	f := func(name string, wantExit int, rows []string, prepare func(t *testing.T, c *cage)) {
		t.Run(name, func(t *testing.T) {
			c := newCage(t, rows)
			if prepare != nil {
				prepare(t, c)
			}
			exit := c.run("move", "--metrics-textfile", filepath.Join(c.dir, "metrics.prom"))
			for _, verb := range []string{"check", "status", "report"} {
				c.run(verb)
				c.run(verb, "--json")
			}
			if exit != wantExit {
				t.Errorf("exit %d, want %d\n%s", exit, wantExit, c.out.String())
			}
			c.inspect(t)
		})
	}
	good := []string{canaryRow(1), canaryRow(2)}
	f("every record-level defect", 3, canaryRows(), nil)
	f("multi-tenant rows without tenant", 2, []string{canaryRow(1, `"vid"`, `"_tenantId":{"S":"`+canary+`"},"_id":{"S":"`+canary+`"},"vid"`)}, nil)
	f("tenant fields that disagree", 3, []string{canaryRow(1, `"vid"`, `"_tenantId":{"S":"t"},"_id":{"S":"`+canary+`"},"vid"`)},
		func(_ *testing.T, c *cage) { c.tenant = "t" })
	f("wrong count", 7, good, func(t *testing.T, c *cage) {
		c.rewrite(t, "manifest-files.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"itemCount":2`), []byte(`"itemCount":3`), 1) })
		c.rewrite(t, "manifest-summary.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"itemCount":2`), []byte(`"itemCount":3`), 1) })
	})
	f("manifest is not JSON", 7, good, func(t *testing.T, c *cage) {
		c.rewrite(t, "manifest-files.json", func([]byte) []byte { return []byte("<" + canary + ">") })
	})
	f("claimed by another", 11, good, func(t *testing.T, c *cage) {
		c.write(t, "out/canary/_fhirhose/claim.json", canary)
	})
	f("checkpoint of something else", 10, good, func(t *testing.T, c *cage) {
		c.write(t, "state/checkpoint.db", strings.Repeat(canary, 10000))
	})
}

// TestCanaryUnderFaults fails each I/O of a small job in turn: what is then said
// must not hold a value either.
func TestCanaryUnderFaults(t *testing.T) {
	for n := int64(1); ; n++ {
		c := newCage(t, []string{canaryRow(1), canaryRow(2, "AVAILABLE", "PENDING"), canary})
		var passed atomic.Int64
		remove := faultpoint.Set(func(string) error {
			if passed.Add(1) == n {
				return syscall.EIO
			}
			return nil
		})
		c.run("move")
		remove()
		c.inspect(t)
		if passed.Load() < n {
			return
		}
	}
}

// cage is a job whose every value is a canary, and all that was said about it.
type cage struct {
	dir      string
	tenant   string
	contents string // source.binaries; "": none
	out      bytes.Buffer
}

func newCage(t *testing.T, rows []string) *cage {
	t.Helper()
	c := &cage{dir: t.TempDir()}
	if _, err := generate.WriteObjects(filepath.Join(c.dir, "export"), [][]string{rows}); err != nil {
		t.Fatal(err)
	}
	for _, sum := range []string{"manifest-files.checksum", "manifest-summary.checksum"} {
		if err := os.Remove(filepath.Join(c.dir, "export", sum)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *cage) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(c.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *cage) rewrite(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.dir, "export", name))
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "export/"+name, string(change(content)))
}

// run runs one verb at debug level and keeps everything that it says.
func (c *cage) run(verb string, args ...string) int {
	memory := "256MiB"
	contents := c.contents
	if contents == "" {
		contents, memory = "none", "128MiB"
	}
	job := fmt.Sprintf("job: canary\nsource: {tenant: %q, binaries: %s, dynamodb_export: {location: export}}\n"+
		"sink: {location: out}\nlimits: {memory: %s}\nhttp: {listen: \"\"}\n", c.tenant, contents, memory)
	file := filepath.Join(c.dir, "fhirhose.yaml")
	if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
		return -1
	}
	return run(context.Background(), process{
		args:  append([]string{verb, "-c", file, "--log-level", "debug"}, args...),
		stdin: strings.NewReader(""), stdout: &c.out, stderr: &c.out, setenv: os.Setenv, open: openMover,
	})
}

// inspect greps everything that was said, and every file outside the sink and
// the export but the tails that `state` may hold as data.
func (c *cage) inspect(t *testing.T) {
	t.Helper()
	if strings.Contains(c.out.String(), canary) {
		t.Errorf("the output holds a value:\n%s", c.out.String())
	}
	for _, name := range []string{"metrics.prom", "state/status.json", "state/checkpoint.db"} {
		content, err := os.ReadFile(filepath.Join(c.dir, filepath.FromSlash(name)))
		if err == nil && bytes.Contains(content, []byte(canary)) && !bytes.HasPrefix(content, []byte(canary)) {
			t.Errorf("%s holds a value", name)
		}
	}
}
