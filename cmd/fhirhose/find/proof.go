package find

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/verification"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
	"github.com/fhirhose/fhirhose/pipeline/verify"
)

// Verified is what a verification has said of a resource.
type Verified struct {
	Mode   string    `json:"mode"`
	Ended  time.Time `json:"ended,omitzero"` // zero: it is under way
	Class  string    `json:"class"`
	Cause  string    `json:"cause,omitempty"`
	Detail string    `json:"detail,omitempty"` // what differs: an element path
	Object string    `json:"object,omitempty"` // of the target's export
	Line   int64     `json:"line,omitempty"`   // in it, from 1
}

// Live is what the target says now.
type Live struct {
	Class string `json:"class"`
	Cause string `json:"cause,omitempty"`
}

// Deletion is what became of a delete in the target.
type Deletion struct {
	Done   bool   `json:"done"`             // it is gone
	Reason string `json:"reason,omitempty"` // why it is not
}

// Target is a data store that is asked now.
type Target struct {
	Reader verify.Reader
	Asker  *verify.Asker
}

// ask asks the target for a resource of the ledger.
func (t *Target) ask(ctx context.Context, r *ledger.Resource) (*Live, error) {
	if t == nil {
		return nil, nil
	}
	class, cause, err := t.Asker.Current(ctx, r, t.Reader)
	if err != nil {
		return nil, err
	}
	return &Live{class.String(), cause.String()}, nil
}

// askUnknown asks the target for a resource that the ledger does not know.
func (t *Target) askUnknown(ctx context.Context, q Question) (*Live, error) {
	if t == nil || q.Type == "" {
		return nil, nil
	}
	exists, err := verify.Exists(ctx, q.Type, q.ID, t.Reader)
	if err != nil || !exists {
		return nil, err
	}
	return &Live{Class: verify.Extra.String()}, nil
}

// addVerified adds what verifications have found, and what became of deletes.
func (f *Finder) addVerified(ctx context.Context, found map[string][]*Answer) error {
	byName := make(map[string]*Answer)
	for _, answers := range found {
		for _, a := range answers {
			byName[a.Type+"/"+a.ID] = a
		}
	}
	for _, r := range f.Verified {
		if r.Findings == "" {
			continue
		}
		err := eachLine(ctx, f.path(r.Findings), func(line *verification.Finding) {
			if a := byName[line.Type+"/"+line.ID]; a != nil {
				a.Verified = append(a.Verified, Verified{r.Mode, r.Ended, line.Class, line.Cause, line.Detail, line.Object, line.Line})
			}
		})
		if err != nil {
			return err
		}
	}
	if !f.DeletesOver {
		return nil
	}
	for _, a := range byName {
		if a.Fate == ledger.Deleted.String() {
			a.Deletion = &Deletion{Done: true}
		}
	}
	type kept struct{ Type, ID, Reason string }
	return eachLine(ctx, f.DeletesKept, func(line *kept) {
		if a := byName[line.Type+"/"+line.ID]; a != nil {
			a.Deletion = &Deletion{Reason: line.Reason}
		}
	})
}

// eachLine calls do for each line of JSON of a file; of none where there is no file.
func eachLine[T any](ctx context.Context, path string, do func(*T)) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || path == "" {
		return nil
	}
	if err != nil {
		return durable.Failure("read", path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	in := json.NewDecoder(bufio.NewReaderSize(file, 1<<20))
	for number := 1; ; number++ {
		line := new(T)
		switch err := in.Decode(line); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // it is being written
			return nil
		case err != nil:
			return &pipeline.Error{
				Op: "read", Object: path, Kind: pipeline.KindFatal, Err: fmt.Errorf("line %d cannot be read", number), Hint: "restore the file from a copy",
			}
		}
		do(line)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
