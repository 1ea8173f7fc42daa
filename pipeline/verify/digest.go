package verify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// completeName is the file that says that a whole export is digested.
const completeName = "complete.json"

// complete is its content.
type complete struct {
	Marks   string `json:"marks"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
}

// Digest reads an export into the work directory. It goes on where an earlier
// call was stopped, and does nothing if one has finished. All goroutines have
// ended when it returns. An object that is not what its listing says, or not what
// it was when it was read before, is a KindFatal error.
func Digest(ctx context.Context, export Export, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	switch _, err := readComplete(&o); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := durable.MkdirAll(o.Dir); err != nil {
		return durable.Failure("create", "work directory of the verification", err)
	}
	d := &digester{export: export, options: &o, turn: make(chan struct{}, 1)}
	if err := d.resume(); err != nil {
		return durable.Failure("open", "work directory of the verification", err)
	}
	return d.run(ctx)
}

func readComplete(o *Options) (c complete, err error) {
	text, err := os.ReadFile(filepath.Join(o.Dir, completeName))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, damagedRun(completeName, "no JSON")
	}
	if c.Marks != o.Marks.fingerprint() {
		return c, otherMarks(completeName)
	}
	return c, nil
}

// digester owns the goroutines of one Digest.
type digester struct {
	export  Export
	options *Options
	turn    chan struct{}     // to hold large buffers
	done    map[uint32]extent // what durable runs cover, by object
	number  atomic.Int64      // of the newest run
}

// resume learns from the runs that are there what need not be read again.
func (d *digester) resume() error {
	runs, err := openRuns(d.options.Dir, d.options.Marks.fingerprint())
	if err != nil {
		return err
	}
	d.number.Store(int64(lastNumber(runs)))
	var all []extent
	if err := eachFooter(runs, func(f *footer) error {
		all = append(all, f.Extents...)
		return nil
	}); err != nil {
		return err
	}
	d.done, err = join(all)
	if err != nil || d.options.Covered == nil {
		return err
	}
	lines, bytes := int64(0), int64(0)
	for _, e := range d.done {
		lines, bytes = lines+e.Lines, bytes+e.To
	}
	d.options.Covered(lines, bytes)
	return nil
}

// join makes one extent of all that is known of each object.
func join(all []extent) (map[uint32]extent, error) {
	slices.SortFunc(all, func(a, b extent) int { return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.From, b.From)) })
	joined := make(map[uint32]extent)
	for _, e := range all {
		whole, known := joined[e.Object]
		if e.From != whole.To || known && e.ID != whole.ID {
			return nil, damagedRun(runPrefix+"*", "runs do not fit together")
		}
		e.From = 0
		joined[e.Object] = e
	}
	return joined, nil
}

// task is what is left to do of an object.
type task struct {
	object Object
	extent extent // what is done of it; From is not used
}

func (d *digester) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	tasks := make(chan task)
	var total complete
	group.Go(func() error {
		defer close(tasks)
		return d.list(ctx, tasks, &total)
	})
	for n := range d.options.workers() {
		group.Go(func() error { return newWorker(d, n).run(ctx, tasks) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	total.Marks = d.options.Marks.fingerprint()
	text, err := json.Marshal(total)
	if err != nil {
		return err
	}
	return durable.Failure("write", completeName, durable.WriteFile(filepath.Join(d.options.Dir, completeName), text))
}

// list hands out every object that is not done, and closes nothing.
func (d *digester) list(ctx context.Context, tasks chan<- task, total *complete) error {
	for object, err := range d.export.Objects(ctx) {
		if err != nil {
			return err
		}
		number := total.Objects
		if number > math.MaxUint32 {
			return changed(object.Name, "the export has too many objects")
		}
		t := task{object, extent{Object: uint32(number), ID: object.id()}}
		if done, ok := d.done[uint32(number)]; ok {
			if done.ID != t.extent.ID {
				return changed(object.Name, "it is not the object that was read before")
			}
			t.extent = done
			delete(d.done, uint32(number))
		}
		total.Objects++
		total.Bytes += object.Size
		if t.extent.To == object.Size {
			continue
		}
		select {
		case tasks <- t:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if len(d.done) > 0 {
		return changed("", "the export has fewer objects than before")
	}
	return ctx.Err()
}

func changed(object, what string) error {
	return &pipeline.Error{
		Op: "read export", Object: object, Kind: pipeline.KindFatal, Err: errors.New(what),
		Hint: "remove the work directory of the verification and start it over, with a new export if this one is damaged",
	}
}
