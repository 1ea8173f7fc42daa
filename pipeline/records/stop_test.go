package records_test

import (
	"context"
	"errors"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/records"
	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
)

// TestStopWhileFinishing: a stop is obeyed after everything is read too, and the
// next run finishes.
func TestStopWhileFinishing(t *testing.T) {
	export := recordstest.SmallExport(t)
	whole := newJob(t, export)
	whole.MustRun(t)

	j := newJob(t, export)
	stop := make(chan struct{})
	j.Place = stoppingPlace{j.disk, stop}
	if _, err := j.Run(t.Context(), stop); !errors.Is(err, records.ErrStopped) {
		t.Fatal(err)
	}
	if j.Announced(t) {
		t.Fatal("the output was announced")
	}
	j.Place = j.disk
	j.MustRun(t)
	recordstest.SameTree(t, j.Tree(t), whole.Tree(t))
}

// stoppingPlace asks for a stop when the ledger is read, and reads nothing.
type stoppingPlace struct {
	disk
	stop chan struct{}
}

func (p stoppingPlace) Open(ctx context.Context, state string) (pipeline.Source, recordstest.Sinks, func(), error) {
	source, sinks, closeAll, err := p.disk.Open(ctx, state)
	return source, func(tenant string) (pipeline.Sink, error) {
		sink, err := sinks(tenant)
		return stoppingSink{sink, p.stop}, err
	}, closeAll, err
}

type stoppingSink struct {
	pipeline.Sink
	stop chan struct{}
}

func (s stoppingSink) Reader(ctx context.Context, _ string) (pipeline.FileReader, error) {
	close(s.stop)
	<-ctx.Done()
	return nil, ctx.Err()
}
