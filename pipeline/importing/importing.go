package importing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
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
	// Accepted says that somebody goes on without what the target has refused before
	// this run. What it refuses now is another matter.
	Accepted bool
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

// ErrDiffers is that what the target says it has taken is not what was written.
var ErrDiffers = errors.New("the target's count differs from what was written")

// ErrRefused is that the target has refused resources of a folder that is done.
var ErrRefused = errors.New("the target has refused resources")

// Run imports the folders that are not done, in order. It returns
//   - nil when all are done and no resource was refused, or those that were are
//     Accepted;
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
		before := record != nil && record.Done
		if !before {
			var err error
			if record, err = i.folder(ctx, folder, folders[n:]); err != nil {
				return err
			}
		}
		if record.Failed == 0 || before && i.o.Accepted {
			continue
		}
		refused = true
		if !i.o.GoOnAfterFailures {
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
