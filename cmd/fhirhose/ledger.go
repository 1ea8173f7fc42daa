package main

import (
	"context"

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
	sink, err := sinks.of(tenant)
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
