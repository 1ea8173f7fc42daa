package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
)

func newAudit(c *cli) *cobra.Command {
	var copies bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Print the audit log, and prove that no line of it was changed",
		Long: `Prints who did what to the job, when, with which program and flags, and how it ended;
and follows the chain: each line holds the SHA-256 of the line before it. Where a line
was changed, put in or taken out it stops, and names it. --json prints the lines as
they stand in the log, with all settings and places.

--copies also reads the copies in the sink (_fhirhose/audit/): each must be lines of
this log. A log that was cut off, or written anew, is found by them.

It changes nothing, and works beside a running process. docs/audit.md has the format,
and what the chain does not prove.

Exit codes: 0 the chain is whole, 7 it is broken, or a copy says otherwise; 2 settings,
or there is no log; 5 try again later, 12 not authorised.`,
		Example: `  fhirhose audit -c clinic-a.yaml
  fhirhose audit --copies && echo "as it was written"
  fhirhose audit --json | jq 'select(.event == "start") | [.time, .verb, .start.principal.arn]'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			return c.audit(cmd.Context(), job, copies)
		},
	}
	addSettings(cmd)
	cmd.Flags().BoolVar(&copies, "copies", false, "also compare the copies in the sink with it")
	return cmd
}

func (c *cli) audit(ctx context.Context, job *jobfile.Job, copies bool) error {
	ctx, cancel := c.stopping.atOnce(ctx)
	defer cancel()
	out := bufio.NewWriter(c.stdout)
	head, err := audit.Read(auditFile(job), func(e *audit.Entry) error {
		if c.json {
			_, _ = out.Write(e.Line()) // Flush tells what failed
			return cmp.Or(out.WriteByte('\n'), ctx.Err())
		}
		_, err := fmt.Fprintln(out, printable(entryWords(e)))
		return cmp.Or(err, ctx.Err())
	})
	if err := cmp.Or(out.Flush(), err); err != nil {
		return err
	}
	var compared string
	if copies {
		if compared, err = compareCopies(ctx, job); err != nil {
			return err
		}
	}
	if head.Entries == 0 {
		return &pipeline.Error{
			Op: "read audit log", Object: auditFile(job), Kind: pipeline.KindConfig, Err: errors.New("there is none, or it is empty"),
			Hint: "name the right job file with -c; no verb has begun in this state directory, or the log was removed",
		}
	}
	if c.json {
		return nil
	}
	torn := ""
	if head.Torn > 0 {
		torn = fmt.Sprintf(" A killed process left %s of a line behind it: the next entry tells of them.", human.Plural(head.Torn, "byte"))
	}
	_, err = fmt.Fprintf(c.stdout, "%s, the chain is whole; its head, of %s: SHA-256 %s.%s\n%s",
		human.Plural(head.Entries, "line"), head.Time.Format(time.RFC3339), head.SHA256, torn, compared)
	return err
}

// mostShown of a note is printed, in bytes; --json has all.
const mostShown = 300

// entryWords says an entry in one line.
func entryWords(e *audit.Entry) string {
	words := fmt.Sprintf("%6d  %s  %-17s %-5s  ", e.Seq, e.Time.UTC().Format(time.RFC3339), e.Verb, e.Event)
	switch {
	case e.Start != nil:
		s := e.Start
		words += fmt.Sprintf("by %s, %s on %s, process %d, fhirhose %s (%.16s)", s.Principal.ARN, s.User, s.Host, s.PID, s.Version, s.Binary)
		for _, name := range slices.Sorted(maps.Keys(s.Flags)) {
			words += " --" + name + "=" + s.Flags[name]
		}
	case e.Note != nil:
		text := string(e.Note.Value)
		if len(text) > mostShown {
			text = text[:mostShown] + " ..."
		}
		words += e.Note.Key + " " + text
	case e.End != nil:
		words += fmt.Sprintf("exit %d after %s", e.End.Exit, human.Duration(time.Duration(e.End.Seconds*float64(time.Second))))
		if e.End.Error != "" {
			words += ": " + e.End.Error
		}
	}
	if e.Torn != nil {
		words += fmt.Sprintf(" (before it %s were cut off that a killed process had left)", human.Plural(e.Torn.Bytes, "byte"))
	}
	return words
}

// printable keeps a forged log from writing to the terminal what it likes.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// mostCopy bounds a copy, in bytes.
const mostCopy = 1 << 30

// compareCopies compares the copies in the sink with the log, and says in words which
// lines they hold.
func compareCopies(ctx context.Context, job *jobfile.Job) (words string, err error) {
	log, err := audit.Take(auditFile(job))
	if err != nil {
		return "", err
	}
	w := wiring{job: job, seen: newObservation(job)}
	sink, err := w.openSink(ctx, ctx)
	if err != nil {
		return "", err
	}
	defer sink.close()
	if sink.bucket == nil {
		return "there are no copies: the sink is a directory\n", nil
	}
	var keys []string
	prefix := sink.bucket.Location().Key(auditFolder)
	if err := sink.bucket.List(ctx, prefix, func(key string, _ int64) error {
		keys = append(keys, key)
		return nil
	}); err != nil {
		return "", err
	}
	held := make([]bool, len(log.Lines))
	for _, key := range keys {
		text, err := sink.bucket.Get(ctx, key, mostCopy)
		if err != nil {
			return "", err
		}
		n := 0
		if _, err := fmt.Sscanf(path.Base(key), "%06d-", &n); err != nil {
			n = 0 // of another's making
		}
		first, holds := log.Holds(text, n)
		if !holds || key != sink.bucket.Location().Key(copyName(n, log.Lines[n-1].SHA256)) {
			return "", &pipeline.Error{
				Op: "read audit log", Object: auditFile(job), Kind: pipeline.KindFatal,
				Err:  fmt.Errorf("%w: the sink has a copy that is no part of it, %s", audit.ErrBroken, path.Base(key)),
				Hint: "find out which of the two was changed; a log that was begun anew, or cut off, does not have what older copies hold",
			}
		}
		for i := first; i <= n; i++ {
			held[i-1] = true
		}
	}
	missing := int64(0)
	for _, is := range held {
		if !is {
			missing++
		}
	}
	return fmt.Sprintf("%s in the sink: each is a part of it; %s in none\n", human.Plural(int64(len(keys)), "object"), human.Plural(missing, "line")), nil
}
