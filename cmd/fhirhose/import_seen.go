package main

import (
	"context"
	"errors"
	"path"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
)

// importSeen is what an operator sees of an import while it runs: the status of the
// move that it follows, and how far the import has come.
type importSeen struct {
	*observation
	moved metrics.Status // the last of the move

	mu     sync.Mutex
	done   metrics.ImportTotals       // of folders that are
	gone   map[string]deleting.Counts // deletes by tenant
	now    importing.Job              // under way
	folder string                     // its
	waits  string
	answer time.Time // when the target last answered
	over   bool
}

var _ watched = (*importSeen)(nil)

// silence is how long no answer of the target means nothing: it is asked once a
// minute.
const silence = 2 * time.Minute

// Status implements watched.
func (s *importSeen) Status() metrics.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.moved
	it.Job, it.Started, it.Updated, it.Phase, it.WaitingFor = s.job.Name, s.started, time.Now(), metrics.PhaseImporting, s.waits
	totals := s.done
	for _, c := range s.gone {
		totals.Deleted += c.Deleted
		totals.Gone += c.Gone
		totals.Left += c.Left()
	}
	if s.folder != "" {
		totals.Folder, totals.State = s.folder, s.now.State.String()
		totals.Scanned += s.now.Scanned
		totals.Imported += s.now.Imported
		totals.Refused += s.now.Failed
	}
	it.Import = &totals
	if it.LastProgress = s.answer; time.Since(s.answer) < silence {
		it.LastProgress = it.Updated
	}
	if s.over {
		it.Phase, it.WaitingFor = metrics.PhaseDone, ""
	}
	return it
}

// took takes what the checkpoint knows of all folders.
func (s *importSeen) took(summary *importSummary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.gone = metrics.ImportTotals{}, map[string]deleting.Counts{}
	for _, store := range summary.Stores {
		if store.Deletes != nil {
			s.gone[store.Tenant] = store.Deletes.Counts
		}
		s.done.Folders += int64(len(store.Folders))
		s.done.FoldersDone += int64(store.done())
		for _, f := range store.Folders {
			s.done.Resources += f.Lines
		}
		if store.Refusals != nil {
			s.done.Stale += store.Refusals.Stale
		}
	}
	s.done.Imported, s.done.Refused = summary.Imported, summary.Refused
	s.done.Scanned = summary.Imported + summary.Refused
	s.folder, s.answer = "", time.Now()
}

// saw takes an answer about the job of a folder.
func (s *importSeen) saw(folder string, job importing.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.folder, s.now, s.answer = folder, job, time.Now()
}

// deleting takes how far the deletes of a tenant have come.
func (s *importSeen) deleting(tenant string, counts deleting.Counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone == nil {
		s.gone = map[string]deleting.Counts{}
	}
	s.gone[tenant], s.answer = counts, time.Now()
}

func (s *importSeen) waiting(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits = what
}

// watched runs an import, and shows it meanwhile: /metrics, status.json, and a bar on
// a terminal. Elsewhere the log lines tell of each change.
func (i *importRun) watched(ctx context.Context) (end error) {
	registry := metrics.NewRegistry(metrics.NewCollector(i.seen.status, collectorLabels()))
	server, err := serve(ctx, i.job.Listen, i.seen.status, registry)
	if err != nil {
		return err
	}
	defer func() { end = errors.Join(end, server.close()) }()
	watching, cancel := context.WithCancel(ctx)
	watchers, watching := errgroup.WithContext(watching)
	watchers.Go(func() error { return i.seen.renew(watching) })
	closeView := func() {}
	if isTerminal(i.stdout) && !i.json {
		view, every := i.newView(i.logs)
		watchers.Go(func() error { return show(watching, view, every, i.seen.status) })
		closeView = func() { view.Close(); i.logs.switchTo(i.stderr) }
	}
	end = i.run(ctx)
	cancel()
	if err := watchers.Wait(); err != nil {
		i.log.Warn(err.Error())
	}
	closeView()
	return end
}

// finished leaves the last status behind.
func (s *importSeen) finished(summary *importSummary) error {
	s.took(summary)
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	return s.write()
}

// of names a folder of a destination.
func (d *destination) of(folder string) string { return path.Join(d.tenant, folder) }
