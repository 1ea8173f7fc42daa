package records

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/split"
)

// position is how far a lane may claim to have come: a cut stores one for each.
type position struct {
	Object int `json:"object"` // index into Source.Objects, -1 for a lane at rest
	split.Position
}

// lane is a reader with one object open. Its token is in one place at a time:
// in the ready queue, with a worker, or at rest (idle). Only the token's holder
// touches the reader; only the merge touches merged and at.
type lane struct {
	reader *split.Reader
	object io.Closer // open stored bytes
	in     *split.Batch
	seq    int // of the batch to inflate next
	big    bool

	slots  []chan *batch // batch seq waits in slots[seq%depth]
	merged int
	at     position // what is merged

	mu          sync.Mutex
	staged      pipeline.Staged
	start       position // where to begin in the staged object
	outstanding int
	idle        bool // the token rests until a batch is merged
}

func newLane(depth int) *lane {
	l := &lane{slots: make([]chan *batch, depth), at: position{Object: -1}}
	for i := range l.slots {
		l.slots[i] = make(chan *batch, 1)
	}
	return l
}

// begin gives the lane an object. Its token enters the ready queue.
func (l *lane) begin(staged pipeline.Staged, start position) {
	l.mu.Lock()
	l.staged, l.start = staged, start
	l.mu.Unlock()
}

// records returns how many the object must hold.
func (l *lane) records() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.staged.Records()
}

// inflated is called by the token's holder after it has inflated a batch. It
// tells whether the token goes back to the ready queue at once.
func (l *lane) inflated(last bool) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outstanding++
	l.idle = !last && l.outstanding >= len(l.slots)
	return !last && !l.idle
}

// consumed is called by the merge for every batch that it takes. It tells
// whether the token, at rest until now, goes back to the ready queue.
func (l *lane) consumed() (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outstanding--
	again = l.idle
	l.idle = false
	return again
}

// next inflates the lane's next batch. split.ErrBig means that it needs a big
// buffer, for which the merge gives leave when it is this lane's turn.
func (l *lane) next(m *Mover, in *split.Batch) error {
	if l.object == nil {
		if err := l.open(m); err != nil {
			return err
		}
	}
	if err := l.reader.Next(in, l.big); !errors.Is(err, io.EOF) {
		return err
	}
	// An object without records still has an end.
	*in = split.Batch{Data: in.Data[:0], Lines: in.Lines[:0], First: 1, Last: true}
	return nil
}

func (l *lane) open(m *Mover) error {
	stored, err := l.staged.Open()
	if err != nil {
		return err
	}
	l.object = stored
	source := io.Reader(&countedReader{stored, m})
	if l.reader == nil {
		l.reader = split.NewReader(source, split.Options{BatchBytes: m.options.BatchBytes, Plain: m.options.Convert.Resources})
	} else {
		l.reader.Reset(source)
	}
	if l.start.Offset == 0 {
		return nil
	}
	m.live.reinflated.Add(l.start.Offset)
	return l.reader.Skip(l.start.Position)
}

// close ends the object: its bytes must have been those that were verified.
func (l *lane) close() error {
	object := l.object
	l.object = nil
	if object == nil {
		return nil
	}
	return object.Close()
}

// countedReader counts stored bytes as they are read and stops at once when
// the job is cancelled, also within a gzip bomb.
type countedReader struct {
	io.Reader
	m *Mover
}

func (r *countedReader) Read(p []byte) (int, error) {
	if err := r.m.cancelled(); err != nil {
		return 0, err
	}
	n, err := r.Reader.Read(p)
	r.m.live.compressed.Add(int64(n))
	return n, err
}

// requeue puts a lane's token into the queue. There are as many places as lanes.
func (m *Mover) requeue(l *lane) { m.ready <- l }

// miscounted is an object of which not as many records were read as there were.
func miscounted(object pipeline.Object, read, counted int64) error {
	if object.Items != pipeline.Unpromised {
		return contradiction(object, fmt.Errorf("it holds %d records, the manifest promises %d", read, counted))
	}
	return changed(object, fmt.Errorf("it held %d records when it was looked at, now %d", counted, read))
}

// contradiction is an object whose MD5 is right and whose content is not (I9).
func contradiction(object pipeline.Object, err error) error {
	return &pipeline.Error{
		Op: "read object", Object: object.Key, Kind: pipeline.KindFatal, Err: err,
		Hint: "the MD5 in the manifest is that of the defect object, so the export contradicts itself: " +
			"make a new export, or restore the object together with its manifest entry, and run the same command",
	}
}

func (m *Mover) corrupt(object int, err error) error {
	if errors.Is(err, split.ErrCorrupt) {
		return contradiction(m.objects[object], err)
	}
	if errors.Is(err, split.ErrChanged) {
		return changed(m.objects[object], err)
	}
	if pipeline.KindOf(err) != pipeline.KindOther || errors.Is(err, context.Canceled) {
		return err
	}
	return &pipeline.Error{
		Op: "read object", Object: m.objects[object].Key, Kind: pipeline.KindRetryLater, Err: fmt.Errorf("%w", err),
		Hint: "run the same command again",
	}
}

// changed is an object that was repaired to something else than what a part of
// has been moved.
func changed(object pipeline.Object, err error) error {
	return &pipeline.Error{
		Op: "go on with object", Object: object.Key, Kind: pipeline.KindFatal, Err: err,
		Hint: "restore the object as it was before, or begin again with `fhirhose move --restart`",
	}
}
