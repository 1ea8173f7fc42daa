package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/acceptance"
	"github.com/fhirhose/fhirhose/metrics"
)

// safe is a job that may be cut over: everything moved, imported, deleted, proved.
func safe() (*metrics.Status, *Target) {
	s := &metrics.Status{
		Job: "clinic-a", Phase: metrics.PhaseDone, Build: "v1.2.3", Format: 1, Source: "s3://bulk/export", Sink: "s3://out/p",
		ExportTime: now.Add(-72 * time.Hour), Updated: now.Add(-48 * time.Hour), Elapsed: 754,
		Objects: 16, ObjectsDone: 16, InputBytes: 45_600_000_000, InputBytesDone: 45_600_000_000, InflatedBytes: 410_000_000_000,
		Types: map[string]*metrics.TypeTotals{
			"Observation": {Read: 1_200_000, Written: 1_199_600, BytesWritten: 1_100_000_000, Filtered: map[string]int64{"pending": 400}},
			"Patient":     {Read: 4000, Written: 4000, BytesWritten: 4_000_000},
		},
		Files: 14, FilesSealed: 14, Folders: map[string]int{"v1": 2, "v2": 1},
		Ledger: &metrics.LedgerTotals{Entries: 1_204_000, Bytes: 90_300_000, Resources: 400_000, Deleted: 1200},
	}
	return s, &Target{Moved: true, Stores: []Store{{
		Datastore: "arn:aws:healthlake:us-east-1:123456789012:datastore/fhir/d1", Ledger: strings.Repeat("ab", 32),
		Folders: []Folder{
			{Name: "v1-0", Lines: 800_000, Job: "job-1", Status: "COMPLETED", Over: true, Done: true, Imported: 800_000, Ended: now.Add(-40 * time.Hour)},
			{Name: "v1-1", Lines: 300_000, Job: "job-2", Status: "COMPLETED", Over: true, Done: true, Imported: 300_000, Ended: now.Add(-39 * time.Hour)},
			{Name: "v2-0", Lines: 103_600, Job: "job-3", Status: "COMPLETED", Over: true, Done: true, Imported: 103_600, Ended: now.Add(-38 * time.Hour)},
		},
		Deletes: &Deletes{Over: true, Deleted: 1100, Gone: 100},
		Checks: []Check{{
			Mode: "export", Begun: now.Add(-9 * time.Hour), Ended: now.Add(-5 * time.Hour), Checked: 400_000, Job: "export-1",
			Classes: []ClassCount{{"equal", 398_800, true}, {"deleted and gone", 1200, true}, {"missing", 0, false}, {"known stale", 0, false}},
		}},
		Changed: now.Add(-37 * time.Hour), Moved: LedgerOutcome{Resources: 400_000, Deleted: 1200},
	}}}
}

func log() *Audit {
	return &Audit{Entries: 12, SHA256: strings.Repeat("cd", 32), Time: now.Add(-5 * time.Hour), Runs: []Run{
		{
			Verb: "move", Began: now.Add(-60 * time.Hour), Ended: now.Add(-48 * time.Hour), Principal: "arn:aws:sts::123456789012:assumed-role/Migrator/ops",
			Host: "mover-1", User: "fhirhose", Version: "v1.2.3", Binary: strings.Repeat("ef", 32), Flags: map[string]string{"config": "clinic-a.yaml"},
		},
		{
			Verb: "import", Began: now.Add(-47 * time.Hour), Principal: "unknown: no answer in time",
			Host: "mover-1", User: "fhirhose", Version: "v1.2.3", Binary: strings.Repeat("ef", 32),
		},
	}}
}

// without is what Jane Roe has accepted.
func without(of, tenant string, n int64) Acceptance {
	return Acceptance{Acceptance: &acceptance.Acceptance{
		Set: acceptance.Set{
			Of: of, Tenant: tenant, Records: n, Counts: []acceptance.Count{{Type: "Patient", Reason: "bad-number", Records: n}}, SHA256: strings.Repeat("12", 32),
		},
		By: "Jane Roe", Because: "ticket 4711", At: now.Add(-time.Hour), Principal: "arn:aws:sts::123456789012:assumed-role/Migrator/ops", Host: "mover-1", User: "fhirhose",
	}}
}

func codes(open []Open) (all []string) {
	for _, o := range open {
		all = append(all, o.Code)
	}
	return all
}

// TestOpenPoints: each point appears with its cause, alone, and is gone with it.
// The FHIR Works tool calls a migration done when its scripts have ended: nothing
// there knows of any of these (WI1 to WI13, WV1 to WV10 of our notes).
func TestOpenPoints(t *testing.T) {
	f := func(want string, change func(*metrics.Status, *Target, *Audit, *Context), wants ...string) {
		t.Helper()
		s, target := safe()
		a, c := log(), context()
		c.File = "clinic-a.yaml"
		change(s, target, a, &c)
		open := Judge(s, c, target, a)
		if got := strings.Join(codes(open), " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		all := fmt.Sprintf("%+v", open)
		for _, w := range wants {
			if !strings.Contains(all, w) {
				t.Errorf("%s: no %q in %s", want, w, all)
			}
		}
		for _, o := range open {
			if o.What == "" || o.Try == "" {
				t.Errorf("%+v says too little", o)
			}
		}
	}
	first := func(t *Target) *Store { return &t.Stores[0] }
	f("", func(*metrics.Status, *Target, *Audit, *Context) {})
	f("move-unfinished", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { t.Moved = false }, "fhirhose move -c clinic-a.yaml")
	f("does-not-balance", func(s *metrics.Status, _ *Target, _ *Audit, _ *Context) { s.Types["Patient"].Written-- }, "Patient")
	f("quarantined", func(s *metrics.Status, _ *Target, _ *Audit, _ *Context) {
		s.Types["Patient"].Written -= 2
		s.Types["Patient"].Quarantined = map[string]int64{"bad-number": 2}
	}, "2 records")
	f("unsettled", func(s *metrics.Status, _ *Target, _ *Audit, _ *Context) { s.Ledger.Unsettled = 3 })
	f("ambiguous", func(s *metrics.Status, _ *Target, _ *Audit, _ *Context) { s.Ledger.Ambiguous = 1 })
	f("not-known", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) {
		*t = Target{Moved: true, Unknown: "process 4711 is at work"}
	}, "4711")
	f("import-unfinished", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) {
		first(t).Folders[1] = Folder{Name: "v1-1", Lines: 300_000, Job: "job-2", Status: "IN_PROGRESS"}
		first(t).Folders[2] = Folder{Name: "v2-0", Lines: 103_600}
	}, "2 folders of 3 not imported, from v1-1 on", "fhirhose import -c")
	f("import-failed", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) {
		first(t).Folders[2].Done, first(t).Folders[2].Status = false, "FAILED"
	}, "job-3 (FAILED)", "fhirhose import --again v2-0 -c")
	f("import-differs", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { first(t).Folders[2].Done = false }, "103,600 lines")
	f("stale-unknown refused", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) {
		first(t).Refused = map[string]int64{"validation": 2}
	}, "fhirhose import")
	f("stale-unknown refused", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) {
		first(t).Refused, first(t).Refusals = map[string]int64{"validation": 2}, &Refusals{Unnamed: 1}
	})
	f("refused", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) {
		first(t).Refusals = &Refusals{Absent: 3}
		first(t).Refused = map[string]int64{"validation": 2, "size": 1}
	}, "3 resources refused by HealthLake: validation 2, size 1")
	lost := func(s *metrics.Status, n int64) {
		s.Types["Patient"].Written -= n
		s.Types["Patient"].Quarantined = map[string]int64{"bad-number": n}
		s.Ledger.Unsettled = n
	}
	f("", func(s *metrics.Status, t *Target, _ *Audit, _ *Context) { // a person goes on without them
		lost(s, 2)
		t.Accepted = []Acceptance{without(acceptance.Quarantined, "", 2)}
		first(t).Checks[0].Classes[2].Count, first(t).Checks[0].Accepted = 2, 2
	})
	f("quarantined unsettled", func(s *metrics.Status, t *Target, _ *Audit, _ *Context) { // of what was there then
		lost(s, 2)
		t.Accepted = []Acceptance{without(acceptance.Quarantined, "", 1)}
		t.Accepted[0].Void = "they are others now"
	}, "what Jane Roe accepted at 2026", "they are others now", "quarantine accept -c clinic-a.yaml")
	f("quarantined unsettled", func(s *metrics.Status, t *Target, _ *Audit, _ *Context) { // of the one is not of the other
		lost(s, 2)
		t.Accepted = []Acceptance{without(acceptance.Refused, "", 2)}
	})
	f("verification-found", func(s *metrics.Status, t *Target, _ *Audit, _ *Context) { // one more than was accepted
		lost(s, 2)
		t.Accepted = []Acceptance{without(acceptance.Quarantined, "", 2)}
		first(t).Checks[0].Classes[2].Count, first(t).Checks[0].Accepted = 3, 2
	}, "Count:1")
	f("stale-in-target ambiguous not-verified", func(s *metrics.Status, t *Target, _ *Audit, _ *Context) { // what nobody can accept
		lost(s, 1)
		s.Ledger.Ambiguous = 1
		first(t).Refused, first(t).Refusals, first(t).Checks = map[string]int64{"validation": 2}, &Refusals{Stale: 1, Unnamed: 1}, nil
		t.Accepted = []Acceptance{without(acceptance.Quarantined, "", 1), without(acceptance.Refused, "", 2)}
	})
	f("refused", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { // another tenant's
		first(t).Refused, first(t).Refusals = map[string]int64{"validation": 2}, &Refusals{Absent: 2}
		t.Accepted = []Acceptance{without(acceptance.Refused, "b", 2)}
	})
	f("stale-in-target refused", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) {
		first(t).Refused, first(t).Refusals = map[string]int64{"validation": 2}, &Refusals{Stale: 2}
	})
	f("stale-in-target verification-found", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { first(t).Checks[0].Classes[3].Count = 4 }, "4 resources stale")
	f("deletes-unfinished", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { first(t).Deletes = nil }, "1,200 deleted resources")
	f("deletes-unfinished", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { first(t).Deletes.Over = false })
	f("", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) {
		first(t).Deletes, first(t).Moved.Deleted = nil, 0
	})
	f("changed-after-import deletes-not-checked deletes-refused", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) {
		d := first(t).Deletes
		d.Changed, d.Unchecked, d.Refused = 1, 2, 3
	})
	f("not-verified", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { first(t).Checks = nil }, "fhirhose verify --mode export -c clinic-a.yaml")
	for _, weak := range []Check{{Mode: "counts"}, {Mode: "sample", Share: "10%"}, {Mode: "history", Share: "10%"}, {Mode: "full", Share: "50%"}} {
		f("not-verified", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { first(t).Checks = []Check{weak} }, "counts and samples alone")
	}
	f("", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { first(t).Checks[0].Mode = "full" })
	f("not-verified", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { // what else is there, mode full does not see
		first(t).Checks[0].Mode, t.Held = "full", 3
	}, "held 3 resources before", "--into-nonempty")
	f("", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { t.Held = 3 })
	for _, void := range []string{"it is of another move's ledger", "something was imported or deleted since"} {
		f("not-verified", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { first(t).Checks[0].Void = void }, void)
	}
	f("verification-found", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { first(t).Checks[0].Classes[2].Count = 5 }, "5 missing")
	f("verification-found", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { // a weak mode finds what a strong one has not
		t.Stores[0].Checks = append(t.Stores[0].Checks, Check{Mode: "counts", Classes: []ClassCount{{"missing", 1, false}}})
	})
	f("", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { // unless it is of other data
		t.Stores[0].Checks = append(t.Stores[0].Checks, Check{Mode: "counts", Void: "old", Classes: []ClassCount{{"missing", 1, false}}})
	})
	f("not-verified", func(_ *metrics.Status, t *Target, _ *Audit, _ *Context) { t.Stores = nil }, "nothing was moved") // of all tenants, none
	f("quarantined", func(s *metrics.Status, t *Target, _ *Audit, _ *Context) {                                         // status.json may be lost, the checkpoint not
		known := *s
		known.Types = map[string]*metrics.TypeTotals{"Patient": {Read: 1, Quarantined: map[string]int64{"bad-number": 1}}}
		t.Status = &known
	})
	f("audit-broken", func(_ *metrics.Status, _ *Target, a *Audit, _ *Context) { a.Broken = "line 3 is no entry" }, "line 3")
	f("stale-in-target quarantined import-failed not-verified", func(s *metrics.Status, t *Target, _ *Audit, _ *Context) {
		s.Types["Patient"].Written--
		s.Types["Patient"].Quarantined = map[string]int64{"bad-number": 1}
		second := *first(t)
		second.Tenant, second.Refusals, second.Checks = "b", &Refusals{Stale: 1}, nil
		second.Folders = slices.Clone(second.Folders)
		second.Folders[0].Done, second.Folders[0].Status = false, "FAILED"
		first(t).Tenant = "a"
		t.Stores = append(t.Stores, second)
	}, "Tenant:b", "--again b/v1-0")
}

// document is one of a job with a target.
func document(change func(*metrics.Status, *Target), with func(*Facts)) *Document {
	s, target := safe()
	if change != nil {
		change(s, target)
	}
	f := Facts{Made: now, Target: target, Audit: log(), Settings: map[string]string{"job": "clinic-a", "sink.location": "s3://out/p"}}
	if with != nil {
		with(&f)
	}
	return Write(s, context(), f)
}

// trouble has something in every section.
func trouble(s *metrics.Status, t *Target) {
	*s = *done()
	s.Build = "v1.2.3"
	store := &t.Stores[0]
	store.Refusals, store.Refused = &Refusals{Stale: 1, Absent: 1}, map[string]int64{"validation": 2}
	store.Folders[1].Refused, store.Folders[1].Imported, store.Folders[1].Status = 2, 299_998, "COMPLETED_WITH_ERRORS"
	store.Folders[2] = Folder{Name: "v2-0", Lines: 103_600, Job: "job-3", Status: "FAILED", Over: true, Ended: now}
	store.Deletes.Changed = 3
	store.Checks[0].Classes[2].Count, store.Checks[0].Void = 4, "something was imported or deleted since"
	store.Checks = append(store.Checks, Check{
		Mode: "sample", Share: "1%", Begun: now.Add(-time.Hour), Ended: now, Checked: 4000,
		Classes: []ClassCount{{"equal", 3990, true}, {"different", 10, false}},
	})
}

func TestGoldenDocuments(t *testing.T) {
	for name, d := range map[string]*Document{
		"cutover-yes": document(nil, nil),
		"cutover-accepted": document(func(s *metrics.Status, t *Target) {
			s.Types["Patient"].Written -= 2
			s.Types["Patient"].Quarantined = map[string]int64{"bad-number": 2}
			s.Ledger.Unsettled = 2
			t.Accepted = []Acceptance{without(acceptance.Quarantined, "", 2)}
			t.Stores[0].Checks[0].Classes[2].Count, t.Stores[0].Checks[0].Accepted = 2, 2
		}, nil),
		"cutover-no": document(trouble, nil),
		"cutover-ids": document(trouble, func(f *Facts) {
			f.WithIDs, f.More = true, 12
			f.Findings = []Finding{{From: "verify sample", Class: "different", Type: "Patient", ID: "p-1", Version: 3, Detail: "name"}}
		}),
		"cutover-running": document(func(_ *metrics.Status, t *Target) { *t = Target{Moved: true, Unknown: "process 4711 is at work"} }, nil),
	} {
		var text, page bytes.Buffer
		if err := d.Text(&text); err != nil {
			t.Fatal(err)
		}
		if err := d.HTML(&page); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.Bytes())
		golden(t, name+".html", page.Bytes())
		first, _, _ := strings.Cut(text.String(), "\n")
		want := map[string]string{"cutover-yes": "SAFE TO CUT OVER: yes", "cutover-accepted": "SAFE TO CUT OVER: yes", "cutover-ids": "THIS DOCUMENT HOLDS PHI: ids of resources"}[name]
		if want == "" {
			want = "SAFE TO CUT OVER: no"
		}
		if first != want || (d.ExitCode() == 0) != strings.HasSuffix(want, "yes") || d.ExitCode() != 0 && d.ExitCode() != 4 {
			t.Errorf("%s: first line %q, exit %d", name, first, d.ExitCode())
		}
		for _, outside := range []string{"<script", "src=", "href=", "@import", "url("} {
			if strings.Contains(page.String(), outside) {
				t.Errorf("%s: the page holds %s", name, outside)
			}
		}
		if name == "cutover-no" {
			data, err := json.MarshalIndent(d, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", append(data, '\n'))
		}
	}
}

// TestNoTarget: nothing is said about cutting over, and the exit code is as ever.
func TestNoTarget(t *testing.T) {
	d := document(trouble, func(f *Facts) { f.Target = nil })
	var text, page bytes.Buffer
	if err := d.Text(&text); err != nil {
		t.Fatal(err)
	}
	if err := d.HTML(&page); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String()+page.String(), "CUT OVER") || strings.Contains(string(data), "cut_over") || d.ExitCode() != 0 {
		t.Errorf("exit %d: %s", d.ExitCode(), &text)
	}
	if !strings.HasPrefix(text.String(), "job clinic-a: ") {
		t.Error(text.String())
	}
}

// TestManyTenants: a report of very many stays one that can be read, and those with
// open points come first.
func TestManyTenants(t *testing.T) {
	d := document(func(_ *metrics.Status, target *Target) {
		one := target.Stores[0]
		target.Stores = nil
		for n := range 3000 {
			one.Tenant = fmt.Sprintf("t%04d", n)
			one.Checks = nil
			if n != 2999 {
				one.Checks = []Check{{Mode: "full"}}
			}
			target.Stores = append(target.Stores, one)
		}
	}, nil)
	var text, page bytes.Buffer
	if err := d.Text(&text); err != nil {
		t.Fatal(err)
	}
	if err := d.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "\n"); n > 400 || page.Len() > 1<<20 {
		t.Errorf("%d lines, %d bytes", n, page.Len())
	}
	at := strings.Index(text.String(), "Target: tenant t2999: ")
	if at < 0 || at > strings.Index(text.String(), "Target: tenant t0000: ") || !strings.Contains(text.String(), "and 2,980 data stores more") {
		t.Error(text.String())
	}
}

// TestPageEscapes: whatever a document holds is text on its page.
func TestPageEscapes(t *testing.T) {
	const evil = `"><script>alert('1')</script>`
	d := document(trouble, func(f *Facts) {
		f.WithIDs, f.Findings = true, []Finding{{Tenant: evil, From: evil, Class: evil, Type: evil, ID: evil, Detail: evil}}
		f.Settings = map[string]string{evil: evil}
		f.Audit.Runs[0] = Run{Verb: evil, Principal: evil, Host: evil, User: evil, Version: evil, Binary: evil, Flags: map[string]string{evil: evil}}
		f.Audit.Broken, f.Target.Unknown = evil, evil
		a := without(evil, evil, 1)
		a.By, a.Because, a.Principal, a.Host, a.User, a.SHA256, a.Counts = evil, evil, evil, evil, evil, evil, []acceptance.Count{{Type: evil, Reason: evil}}
		f.Target.Accepted = []Acceptance{a}
		s := &f.Target.Stores[0]
		s.Tenant, s.Datastore, s.Ledger, s.Refused = evil, evil, evil, map[string]int64{evil: 1}
		s.Folders[2].Name, s.Folders[2].Job, s.Folders[2].Status = evil, evil, evil
		s.Checks[0].Mode, s.Checks[0].Job, s.Checks[0].Share, s.Checks[0].Classes[0].Name = evil, evil, evil, evil
	})
	s := d.Status
	s.Job, s.Build, s.Source, s.Sink = evil, evil, evil, evil
	s.UnknownAttributes, s.Types[evil] = map[string]int64{evil: 1}, &metrics.TypeTotals{Read: 2, Filtered: map[string]int64{evil: 1}}
	s.Tenants = map[string]*metrics.TenantTotals{evil: {Read: 1}}
	d.Summary, d.Open = Summarize(s, context()), append(d.Open, Open{evil, evil, 1, evil, evil})
	var page bytes.Buffer
	if err := d.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), "&#34;&gt;&lt;script&gt;"); n < 48 {
		t.Errorf("only %d of them are on the page", n)
	}
	if strings.Contains(page.String(), "<script") || strings.Contains(page.String(), `">"`) {
		t.Error(page.String())
	}
}
