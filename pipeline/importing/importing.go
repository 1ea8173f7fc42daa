package importing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Options of an Importer.
type Options struct {
	Job    string // name of the job
	Tenant string // "" in a job without tenants
	RunID  string // of the move that wrote the folders
	Target string // what tells this store from others, e.g. its ARN
	State  string // directory for failures

	// GoOnAfterFailures sends the next folder after one of which the target has
	// refused resources.
	GoOnAfterFailures bool
	// Again names folders of the tenant whose job failed or was cancelled and is to be started
	// anew.
	Again []string
	// Queued is how many folders of one version may be in the target's hands at a
	// time; 0 is one.
	Queued int

	Log *slog.Logger
	// Waiting is told what the importer waits for; "" is nothing. It may be nil.
	Waiting func(what string)

	// Seen is told every answer about the job of a folder. It may be nil.
	Seen func(folder string, job Job)

	// Done is called after each folder that is done. It may be nil.
	Done func() error

	// Pause is the first one between two questions to the target, for tests; 5 s.
	Pause time.Duration
}

// Checkpoint stores what was begun and what came of it. checkpoint.Store fulfils it.
type Checkpoint interface {
	output.Entries
	Commit(changes []output.Change) error
}

// Importer imports the folders of one job into one target.
type Importer struct {
	target Target
	store  Checkpoint
	o      Options
	known  map[string]*Record // by folder
}

// New returns an importer. It does nothing before Run.
func New(target Target, store Checkpoint, o Options) *Importer {
	if o.Waiting == nil {
		o.Waiting = func(string) {}
	}
	if o.Done == nil {
		o.Done = func() error { return nil }
	}
	if o.Seen == nil {
		o.Seen = func(string, Job) {}
	}
	if o.Pause == 0 {
		o.Pause = 5 * time.Second
	}
	return &Importer{target: target, store: store, o: o}
}

// bucket is where the checkpoint keeps the records of a tenant, by folder.
func bucket(tenant string) string { return strings.TrimSuffix("import/"+tenant, "/") }

// Record is what the checkpoint knows of one folder.
type Record struct {
	Attempt  int    `json:"attempt"` // from 1
	Name     string `json:"name"`    // of the target's job
	Target   string `json:"target"`  // as in Options
	Token    string `json:"token"`
	Job      string `json:"job,omitempty"`    // its id, once the target has told it
	Status   string `json:"status,omitempty"` // the target's last word, of a closed list
	Over     bool   `json:"over,omitempty"`   // the target's job has ended
	Done     bool   `json:"done,omitempty"`   // and every line of the folder is accounted for
	Scanned  int64  `json:"scanned,omitempty"`
	Imported int64  `json:"imported,omitempty"`
	Failed   int64  `json:"failed,omitempty"`
	Taken    int64  `json:"taken,omitempty"` // of Imported: refused by the import, and taken later

	Earlier []string `json:"earlier,omitempty"` // jobs of the attempts before: they may have left results

	Ended time.Time `json:"ended,omitzero"` // of the target's job, by the target's clock; zero where it names no end
}

// ErrDiffers is that what the target says it has taken is not what was written.
var ErrDiffers = errors.New("the target's count differs from what was written")

// ErrRefused is that the target has refused resources of a folder that is done.
var ErrRefused = errors.New("the target has refused resources")

// Run imports the folders that are not done, in order. It returns
//   - nil when all are done and no resource was refused;
//   - ErrRefused if some were: at once, or at the end with GoOnAfterFailures;
//   - ErrDiffers if a folder's numbers do not add up. No later one is sent;
//   - a pipeline.Error of KindFatal if the target gave up on a folder. No later
//     one is sent until it was named in Again;
//   - the context's error: the target's job goes on, and the next Run takes it up.
func (i *Importer) Run(ctx context.Context, folders []Folder) error {
	folders = slices.Clone(folders)
	InOrder(folders)
	if err := i.load(folders); err != nil {
		return err
	}
	refused := false
	for n, folder := range folders {
		record := i.known[folder.Name]
		if record == nil || !record.Done {
			var err error
			if record, err = i.folder(ctx, folder, folders[n:]); err != nil {
				return err
			}
		}
		refused = refused || record.Failed > 0
		if refused && !i.o.GoOnAfterFailures {
			return i.refusal(folder.Name, record)
		}
	}
	if refused {
		return ErrRefused
	}
	return nil
}

// of is how an operator names a folder.
func (i *Importer) of(folder string) string { return path.Join(i.o.Tenant, folder) }

func (i *Importer) refusal(folder string, r *Record) error {
	return &pipeline.Error{
		Op: "import", Object: i.of(folder), Kind: pipeline.KindOther,
		Err:  fmt.Errorf("%w: %d of %d", ErrRefused, r.Failed, r.Scanned),
		Hint: "they are in " + Failures(i.o.State, i.o.Tenant, folder) + "; on_import_error: continue sends the later folders all the same",
	}
}

// Records returns what a checkpoint knows of a tenant's folders, by name: of those
// whose import was begun.
func Records(store output.Entries, tenant string) (map[string]*Record, error) {
	known := make(map[string]*Record)
	err := store.Each(bucket(tenant), func(key string, value []byte) error {
		r := new(Record)
		known[key] = r
		return json.Unmarshal(value, r)
	})
	if err != nil {
		return nil, output.Damaged(err)
	}
	return known, nil
}

// Begun tells whether a folder of any tenant may have been sent.
func Begun(store output.Entries) (bool, error) {
	tenants, err := output.Tenants(store)
	if err != nil {
		return false, err
	}
	for _, tenant := range append(tenants, "") {
		if known, err := Records(store, tenant); err != nil || len(known) > 0 {
			return true, err
		}
	}
	return false, nil
}

// Ended returns when the last import of a tenant's folders ended, by the target's
// clock. It is zero if none has, or if the target named no end of one: then nobody
// knows.
func Ended(store output.Entries, tenant string) (last time.Time, err error) {
	known, err := Records(store, tenant)
	for _, r := range known {
		switch {
		case !r.Over:
		case r.Ended.IsZero():
			return time.Time{}, nil
		case r.Ended.After(last):
			last = r.Ended
		}
	}
	return last, err
}

// load reads the records. One of a folder that is not there any more means that
// these are not the folders that were being imported.
func (i *Importer) load(folders []Folder) error {
	var err error
	if i.known, err = Records(i.store, i.o.Tenant); err != nil {
		return err
	}
	if err := RefuseOther(i.known, i.o.Tenant, i.o.Target); err != nil {
		return err
	}
	for name := range i.known {
		if !slices.ContainsFunc(folders, func(f Folder) bool { return f.Name == name }) {
			return &pipeline.Error{
				Op: "import", Object: i.of(name), Kind: pipeline.KindFatal,
				Err:  errors.New("its import was begun, and the job has no such folder"),
				Hint: "put back the job's output as it was",
			}
		}
	}
	return nil
}

// RefuseOther refuses a target that is not the one which the folders of a tenant were
// sent to: what is sent there would be counted here.
func RefuseOther(known map[string]*Record, tenant, target string) error {
	for name, r := range known {
		if r.Target != target {
			return &pipeline.Error{
				Op: "import", Object: path.Join(tenant, name), Kind: pipeline.KindConfig,
				Err:  fmt.Errorf("its import was begun into another store, %s", r.Target),
				Hint: "name that store; into another one, import the folders of a job of another name",
			}
		}
	}
	return nil
}

func (i *Importer) commit(folder string, r *Record) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := i.store.Commit([]output.Change{{Bucket: bucket(i.o.Tenant), Key: folder, Value: value}}); err != nil {
		return err
	}
	i.known[folder] = r
	return nil
}

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
