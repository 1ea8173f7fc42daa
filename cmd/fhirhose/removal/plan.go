package removal

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// Options say where a run has written.
type Options struct {
	Sink       pipeline.Sink
	Output     string // the sink's name for people
	Claim      []byte // the sink's _fhirhose/claim.json; nil if there is none
	All        bool   // a job of all tenants
	Tenants    []Tenant
	State      string // directory
	Checkpoint string // file name in State
	// Differs says why the checkpoint is not one of the job as it is set up
	// now; nil if it is. It is asked only where there is a checkpoint.
	Differs func() error
	Remains []string // what the sink will keep of removed files, in words
}

// Tenant is one that the checkpoint knows, in a job of all tenants.
type Tenant struct {
	Name  string
	Sink  pipeline.Sink
	Claim []byte // as in Options
}

// Plan is what goes and what stays.
type Plan struct {
	options    Options
	run        []byte   // the claim of the run in the job's own folder
	own        *place   // the job's own folder
	tenants    []*place // those of its tenants
	left       []string // names that stay
	stateBytes int64
	readable   bool     // there is a checkpoint, and it can be read
	notes      []string // about the checkpoint
}

// Find lists sink and state. A sink that is claimed by a run that the checkpoint
// does not know is KindClaimed. A tenant's folder of another run is left alone.
func Find(ctx context.Context, o Options) (*Plan, error) {
	p := &Plan{options: o, own: &place{sink: o.Sink}}
	owned, err := p.ask()
	if err != nil {
		return nil, err
	}
	p.own.owned = owned
	for _, t := range o.Tenants {
		p.tenants = append(p.tenants, &place{
			tenant: t.Name, sink: t.Sink,
			owned: t.Claim != nil && bytes.Equal(t.Claim, output.ClaimOf(p.run, t.Name)),
			other: t.Claim != nil && !bytes.Equal(t.Claim, output.ClaimOf(p.run, t.Name)),
		})
	}
	if err := p.list(ctx); err != nil {
		return nil, err
	}
	p.stateBytes, err = stateSize(o.State, o.Checkpoint)
	return p, err
}

// ask finds out whether the sink is this run's.
func (p *Plan) ask() (owned bool, err error) {
	o := p.options
	own, err := checkpoint.ClaimOf(p.checkpoint())
	if p.run = own; own == nil {
		p.run = o.Claim
	}
	switch {
	case pipeline.KindOf(err) == pipeline.KindCheckpoint:
		p.notes = append(p.notes, words(err))
		if o.Claim != nil {
			p.notes = append(p.notes, "so nothing proves that the files in the sink are of this job's run: "+
				"go on only if no other state directory knows them")
		}
		if o.All {
			p.notes = append(p.notes, "nor does anything tell which tenants' folders are of this run: they stay")
		}
		return o.Claim != nil, nil
	case err != nil:
		return false, err
	case o.Claim != nil && !bytes.Equal(own, o.Claim):
		return false, &pipeline.Error{
			Op: "restart", Object: o.Output, Kind: pipeline.KindClaimed,
			Err:  errors.New("it belongs to a run that this state directory does not know; nothing was removed"),
			Hint: "name the state directory of that run, or give this job another name or sink",
		}
	}
	if own != nil {
		p.readable = true
		if err := o.Differs(); err != nil {
			p.notes = append(p.notes, words(err))
		}
	}
	return o.Claim != nil, nil
}

// Empty tells that there is nothing to remove.
func (p *Plan) Empty() bool {
	files, names := p.own.files, len(p.own.names)
	for _, t := range p.tenants {
		files, names = files+t.files, names+len(t.names)
	}
	return files == 0 && names == 0 && p.stateBytes == 0 && !p.readable
}

// Size is how much goes.
type Size struct {
	Files int64 `json:"files"` // of the sink
	Bytes int64 `json:"bytes"` // the same
	State int64 `json:"state_bytes"`
}

// Size returns how much goes.
func (p *Plan) Size() Size {
	s := Size{p.own.files, p.own.bytes, p.stateBytes}
	for _, t := range p.tenants {
		s.Files, s.Bytes = s.Files+t.files, s.Bytes+t.bytes
	}
	return s
}

// Remove removes it. After an error, or a kill, another Find and Remove go on.
func (p *Plan) Remove(ctx context.Context) error {
	if p.readable {
		if err := checkpoint.Condemn(p.checkpoint()); err != nil {
			return err
		}
	}
	all := append(slices.Clone(p.tenants), p.own)
	for _, step := range []func(context.Context, *place) error{unannounce, empty} {
		if err := each(ctx, all, step); err != nil {
			return err
		}
	}
	if err := each(ctx, p.tenants, unclaim); err != nil {
		return err
	}
	if err := unclaim(ctx, p.own); err != nil {
		return err
	}
	return removeState(p.options.State, p.options.Checkpoint)
}

func (p *Plan) checkpoint() string { return filepath.Join(p.options.State, p.options.Checkpoint) }
