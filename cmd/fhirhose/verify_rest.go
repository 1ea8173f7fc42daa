package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/verify"
	"github.com/fhirhose/fhirhose/sinks/healthlake"
	"github.com/fhirhose/fhirhose/sources/fhirworks"
)

// readLags and historyLags of verifyPause are how long the data store may show less
// than it holds: a minute, and ten. HealthLake's reads are said to be immediate, and
// its histories are minutes late.
const (
	verifyPause = time.Second
	readLags    = 60
	historyLags = 600
)

// mostFull is how many resources are a matter of days, one call each.
const mostFull = 10_000_000

// verifyCurrent reads resources one by one: those of the sample, or all.
func verifyCurrent(ctx context.Context, v *verifying) error {
	if n := v.book.Entries(); v.result.Share == "" && n > mostFull {
		rate := v.job.Verify.RequestsPerSecond
		v.log.Warn("mode full makes one call for each resource; mode export is the way for so many",
			"versions", n, "requests_per_second", rate, "hours_at_most", n/int64(rate)/3600)
	}
	q, p, err := v.inquiry(readLags)
	if err != nil {
		return err
	}
	answers := v.destination.store.Answers()
	if err := q.Current(ctx, v.book, answers, p); err != nil {
		return err
	}
	return v.explain(ctx, func(x *verify.Explainer, subjects []*verify.Subject) error { return x.Current(ctx, subjects, answers) })
}

// verifyHistories looks for every version of the sample in the data store.
func verifyHistories(ctx context.Context, v *verifying) error {
	q, p, err := v.inquiry(historyLags)
	if err != nil {
		return err
	}
	answers := v.destination.store.Answers()
	if err := q.Histories(ctx, v.book, answers, p); err != nil {
		return err
	}
	v.log.Info("histories", "versions that are there once more", p.Repeats)
	return v.explain(ctx, func(x *verify.Explainer, subjects []*verify.Subject) error {
		return x.Histories(ctx, subjects, answers)
	})
}

// verifySource reads the sample from the live source: what changed there since the
// export, no target can have (WV8).
func verifySource(ctx context.Context, v *verifying) error {
	o := v.job.Source.API
	o.RequestsPerSecond = float64(v.job.Verify.RequestsPerSecond)
	o.Tenant = cmp.Or(v.tenant, v.job.Source.Tenant)
	live, err := fhirworks.New(o)
	if err != nil {
		return err
	}
	q, p, err := v.inquiry(0)
	if err != nil {
		return err
	}
	q.Marks, q.Imported, q.Refused = verify.Marks{}, v.moved.Status.ExportTime, nil
	q.Skip = func(resourceType []byte) bool { return string(resourceType) == "Binary" }
	if err := q.AtSource(ctx, v.book, live, p); err != nil {
		return err
	}
	if p.Skipped > 0 {
		v.log.Info("Binaries were left out: the source's API has a URL instead of their data", "binaries", p.Skipped)
	}
	return v.explain(ctx, func(x *verify.Explainer, subjects []*verify.Subject) error { return x.Current(ctx, subjects, live) })
}

// position is how far a verification by single reads has come. It is durable once
// the findings before it are.
type position struct {
	Begun    time.Time       `json:"begun"`    // of the result that it belongs to
	Findings int64           `json:"findings"` // bytes
	Progress verify.Progress `json:"progress"`
}

func (v *verifying) positionFile() string {
	return filepath.Join(v.workDir(), "position.json")
}

// inquiry goes on where the verification was interrupted.
func (v *verifying) inquiry(lags time.Duration) (*verify.Inquiry, *verify.Progress, error) {
	at, err := v.position()
	if err != nil {
		return nil, nil, err
	}
	findings, err := verification.OpenFindings(v.job.State, v.tenant, v.result.Mode, at.Findings)
	if err != nil {
		return nil, nil, err
	}
	v.asked(&at.Progress)
	last, began, before := time.Now(), time.Now(), at.Progress.Part
	q := &verify.Inquiry{
		Options: verify.Options{
			Dir: v.workDir(), Memory: v.memory(), Imported: v.result.Changed, Marks: healthlake.Marks(), Refused: v.refused,
			Workers: max(4, min(64, v.job.Verify.RequestsPerSecond/4)), // answers take about 0.1 s
		},
		Lag:    lags * cmp.Or(v.importPause, verifyPause),
		Report: func(f *verify.Finding) error { return findings.Add(findingOf(f, nil)) },
		Commit: func(p *verify.Progress) (err error) {
			if at.Findings, err = findings.Sync(); err != nil {
				return err
			}
			at.Progress = *p
			if err := v.commit(at); err != nil {
				return err
			}
			v.asked(p)
			if now := time.Now(); now.Sub(last) > lineEvery && p.Part > before && !p.Done {
				last = now
				left := time.Duration(float64(now.Sub(began)) * (1 - p.Part) / (p.Part - before))
				v.log.Info("verifying", "checked", p.Checked(), "percent", int(p.Part*100), "left", human.Duration(left))
			}
			if p.Done {
				v.result.Findings, err = findings.Close(v.job.State)
			}
			return err
		},
	}
	if v.result.Share != "" {
		s := v.job.Verify.Sample
		q.Share = verify.Share{Number: s.Number, Part: s.Share}
	}
	return q, &at.Progress, nil
}

// asked shows how far it is. How many resources there are is a guess by the part of
// the ledger that lies behind.
func (v *verifying) asked(p *verify.Progress) {
	v.seen.verifying("", func(t *metrics.VerifyTotals) {
		t.Step, t.ResourcesDone = "ask", p.Checked()
		if p.Part > 0 {
			t.Resources = int64(float64(t.ResourcesDone) / p.Part)
		}
	})
}

// position returns where the verification was interrupted, or its beginning.
func (v *verifying) position() (*position, error) {
	at := &position{Begun: v.result.Begun}
	text, err := os.ReadFile(v.positionFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return at, nil
	case err != nil:
		return nil, durable.Failure("read", v.positionFile(), err)
	}
	var last position
	if json.Unmarshal(text, &last) != nil {
		return nil, &pipeline.Error{
			Op: "read", Object: v.positionFile(), Kind: pipeline.KindCheckpoint,
			Err: errors.New("it is no position of a verification"), Hint: "fhirhose verify --again",
		}
	}
	if !last.Begun.Equal(at.Begun) {
		return at, nil
	}
	return &last, nil
}

// commit makes the position durable, and counts in the result what comes before it.
func (v *verifying) commit(at *position) error {
	text, err := json.Marshal(at)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(v.positionFile(), text); err != nil { // verify.Inquiry has made the directory
		return durable.Failure("write", v.positionFile(), err)
	}
	v.result.Reset()
	for name, of := range at.Progress.Types {
		for _, class := range verify.Classes() {
			v.result.Add(name, class, of[class])
		}
	}
	for cause, n := range at.Progress.Causes {
		v.result.Causes[cause] = n
	}
	return nil
}

// mostRefusals bounds how many refused records are known by heart.
const mostRefusals = 1_000_000

// refusals tells which records the import reported as refused; of more than
// mostRefusals, nothing is told.
func (v *verifying) refusals(ctx context.Context) (func(*ledger.Entry) bool, error) {
	refused := make(map[[16]byte]bool)
	of := func(folder, typ, id string) [16]byte {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %s/%s", folder, typ, id))
		return [16]byte(sum[:])
	}
	known, err := importing.Records(v.store, v.tenant)
	if err != nil {
		return nil, err
	}
	for folder, record := range known {
		if record.Failed == 0 {
			continue
		}
		if err := importing.EachFailure(v.job.State, v.tenant, folder, func(k importing.Kept) error {
			if typ, id := healthlake.RefusedResource(k.Raw); id != "" && len(refused) < mostRefusals {
				refused[of(folder, typ, id)] = true
			}
			return ctx.Err()
		}); err != nil {
			return nil, err
		}
	}
	return func(e *ledger.Entry) bool {
		folder, _ := e.Place()
		return refused[of(folder, string(e.Type), string(e.ID))]
	}, nil
}
