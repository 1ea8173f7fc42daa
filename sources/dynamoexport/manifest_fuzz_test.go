package dynamoexport

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/sources/staging"
)

// FuzzManifest: whatever the two files hold, they are refused with an error that
// an operator can act on, or describe an export whose counts agree, whose keys are
// different and lead nowhere else.
func FuzzManifest(f *testing.F) {
	e := newExport("p/", three())
	f.Add(e[summaryName], e[filesName])
	f.Add(e[summaryName], e[filesName][:50])
	f.Add([]byte(`{"itemCount":0,"exportType":"INCREMENTAL_EXPORT"}`), []byte{})
	f.Add([]byte(`{"itemCount":9223372036854775807}`), []byte(`{"itemCount":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, summaryText, filesText []byte) {
		s, err := parseSummary(summaryName, summaryText)
		if err != nil {
			mustBeActionable(t, err)
			return
		}
		_ = s.exportTime()
		entries, err := parseFiles(filesName, filesText, *s.Items)
		if err != nil {
			mustBeActionable(t, err)
			return
		}
		var sum int64
		seen := map[string]bool{}
		for i, e := range entries {
			sum += e.items
			if seen[e.key] || e.items < 0 || i > 0 && entries[i-1].items < e.items {
				t.Fatalf("entry %d is out of order or twice", i)
			}
			seen[e.key] = true
			for _, name := range below(e.key, s.exportID()) {
				path := staging.InDirectory("/export").Name(name)
				if !strings.HasPrefix(path, "/export/") || path != filepath.Clean(path) {
					t.Fatalf("a key leads to %q", path)
				}
			}
		}
		if sum != *s.Items {
			t.Fatalf("counts disagree")
		}
	})
}

func mustBeActionable(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*pipeline.Error](err)
	if !ok || e.Object == "" || e.Hint == "" || e.Kind != pipeline.KindFatal && e.Kind != pipeline.KindConfig {
		t.Fatalf("not actionable: %v", err)
	}
}
