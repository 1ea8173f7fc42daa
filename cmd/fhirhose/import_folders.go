package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/removal"
	"github.com/fhirhose/fhirhose/objectstore"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/output"
)

// announceName is the output that appears last.
const announceName = "migration_output.json"

const mostAnnouncement = 1 << 30 // bytes; a file's name takes about 60

// checkFolders refuses a sink that is not as the move has left it: of another run,
// or with other folders or files than the checkpoint knows.
func (i *importRun) checkFolders(ctx context.Context, sink *objectstore.Store, d *destination) error {
	at := sink.Location()
	e := &pipeline.Error{Op: "import", Object: at.String(), Kind: pipeline.KindFatal, Hint: "put back the job's output as the move has left it"}
	claim, err := sink.Get(ctx, at.Key(removal.ClaimName), 1<<20)
	switch {
	case isAbsent(err):
		e.Err = errors.New("no run of fhirhose has claimed it")
		return e
	case err != nil:
		return err
	case !bytes.Equal(claim, output.ClaimOf(i.store.Claim(), d.tenant)):
		e.Kind, e.Err, e.Hint = pipeline.KindClaimed, errors.New("it belongs to another run"), "name the state directory of that run"
		return e
	}
	announcement, err := sink.Get(ctx, at.Key(announceName), mostAnnouncement)
	switch {
	case isAbsent(err):
		e.Err = errors.New("the move is finished, and " + announceName + " is not there any more")
		return e
	case err != nil:
		return err
	}
	written := map[string][]string{}
	prefix := recordOptions(i.job).Prefix
	if d.tenant != "" {
		prefix = d.tenant + "/" + prefix
	}
	for k := range d.files {
		f := &d.files[k]
		written[f.Dir()] = append(written[f.Dir()], prefix+f.Name)
	}
	var announced struct {
		Names map[string][]string `json:"file_names"`
	}
	if json.Unmarshal(announcement, &announced) != nil || !maps.EqualFunc(announced.Names, written, sameNames) {
		e.Err = errors.New(announceName + " names other files than the move has written")
		return e
	}
	return nil
}

func sameNames(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
