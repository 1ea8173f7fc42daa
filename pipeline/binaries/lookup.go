package binaries

import (
	"context"

	"github.com/fhirhose/fhirhose/pipeline"
)

// lookUp finds the row's object and decides what becomes of the row.
func (p *Pipeline) lookUp(ctx context.Context, it *item) error {
	found, err := p.find(it)
	if err != nil {
		return p.about(it, "find content", err)
	}
	if it.resume { // decided by the process that placed its beginning
		at := p.past.Large
		it.verdict = verdict{fill: true, recovered: at.Recovered, content: pipeline.Content{Size: at.Size}}
		it.large = true
		return nil
	}
	if it.verdict, err = p.decide(ctx, it, found); err != nil {
		return p.about(it, "find content", err)
	}
	if it.reason == pipeline.NoReason && it.lineBytes(p.opening) > p.options.Caps.MaxLine() {
		it.verdict = verdict{reason: pipeline.OverFileCap} // I6: before a byte of it is read
	}
	it.large = it.fill && it.content.Size > p.plan.small
	return nil
}

// find finds the listed objects of a row, and notes that it names them.
func (p *Pipeline) find(it *item) ([]pipeline.Content, error) {
	it.named.none = true
	it.prefix = p.appendPrefix(it.prefix[:0], &it.stub)
	if len(it.prefix) == 0 {
		return nil, nil
	}
	found, first, err := p.contents.Find(string(it.prefix))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	it.named = named{object: first}
	if len(found) > 1 {
		it.named.prefix = len(it.prefix)
	}
	return found, nil
}

// decide says what becomes of a row, by what is listed of its objects.
func (p *Pipeline) decide(ctx context.Context, it *item, found []pipeline.Content) (verdict, error) {
	switch {
	case it.stub.Reason != pipeline.NoReason, it.stub.HasData:
		return verdict{}, nil
	case len(found) > 0:
		return chosen(found), nil
	default:
		return p.lost(ctx, it)
	}
}

// chosen is the verdict on a row with objects: there must be one.
func chosen(found []pipeline.Content) verdict {
	if len(found) > 1 {
		return verdict{reason: pipeline.ContentAmbiguous}
	}
	return verdict{fill: true, content: found[0]}
}

// lost is the verdict on a row without a listed object. FHIR Works deletes
// objects by a prefix, and so also those of rows that live: their noncurrent
// versions are looked for.
func (p *Pipeline) lost(ctx context.Context, it *item) (verdict, error) {
	deleted := it.stub.Status == pipeline.Deleted
	if !deleted || p.options.RecoverDeleted {
		found, err := p.contents.Erased(ctx, string(it.prefix))
		if err != nil {
			return verdict{}, err
		}
		if len(found) > 0 {
			v := chosen(found)
			v.recovered = v.fill
			return v, nil
		}
	}
	if deleted {
		return verdict{erased: true}, nil
	}
	return verdict{reason: pipeline.ContentMissing}, nil
}
