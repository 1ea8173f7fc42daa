package tableexport

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
)

// RunOptions say where an export is remembered, and what to tell of it.
type RunOptions struct {
	State string // directory of the record
	// Again starts another export after one that has finished or failed.
	Again bool
	Log   *slog.Logger
	// Pause lies before the second question after an export; later ones are longer,
	// up to 150 times that. 0 is 2 seconds.
	Pause time.Duration
}

const (
	firstPause = 2 * time.Second
	mostPauses = 150 // of the first
	// unseenFor is how long a new export may be unknown to DynamoDB.
	unseenFor = 5 * time.Minute
)

// ErrAgain is of Again while the export is not over.
var ErrAgain = errors.New("its export is not over")

// Run starts the export of a table, unless the record in State knows of one, and
// waits for its end. It owns State meanwhile. The record it returns is the durable
// one, whatever the error, and nil where there is none.
//
// Errors: KindFatal of an export that failed, KindCheckpoint where the record is
// of another table or place, those of [Client], and the context's.
func Run(ctx context.Context, c *Client, request Request, o RunOptions) (*Record, error) {
	if o.Pause == 0 {
		o.Pause = firstPause
	}
	r, err := ReadRecord(o.State)
	if err != nil {
		return nil, err
	}
	x := &run{client: c, request: request, RunOptions: o, record: r}
	err = x.run(ctx)
	return x.record, err
}

// run is one run of an export.
type run struct {
	RunOptions
	client  *Client
	request Request
	record  *Record // nil before there is one
}

func (x *run) run(ctx context.Context) error {
	fresh := x.record == nil
	if x.Again && !fresh && x.record.ARN != "" {
		if err := x.refuseRunning(ctx); err != nil {
			return err
		}
		fresh = true
	}
	if fresh {
		if err := x.ask(); err != nil {
			return err
		}
	}
	if x.record.ARN == "" {
		if err := x.begin(ctx, fresh); err != nil {
			return err
		}
	}
	if !x.record.Is(x.request) {
		return x.refuse(pipeline.KindCheckpoint, fmt.Errorf("state knows export %s, of another table or to another place", x.record.ARN),
			"put table_arn and export_to back, or use another job name and state")
	}
	return x.wait(ctx)
}

func (x *run) refuse(kind pipeline.Kind, err error, hint string) error {
	return &pipeline.Error{Op: "export", Object: x.request.Table, Kind: kind, Err: err, Hint: hint}
}

// refuseRunning keeps a second export away from one that goes on.
func (x *run) refuseRunning(ctx context.Context) error {
	if x.record.Finished() || x.record.Failed() {
		return nil
	}
	e, err := x.client.Describe(ctx, x.record.ARN)
	switch {
	case errors.Is(err, errNotFound): // for 90 days DynamoDB knows them
		return nil
	case err != nil:
		return err
	}
	if err := x.learn(e); err != nil {
		return err
	}
	if x.record.Finished() || x.record.Failed() {
		return nil
	}
	return x.refuse(pipeline.KindConfig, fmt.Errorf("%w: %s", ErrAgain, x.record.ARN), "leave out --again")
}

// ask makes a token, and makes it durable.
func (x *run) ask() error {
	next := &Record{Version: recordVersion, Request: x.request, Token: rand.Text(), Asked: time.Now().UTC()}
	if last := x.record; last != nil {
		next.Earlier = append(last.Earlier, Earlier{last.ARN, last.Location().String()})
	}
	x.record = next
	return x.record.write(x.State)
}

// begin starts the export, or finds out that an earlier process has. Tokens are
// remembered for 8 hours, and lists miss what is new: so the export is looked for
// first, and then asked for with the same token, which finds the newest ones. No
// clock decides which.
func (x *run) begin(ctx context.Context, fresh bool) error {
	if !fresh {
		e, found, err := x.client.Find(ctx, x.record.Table, x.record.Token)
		if err != nil {
			return err
		}
		if found {
			x.Log.Info("an earlier run has started the export", "export", e.ARN)
			x.record.Request = e.request
			return x.learn(e)
		}
		// Other settings than an earlier process asked with: if DynamoDB heard it,
		// the token now conflicts, otherwise nothing was started.
		x.record.Request = x.request
		if err := x.record.write(x.State); err != nil {
			return err
		}
	}
	e, err := x.client.Start(ctx, x.request, x.record.Token)
	if err != nil {
		return err
	}
	x.Log.Info("export started", "export", e.ARN, "to", "s3://"+x.request.Bucket+"/"+x.request.Prefix)
	return x.learn(e)
}

// learn makes durable what DynamoDB tells.
func (x *run) learn(e Export) error {
	if !x.record.learn(e) {
		return nil
	}
	return x.record.write(x.State)
}

// wait asks after the export until it is over.
func (x *run) wait(ctx context.Context) error {
	pause, unseen := x.Pause, time.Duration(0)
	for !x.record.Finished() && !x.record.Failed() {
		e, err := x.client.Describe(ctx, x.record.ARN)
		switch {
		case errors.Is(err, errNotFound) && unseen < unseenFor:
			unseen += pause
		case err != nil:
			return err
		default:
			unseen = 0
			if err := x.learn(e); err != nil {
				return err
			}
			if x.record.Finished() || x.record.Failed() {
				continue
			}
			x.tell(e)
		}
		if err := pipeline.Sleep(ctx, pause); err != nil {
			return fmt.Errorf("wait for export %s: %w", x.record.ARN, err)
		}
		pause = min(pause*3/2, mostPauses*x.Pause)
	}
	if x.record.Failed() {
		return x.refuse(pipeline.KindFatal, fmt.Errorf("export %s failed (%s)", x.record.ARN, x.record.Failure),
			"mend its cause (`fhirhose check`, `fhirhose iam`), then fhirhose export --again")
	}
	return nil
}

// tell says that the export goes on; it knows numbers only as far as DynamoDB does.
func (x *run) tell(e Export) {
	args := []any{"export", x.record.ARN, "status", x.record.Status, "for", time.Since(e.Started).Round(time.Second)}
	if e.Items > 0 {
		args = append(args, "items", e.Items)
	}
	if e.Billed > 0 {
		args = append(args, "billed_bytes", e.Billed)
	}
	x.Log.Info("exporting", args...)
}
