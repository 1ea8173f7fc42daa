package records_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records"
)

// checkManifests holds every manifest below a folder to the files that it names. It
// returns the length of the longest line of all.
func checkManifests(t *testing.T, root string) (longest int64) {
	t.Helper()
	manifests := 0
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(filepath.ToSlash(path), "/"+records.ManifestName) {
			return err
		}
		manifests++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return records.EachInManifest(bytes.NewReader(text), func(told records.ManifestFile) error {
			content, err := os.ReadFile(filepath.Join(path, "..", "..", filepath.FromSlash(told.Name)))
			if err != nil {
				return err
			}
			sum := sha256.Sum256(content)
			is := records.ManifestFile{Name: told.Name, Bytes: int64(len(content)), Records: told.Records, SHA256: hex.EncodeToString(sum[:])}
			if strings.HasSuffix(told.Name, ".ndjson") {
				is.Records = uint32(bytes.Count(content, []byte("\n")))
				for line := range bytes.Lines(content) {
					is.Longest = max(is.Longest, int64(len(line)))
				}
			}
			if told != is {
				t.Errorf("the manifest tells %+v, and the file is %+v", told, is)
			}
			longest = max(longest, is.Longest)
			return nil
		})
	})
	if err != nil || manifests == 0 {
		t.Fatalf("%d manifests, %v", manifests, err)
	}
	return longest
}
