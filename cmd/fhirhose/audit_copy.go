package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/pipeline"
)

// copyingVerbs leave a copy of the audit log in the sink when they have come to
// their end. A move does not: what it writes must not tell when or where it ran (I3).
var (
	copyingVerbs = []string{"import", "verify", "migrate", "clean", "quarantine replay", "quarantine accept"}
	copiedCodes  = []int{exitDone, exitQuarantine, exitDifference}
)

// A copy is not worth waiting for.
const (
	copyPatience = time.Second // for fresh credentials
	copyAttempts = 3           // of each call of S3
)

// auditFolder holds the copies, below the job's own folder.
const auditFolder = "_fhirhose/audit/"

// copyAudit puts a copy of what the log holds since the last one beside the job's
// output. The verb is over: a copy that cannot be made is a warning, and the next one
// holds all that it would.
func (c *cli) copyAudit(ctx context.Context, job *jobfile.Job) {
	if err := putAudit(ctx, job); err != nil {
		_, _ = fmt.Fprintf(c.stderr, "warning: the audit log could not be copied into the sink, and is in %s alone: %v\n", auditFile(job), err)
	}
}

// putAudit writes nothing into a sink that is not this run's.
func putAudit(ctx context.Context, job *jobfile.Job) error {
	own, err := checkpoint.ClaimOf(filepath.Join(job.State, checkpointFile))
	if err != nil || own == nil {
		return err
	}
	w := wiring{job: job, seen: newObservation(job), patience: copyPatience, attempts: copyAttempts}
	sink, err := w.openSink(ctx, ctx)
	if err != nil {
		return err
	}
	defer sink.close()
	claim, err := readClaim(ctx, &sink.openedSink)
	switch {
	case isAbsent(err), err == nil && !bytes.Equal(claim, own):
		return nil
	case err != nil:
		return err
	}
	log, err := audit.Take(auditFile(job))
	if err != nil {
		return err
	}
	text := log.After(copiedEntries(ctx, sink, log))
	file := sink.Create(copyName(len(log.Lines), log.SHA256))
	if err := file.Append(ctx, text); err != nil {
		return err
	}
	if err := file.Seal(ctx, sha256.Sum256(text)); err != nil {
		return err
	}
	return sink.Settle(ctx)
}

// copyName says which entry is the last in a copy, and so which log: nothing is ever
// replaced.
func copyName(entries int, sum string) string {
	return fmt.Sprintf("%s%06d-%.16s.ndjson", auditFolder, entries, sum)
}

// mostLooks bounds the copies that are looked for.
const mostLooks = 8

// copiedEntries returns how many entries of the log are in the sink already. Where a verb has
// ended that leaves a copy there may be one; where that cannot be seen, the next copy
// holds more than it must.
func copiedEntries(ctx context.Context, sink pipeline.Sink, log *audit.Snapshot) int {
	looks := 0
	for n := len(log.Lines) - 1; n > 0 && looks < mostLooks; n-- {
		l := &log.Lines[n-1]
		if l.Event != audit.EventEnd || !slices.Contains(copyingVerbs, l.Verb) || !slices.Contains(copiedCodes, l.Exit) {
			continue
		}
		looks++
		if file, err := sink.Reader(ctx, copyName(n, l.SHA256)); err == nil {
			_ = file.Close() // nothing was read
			return n
		}
	}
	return 0
}
