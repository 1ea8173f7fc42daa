package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/jobfile"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/report"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/deleting"
	"github.com/fhirhose/fhirhose/pipeline/importing"
)

// mostFindings bounds the single resources that a report names.
const mostFindings = 10_000

// addFindings appends what was found of single resources: ids, which are PHI.
func addFindings(job *jobfile.Job, f *report.Facts) error {
	f.WithIDs = true
	if f.Target == nil {
		return nil
	}
	add := func(it report.Finding) {
		if len(f.Findings) < mostFindings {
			f.Findings = append(f.Findings, it)
			return
		}
		f.More++
	}
	for i := range f.Target.Stores {
		s := &f.Target.Stores[i]
		if err := errors.Join(refusedOf(job, s, add), keptOf(job, s, add)); err != nil {
			return err
		}
		for _, c := range s.Checks {
			if c.Details == "" || c.Void != "" {
				continue
			}
			r := verification.Result{Findings: c.Details, Explained: c.Explained}
			err := r.EachFinding(job.State, func(line *verification.Finding) error {
				detail := strings.TrimSpace(line.Cause + " " + line.Reason)
				if line.Explained != nil {
					detail = strings.TrimSpace(detail + " " + verification.DifferenceWords(line.Explained, c.Mode))
				}
				add(report.Finding{Tenant: s.Tenant, From: "verify " + c.Mode, Class: line.Class, Type: line.Type, ID: line.ID, Version: line.Version, Detail: detail})
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// refusedOf adds the resources of which the target has refused versions.
func refusedOf(job *jobfile.Job, s *report.Store, add func(report.Finding)) error {
	return statedir.EachLine(importing.RefusedFile(job.State, s.Tenant), func(line *importing.Refused) error {
		class := "refused"
		if line.Stale {
			class = "stale in target"
		}
		kind, id, _ := strings.Cut(line.Resource, "/")
		for _, v := range line.Versions {
			add(report.Finding{
				Tenant: s.Tenant, From: "import", Class: class, Type: kind, ID: id, Version: v.Version,
				Detail: fmt.Sprintf("%s, %s line %d", v.Reason, v.File, v.Line),
			})
		}
		return nil
	})
}

// keptOf adds the resources that are deleted in the source and stay in the target.
func keptOf(job *jobfile.Job, s *report.Store, add func(report.Finding)) error {
	if s.Deletes == nil {
		return nil
	}
	return statedir.EachLine(deleting.Kept(job.State, s.Tenant, s.Deletes.Pass), func(line *struct {
		Type   string `json:"type"`
		ID     string `json:"id"`
		Reason string `json:"reason"`
	},
	) error {
		add(report.Finding{Tenant: s.Tenant, From: "deletes", Class: line.Reason, Type: line.Type, ID: line.ID})
		return nil
	})
}
