package importing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
)

// folder brings the first of the folders that are left to its end, and begins some
// of the next of its version, so that the target has no pause between them.
func (i *Importer) folder(ctx context.Context, f Folder, left []Folder) (*Record, error) {
	for _, next := range sameVersion(left, i.o.Queued) {
		if err := i.begin(ctx, next); err != nil {
			return nil, err
		}
		if r := i.known[next.Name]; r.Over && !r.Done {
			break // the target gave up on it: nothing is sent after it
		}
	}
	r := i.known[f.Name]
	job, err := i.await(ctx, f, r)
	if err != nil {
		return nil, err
	}
	return r, i.settle(ctx, f, r, job)
}

// begin starts the import of a folder that has not begun, or is to begin again.
func (i *Importer) begin(ctx context.Context, f Folder) error {
	r := i.known[f.Name]
	switch {
	case r == nil:
		r = i.plan(f, 1)
	case r.Over && !r.Done && slices.Contains(i.o.Again, f.Name):
		earlier := append(slices.Clone(r.Earlier), r.Job)
		r = i.plan(f, r.Attempt+1)
		r.Earlier = earlier
	}
	if r.Job != "" {
		return nil
	}
	// The intent comes first: a crash from here on finds the job by its name.
	if err := i.commit(f.Name, r); err != nil {
		return err
	}
	return i.start(ctx, f, r)
}

// plan names a job so that any process of this run would name it the same.
func (i *Importer) plan(f Folder, attempt int) *Record {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %d", i.o.RunID, i.o.Tenant, i.o.Target, f.Name, attempt))
	token := hex.EncodeToString(sum[:])
	// 64 characters at most, and no two alike: the end of the token tells runs apart.
	name := fmt.Sprintf("%s-%s-%s", i.o.Job[:min(len(i.o.Job), 32)], f.Name[:min(len(f.Name), 22)], token[:8])
	return &Record{Attempt: attempt, Name: name, Token: token, Target: i.o.Target}
}

// start finds the folder's job, or begins it once no other import is under way.
func (i *Importer) start(ctx context.Context, f Folder, r *Record) error {
	job, found, err := i.target.Find(ctx, r.Name)
	if err != nil {
		return err
	}
	if !found {
		if err := i.awaitOthers(ctx, f); err != nil {
			return err
		}
		// The same token: what an unseen start has begun is what this returns.
		if job.ID, err = i.target.Start(ctx, f.Name, r.Token, r.Name); err != nil {
			return err
		}
		i.o.Log.Info("import started", "folder", i.of(f.Name), "job", job.ID)
	}
	r.Job = job.ID
	return i.commit(f.Name, r)
}

// awaitOthers returns when no job is unfinished but this folder's own, and those of
// other folders of its version.
func (i *Importer) awaitOthers(ctx context.Context, f Folder) error {
	defer i.o.Waiting("")
	for pause := i.o.Pause; ; pause = next(pause) {
		jobs, err := i.target.Unfinished(ctx)
		if err != nil {
			return err
		}
		jobs = slices.DeleteFunc(jobs, func(j Job) bool { return i.isBeside(f, j.Name) })
		if len(jobs) == 0 {
			return nil
		}
		i.o.Waiting("import of somebody else " + jobs[0].ID)
		if err := pipeline.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func (i *Importer) isBeside(f Folder, job string) bool {
	for name, r := range i.known {
		if r.Name == job && version(name) == version(f.Name) {
			return true
		}
	}
	return false
}

// await returns the job once it is over.
func (i *Importer) await(ctx context.Context, f Folder, r *Record) (Job, error) {
	defer i.o.Waiting("")
	for pause := i.o.Pause; ; pause = next(pause) {
		job, err := i.target.Describe(ctx, r.Job)
		if err != nil {
			return Job{}, err
		}
		i.o.Seen(f.Name, job)
		if job.Status != r.Status {
			r.Status = job.Status
			i.o.Log.Info("import", "folder", i.of(f.Name), "job", r.Job, "status", job.Status)
		}
		if job.State.over() {
			return job, nil
		}
		i.o.Waiting("import of " + i.of(f.Name))
		if err := pipeline.Sleep(ctx, pause); err != nil {
			return Job{}, err
		}
	}
}

// settle accounts for every line of a folder whose job is over.
func (i *Importer) settle(ctx context.Context, f Folder, r *Record, job Job) error {
	r.Over, r.Ended, r.Scanned, r.Imported, r.Failed = true, job.Ended, job.Scanned, job.Imported, job.Failed
	if job.State != Completed {
		if err := i.commit(f.Name, r); err != nil {
			return err
		}
		return &pipeline.Error{
			Op: "import", Object: i.of(f.Name), Kind: pipeline.KindFatal,
			Err:  fmt.Errorf("the target gave up: job %s is %s", r.Job, job.Status),
			Hint: "mend what the target's console says of that job, then: fhirhose import --again " + i.of(f.Name),
		}
	}
	kept, err := i.keepFailures(ctx, f, r)
	if err != nil {
		return err
	}
	r.Done = job.Scanned == f.Lines && job.Imported+job.Failed == job.Scanned && kept == job.Failed
	if err := i.commit(f.Name, r); err != nil {
		return err
	}
	if !r.Done {
		return &pipeline.Error{
			Op: "import", Object: i.of(f.Name), Kind: pipeline.KindFatal,
			Err: fmt.Errorf("%w: %d lines written; scanned %d, imported %d, failed %d, of which %d are told",
				ErrDiffers, f.Lines, job.Scanned, job.Imported, job.Failed, kept),
			Hint: "look at job " + r.Job + " in the target's console; to send the folder once more: fhirhose import --again " + i.of(f.Name),
		}
	}
	i.o.Log.Info("folder imported", "folder", i.of(f.Name), "job", r.Job, "resources", r.Imported, "failed", r.Failed)
	return i.o.Done()
}

// longestPause lies between two questions to the target. An import takes minutes
// to hours.
const longestPause = time.Minute

func next(pause time.Duration) time.Duration { return min(pause*3/2, longestPause) }
