package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
)

// auditedVerbs change or send something of a job: the audit log tells when each
// began, by whom and with which settings, and how it ended. All others only read.
var auditedVerbs = []string{"move", "export", "import", "verify", "migrate", "clean", "quarantine replay", "quarantine accept"}

// trail is the audit log of the verb that runs.
type trail struct {
	log   *audit.Log
	verb  string
	job   *jobfile.Job
	began time.Time
	start *audit.Start

	mu     sync.Mutex
	failed error // the first note that could not be written
}

func verbOf(cmd *cobra.Command) string {
	_, verb, _ := strings.Cut(cmd.CommandPath(), " ")
	return verb
}

// auditVerbs has every audited verb end in the log, whatever becomes of it.
func (c *cli) auditVerbs(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		c.auditVerbs(cmd)
		if run := cmd.RunE; run != nil && slices.Contains(auditedVerbs, verbOf(cmd)) {
			cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.endAudit(cmd.Context(), run(cmd, args)) }
		}
	}
}

// beginAudit writes who begins what. What cannot be written there is not begun.
func (c *cli) beginAudit(cmd *cobra.Command, job *jobfile.Job) error {
	if !slices.Contains(auditedVerbs, verbOf(cmd)) {
		return nil
	}
	if _, err := c.logger(io.Discard); err != nil {
		return err // a slip of the command line is no deed
	}
	return c.beginTrail(cmd.Context(), verbOf(cmd), cmd.Flags(), job)
}

func (c *cli) beginTrail(ctx context.Context, verb string, flags *pflag.FlagSet, job *jobfile.Job) error {
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	t := &trail{log: audit.New(auditFile(job)), verb: verb, job: job, began: time.Now()}
	start := describe(ctx, job)
	flags.Visit(func(f *pflag.Flag) {
		value := audit.Redact(f.Name, f.Value.String())
		start.Flags[f.Name] = value
		if _, isSetting := start.Settings[f.Name]; !isSetting {
			start.Places = append(start.Places, audit.Places(map[string]string{"--" + f.Name: value}, "", "")...)
		}
	})
	t.start = start
	if err := t.log.Append(audit.Entry{Event: audit.EventStart, Verb: verb, Start: start}); err != nil {
		return err
	}
	c.trail = t
	return nil
}

// mostNote bounds a note, in bytes.
const mostNote = 1 << 20

func auditFile(job *jobfile.Job) string { return filepath.Join(job.State, audit.File) }

// note writes what the verb that runs has done into the audit log: counts, names of
// a target's jobs, never a value or id of a resource (I10). A note that cannot be
// written is told when the verb ends.
func (c *cli) note(key string, value any) {
	if c.trail == nil {
		return
	}
	t := c.trail
	text, err := json.Marshal(value)
	if len(text) > mostNote {
		text = fmt.Appendf(nil, `{"left_out_bytes":%d}`, len(text))
	}
	if err == nil {
		err = t.log.Append(audit.Entry{Event: audit.EventNote, Verb: t.verb, Note: &audit.Note{Key: key, Value: text}})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = cmp.Or(t.failed, err)
}

// untold is the first note that could not be written, nil if there is none.
func (t *trail) untold() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// endAudit writes how the verb has ended, and copies the log to where the job's
// output is. It returns the verb's own error if it has one.
func (c *cli) endAudit(ctx context.Context, end error) error {
	t := c.trail
	if t == nil {
		return end // it has not begun
	}
	c.trail = nil
	code := exitCode(end, c.stopping)
	last := &audit.End{Exit: code, Seconds: time.Since(t.began).Round(time.Millisecond).Seconds()}
	if end != nil && !isQuiet(end) {
		last.Error = end.Error()
	}
	err := cmp.Or(t.failed, t.log.Append(audit.Entry{Event: audit.EventEnd, Verb: t.verb, End: last}))
	if err == nil && slices.Contains(copyingVerbs, t.verb) && slices.Contains(copiedCodes, code) {
		c.copyAudit(ctx, t.job)
	}
	if err != nil && end != nil {
		explain(c.stderr, err)
		return end
	}
	return cmp.Or(end, err)
}

// describe says who and what this process is.
func describe(ctx context.Context, job *jobfile.Job) *audit.Start {
	settings := make(map[string]string, len(job.Values))
	for key, value := range job.Values {
		settings[key] = audit.Redact(key, value)
	}
	who, region := identity(ctx, settings)
	b := thisBuild()
	dir, err := filepath.Abs(filepath.Dir(job.File))
	if err != nil {
		dir = ""
	}
	s := &audit.Start{
		Job: job.Name, Principal: who, PID: os.Getpid(), User: osUser(), Version: b.Version, Revision: b.Revision,
		Binary: executableSum(), Flags: map[string]string{}, Settings: settings,
		Places: audit.Places(settings, dir, region),
	}
	s.Host, _ = os.Hostname()
	return s
}

func osUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// executableSum is the SHA-256 of the program that runs: the file may have been
// replaced since.
var executableSum = sync.OnceValue(func() string {
	path := "/proc/self/exe"
	if _, err := os.Stat(path); err != nil {
		if path, err = os.Executable(); err != nil {
			return "unknown: no path"
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return "unknown: unreadable"
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "unknown: unreadable"
	}
	return hex.EncodeToString(sum.Sum(nil))
})
