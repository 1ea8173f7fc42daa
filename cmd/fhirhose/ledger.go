package main

import (
	"context"
	"errors"
	"io"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// openLedger opens the ledger of a tenant of a finished job, "" being that of a
// job without tenants, as it lies in the sink. closeAll gives up what it holds.
func (w *wiring) openLedger(ctx context.Context, moved *records.Finished, tenant string) (book *ledger.Ledger, closeAll func(), err error) {
	sinks, err := w.openSink(ctx, ctx)
	if err != nil {
		return nil, nil, err
	}
	var opened []io.Closer
	closeAll = func() {
		for _, c := range opened {
			_ = c.Close() // it was only read
		}
		sinks.close()
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	sink, err := sinks.of(tenant)
	if err != nil {
		return nil, nil, err
	}
	var segments []ledger.File
	for i := range moved.Ledger {
		file := &moved.Ledger[i]
		if file.Tenant != tenant {
			continue
		}
		r, err := sink.Reader(ctx, file.Name)
		if err != nil {
			return nil, nil, err
		}
		opened = append(opened, r)
		if r.Size() != file.Size {
			return nil, nil, &pipeline.Error{
				Op: "open ledger", Object: file.Name, Kind: pipeline.KindFatal,
				Err: errors.New("it has not the size that the move gave it"), Hint: "put back the job's output as the move has left it",
			}
		}
		segments = append(segments, r)
	}
	book, err = ledger.Open(ctx, segments)
	return book, closeAll, err
}
