package replaying

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path"
	"slices"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// Target is a FHIR store that takes single resources. Errors are as those of
// deleting.Target.
type Target interface {
	// Look is that of deleting.Target.
	Look(ctx context.Context, resources []deleting.Resource, f func(i int, found deleting.Found)) error
	// Put sends resources, and returns the status of each in their order, and when
	// that was by the target's clock, zero being unknown. It may have been carried
	// out, in part too, where it returns an error.
	Put(ctx context.Context, puts []Put) (statuses []int, at time.Time, err error)
}

// Put is to write one resource.
type Put struct {
	deleting.Resource
	Version string // the target's, which must be the current one, else the status is 412; "" is any
	Body    []byte // JSON
}

// Options of a Replayer.
type Options struct {
	Tenant, State string
	Target        string // what tells this store from others, as in importing.Options: it must be the one that has refused
	// Resource reads from Failure.Raw which resource was refused; "" is unknown.
	Resource func(raw []byte) (resourceType, id string)
	// Open opens a file below the tenant's folder, to be read once.
	Open func(ctx context.Context, name string) (io.ReadCloser, error)

	Batch  int          // resources in one call of the target
	Memory int          // bytes for reading the ledger
	Marks  verify.Marks // what the target adds to contents of its own accord
	Log    *slog.Logger

	Patience time.Duration // how long a resource is tried for which the target has no time; 0 is 15 minutes
	Pause    time.Duration // the first one between two tries; 0 is a second
	AtOnce   int           // failures held in memory; 0 is 65,536
}

// Counts say what became of the failures of a run.
type Counts struct {
	Taken     int64 `json:"taken"`       // by the target now; or before, by a call whose answer was lost
	Refused   int64 `json:"refused"`     // again
	Overtaken int64 `json:"overtaken"`   // a later version is in: never sent (I11)
	Changed   int64 `json:"changed"`     // what the target holds is not an older version of ours: not sent
	Unchecked int64 `json:"not_checked"` // what it holds cannot be compared: not sent
	Deleted   int64 `json:"deleted"`     // in the source, or perhaps: not sent
	Unplaced  int64 `json:"not_placed"`  // it is not known which line was refused: not sent
	Large     int64 `json:"too_large"`   // over 16 MiB: not sent
}

// Left is how many failures stay.
func (c *Counts) Left() int64 {
	return c.Refused + c.Overtaken + c.Changed + c.Unchecked + c.Deleted + c.Unplaced + c.Large
}

// Replayer sends again what one target has refused of one tenant.
type Replayer struct {
	target Target
	store  importing.Checkpoint
	book   *ledger.Ledger
	o      Options

	known    map[string]*importing.Record
	folders  []string // with failures
	journal  *journal
	digester *verify.Digester
	counts   Counts
}

// New returns a replayer. It does nothing before Run.
func New(target Target, store importing.Checkpoint, book *ledger.Ledger, o Options) *Replayer {
	if o.Patience == 0 {
		o.Patience = 15 * time.Minute
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	if o.AtOnce == 0 {
		o.AtOnce = 1 << 16
	}
	r := &Replayer{target: target, store: store, book: book, o: o}
	r.digester = verify.NewDigester(&r.o.Marks)
	return r
}

// Run sends again what may be sent. That something stays refused is no error.
// Errors are KindConfig if an import is under way, or failed, or went to another target; those of the target,
// the sink and the disk: the next Run goes on; the context's.
func (r *Replayer) Run(ctx context.Context) (Counts, error) {
	if err := r.imported(); err != nil {
		return r.counts, err
	}
	var err error
	if r.journal, err = openJournal(r.o.State, r.o.Tenant); err != nil {
		return r.counts, err
	}
	// What a killed run has sent is settled first: then the failures are as they are.
	if err := r.settle(ctx); err != nil {
		return r.counts, err
	}
	failures := int64(0)
	for _, name := range r.folders {
		failures += r.known[name].Failed
	}
	parts := uint32(failures/int64(r.o.AtOnce) + 1)
	for part := range parts {
		todo, err := r.plan(ctx, part, parts)
		if err != nil {
			return r.counts, err
		}
		if err := r.send(ctx, todo); err != nil {
			return r.counts, err
		}
	}
	if err := r.settle(ctx); err != nil {
		return r.counts, err
	}
	c := &r.counts
	r.o.Log.Info("refused resources sent again", "tenant", r.o.Tenant, "taken", c.Taken, "left", c.Left())
	return r.counts, nil
}

// imported checks that no import is under way: what it brings in nobody knows yet.
func (r *Replayer) imported() (err error) {
	if r.known, err = importing.Records(r.store, r.o.Tenant); err != nil {
		return err
	}
	if err := importing.RefuseOther(r.known, r.o.Tenant, r.o.Target); err != nil {
		return err
	}
	r.folders = r.folders[:0]
	for name, record := range r.known {
		if !record.Done {
			return &pipeline.Error{
				Op: "replay", Object: path.Join(r.o.Tenant, name), Kind: pipeline.KindConfig,
				Err: errors.New("its import is begun, and not done"), Hint: "fhirhose import",
			}
		}
		if record.Failed > 0 {
			r.folders = append(r.folders, name)
		}
	}
	slices.Sort(r.folders)
	return nil
}

// settle takes what the target has taken out of the failures.
func (r *Replayer) settle(ctx context.Context) error {
	for _, folder := range r.folders {
		err := importing.Taken(ctx, r.store, r.o.State, r.o.Tenant, folder, r.journal.has, r.journal.last)
		if err != nil {
			return err
		}
	}
	return r.imported()
}
