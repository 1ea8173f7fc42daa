package removal

import (
	"context"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/fhirhose/fhirhose/pipeline"
)

// place is one folder of the job, its own or a tenant's, and what goes there.
type place struct {
	tenant string // "" the job's own
	sink   pipeline.Sink
	owned  bool // the claim in it is this run's
	other  bool // or another's

	names     []string // of files and empty folders, announcement and claim apart
	announced bool
	claimed   bool // the claim goes
	files     int64
	bytes     int64
	folders   int
	left      []string // names that stay
}

// atOnce is how many folders are worked on at the same time.
const atOnce = 16

func each(ctx context.Context, places []*place, do func(context.Context, *place) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, p := range places {
		group.Go(func() error { return do(ctx, p) })
	}
	return group.Wait()
}

// list finds what goes and what stays in each folder.
func (p *Plan) list(ctx context.Context) error {
	nested := make(map[string]bool) // names below the own folder that are a tenant's
	for _, t := range p.tenants {
		if t.tenant == path.Base(p.options.Output) {
			nested[t.tenant] = true
		}
	}
	err := each(ctx, append(p.tenants[:len(p.tenants):len(p.tenants)], p.own), func(ctx context.Context, at *place) error {
		if at.other {
			return nil
		}
		folders := make(map[string]bool)
		err := at.sink.List(ctx, func(l pipeline.Listed) error {
			if first, _, _ := strings.Cut(l.Name, "/"); at == p.own && nested[first] {
				return nil
			}
			at.sort(l, folders)
			return nil
		})
		at.folders = len(folders)
		return err
	})
	for _, t := range p.tenants {
		for _, name := range t.left {
			p.left = append(p.left, t.tenant+": "+name)
		}
	}
	p.left = append(p.left, p.own.left...)
	return err
}

// sort decides about one name. Without a claim nothing in the folder is provably
// of a run, since a run claims before it writes.
func (p *place) sort(l pipeline.Listed, folders map[string]bool) {
	switch {
	case p.owned && l.Name == ClaimName && !l.Foreign:
		p.claimed = true
	case p.owned && l.Name == announceName && !l.Foreign:
		p.announced = true
	case p.owned && ofRun(l), ofAnybody(l):
		p.names = append(p.names, l.Name)
	default:
		p.left = append(p.left, l.Name)
		return
	}
	if ofAnybody(l) {
		return
	}
	p.files++
	p.bytes += l.Size
	if folder := folderOf(l.Name); folder != "" {
		folders[folder] = true
	}
}

func unannounce(ctx context.Context, p *place) error {
	if !p.announced {
		return nil
	}
	return p.sink.Remove(ctx, announceName)
}

func empty(ctx context.Context, p *place) error {
	if len(p.names) == 0 {
		return nil
	}
	return p.sink.Remove(ctx, p.names...)
}

func unclaim(ctx context.Context, p *place) error {
	if !p.claimed {
		return nil
	}
	return p.sink.Remove(ctx, ClaimName)
}
