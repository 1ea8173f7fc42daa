package find

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
)

// quarantineLine is what is asked of a line of the quarantine.
type quarantineLine struct {
	Object string `json:"object"`
	Record int64  `json:"record"`
	Reason string `json:"reason"`
	Raw    []byte `json:"raw"` // the row as it stood in the export
}

// The attributes of a row that say which record it is. An id may follow its tenant.
var (
	rowID      = regexp.MustCompile(`"_?id"\s*:\s*\{\s*"S"\s*:\s*"(?:[^"|]*\|)?([^"|]+)"`)
	rowVersion = regexp.MustCompile(`"vid"\s*:\s*\{\s*"N"\s*:\s*"(\d+)"`)
)

// addQuarantine adds where in the source the quarantined versions stand. It reads
// the quarantine only if there are any.
func (f *Finder) addQuarantine(ctx context.Context, found map[string][]*Answer) error {
	wanted := make(map[string][]*Version) // by id and version
	for id, answers := range found {
		for _, a := range answers {
			for i := range a.Versions {
				if v := &a.Versions[i]; v.quarantined() {
					key := fmt.Sprintf("%s %d", id, v.Version)
					wanted[key] = append(wanted[key], v)
				}
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	for _, name := range f.Quarantine {
		if err := f.search(ctx, name, wanted); err != nil {
			return err
		}
	}
	return nil
}

func (f *Finder) search(ctx context.Context, name string, wanted map[string][]*Version) error {
	file, err := f.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewReaderSize(file, 1<<20)
	for number := 1; ; number++ {
		text, err := lines.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF) && len(text) == 0:
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		var line quarantineLine
		if json.Unmarshal(text, &line) != nil {
			return &pipeline.Error{
				Op: "read", Object: name, Kind: pipeline.KindFatal, Err: fmt.Errorf("line %d is no line of a quarantine", number),
				Hint: "put the file back as the move has left it",
			}
		}
		line.match(name, wanted)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// match tells the versions that the line speaks of where they stand. Two rows of
// one version are told apart by the order in which they were read.
func (l *quarantineLine) match(name string, wanted map[string][]*Version) {
	version := rowVersion.FindSubmatch(l.Raw)
	if version == nil {
		return
	}
	reason, _, _ := strings.Cut(l.Reason, ":")
	for _, id := range rowID.FindAllSubmatch(l.Raw, -1) {
		for _, v := range wanted[string(bytes.Join([][]byte{id[1], version[1]}, []byte(" ")))] {
			if v.Object == "" && v.Reason == reason {
				v.Object, v.Record, v.Quarantine = l.Object, l.Record, name
				return
			}
		}
	}
}
