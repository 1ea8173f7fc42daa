package records_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestLongBinaryRow: a row that is too long itself is told from one whose content
// is, and its object is no orphan.
func TestLongBinaryRow(t *testing.T) {
	b := emptyTable(t)
	note := func(n int) string { return fmt.Sprintf(`"note":{"S":%q}`, strings.Repeat("x", n)) }
	b.rows = []string{
		binaryRow("", "long", 1, "AVAILABLE", note(1<<20)),
		binaryRow("", "longest", 1, "AVAILABLE", note(3<<19)),
		binaryRow("", "content", 1, "AVAILABLE"),
		binaryRow("", "fits", 1, "AVAILABLE", note(1<<19)),
	}
	for _, id := range []string{"long", "longest", "fits"} {
		b.put(b.contents, id+"_1.pdf", 10)
	}
	b.put(b.contents, "content_1.pdf", 3_000_000)
	b.exportRows([][]string{b.rows})
	j := newContentsJob(t, b, "")
	j.Options.Caps.FileBytes, j.Options.Caps.FolderBytes = 4_000_000, 4_000_000
	j.Options.Binaries.Caps = j.Options.Caps
	j.Options.Binaries.Caps.FileBytes = 3_500_000
	s := j.MustRun(t).Status()
	of := s.Types["Binary"]
	if of.Read != 4 || of.Written != 1 || of.Quarantined["row-too-large"] != 2 || of.Quarantined["over-file-cap"] != 1 || len(s.Unbalanced()) > 0 {
		t.Errorf("%+v", of)
	}
	if s.Binaries.Rows != 2 || s.Binaries.Orphans.All() != 0 || s.Ledger.Entries != 4 {
		t.Errorf("%+v, orphans %+v, %d entries", s.Binaries, s.Binaries.Orphans, s.Ledger.Entries)
	}
}
