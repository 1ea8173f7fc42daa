package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/audit"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
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

// copyAudit puts a copy of the log beside the job's output. The verb is over: a copy
// that cannot be made is a warning, and the next one holds all that it would.
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
	head, log, err := audit.Snapshot(auditFile(job))
	if err != nil {
		return err
	}
	// The name says what is in it: one name, one content, and nothing is replaced.
	file := sink.Create(fmt.Sprintf("%s%06d-%.16s.ndjson", auditFolder, head.Entries, head.SHA256))
	if err := file.Append(ctx, log); err != nil {
		return err
	}
	if err := file.Seal(ctx, sha256.Sum256(log)); err != nil {
		return err
	}
	return sink.Settle(ctx)
}
