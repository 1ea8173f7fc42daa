package recordstest

import (
	"crypto/sha256"
	"encoding"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// TestHoldsCanary: eight bytes are found in whatever a program may make of them.
func TestHoldsCanary(t *testing.T) {
	noise := make([]byte, 4000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	for from := range len(canaryText) {
		for before := range 9 {
			text := append(append(append([]byte{}, noise[:before]...), Canary[from:from+10]...), noise[before:20]...)
			sum := sha256.New()
			sum.Write(text)
			state, err := sum.(encoding.BinaryMarshaler).MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			record, err := json.Marshal(struct{ Sum, Other []byte }{state, noise})
			if err != nil {
				t.Fatal(err)
			}
			for name, b := range map[string][]byte{
				"plain": text, "of a hash": record,
				"base64":           []byte("some-words/" + base64.StdEncoding.EncodeToString(text) + "/more+"),
				"url":              []byte("=" + base64.RawURLEncoding.EncodeToString(text)),
				"hex":              []byte("0x" + hex.EncodeToString(text)),
				"base64 in base64": []byte(base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(text)))),
				"hash in base64":   []byte(base64.StdEncoding.EncodeToString(record)),
			} {
				if !HoldsCanary(b) {
					t.Errorf("not found behind %d bytes, %s: %q", before, name, b)
				}
			}
		}
	}
	for _, b := range [][]byte{nil, noise, []byte(base64.StdEncoding.EncodeToString(noise)), []byte(hex.EncodeToString(noise)), []byte("C4nary")} {
		if HoldsCanary(b) {
			t.Errorf("found in %.50q", b)
		}
	}
}
