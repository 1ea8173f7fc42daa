package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/cleaning"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/exporting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/sources/dynamoexport/tableexport"
)

// newPlan says what there is to remove, as the checkpoint knows it. refused says why
// it may not be removed yet: with quarantine, not that some of it went nowhere.
func (k *cleaner) newPlan(quarantine bool) (plan *cleaning.Plan, refused, err error) {
	done, err := openFinished(k.job)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, done.close()) }()
	store, moved := done.store, done.moved
	plan = &cleaning.Plan{Version: 1, Job: k.job.Name, Claim: store.Claim()}
	if plan.Tenants, err = output.Tenants(store); err != nil {
		return nil, nil, err
	}
	plan.Unmoved = moved.Status.Quarantined()
	left, err := done.leftOver(k.job)
	if err != nil {
		return nil, nil, err
	}
	plan.Accepted = left.accepted()
	for _, d := range done.to {
		known, err := importing.Records(store, d.tenant)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range known {
			plan.Refused += r.Failed
		}
		addResults(plan, k.job.Target.HealthLake.Output.String(), d.tenant, known)
		proofs, err := verification.Load(k.job.State, d.tenant)
		if err != nil {
			return nil, nil, err
		}
		exported, err := exporting.Last(store, d.tenant)
		if err != nil {
			return nil, nil, err
		}
		addExports(plan, k.job.Verify.ExportTo.String(), d.tenant, exported, proofs)
		if refused != nil {
			continue
		}
		if refused, err = prove(plan, store, moved, d, known, proofs, left); err != nil {
			return nil, nil, err
		}
	}
	if only := plan.OnlyCopies(); only != "" && refused == nil && !quarantine {
		refused = &pipeline.Error{
			Op: "clean", Object: plan.Job, Err: errors.New(only + ": these copies may be all there is of them"),
			Hint: "see which with `fhirhose quarantine list`; once they are not needed: fhirhose clean --quarantine",
		}
	}
	plan.Sources, err = ownExports(k.job.State)
	return plan, refused, err
}

// addResults adds the folders of the imports' output. HealthLake names each by the
// data store and the job.
func addResults(plan *cleaning.Plan, output, tenant string, known map[string]*importing.Record) {
	for _, r := range known {
		for _, job := range append(slices.Clone(r.Earlier), r.Job) {
			if job != "" {
				plan.Results = append(plan.Results, cleaning.At{Tenant: tenant, Where: folderOfJob(output, r.Target, "IMPORT", job)})
			}
		}
	}
	slices.SortFunc(plan.Results, func(a, b cleaning.At) int { return strings.Compare(a.Where, b.Where) })
}

// folderOfJob is where a job of HealthLake has put what it wrote.
func folderOfJob(output, store, kind, job string) string {
	return fmt.Sprintf("%s/%s-FHIR_%s-%s", strings.TrimSuffix(output, "/"), path.Base(store), kind, job)
}

// addExports adds the folders of what was exported for verifications, the earlier
// ones too. One that does not bear the job's id may be another's.
func addExports(plan *cleaning.Plan, output, tenant string, last *exporting.Record, results []*verification.Result) {
	if last != nil {
		told := func(job string) bool {
			return slices.ContainsFunc(results, func(r *verification.Result) bool { return r.Job == job })
		}
		for _, job := range append(slices.Clone(last.Earlier), last.Job) {
			if job == "" || told(job) {
				continue
			}
			plan.Exports = append(plan.Exports, cleaning.At{Tenant: tenant, Where: folderOfJob(output, last.Target, "EXPORT", job)})
		}
	}
	for _, r := range results {
		where := strings.TrimSuffix(r.Output, "/")
		if r.Job != "" && strings.Contains(path.Base(where), r.Job) {
			plan.Exports = append(plan.Exports, cleaning.At{Tenant: r.Tenant, Where: where})
		}
	}
}

// ownExports are the DynamoDB exports that this job has started: the one that was
// moved, and others that failed or were made anew.
func ownExports(state string) (own []cleaning.At, err error) {
	r, err := tableexport.ReadRecord(state)
	if err != nil || r == nil {
		return nil, err
	}
	for _, where := range r.Left() {
		if exportFolder.MatchString(where) {
			own = append(own, cleaning.At{Where: where})
		}
	}
	return own, nil
}

// exportFolder is the form of the folders that DynamoDB makes.
var exportFolder = regexp.MustCompile(`^(s3://[^/]+(?:/.+)?)/AWSDynamoDB/[0-9]{14}-[0-9a-f]{8}$`)

// prove finds the verification after which the copies of a tenant are not needed any
// more. refused says that there is none.
func prove(plan *cleaning.Plan, store *checkpoint.Store, moved *records.Finished, d *destination,
	known map[string]*importing.Record, results []*verification.Result, left *leftOver,
) (refused, err error) {
	refuse := func(hint, format string, args ...any) (error, error) {
		return &pipeline.Error{Op: "clean", Object: path.Join(plan.Job, d.tenant), Err: fmt.Errorf(format, args...), Hint: hint}, nil
	}
	target := ""
	for _, f := range d.folders {
		r := known[f.Name]
		if r == nil || !r.Done {
			return refuse("fhirhose import", "folder %s is not imported", f.Name)
		}
		target = r.Target
	}
	changed, err := importing.Ended(store, d.tenant)
	if err != nil {
		return nil, err
	}
	if changed.IsZero() && len(d.folders) > 0 {
		return refuse("remove its copies by hand", "HealthLake has not told when the imports ended, so nothing tells that a verification came after them")
	}
	deleted, err := deleting.Ended(store, d.tenant)
	if err != nil {
		return nil, err
	}
	if deleted.After(changed) {
		changed = deleted
	}
	changes, err := changesOf(store, d.tenant)
	if err != nil {
		return nil, err
	}
	hint := "fhirhose verify --mode export"
	words := "no verification of all its resources has passed"
	var proof *verification.Result
	for _, r := range results {
		void := ""
		switch {
		case r.Mode == verification.Source:
			continue // it says nothing of the data store
		case r.LedgerRoot != moved.LedgerRoot(d.tenant) || target != "" && r.Target != target:
			void = "its verification is of another store, or of other data"
		case r.Changed.Before(changed), r.Changes != changes:
			void = "after its verification something was imported or deleted"
		case r.Ended.IsZero():
			void = "its verification has not come to its end"
		case !left.passed(r): // of whichever mode: another one may have looked before that, or less closely
			return refuse("fhirhose report", "its verification has found %d resources that need attention", r.NotOK()-left.acceptedOf(r))
		}
		switch whole := r.Mode == verification.Export || r.Mode == verification.Full; {
		case whole && void != "":
			words = void
		case whole && proof == nil:
			proof = r
		}
	}
	if proof == nil {
		return refuse(hint, "%s", words)
	}
	plan.Proofs = append(plan.Proofs, cleaning.Proof{
		Tenant: d.tenant, Mode: proof.Mode, Target: proof.Target, Ended: proof.Ended, Checked: proof.Checked, LedgerRoot: proof.LedgerRoot,
	})
	return nil, nil
}

// open opens all places of the plan. What HealthLake wrote goes first, the sink
// then, state last.
func (k *cleaner) open(ctx context.Context) (closeAll func(), err error) {
	var closers []func()
	closing := func() {
		for _, c := range closers {
			c()
		}
	}
	defer func() {
		if err != nil {
			closing()
		}
	}()
	for _, outside := range []struct {
		key  string
		root jobfile.Location
		at   []cleaning.At
		kind cleaning.KindOf
		open func(context.Context) (*objectstore.Store, error)
	}{
		{"target.healthlake.output", k.job.Target.HealthLake.Output, k.plan.Results, cleaning.InResults, k.openResults},
		{"verify.export_to", k.job.Verify.ExportTo, k.plan.Exports, cleaning.InVerification, k.openVerified},
	} {
		switch {
		case len(outside.at) == 0:
			continue
		case outside.root.IsZero():
			return nil, &pipeline.Error{
				Op: "clean", Object: outside.at[0].Where, Kind: pipeline.KindConfig, Err: fmt.Errorf("copies lie there, and %s is not set", outside.key),
				Hint: "set it as it was when they were written",
			}
		}
		store, err := outside.open(ctx)
		if err != nil {
			return nil, err
		}
		closers = append(closers, store.Close)
		if err := k.addFolders(store, outside.at, outside.kind); err != nil {
			return nil, err
		}
	}
	for root, own := range byRoot(k.plan.Sources) {
		store, err := k.openTable(ctx, root)
		if err != nil {
			return nil, err
		}
		closers = append(closers, store.Close)
		if err := k.addFolders(store, own, cleaning.InExport); err != nil {
			return nil, err
		}
	}
	sinks, err := k.openSink(ctx, ctx)
	if err != nil {
		return nil, err
	}
	closers = append(closers, sinks.close)
	for _, tenant := range append(slices.Clone(k.plan.Tenants), "") {
		if err := k.addSink(ctx, sinks, tenant); err != nil {
			return nil, err
		}
	}
	k.places = append(k.places, &cleaning.StateDir{Dir: k.job.State, Checkpoint: checkpointFile})
	return closing, nil
}

// addFolders adds folders of one bucket, and what lies beside them.
func (k *cleaner) addFolders(store *objectstore.Store, all []cleaning.At, kind cleaning.KindOf) error {
	root := store.Location()
	var below []string
	for _, at := range all {
		location, err := objectstore.Parse(at.Where)
		if err != nil {
			return err
		}
		name, inside := strings.CutPrefix(location.Prefix, strings.TrimPrefix(root.Prefix+"/", "/"))
		if location.Bucket != root.Bucket || !inside || name == "" {
			return &pipeline.Error{
				Op: "clean", Object: at.Where, Kind: pipeline.KindConfig, Err: errors.New("the settings name another place than when it was written"),
				Hint: "name the places as they were then",
			}
		}
		below = append(below, name)
		k.places = append(k.places, &cleaning.Bucket{Store: store.Beside(location.Prefix), Tenant: at.Tenant, Kind: kind, Shown: root.String()})
	}
	nothing := func(string, int64) cleaning.Kind { return "" }
	k.places = append(k.places, &cleaning.Bucket{Store: store, Kind: cleaning.Unless(below, nothing)})
	return nil
}

// openVerified opens the bucket of verify.export_to.
func (k *cleaner) openVerified(ctx context.Context) (*objectstore.Store, error) {
	to := k.job.Sink.S3
	return k.openStore(ctx, k.job.Verify.ExportTo, objectstore.Options{
		Region: k.job.Sink.Region, PathStyle: to.PathStyle, RequestChecksums: to.RequestChecksums,
	})
}

// byRoot yields exports by the place that they were exported to.
func byRoot(exports []cleaning.At) iter.Seq2[string, []cleaning.At] {
	roots := map[string][]cleaning.At{}
	for _, at := range exports {
		root := at.Where // of a plan that was tampered with; it is refused as no folder of its own
		if parts := exportFolder.FindStringSubmatch(at.Where); parts != nil {
			root = parts[1]
		}
		roots[root] = append(roots[root], at)
	}
	return func(yield func(string, []cleaning.At) bool) {
		for _, root := range slices.Sorted(maps.Keys(roots)) {
			if !yield(root, roots[root]) {
				return
			}
		}
	}
}

// openTable opens a place that a table was exported to.
func (k *cleaner) openTable(ctx context.Context, root string) (*objectstore.Store, error) {
	at, err := objectstore.Parse(root)
	if err != nil {
		return nil, err
	}
	from := k.job.Source
	return k.openStore(ctx, jobfile.Location{Bucket: at.Bucket, Prefix: at.Prefix}, objectstore.Options{
		Region: from.Region, PathStyle: from.S3.PathStyle, ExpectedBucketOwner: from.Owner,
	})
}

// addSink adds a folder of the sink. In one without a claim nothing is provably of
// this run; one with another's is refused.
func (k *cleaner) addSink(ctx context.Context, sinks *openedSinks, tenant string) error {
	sink, err := sinks.tenant(tenant)
	if err != nil {
		return err
	}
	at := k.outputOf(tenant)
	kind := cleaning.KindOf(func(string, int64) cleaning.Kind { return "" })
	claim, err := readClaim(ctx, sink)
	switch {
	case isAbsent(err):
	case err != nil:
		return err
	case !bytes.Equal(claim, output.ClaimOf(k.plan.Claim, tenant)):
		return &pipeline.Error{
			Op: "clean", Object: at.String(), Kind: pipeline.KindClaimed, Err: errors.New("it belongs to another run; nothing was removed"),
			Hint: "name the state directory of that run",
		}
	default:
		manifest, sum, err := sizesIn(ctx, sink)
		if err != nil {
			return err
		}
		if k.plan.Found == nil && sum != "" {
			k.plan.Manifests = append(k.plan.Manifests, cleaning.Manifest{Tenant: tenant, Where: at.String(), SHA256: sum})
		}
		kind = cleaning.InSink(manifest)
	}
	if tenant == "" && slices.Contains(k.plan.Tenants, k.job.Name) {
		kind = cleaning.Unless([]string{k.job.Name}, kind) // that tenant's folder lies within
	}
	first, last := []string{announceName}, []string{cleaning.ManifestName, cleaning.ClaimName}
	since := time.Time{}
	if claim != nil {
		info, err := sink.bucket.Head(ctx, sink.bucket.Location().Key(cleaning.ClaimName))
		if err != nil {
			return err
		}
		since = info.Modified
	}
	k.places = append(k.places, &cleaning.Bucket{Store: sink.bucket, Tenant: tenant, Kind: kind, First: first, Last: last, Since: since})
	return nil
}

// sizesIn reads the manifest of a folder: the size of every file, and its own
// SHA-256. One that is gone knows nothing.
func sizesIn(ctx context.Context, sink pipeline.Sink) (sizes map[string]int64, sum string, err error) {
	file, err := openWhole(ctx, sink, records.ManifestName)
	if isAbsent(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	sizes = make(map[string]int64)
	all := sha256.New()
	text := io.TeeReader(file, all)
	err = records.EachInManifest(text, func(f records.ManifestFile) error {
		sizes[f.Name] = f.Bytes
		return nil
	})
	if err == nil {
		_, err = io.Copy(io.Discard, text)
	}
	return sizes, hex.EncodeToString(all.Sum(nil)), err
}
