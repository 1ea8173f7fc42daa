package sha

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// The layout of crypto/sha256's state on which stdBlocks relies. If this fails
// with a new version of Go, std.go must learn its layout.
func TestStdState(t *testing.T) {
	p := bytes.Repeat([]byte("0123456789abcdef"), 7)[:100]
	h := sha256.New().(stdHash)
	empty, err := h.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	first := text(&initial)
	want := append([]byte("sha\x03"), first[:]...)
	want = append(want, make([]byte, 64+8)...)
	if !bytes.Equal(empty, want) || len(want) != stdState {
		t.Fatalf("state of nothing:\n%x\nwant\n%x", empty, want)
	}
	h.Write(p)
	marshalled, err := h.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	// The chaining value after "0123456789abcdef" four times, worked out in Python
	// from the text of FIPS 180-4.
	chain, _ := hex.DecodeString("ba5cdf6c0e6b51926b811cb581a7960f99930d0757855b8e376fdfd9758ee057")
	want = append(want[:0], "sha\x03"...)
	want = append(want, chain...)
	want = append(want, p[64:]...)
	want = append(want, make([]byte, 28)...)
	want = binary.BigEndian.AppendUint64(want, 100)
	if !bytes.Equal(marshalled, want) {
		t.Fatalf("state of 100 bytes:\n%x\nwant\n%x", marshalled, want)
	}
}
