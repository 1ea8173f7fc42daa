package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/dynamodbtest"
)

// logFiles returns the files of a log directory by name, and checks that they are
// their owner's alone and tell no value (I10).
func logFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		info, statErr := entry.Info()
		if err != nil || statErr != nil || info.Mode().Perm() != 0o600 || recordstest.HoldsCanary(content) {
			t.Errorf("%s: %v, %v, %v", entry.Name(), err, statErr, info.Mode())
		}
		files[entry.Name()] = string(content)
	}
	return files
}

var logName = regexp.MustCompile(`^(export_output|import_output|import_verification)_[0-9]{13}\.log$`)

// TestLogDir: each run has a file under the old tool's names, with the lines of
// stderr and how it ended.
func TestLogDir(t *testing.T) {
	r := newImportRig(t, healthlaketest.Traps{})
	logs := filepath.Join(r.dir, "logs")
	arg := "--log.dir=" + logs
	r.run(2, "import", arg)
	r.run(0, "move", arg)
	r.run(0, "import", arg)
	stderr := r.err.String()
	r.run(4, "verify", arg, "--mode=counts") // an ambiguous id cannot be checked
	r.run(0, "status", arg)
	files := logFiles(t, logs)
	if len(files) != 4 {
		t.Errorf("%d files", len(files))
	}
	kinds := map[string]int{}
	for name, content := range files {
		parts := logName.FindStringSubmatch(name)
		if parts == nil {
			t.Errorf("a file %s", name)
			continue
		}
		kinds[parts[1]]++
		if last := content[strings.LastIndex(strings.TrimSpace(content), "\n")+1:]; !strings.Contains(last, "msg=ended exit=") {
			t.Errorf("%s ends with %s", name, last)
		}
		if parts[1] == importLog && strings.Contains(content, "exit=0") && !strings.HasPrefix(content, stderr) {
			t.Errorf("%s does not hold what was said:\n%s\n%s", name, content, stderr)
		}
		if parts[1] == importLog && !strings.Contains(content, "exit=0") && !strings.Contains(content, "no move of this job has started") {
			t.Errorf("%s does not say why: %s", name, content)
		}
	}
	if kinds[exportLog] != 1 || kinds[importLog] != 2 || kinds[verifyLog] != 1 {
		t.Errorf("%v", kinds)
	}
	r.run(2, "move", "--log.dir="+filepath.Join(r.dir, "export", "logs"))
	r.says("log.dir: lies within")
}

// TestLogFormat: the files are in the format of stderr; those of export and move
// have one name.
func TestLogFormat(t *testing.T) {
	r := newExportRig(t, dynamodbtest.Traps{})
	logs := filepath.Join(r.dir, "logs")
	r.run(0, "export", "--log.dir", logs, "--log-format=json")
	r.run(0, "move", "--log.dir", logs, "--log-format=json")
	files := logFiles(t, logs)
	for name, content := range files {
		for line := range strings.Lines(content) {
			if !json.Valid([]byte(line)) || logName.FindStringSubmatch(name)[1] != exportLog {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
	if len(files) != 2 {
		t.Errorf("%d files", len(files))
	}
}
