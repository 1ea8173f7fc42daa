package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/output"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// openLedger opens the ledger of a tenant of a finished job, "" being that of a
// job without tenants, as it lies in the sink, which must be of the run of the
// checkpoint: another's ledger proves nothing of it. closeAll gives up what it holds.
func (w *wiring) openLedger(ctx context.Context, store *checkpoint.Store, moved *records.Finished, tenant string) (book *ledger.Ledger, closeAll func(), err error) {
	sinks, err := w.openSink(ctx, ctx)
	if err != nil {
		return nil, nil, err
	}
	sink, err := sinks.tenant(tenant)
	if err == nil {
		err = w.isOf(ctx, store, sink, tenant)
	}
	if err != nil {
		sinks.close()
		return nil, nil, err
	}
	var names []string
	for i := range moved.Ledger {
		if file := &moved.Ledger[i]; file.Tenant == tenant {
			names = append(names, file.Name)
		}
	}
	book, closeBook, err := openBook(ctx, sink, names)
	if err != nil {
		sinks.close()
		return nil, nil, err
	}
	return book, func() { closeBook(); sinks.close() }, nil
}

// isOf refuses a folder of the sink that another run has claimed, or none.
func (w *wiring) isOf(ctx context.Context, store *checkpoint.Store, sink *openedSink, tenant string) error {
	claim, err := readClaim(ctx, sink)
	if err != nil && !isAbsent(err) {
		return err
	}
	if bytes.Equal(claim, output.ClaimOf(store.Claim(), tenant)) {
		return nil
	}
	return &pipeline.Error{
		Op: "read the ledger of", Object: w.outputOf(tenant).String(), Kind: pipeline.KindClaimed, Err: errors.New("it belongs to another run, or to none"),
		Hint: "name the state directory of that run, or put back the job's output as the move has left it",
	}
}
