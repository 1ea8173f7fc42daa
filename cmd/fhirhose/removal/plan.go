package removal

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"

	"github.com/fhirhose/fhirhose/checkpoint"
	"github.com/fhirhose/fhirhose/pipeline"
)

// Options say where a run has written.
type Options struct {
	Sink       pipeline.Sink
	Output     string // the sink's name for people
	Claim      []byte // the sink's _fhirhose/claim.json; nil if there is none
	State      string // directory
	Checkpoint string // file name in State
	// Differs says why the checkpoint is not one of the job as it is set up
	// now; nil if it is. It is asked only where there is a checkpoint.
	Differs func() error
	Remains []string // what the sink will keep of removed files, in words
}

// Plan is what goes and what stays.
type Plan struct {
	options    Options
	names      []string // of files and empty folders, announcement and claim apart
	announced  bool
	claimed    bool // the claim goes
	files      int64
	bytes      int64
	folders    map[string]bool
	left       []string // names that stay
	stateBytes int64
	readable   bool     // there is a checkpoint, and it can be read
	notes      []string // about the checkpoint
}

// Find lists sink and state. A sink that is claimed by a run that the checkpoint
// does not know is KindClaimed.
func Find(ctx context.Context, o Options) (*Plan, error) {
	p := &Plan{options: o, folders: map[string]bool{}}
	owned, err := p.ask()
	if err != nil {
		return nil, err
	}
	if err := o.Sink.List(ctx, func(l pipeline.Listed) error { p.sort(l, owned); return nil }); err != nil {
		return nil, err
	}
	p.stateBytes, err = stateSize(o.State, o.Checkpoint)
	return p, err
}

// ask finds out whether the sink is this run's.
func (p *Plan) ask() (owned bool, err error) {
	o := p.options
	own, err := checkpoint.ClaimOf(p.checkpoint())
	switch {
	case pipeline.KindOf(err) == pipeline.KindCheckpoint:
		p.notes = append(p.notes, words(err))
		if o.Claim != nil {
			p.notes = append(p.notes, "so nothing proves that the files in the sink are of this job's run: "+
				"go on only if no other state directory knows them")
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

// sort decides about one name. Without a claim nothing in the sink is provably
// of a run, since a run claims before it writes.
func (p *Plan) sort(l pipeline.Listed, owned bool) {
	switch {
	case owned && l.Name == ClaimName && !l.Foreign:
		p.claimed = true
	case owned && l.Name == announceName && !l.Foreign:
		p.announced = true
	case owned && ofRun(l), ofAnybody(l):
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
		p.folders[folder] = true
	}
}

// Empty tells that there is nothing to remove.
func (p *Plan) Empty() bool {
	return p.files == 0 && len(p.names) == 0 && p.stateBytes == 0 && !p.readable
}

// Remove removes it. After an error, or a kill, another Find and Remove go on.
func (p *Plan) Remove(ctx context.Context) error {
	if p.readable {
		if err := checkpoint.Condemn(p.checkpoint()); err != nil {
			return err
		}
	}
	sink := p.options.Sink
	if p.announced {
		if err := sink.Remove(ctx, announceName); err != nil {
			return err
		}
	}
	if len(p.names) > 0 {
		if err := sink.Remove(ctx, p.names...); err != nil {
			return err
		}
	}
	if p.claimed {
		if err := sink.Remove(ctx, ClaimName); err != nil {
			return err
		}
	}
	return removeState(p.options.State, p.options.Checkpoint)
}

func (p *Plan) checkpoint() string { return filepath.Join(p.options.State, p.options.Checkpoint) }
