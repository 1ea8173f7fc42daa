package healthlaketest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

// runExport writes the current version of every resource that exists when the
// job begins to run.
func (s *Simulation) runExport(ctx context.Context, j *job, traps Traps) (status, message string) {
	bodies := s.snapshot(j.start.DatastoreID)
	if err := s.write(ctx, j.start.output().S3Uri, probe, nil); err != nil {
		return failed, "The output cannot be written: " + err.Error()
	}
	if traps.Fail != nil {
		if _, why := traps.Fail(j.start.JobName); why != "" {
			return failed, why
		}
	}
	if !s.pause(ctx, j, traps.Running) {
		return cancelCompleted, ""
	}
	for len(bodies) > 0 {
		kind, part := bodies[0].kind, 0
		for len(bodies) > 0 && bodies[0].kind == kind {
			n, content := 0, &bytes.Buffer{}
			for n < len(bodies) && n < s.options.Quotas.ExportLines && bodies[n].kind == kind {
				content.Write(bodies[n].body)
				content.WriteByte('\n')
				n++
			}
			name := fmt.Sprintf("%s/%s-%d.ndjson", kind, kind, part)
			if err := s.write(ctx, j.output, name, content.Bytes()); err != nil {
				return failed, "The output cannot be written: " + err.Error()
			}
			bodies = bodies[n:]
			part++
		}
	}
	return completed, ""
}

type exported struct {
	kind string
	body []byte
}

// snapshot lists the resources that exist, those of a type together.
func (s *Simulation) snapshot(store string) []exported {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.stores[store]
	keys := d.keys()
	all := make([]exported, 0, len(keys))
	for _, key := range keys {
		kind, _, _ := strings.Cut(key, "/")
		v, _ := d.resources[key].last()
		all = append(all, exported{kind, v.body})
	}
	return all
}
