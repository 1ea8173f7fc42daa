package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/pipeline/importing"
)

// importSummary is what `import --json` prints: how far the import has come.
type importSummary struct {
	Job       string         `json:"job"`
	Datastore string         `json:"datastore"` // ARN
	Done      bool           `json:"done"`      // all folders are
	Imported  int64          `json:"imported"`  // resources of folders that are done
	Refused   int64          `json:"refused"`   // the same
	Folders   []importFolder `json:"folders"`   // in the order of import
}

// importFolder is one folder of it.
type importFolder struct {
	Folder   string `json:"folder"`
	Lines    int64  `json:"lines"`
	Done     bool   `json:"done"`
	Job      string `json:"job,omitempty"`    // of HealthLake
	Status   string `json:"status,omitempty"` // its last word, once the job is over
	Imported int64  `json:"imported"`
	Refused  int64  `json:"refused"`
	Failures string `json:"failures,omitempty"` // file that tells of the refused ones; PHI
}

func (i *importRun) summarize(known map[string]*importing.Record) *importSummary {
	s := &importSummary{Job: i.job.Name, Datastore: i.arn, Done: true, Folders: []importFolder{}}
	for _, folder := range i.folders {
		f := importFolder{Folder: folder.Name, Lines: folder.Lines}
		if r := known[folder.Name]; r != nil {
			f.Done, f.Job, f.Status, f.Imported, f.Refused = r.Done, r.Job, r.Status, r.Imported, r.Failed
		}
		if f.Done {
			s.Imported += f.Imported
			s.Refused += f.Refused
		}
		if f.Done && f.Refused > 0 {
			f.Failures = importing.Failures(i.job.State, "", f.Folder)
		}
		s.Done = s.Done && f.Done
		s.Folders = append(s.Folders, f)
	}
	return s
}

func (s *importSummary) write(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(s)
	}
	done := 0
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	for _, f := range s.Folders {
		if f.Done {
			done++
		}
	}
	line("job %s: %d of %s imported", s.Job, done, human.Plural(int64(len(s.Folders)), "folder"))
	line("  into      %s", s.Datastore)
	line("  resources %s imported, %s refused", human.Count(s.Imported), human.Count(s.Refused))
	for _, f := range s.Folders {
		switch {
		case f.Failures != "":
			line("  refused   %s of %s, kept in %s (PHI)", human.Count(f.Refused), f.Folder, f.Failures)
		case !f.Done && f.Job != "":
			line("  not in    %s: job %s of HealthLake is %s", f.Folder, f.Job, cmp.Or(f.Status, "under way"))
		}
	}
	if s.Done {
		line("deletes are not applied yet, and what arrived is not verified beyond these counts")
	}
	_, err := io.WriteString(out, b.String())
	return err
}
