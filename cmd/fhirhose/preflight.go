package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/survey"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// preflight proves what can be proved before a folder is sent. Both `check` and
// `import` ask for it, and the second goes no further where it finds a problem.
type preflight struct {
	job          *jobfile.Job
	to           []*destination // open
	sent         func(*destination) (map[string]*importing.Record, error)
	sink         *objectstore.Store
	results      *objectstore.Store
	exported     *objectstore.Store // of verify.export_to; nil where that is not set
	types        map[string]int64   // of a sample, before anything is moved
	mentions     *metrics.Mentions  // in what was moved; nil where nobody has counted
	intoNonempty bool
}

// look adds to r what it finds. An error is one that another try may mend.
func (p *preflight) look(ctx context.Context, r *survey.Result) error {
	var left []survey.TargetFolder
	var targets []survey.Target
	for _, d := range p.to {
		known, err := p.sent(d)
		if err != nil {
			return err
		}
		t := d.target(known)
		if len(t.Types) == 0 {
			t.Types = p.types
		}
		if t.Begun && len(t.Folders) == 0 {
			continue // nothing is left to send
		}
		r.JudgeFolders(t, p.job.Target.HealthLake.Quotas)
		r.JudgeResources(t, p.job.Target.HealthLake)
		if err := r.LookAtFolders(ctx, p.sink.Beside(d.sink.Prefix), t); err != nil {
			return err
		}
		targets, left = append(targets, t), append(left, t.Folders...)
	}
	if len(targets) == 0 {
		return nil
	}
	if p.mentions != nil {
		r.JudgeMentions(*p.mentions, "")
	}
	buckets := []survey.Bucket{{Store: p.sink, Name: "sink"}, {Store: p.results, Name: "results"}}
	if p.exported != nil && p.exported.Location().Bucket != p.results.Location().Bucket {
		buckets = append(buckets, survey.Bucket{Store: p.exported, Name: "verification"})
	}
	for _, b := range buckets[1:] {
		r.LookAtResults(ctx, b)
	}
	keys := []survey.Key{{Setting: "target.healthlake.kms_key", Key: p.job.Target.HealthLake.KMSKey}, {Setting: "sink.kms_key", Key: p.job.Sink.KMSKey}}
	r.JudgeRegions(ctx, targets[0].Store.Region(), keys, buckets...)
	for _, t := range targets {
		if err := r.LookAtTarget(ctx, t, p.job, p.intoNonempty); err != nil {
			return err
		}
	}
	credentials, err := targets[0].Store.Credentials(ctx)
	if err != nil {
		return err
	}
	r.JudgeCredentials(credentials, survey.ImportHours(left))
	return ctx.Err()
}

// target is what a destination is to hold; known are the folders that were sent.
func (d *destination) target(known map[string]*importing.Record) survey.Target {
	t := survey.Target{Tenant: d.tenant, Store: d.store, About: d.about, Types: map[string]int64{}, Begun: len(known) > 0}
	files := map[string]map[string]survey.TargetFile{}
	for i := range d.files {
		f := &d.files[i]
		t.Types[f.Type] += int64(f.Lines)
		if files[f.Dir()] == nil {
			files[f.Dir()] = map[string]survey.TargetFile{}
		}
		files[f.Dir()][f.Name] = survey.TargetFile{Type: f.Type, Bytes: f.Size, Longest: f.Longest}
	}
	for _, f := range d.folders {
		if known[f.Name] == nil {
			t.Folders = append(t.Folders, survey.TargetFolder{Name: f.Name, Files: files[f.Name]})
		}
	}
	return t
}

// preflight refuses to go on where something stands in the way.
func (i *importRun) preflight(ctx context.Context, sink, exported *objectstore.Store) error {
	r := &survey.Result{Job: i.job.Name}
	p := preflight{
		job: i.job, to: i.to, sink: sink, results: i.results, exported: exported, intoNonempty: i.intoNonempty,
		sent: func(d *destination) (map[string]*importing.Record, error) {
			return importing.Records(i.store, d.tenant)
		},
	}
	mentions := i.seen.moved.Mentions()
	p.mentions = &mentions
	if err := p.look(ctx, r); err != nil {
		return err
	}
	for _, proof := range r.Probes {
		i.log.Info("preflight", "proved", proof)
	}
	for _, unseen := range r.Unseen {
		i.log.Warn("preflight", "unseen", unseen)
	}
	for _, warning := range r.Warnings {
		i.log.Warn("preflight", "warning", warning)
	}
	if len(r.Problems) > 0 {
		return problems(r.Errors())
	}
	if r.Held > 0 {
		return i.override("into-nonempty", r.Held)
	}
	return nil
}

// overridesBucket of the checkpoint tells what the operator went over, for an audit.
const overridesBucket = "import-overrides"

// override notes that the operator went over a refusal, and of how many resources
// it was.
func (i *importRun) override(flag string, resources int64) error {
	value, err := json.Marshal(map[string]int64{"resources": resources})
	if err != nil {
		return err
	}
	return i.store.Commit([]output.Change{{Bucket: overridesBucket, Key: flag, Value: value}})
}

// heldBefore returns of how many resources --into-nonempty was.
func heldBefore(store *checkpoint.Store) (resources int64, err error) {
	err = store.Each(overridesBucket, func(_ string, value []byte) error {
		var of struct{ Resources int64 }
		err := json.Unmarshal(value, &of)
		resources += of.Resources
		return err
	})
	if err != nil {
		return 0, output.Damaged(err)
	}
	return resources, nil
}

// checkTarget looks at the target of a job that names one: at the folders of a
// finished move, or at what the layout allows.
func checkTarget(ctx context.Context, w *wiring, r *survey.Result, sink *openedSinks) {
	job := w.job
	if !job.Target.HealthLake.Named() {
		return
	}
	if err := job.Importable(); err != nil {
		r.Fail(err)
		return
	}
	p, moved, err := lookAtMove(job)
	if err != nil {
		r.Fail(err)
		return
	}
	if !moved {
		r.JudgeLayout(job.Layout, job.Target.HealthLake.Quotas)
		r.JudgeContents(job.Target.HealthLake.Quotas)
		if r.Sample != nil {
			p.types = maps.Clone(r.Sample.Types)
			delete(p.types, metrics.Unreadable) // rows without a type go nowhere
			r.JudgeMentions(r.Sample.Mentions(), " (in the sample)")
		}
	}
	problems := len(r.Problems)
	for _, d := range p.to {
		o := d.options(job) // a check says soon what an import would wait for
		o.Patience, o.CredentialPatience = 10*time.Second, time.Second
		if err := d.openAs(ctx, o); err != nil {
			r.Fail(err)
		}
	}
	if p.results, err = w.openResults(ctx); err != nil {
		r.Fail(err)
		return
	}
	defer p.results.Close()
	if !job.Verify.ExportTo.IsZero() {
		if p.exported, err = w.openExported(ctx); err != nil {
			r.Fail(err)
			return
		}
		defer p.exported.Close()
	}
	p.sink = sink.bucket
	if len(r.Problems) > problems {
		return
	}
	if err := p.look(ctx, r); err != nil {
		r.Fail(err)
	}
}

// lookAtMove finds what a finished move has left for each data store, and what was
// sent of it. Before that, or while another process works, there are the data
// stores alone.
func lookAtMove(job *jobfile.Job) (p *preflight, moved bool, err error) {
	sent := map[string]map[string]*importing.Record{}
	p = &preflight{job: job, sent: func(d *destination) (map[string]*importing.Record, error) { return sent[d.tenant], nil }}
	at := filepath.Join(job.State, checkpointFile)
	if _, absent := os.Stat(at); absent != nil {
		p.to, err = plannedDestinations(job)
		return p, false, err
	}
	store, err := checkpoint.Reopen(at)
	if err == nil {
		defer func() { err = errors.Join(err, store.Close()) }()
		var finished *records.Finished
		if finished, err = records.Result(store); err == nil {
			mentions := finished.Status.Mentions()
			p.mentions = &mentions
			p.to, err = destinationsOf(job, finished)
			for _, d := range p.to {
				if sent[d.tenant], err = importing.Records(store, d.tenant); err != nil {
					return p, true, err
				}
			}
			return p, true, err
		}
	}
	if kind := pipeline.KindOf(err); kind != pipeline.KindConfig && kind != pipeline.KindClaimed {
		return p, false, err
	}
	p.to, err = plannedDestinations(job)
	return p, false, err
}
