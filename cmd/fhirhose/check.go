package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/removal"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/survey"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

func newCheck(c *cli) *cobra.Command {
	var writeProbe bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what there is to move, and whether it can be moved",
		Long: `Reads every setting, opens source and sink, and proves what can be proved
without writing. It says how much there is to move, what a sample of it would
become, the disk that the job needs, and the folders and import hours to expect.
Where the job names a HealthLake data store, it looks at that too, at the bucket of
its output, and at the folders of a finished move.
It exits 0 only if nothing stands in the way of fhirhose move.`,
		Example: `  fhirhose check
  fhirhose check --write-probe     # also write and delete one file, in the sink and in state
  fhirhose check --json | jq .estimate`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := c.load(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := c.stopping.atOnce(cmd.Context())
			defer cancel()
			return c.check(ctx, job, writeProbe)
		},
	}
	addSettings(cmd)
	cmd.Flags().BoolVar(&writeProbe, "write-probe", false, "write and delete one file, in the sink and in state")
	return cmd
}

// problems are why a job cannot start; each is explained to the operator.
type problems []error

func (p problems) Error() string   { return errors.Join(p...).Error() }
func (p problems) Unwrap() []error { return p }

func (c *cli) check(ctx context.Context, job *jobfile.Job, writeProbe bool) error {
	r := &survey.Result{
		Job: job.Name, Warnings: append([]string{}, job.Warnings...), Problems: []survey.Problem{}, File: job.File,
		Source: job.Source.Location().String(), Output: job.Output().String(), State: job.State,
		StateFree: statedir.Free(job.State), SinkFree: -1,
		Probes: []string{}, Unseen: []string{},
	}
	r.SetBinaries(job.Source)
	w := &wiring{job: job, seen: newObservation(job), patience: time.Second, attempts: 3, heads: &survey.Heads{}}
	checkState(job, r, writeProbe)
	source := checkSource(ctx, w, r)
	sink := checkSink(ctx, w, r, writeProbe)
	if sink != nil {
		defer sink.close()
	}
	if source != nil && sink != nil {
		checkFit(job, r, source, sink)
		checkOwner(ctx, job, r, source, sink)
	}
	if sink != nil {
		checkTarget(ctx, w, r, sink)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.Judge()
	r.Ready = len(r.Problems) == 0
	if err := c.writeCheck(r); err != nil {
		return err
	}
	if r.Ready {
		return nil
	}
	return problems(r.Errors())
}

func (c *cli) writeCheck(r *survey.Result) error {
	if !c.json {
		return r.Text(c.stdout)
	}
	out := json.NewEncoder(c.stdout)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

// checkState holds state to what promise I1 needs of it.
func checkState(job *jobfile.Job, r *survey.Result, writeProbe bool) {
	if kind := statedir.Volatile(job.State); kind != "" {
		r.Fail(&pipeline.Error{
			Op: "use state directory", Object: job.State, Kind: pipeline.KindConfig,
			Err: fmt.Errorf("it lies on %s, which a restart empties", kind), Hint: "name a directory on a disk (key: state)",
		})
	}
	if err := statedir.Writable(job.State); err != nil {
		r.Fail(err)
	}
	if pid, held := statedir.Holder(job.State); held {
		r.Warn("process %s works in the state directory now; fhirhose status shows how far it is", pid)
	}
	if info, err := os.Stat(job.State); err == nil && info.Mode().Perm()&0o077 != 0 {
		r.Warn("the state directory holds PHI, but others may enter it (mode %o); chmod 700 it", info.Mode().Perm())
	}
	if writeProbe {
		probeDirectory(r, "state", job.State)
	}
}

// checkSource opens the source and samples it. It returns nil if that failed.
func checkSource(ctx context.Context, w *wiring, r *survey.Result) jobSource {
	job := w.job
	if job.Source.Location().IsZero() && !job.Source.Table.IsZero() {
		checkTable(ctx, w, r)
		return nil
	}
	checkSourceBucket(ctx, w, r)
	source, err := w.openSource(ctx)
	if err != nil {
		r.Fail(err)
		return nil
	}
	objects := source.Objects()
	r.Source, r.ExportTime, r.Objects = source.Folder(), source.ExportTime(), len(objects)
	r.Records, r.Compressed = survey.Totals(objects)
	if left := unnamed(ctx, source); left != "" {
		r.Warn("%s", left)
	}
	if !r.JudgeArchive(w.heads) {
		return source
	}
	sample, err := survey.Take(ctx, objects, sampleOptions(job), source.Peek)
	if err != nil {
		r.Fail(err)
		return source
	}
	r.Sample = sample
	checkContents(ctx, w, r)
	if r.Plain = !job.Source.Folders.IsZero(); r.Plain {
		r.Records = sample.Extrapolate(r.Compressed)
	}
	estimate := survey.Project(sample, r.Contents, objects, source.Spools(), job)
	r.Estimate = &estimate
	if source.Spools() && sample.Records > 0 {
		r.Probes = append(r.Probes, "the largest objects can be read, and decrypted where they are encrypted")
	}
	if types := estimate.MostTypes; types >= job.Layout.MaxFolderFiles {
		r.Warn("layout.max_folder_files is %d, but a folder gets a file of each of %d types: there will be very many folders", job.Layout.MaxFolderFiles, types)
	}
	return source
}

// checkSourceBucket looks at the bucket before anything is read: what it says
// may explain why that fails.
func checkSourceBucket(ctx context.Context, w *wiring, r *survey.Result) {
	if !w.job.Source.Location().IsS3() {
		return
	}
	store, err := w.openSourceStore(ctx)
	if err != nil {
		return // openSource says so
	}
	defer store.Close()
	r.LookAtSource(ctx, survey.Bucket{Store: store, Name: "source", Owner: w.job.Source.Owner})
}

// checkSink opens the sink. It returns nil if that failed.
func checkSink(ctx context.Context, w *wiring, r *survey.Result, writeProbe bool) *openedSinks {
	sink, err := w.openSink(ctx, ctx)
	if err != nil {
		r.Fail(err)
		return nil
	}
	switch at := w.job.Output(); {
	case at.IsS3():
		to, problems := w.job.Sink, len(r.Problems)
		b := survey.Bucket{Store: sink.bucket, Name: "sink", Owner: to.Owner, KMSKey: to.KMSKey}
		r.LookAtSink(ctx, b)
		if writeProbe && len(r.Problems) == problems {
			r.ProbeSink(ctx, b, to.S3.ConditionalWrites)
		}
	default:
		r.SinkFree = statedir.Free(at.Dir)
		if err := statedir.Writable(at.Dir); err != nil {
			r.Fail(err)
		} else if writeProbe {
			probeDirectory(r, "sink", at.Dir)
		}
	}
	return sink
}

// checkFit refuses limits that cannot hold the job.
func checkFit(job *jobfile.Job, r *survey.Result, source jobSource, sink *openedSinks) {
	if _, err := records.New(recordOptions(job), source, sink.of, nil, slog.New(slog.DiscardHandler)); err != nil {
		r.Fail(err)
	}
	room := job.Limits.Spool - contentSpool(job)
	if need := spoolNeeded(job, source); need > room {
		r.Fail(&pipeline.Error{
			Op: "divide limits.spool", Kind: pipeline.KindConfig,
			Err:  fmt.Errorf("the objects of %d lanes take %s together", job.Layout.Lanes, human.Bytes(need)),
			Hint: fmt.Sprintf("set limits.spool to at least %dMiB, or layout.lanes lower", need*(job.Limits.Spool/room)>>20+1),
		})
	}
	if container := containerMemory(); container < job.Limits.Memory {
		r.Warn("the container has %s of memory, less than limits.memory (%s)", human.Bytes(container), human.Bytes(job.Limits.Memory))
	}
}

// spoolNeeded is what the objects that lanes hold take in state.
func spoolNeeded(job *jobfile.Job, source jobSource) (need int64) {
	if !source.Spools() {
		return 0
	}
	objects := source.Objects()
	for i := range objects[:min(len(objects), job.Layout.Lanes)] {
		need += objects[i].Size
	}
	return need
}

// checkOwner asks whether sink and state belong to this job, as far as they
// belong to one at all.
func checkOwner(ctx context.Context, job *jobfile.Job, r *survey.Result, source jobSource, sink *openedSinks) {
	if _, err := os.Stat(filepath.Join(job.State, checkpointFile)); err == nil {
		checkCheckpoint(job, r, source)
		return
	}
	_, err := readClaim(ctx, &sink.openedSink)
	refused, answered := errors.AsType[*objectstore.Scrubbed](err)
	switch {
	case err == nil:
		r.Fail(&pipeline.Error{
			Op: "claim", Object: job.Output().String(), Kind: pipeline.KindClaimed,
			Err:  errors.New("it belongs to a run that this state directory does not know"),
			Hint: "name the state directory of that run, or give this job another name or sink",
		})
	case isAbsent(err):
	case answered && refused.Status == http.StatusForbidden:
		r.Warn("whether another run has claimed the sink cannot be seen: %v; without s3:ListBucket S3 answers so for an object that is not there", err)
	default:
		r.Fail(err)
	}
}

// readClaim returns the claim of the sink. A GET tells an absent bucket from an
// absent object.
func readClaim(ctx context.Context, sink *openedSink) ([]byte, error) {
	if sink.bucket != nil {
		return sink.bucket.Get(ctx, sink.bucket.Location().Key(removal.ClaimName), 1<<20)
	}
	reader, err := sink.Reader(ctx, removal.ClaimName)
	if err != nil {
		return nil, err
	}
	claim, err := io.ReadAll(io.NewSectionReader(reader, 0, reader.Size()))
	return claim, errors.Join(err, reader.Close())
}

func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, objectstore.ErrNotFound)
}

func checkCheckpoint(job *jobfile.Job, r *survey.Result, source jobSource) {
	if _, held := statedir.Holder(job.State); held {
		return
	}
	if err := openCheckpoint(job, source); err != nil {
		r.Fail(err)
		return
	}
	r.Probes = append(r.Probes, "the checkpoint belongs to this job: fhirhose move goes on from there")
}

// openCheckpoint opens the checkpoint that is there, and closes it.
func openCheckpoint(job *jobfile.Job, source jobSource) error {
	options := recordOptions(job)
	store, err := checkpoint.Open(filepath.Join(job.State, checkpointFile), checkpoint.NewIdentity(options.Shape(), source.Objects()))
	if err != nil {
		return err
	}
	return store.Close()
}

// probeDirectory writes and deletes one file in dir, or in its nearest parent
// that exists.
func probeDirectory(r *survey.Result, name, dir string) {
	if err := statedir.Probe(dir); err != nil {
		r.Fail(err)
		return
	}
	r.Probes = append(r.Probes, "one file was written to the "+name+" and deleted")
}
