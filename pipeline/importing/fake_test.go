package importing_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// fake is a target in memory that does its worst, and watches its client.
type fake struct {
	t       *testing.T
	order   []importing.Folder
	lasts   time.Duration            // how long a job takes
	unseen  time.Duration            // how long a new job is not found
	end     map[string]importing.Job // state and numbers of the first job of a folder; default: all is well
	refused map[string][]importing.Failure
	jobs    []*fakeJob
	endless string // folder of whose job the target names no end
	queued  int    // jobs of one version at a time; 0: one
	asked   int

	// fail is asked twice for each call, before and after it is carried out.
	fail func() error
}

// remembered is how long the target knows a token: longer than a job is unseen.
const remembered = 10 * time.Minute

type fakeJob struct {
	importing.Job
	folder, token string
	began         time.Time
}

func (f *fake) call(do func()) error {
	f.asked++
	if err := f.fail(); err != nil {
		return err
	}
	do()
	return f.fail()
}

func (f *fake) Start(_ context.Context, folder, token, name string) (id string, err error) {
	err = f.call(func() {
		for _, j := range f.jobs {
			if j.token == token && time.Since(j.began) < remembered {
				id = j.ID
				return
			}
		}
		f.watch(folder)
		j := &fakeJob{folder: folder, token: token, began: time.Now()}
		j.ID, j.Name = fmt.Sprint("job-", len(f.jobs)+1), name
		f.jobs = append(f.jobs, j)
		id = j.ID
	})
	return id, err
}

// watch is I11: every folder of a lower version is in, and so is every one before
// this but as many as may be queued; this one is not, and nothing else is under way.
func (f *fake) watch(folder string) {
	beside := 1
	for _, j := range f.jobs {
		if now := f.at(j); !over(now) && j.folder != folder && versionOf(j.folder) == versionOf(folder) && beside < f.queued {
			beside++
		} else if !over(now) {
			f.t.Errorf("%s is started while %s is %s", folder, j.folder, now.Status)
		} else if j.folder == folder && now.State == importing.Completed && now.Scanned == f.lines(folder) {
			f.t.Errorf("%s is started a second time", folder)
		}
	}
	for _, before := range f.order {
		if before.Name == folder {
			return
		}
		if !slices.ContainsFunc(f.jobs, func(j *fakeJob) bool {
			begun := f.queued > 1 && versionOf(before.Name) == versionOf(folder)
			return j.folder == before.Name && (begun || f.at(j).State == importing.Completed)
		}) {
			f.t.Errorf("%s is started before %s is in", folder, before.Name)
		}
	}
	f.t.Errorf("%s is no folder", folder)
}

// versionOf is what a name of this order's has before its last number.
func versionOf(folder string) string { return folder[:strings.LastIndex(folder, "-")] }

func over(j importing.Job) bool { return j.State >= importing.Completed }

func (f *fake) lines(folder string) int64 {
	return f.order[slices.IndexFunc(f.order, func(g importing.Folder) bool { return g.Name == folder })].Lines
}

// at is the job as it is now.
func (f *fake) at(j *fakeJob) importing.Job {
	now := j.Job
	switch age := time.Since(j.began); {
	case age < f.lasts/4:
		now.State, now.Status = importing.Waiting, "QUEUED"
	case age < f.lasts/2:
		now.State, now.Status = importing.Unknown, "REBALANCING" // nobody has heard of it
	case age < f.lasts:
		now.State, now.Status = importing.Running, "IN_PROGRESS"
	default:
		n := f.lines(j.folder)
		if j.folder != f.endless {
			now.Ended = j.began.Add(f.lasts)
		}
		now.State, now.Status, now.Scanned, now.Imported = importing.Completed, "COMPLETED", n, n
		if planted, ok := f.end[j.folder]; ok && f.first(j) {
			now.State, now.Status = planted.State, cmp.Or(planted.Status, "COMPLETED_WITH_ERRORS")
			now.Scanned, now.Imported, now.Failed = planted.Scanned, planted.Imported, planted.Failed
		}
	}
	return now
}

func (f *fake) first(j *fakeJob) bool {
	return f.jobs[slices.IndexFunc(f.jobs, func(g *fakeJob) bool { return g.folder == j.folder })] == j
}

func (f *fake) Find(_ context.Context, name string) (job importing.Job, found bool, err error) {
	err = f.call(func() {
		for _, j := range f.jobs {
			if j.Name == name && time.Since(j.began) >= f.unseen {
				job, found = f.at(j), true
			}
		}
	})
	return job, found, err
}

func (f *fake) Describe(_ context.Context, id string) (job importing.Job, err error) {
	err = f.call(func() {
		for _, j := range f.jobs {
			if j.ID == id {
				job = f.at(j)
			}
		}
	})
	return job, err
}

func (f *fake) Unfinished(context.Context) (jobs []importing.Job, err error) {
	err = f.call(func() {
		for _, j := range f.jobs {
			if now := f.at(j); !over(now) {
				jobs = append(jobs, now)
			}
		}
	})
	return jobs, err
}

func (f *fake) Failures(_ context.Context, id string, do func(importing.Failure) error) (err error) {
	return errors.Join(f.call(func() {
		for _, j := range f.jobs {
			if j.ID != id || !f.first(j) {
				continue
			}
			for _, failure := range f.refused[j.folder] {
				err = errors.Join(err, do(failure))
			}
		}
	}), err)
}

// memory is a checkpoint that fails before and after a commit.
type memory struct {
	buckets map[string]map[string][]byte
	fail    func() error
}

func (m *memory) Each(bucket string, f func(key string, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(m.buckets[bucket])) {
		if err := f(key, m.buckets[bucket][key]); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Commit(changes []output.Change) error {
	if err := m.fail(); err != nil {
		return err
	}
	for _, c := range changes {
		if m.buckets[c.Bucket] == nil {
			m.buckets[c.Bucket] = map[string][]byte{}
		}
		m.buckets[c.Bucket][c.Key] = slices.Clone(c.Value)
	}
	return m.fail()
}
