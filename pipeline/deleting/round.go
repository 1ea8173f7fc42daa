package deleting

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

const (
	longestPause = 30 * time.Second
	// mostConflicts is how often a resource may be another version than the one
	// that was looked at a moment before.
	mostConflicts = 3
)

// apply decides every candidate of a round: looks, stores which are about to be
// deleted, deletes, and again with those for which the target had no time or that
// were another version by then.
func (d *Deleter) apply(ctx context.Context, round []*candidate) error {
	began, pause := time.Now(), d.o.Pause
	for open := undecidedOf(round); len(open) > 0; {
		if err := d.each(ctx, open, d.look); err != nil {
			return err
		}
		if err := d.readLarge(ctx, open); err != nil {
			return err
		}
		ready := slices.DeleteFunc(slices.Clone(open), func(c *candidate) bool { return !c.ready })
		if err := d.intend(ready); err != nil {
			return err
		}
		if err := d.each(ctx, ready, d.delete); err != nil {
			return err
		}
		left := undecidedOf(open)
		if len(left) < len(open) {
			began, pause = time.Now(), d.o.Pause
		}
		if open = left; len(open) == 0 {
			break
		}
		if time.Since(began) >= d.o.Patience {
			return &pipeline.Error{
				Op: "delete in the target", Kind: pipeline.KindRetryLater, Err: errors.New("the target does not tell of single resources, or has no time for them"),
				Hint: "run the same command again later; it goes on where it stopped",
			}
		}
		if err := pipeline.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
	return nil
}

func undecidedOf(round []*candidate) (open []*candidate) {
	for _, c := range round {
		if c.outcome == undecided {
			open = append(open, c)
		}
	}
	return open
}

// each gives candidates to do, as many at a time as one call of the target takes.
func (d *Deleter) each(ctx context.Context, all []*candidate, do func(context.Context, []*candidate) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(d.o.Parallel)
	for part := range slices.Chunk(all, d.o.Batch) {
		group.Go(func() error { return do(ctx, part) })
	}
	return group.Wait()
}

// look asks what the target has, and judges it.
func (d *Deleter) look(ctx context.Context, part []*candidate) error {
	resources := make([]Resource, len(part))
	for i, c := range part {
		resources[i] = c.Resource
		c.ready, c.large = false, false
	}
	return d.target.Look(ctx, resources, func(i int, found Found) { d.judge(part[i], &found) })
}

// judge decides what is to be done with what the target has.
func (d *Deleter) judge(c *candidate, found *Found) {
	switch {
	case isGone(found.Status) && d.record.asked(c.n): // by a call whose answer never came
		c.outcome = deleted
		d.answered(time.Time{})
	case found.Status == http.StatusNotFound && c.arrived && time.Since(d.began) < d.o.Lag: // not to be seen yet
	case isGone(found.Status):
		c.outcome = gone
	case isBusy(found.Status):
	case found.Status != http.StatusOK && found.Status != http.StatusRequestEntityTooLarge:
		c.outcome, c.status = refused, found.Status
	case d.o.Exclusive:
		c.version, c.ready = found.Version, true
	case found.Status == http.StatusRequestEntityTooLarge:
		c.large = true
	default:
		digester := d.digesters.Get().(*verify.Digester) //nolint:forcetypeassert // of this pool
		forms, reason := digester.Sums(found.Body)
		c.compare(forms, reason, found.Version)
		d.digesters.Put(digester)
	}
}

// compare decides whether a content is ours, with or without what the target adds.
func (c *candidate) compare(forms []digest.Sums, reason pipeline.Reason, version string) {
	switch {
	case reason != pipeline.NoReason:
		c.outcome = unchecked
	case slices.ContainsFunc(forms, func(form digest.Sums) bool { return slices.Contains(c.contents, form.Content) }):
		c.version, c.ready = version, true
	default:
		c.outcome = changed
	}
}

// readLarge reads what is too large for a batch, one after the other (I7).
func (d *Deleter) readLarge(ctx context.Context, open []*candidate) error {
	for _, c := range open {
		if !c.large {
			continue
		}
		digester := d.digesters.Get().(*verify.Digester) //nolint:forcetypeassert // of this pool
		var forms []digest.Sums
		reason := pipeline.NotJSON // no body was given
		status, version, err := d.target.Read(ctx, c.Resource, func(body io.Reader) (err error) {
			forms, reason, err = digester.Read(ctx, body, d.long())
			return err
		})
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			c.compare(forms, reason, version)
		default:
			d.judge(c, &Found{Status: status})
		}
		d.digesters.Put(digester)
	}
	return nil
}

// intend stores which candidates are about to be deleted: one of them that is gone
// when it is looked at the next time was deleted by us.
func (d *Deleter) intend(ready []*candidate) error {
	asked := slices.Clone(d.record.Asked)
	for _, c := range ready {
		asked = append(asked, c.n)
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	if len(asked) == len(d.record.Asked) {
		return nil
	}
	d.record.Sent += int64(len(asked) - len(d.record.Asked))
	d.record.Asked = asked
	return d.commit()
}

// delete deletes candidates as they were when they were looked at.
func (d *Deleter) delete(ctx context.Context, part []*candidate) error {
	deletions := make([]Deletion, len(part))
	for i, c := range part {
		deletions[i] = Deletion{c.Resource, c.version}
	}
	statuses, at, err := d.target.Delete(ctx, deletions)
	if err != nil {
		return err
	}
	d.answered(at)
	for i, c := range part {
		switch status := statuses[i]; {
		case status >= 200 && status < 300, isGone(status): // an answer may have been lost, and the call repeated
			c.outcome = deleted
		case isBusy(status):
		case status == http.StatusPreconditionFailed && c.conflicts < mostConflicts:
			c.conflicts++ // it was changed since, or deleted by a call whose answer was lost
		default:
			c.outcome, c.status = refused, status
		}
	}
	return nil
}

// answered notes when the target answered a delete.
func (d *Deleter) answered(at time.Time) {
	if at.IsZero() {
		at = time.Now()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if at.After(d.record.Last) {
		d.record.Last = at.UTC()
	}
}

func isGone(status int) bool { return status == http.StatusNotFound || status == http.StatusGone }

// isBusy tells whether the same is worth another try.
func isBusy(status int) bool {
	return status == http.StatusTooManyRequests || status >= 500 && status != http.StatusNotImplemented
}
