package dynamoexport

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/fhirhose/fhirhose/sources/staging"
)

// checksumBytes bounds a checksum file.
const checksumBytes = 4 << 10

// verifyChecksum compares a manifest with the checksum file beside it, if there
// is one. The guide calls it manifest-*.checksum; exports with manifest-*.md5
// exist.
func verifyChecksum(ctx context.Context, p staging.Place, name string, data []byte) error {
	for _, extension := range []string{".checksum", ".md5"} {
		beside := strings.TrimSuffix(name, ".json") + extension
		text, err := p.Read(ctx, beside, checksumBytes)
		if staging.MayBeAbsent(err) {
			continue // optional
		}
		if err != nil {
			return err
		}
		want, ok := parseChecksum(text)
		if !ok {
			return broken(p.Name(beside), "holds no MD5 in base64 or hex; remove it if it is none")
		}
		if md5.Sum(data) != want {
			return broken(p.Name(name), "MD5 differs from the one in %s", beside)
		}
	}
	return nil
}

// parseChecksum reads an MD5 in base64 or hex, alone or as md5sum writes it.
func parseChecksum(text []byte) (sum [16]byte, ok bool) {
	words := strings.Fields(string(text))
	if len(words) == 0 {
		return sum, false
	}
	word := strings.Trim(words[0], `"`)
	decoded, err := hex.DecodeString(word)
	if err != nil {
		decoded, err = base64.StdEncoding.DecodeString(word)
	}
	if err != nil || len(decoded) != len(sum) {
		return sum, false
	}
	return [16]byte(decoded), true
}
