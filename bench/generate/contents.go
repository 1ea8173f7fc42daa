package generate

import (
	"fmt"
	"os"
	"path/filepath"
)

// largestContent is the size of the largest content.
const largestContent = 40_000

// writeContent writes the object of version v of n of resource i where FHIR Works
// keeps the contents of Binaries: [<tenant>/]<id>_<version>.<extension>. A row that
// is PENDING, or whose resource was deleted with it, has none.
func (c *corpus) writeContent(i, v, n int, r *row) error {
	if c.Contents == "" || c.typeOf(i).name != "Binary" || r.statusText() == pending || (v == n && r.statusText() == deleted) {
		return nil
	}
	name := fmt.Sprintf("%s_%d.pdf", c.appendID(nil, i), v)
	path := filepath.Join(c.Contents, c.tenantOf(i), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	random := c.random(forContent, uint64(i), uint64(v))
	content := make([]byte, 1+random.below(largestContent))
	for k := range content {
		content[k] = byte(random.next())
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	stored := exportTime.AddDate(0, 0, -1-int(random.below(300)))
	return os.Chtimes(path, stored, stored)
}
