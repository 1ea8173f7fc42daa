package binarybucket

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

const (
	progressSuffix = ".progress"
	// progressVersion changes with the meaning of the fields. A record of another
	// version only costs reading once more.
	progressVersion = 1
)

// progress says which ranges of an object a partial copy holds. It lies beside
// the copy as JSON.
type progress struct {
	Version    int    `json:"version"`
	Of         string `json:"of"` // SHA-256 over all that identifies the object, in hex
	Size       int64  `json:"size"`
	RangeBytes int64  `json:"range_bytes"`
	Done       []byte `json:"done"` // bit i%8 of byte i/8: range i is durable
}

func newProgress(c pipeline.Content, rangeBytes int64) progress {
	p := progress{Version: progressVersion, Of: identify(c), Size: c.Size, RangeBytes: rangeBytes}
	p.Done = make([]byte, (p.ranges()+7)/8)
	return p
}

func identify(c pipeline.Content) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d %d", c.Key, c.VersionID, c.ETag, c.Size, c.Modified.UnixNano()))
	return hex.EncodeToString(sum[:])
}

func (p *progress) ranges() int { return int((p.Size + p.RangeBytes - 1) / p.RangeBytes) }

func (p *progress) span(i int) (offset, n int64) {
	offset = int64(i) * p.RangeBytes
	return offset, min(p.RangeBytes, p.Size-offset)
}

func (p *progress) has(i int) bool { return p.Done[i/8]&(1<<(i%8)) != 0 }
func (p *progress) add(i int)      { p.Done[i/8] |= 1 << (i % 8) }

// missing returns the ranges that are not there.
func (p *progress) missing() (missing []int) {
	for i := range p.ranges() {
		if !p.has(i) {
			missing = append(missing, i)
		}
	}
	return missing
}

// load takes over what an earlier process has noted of the same object, if its
// partial copy is there.
func (p *progress) load(path, partial string) bool {
	data, err := os.ReadFile(path + progressSuffix)
	if err != nil {
		return false
	}
	var noted progress
	if json.Unmarshal(data, &noted) != nil || len(noted.Done) != len(p.Done) {
		return false
	}
	want := *p
	want.Done = noted.Done
	if noted.Version != want.Version || noted.Of != want.Of || noted.Size != want.Size || noted.RangeBytes != want.RangeBytes {
		return false
	}
	info, err := os.Stat(partial)
	if err != nil || info.Size() > p.Size || info.Size() < noted.end() {
		return false
	}
	p.Done = noted.Done
	return true
}

// end returns where the last range ends that is noted.
func (p *progress) end() int64 {
	for i := p.ranges() - 1; i >= 0; i-- {
		if p.has(i) {
			offset, n := p.span(i)
			return offset + n
		}
	}
	return 0
}

func (p *progress) save(path string) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return durable.WriteFile(path+progressSuffix, append(data, '\n'))
}
