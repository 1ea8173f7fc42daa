package progress

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/metrics"
)

// TestImport: resources and folders stand where a move has its input.
func TestImport(t *testing.T) {
	s := moving(0)
	s.Phase = metrics.PhaseImporting
	s.Import = &metrics.ImportTotals{Folders: 12, FoldersDone: 3, Resources: 5000, Scanned: 1250, Refused: 2, Stale: 1, Folder: "v3-0", State: "running"}
	var plain bytes.Buffer
	(&Plain{Out: &plain}).Show(noon, s)
	if want := "25 %  1,250 of 5,000  3 of 12 folders  v3-0 running  2 refused  1 stale\n"; !strings.HasSuffix(plain.String(), want) {
		t.Errorf("got %s", &plain)
	}
	s.Phase = metrics.PhaseMoving // what is known of an import does not hide a move
	plain.Reset()
	(&Plain{Out: &plain}).Show(noon, s)
	if strings.Contains(plain.String(), "folders") {
		t.Errorf("got %s", &plain)
	}
}
