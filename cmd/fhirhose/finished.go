package main

import (
	"errors"
	"path/filepath"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/pipeline/records"
)

// finishedJob is a job whose move is finished, as a verb holds it that comes after.
type finishedJob struct {
	store *checkpoint.Store
	moved *records.Finished
	to    []*destination // where the folders go, by tenant

	lock *statedir.Lock // nil: another owns it
}

// ownFinished takes the lock of a job and opens it: no other process works on it
// before close.
func ownFinished(job *jobfile.Job) (*finishedJob, error) {
	lock, err := statedir.Take(job.State)
	if err != nil {
		return nil, err
	}
	f, err := openFinished(job)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	f.lock = lock
	return f, nil
}

// openFinished opens the checkpoint of a job under the lock of its caller. A job whose
// move is not finished is KindConfig.
func openFinished(job *jobfile.Job) (*finishedJob, error) {
	store, err := checkpoint.Reopen(filepath.Join(job.State, checkpointFile))
	if err != nil {
		return nil, err
	}
	f := &finishedJob{store: store}
	if f.moved, err = records.Result(store); err == nil {
		f.to, err = destinationsOf(job, f.moved)
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return f, nil
}

// leftOver is what of the job is in no data store.
func (f *finishedJob) leftOver(job *jobfile.Job) (*leftOver, error) {
	return leftOverOf(job, f.store, f.moved, f.to)
}

func (f *finishedJob) close() error {
	err := f.store.Close()
	if f.lock != nil {
		err = errors.Join(err, f.lock.Release())
	}
	return err
}
