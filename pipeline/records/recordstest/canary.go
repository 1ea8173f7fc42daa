package recordstest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
)

// Canary is made of one text over and over, so that any eight bytes of it are
// known again. It is a valid id, and may stand in the sink and nowhere else (I10).
const Canary = canaryText + canaryText + canaryText + canaryText

const canaryText = "C4naryPh1Xq7"

// CanaryRow is a row of an export with canaries in every value, also at its end,
// which is that of the line in the output; replace changes one part of it, so that
// the row has a defect.
func CanaryRow(n int, replace ...string) string {
	row := fmt.Sprintf(`{"Item":{"resourceType":{"S":"Patient"},"id":{"S":"%[1]s-%[2]d"},"vid":{"N":"1"},`+
		`"name":{"L":[{"M":{"family":{"S":"%[1]s"},"given":{"L":[{"S":"%[1]s"}]}}}]},"multipleBirthInteger":{"N":"3"},`+
		`"_ttl":{"S":"%[1]s"},"meta":{"M":{"versionId":{"S":"1"},"lastUpdated":{"S":"2026-01-02T03:04:05.678Z"},`+
		`"tag":{"L":[{"M":{"code":{"S":"%[1]s"}}}]}}},"documentStatus":{"S":"AVAILABLE"},`+
		`"lockEndTs":{"N":"1795194324720"},"_references":{"L":[{"S":"Patient/%[1]s"}]},"contentType":{"S":"%[1]s"}}}`, Canary, n)
	return strings.NewReplacer(replace...).Replace(row)
}

// CanaryBinary is a row of type Binary, as CanaryRow.
func CanaryBinary(n int, replace ...string) string {
	return CanaryRow(n, append([]string{`"resourceType":{"S":"Patient"}`, `"resourceType":{"S":"Binary"}`}, replace...)...)
}

// CanaryKey is the key of the object of the row n, but for its extension.
func CanaryKey(n int) string { return fmt.Sprintf("%s-%d_1.", Canary, n) }

// CanaryContent is a content of n bytes.
func CanaryContent(n int) []byte {
	return bytes.Repeat([]byte(canaryText), n/len(canaryText)+1)[:n]
}

// HoldsCanary tells whether eight bytes of canaries stand in b: as they are, or as
// base64 or hex, also one within the other.
func HoldsCanary(b []byte) bool { return holdsCanary(b, 3) }

func holdsCanary(b []byte, depth int) bool {
	const window = 8
	if len(b) < window {
		return false
	}
	for i := range len(canaryText) {
		if bytes.Contains(b, []byte(Canary[i:i+window])) {
			return true
		}
	}
	if depth == 0 {
		return false
	}
	for i := range codes {
		code := &codes[i]
		for run := range code.runs(b) {
			for range code.group { // it may begin anywhere
				if len(run) < window*code.group/code.bytes {
					break
				}
				if holdsCanary(code.decode(run), depth-1) {
					return true
				}
				run = run[1:]
			}
		}
	}
	return false
}

// code is a way to write bytes as text: group characters for so many bytes.
type code struct {
	alphabet     [256]bool
	group, bytes int
	decode       func([]byte) []byte
}

// runs are the stretches of the alphabet's characters.
func (c *code) runs(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		from := 0
		for i, character := range b {
			if c.alphabet[character] {
				continue
			}
			if from < i && !yield(b[from:i]) {
				return
			}
			from = i + 1
		}
		if from < len(b) {
			yield(b[from:])
		}
	}
}

var codes = []code{
	{alphabet(letters + "+/"), 4, 3, decodeBase64(base64.RawStdEncoding)},
	{alphabet(letters + "-_"), 4, 3, decodeBase64(base64.RawURLEncoding)},
	{alphabet("0123456789abcdefABCDEF"), 2, 1, func(run []byte) []byte {
		decoded := make([]byte, len(run)/2)
		_, _ = hex.Decode(decoded, run[:len(decoded)*2]) // of hex digits
		return decoded
	}},
}

func alphabet(characters string) (is [256]bool) {
	for _, c := range []byte(characters) {
		is[c] = true
	}
	return is
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func decodeBase64(encoding *base64.Encoding) func([]byte) []byte {
	return func(run []byte) []byte {
		decoded := make([]byte, len(run)/4*3)
		_, _ = encoding.Decode(decoded, run[:len(run)/4*4]) // of the alphabet's letters
		return decoded
	}
}

// NoCanaryCommitted runs a job over canaries to its end, and looks at the
// checkpoint behind every commit.
func NoCanaryCommitted(t *testing.T, j Job) {
	t.Helper()
	var commits, found atomic.Int64
	defer faultpoint.Set(func(point string) error {
		switch point {
		case "chunk": // slowly, so that a cut comes before most of them
			for before, waited := commits.Load(), 0; commits.Load() == before && waited < 20; waited++ {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Millisecond) // until the next cut may follow
		case "committed":
			commits.Add(1)
			checkpoint, err := os.ReadFile(j.checkpoint())
			if HoldsCanary(checkpoint) {
				found.Add(1)
			}
			return err
		}
		return nil
	})()
	j.MustRun(t)
	t.Logf("%d commits", commits.Load())
	if commits.Load() < 10 {
		t.Errorf("%d commits prove nothing", commits.Load())
	}
	if n := found.Load(); n > 0 {
		t.Errorf("behind %d of %d commits the checkpoint held bytes of a resource", n, commits.Load())
	}
}
