package find

import (
	"context"
	"fmt"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline/importing"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// AtOnce is how many questions one pass over the ledger answers. Their answers
// are held in memory, about 1 KB each.
const AtOnce = 1 << 15

// Finder answers questions about the resources of one tenant.
type Finder struct {
	Tenant  string // as importing names it; "" in a job that does not move all
	Ledger  *ledger.Ledger
	Objects []string // of the source, in the order of the job
	Memory  int      // for a pass over the ledger, bytes
	State   string
	Imports map[string]*importing.Record // by folder; nil where nobody could tell

	// Refused reads of which resource a refusal in the target's words speaks; "" if
	// they do not say.
	Refused func(raw []byte) (resourceType, id string)

	Verified    []*verification.Result // the last of each mode
	ImportEnded time.Time              // the last import or delete, by the target's clock; zero is unknown
	DeletesOver bool                   // deletes were applied to the target
	DeletesKept string                 // file of what they have left; "" is none
	Target      *Target                // nil: it is not asked
}

// Answer answers questions, at most AtOnce. A question without a type has an answer
// for each type; every question has one at least.
func (f *Finder) Answer(ctx context.Context, questions []Question) ([]*Answer, error) {
	wanted := make(map[string]bool, len(questions))
	for _, q := range questions {
		wanted[q.ID] = true
	}
	found := make(map[string][]*Answer) // by id, ordered by type
	for r, err := range f.Ledger.Find(ctx, wanted, f.Memory) {
		if err != nil {
			return nil, err
		}
		a, err := f.answerOf(r)
		if err != nil {
			return nil, err
		}
		if a.Live, err = f.Target.ask(ctx, r); err != nil {
			return nil, err
		}
		found[a.ID] = append(found[a.ID], a)
	}
	if err := f.Target.explain(ctx, found); err != nil {
		return nil, err
	}
	if err := f.addRefusals(ctx, found); err != nil {
		return nil, err
	}
	if err := f.addVerified(ctx, found); err != nil {
		return nil, err
	}
	var answers []*Answer
	for _, q := range questions {
		before := len(answers)
		for _, a := range found[q.ID] {
			if q.Type == "" || q.Type == a.Type {
				again := *a
				again.Asked = q.String()
				answers = append(answers, &again)
			}
		}
		if len(answers) > before {
			continue
		}
		live, err := f.Target.askUnknown(ctx, q)
		if err != nil {
			return nil, err
		}
		answers = append(answers, &Answer{Asked: q.String(), Tenant: f.Tenant, Type: q.Type, ID: q.ID, Live: live})
	}
	return answers, nil
}

// addRefusals adds what the target did not take.
func (f *Finder) addRefusals(ctx context.Context, found map[string][]*Answer) error {
	byName := make(map[string]*Version)    // folder, type and id
	byPlace := make(map[string][]*Version) // file
	folders := make(map[string]bool)
	for _, answers := range found {
		for _, a := range answers {
			for i := range a.Versions {
				v := &a.Versions[i]
				if r := f.Imports[v.Folder]; v.Folder == "" || r == nil || r.Failed == 0 {
					continue
				}
				folders[v.Folder] = true
				byName[v.Folder+" "+a.Type+"/"+a.ID] = v
				byPlace[v.File] = append(byPlace[v.File], v)
			}
		}
	}
	for folder := range folders {
		path := importing.Failures(f.State, f.Tenant, folder)
		err := importing.EachFailure(f.State, f.Tenant, folder, func(k importing.Kept) error {
			refusal := &Refusal{Reason: k.Code, Where: fmt.Sprintf("%s, line %d", path, k.At)}
			if typ, id := f.Refused(k.Raw); id != "" {
				if v := byName[folder+" "+typ+"/"+id]; v != nil {
					v.Refused = refusal
				}
				return ctx.Err()
			}
			refusal.Perhaps = true
			for _, v := range byPlace[k.File] {
				if v.Refused == nil && (v.Line == k.Line || v.Line == k.Line+1) { // counted from 1, or from 0
					v.Refused = refusal
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}
