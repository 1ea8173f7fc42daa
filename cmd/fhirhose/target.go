package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
)

// destination is a data store, and what a finished move has for it: the folders of
// one tenant.
type destination struct {
	tenant    string           // "" in a job that does not move all tenants
	datastore string           // its id
	sink      jobfile.Location // s3://bucket/prefix/[<tenant>/]<job>, where the folders lie
	folders   []importing.Folder
	files     []output.File // in them, by name

	store *healthlake.Store    // once it is open
	about healthlake.Datastore // the same
}

// destinationsOf returns where the folders of a finished move go, by tenant; nobody
// is asked yet. A tenant without folders needs no data store, any other without one
// is KindConfig, as are settings of one tenant for a job of all.
func destinationsOf(job *jobfile.Job, moved *records.Finished) ([]*destination, error) {
	files := map[string][]output.File{}
	for _, f := range moved.Files {
		files[f.Tenant] = append(files[f.Tenant], f)
	}
	if !job.AllTenants() && len(files) == 0 {
		files[""] = nil
	}
	var all []*destination
	for _, tenant := range slices.Sorted(maps.Keys(files)) {
		if tenant != "" && !job.AllTenants() { // all of them would go into one store
			return nil, &pipeline.Error{
				Op: "read setting", Object: "source.tenant", Kind: pipeline.KindConfig,
				Err:  errors.New(`the job was moved with source.tenant "*", and the settings say otherwise`),
				Hint: `set source.tenant: "*", and a data store for each tenant in target.healthlake.datastores`,
			}
		}
		datastore, err := job.Datastore(tenant)
		if err != nil {
			return nil, err
		}
		d := &destination{tenant: tenant, datastore: datastore, sink: job.Output(), files: files[tenant]}
		if tenant != "" {
			d.sink = job.OutputOf(tenant)
		}
		d.folders = foldersOf(d.files)
		all = append(all, d)
	}
	return all, nil
}

// plannedDestinations are the data stores that the settings name, before anything is
// moved.
func plannedDestinations(job *jobfile.Job) (all []*destination, err error) {
	tenants := []string{""}
	if job.AllTenants() {
		tenants = slices.Sorted(maps.Keys(job.Target.HealthLake.Datastores))
	}
	for _, tenant := range tenants {
		d := &destination{tenant: tenant, sink: job.OutputOf(tenant)}
		if d.datastore, err = job.Datastore(tenant); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// foldersOf counts the lines of each folder, and lists them in the order of import.
func foldersOf(files []output.File) (folders []importing.Folder) {
	lines := map[string]int64{}
	for i := range files {
		lines[files[i].Dir()] += int64(files[i].Lines)
	}
	for name, n := range lines {
		folders = append(folders, importing.Folder{Name: name, Lines: n})
	}
	importing.InOrder(folders)
	return folders
}

// open opens the data store, which must be active.
func (d *destination) open(ctx context.Context, job *jobfile.Job) error {
	return d.openAs(ctx, d.options(job))
}

func (d *destination) options(job *jobfile.Job) healthlake.Options {
	to := job.Target.HealthLake
	return healthlake.Options{
		Datastore: d.datastore, Region: to.Region, RoleARN: to.RoleARN, Output: to.Output.String(), KMSKey: to.KMSKey,
		Validation: to.Validation, RequestsPerSecond: float64(to.RequestsPerSecond), Grant: to.Grant,
	}
}

func (d *destination) openAs(ctx context.Context, o healthlake.Options) (err error) {
	if d.store, err = healthlake.Open(ctx, o); err != nil {
		return err
	}
	d.about, err = d.store.Describe(ctx)
	return err
}

// place is the sink as package objectstore names it.
func (d *destination) place() objectstore.Location {
	return objectstore.Location{Bucket: d.sink.Bucket, Prefix: d.sink.Prefix}
}

// openResults opens the bucket where HealthLake says what became of a job.
func (w *wiring) openResults(ctx context.Context) (*objectstore.Store, error) {
	to := w.job.Sink.S3
	return w.openStore(ctx, w.job.Target.HealthLake.Output, objectstore.Options{
		Region: cmp.Or(w.job.Target.HealthLake.Region, w.job.Sink.Region), PathStyle: to.PathStyle, RequestChecksums: to.RequestChecksums,
	})
}

// openExported opens the bucket of verify.export_to.
func (w *wiring) openExported(ctx context.Context) (*objectstore.Store, error) {
	to := w.job.Sink.S3
	return w.openStore(ctx, w.job.Verify.ExportTo, objectstore.Options{
		Region: w.job.Sink.Region, PathStyle: to.PathStyle, RequestChecksums: to.RequestChecksums,
	})
}
