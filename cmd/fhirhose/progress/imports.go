package progress

import (
	"fmt"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
)

// imports are the folders of an import, and what an operator may have to look at.
func imports(s *metrics.Status) string {
	t := s.Import
	line := fmt.Sprintf("  %s of %s", human.Count(t.FoldersDone), human.Plural(t.Folders, "folder"))
	if t.Folder != "" {
		line += "  " + t.Folder + " " + t.State
	}
	if t.Refused > 0 {
		line += fmt.Sprintf("  %s refused", human.Count(t.Refused))
	}
	if t.Stale > 0 {
		line += fmt.Sprintf("  %s stale", human.Count(t.Stale))
	}
	if t.Deleted > 0 {
		line += fmt.Sprintf("  %s deleted", human.Count(t.Deleted))
	}
	return line + waits(s)
}
