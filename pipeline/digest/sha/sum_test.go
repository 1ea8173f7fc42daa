package sha_test

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/digest/sha"
)

// message is n bytes without pattern, always the same.
func message(n int) []byte {
	p := make([]byte, 0, n+8)
	for i := 0; len(p) < n; i++ {
		p = binary.BigEndian.AppendUint64(p, rand.New(rand.NewPCG(uint64(i), 7)).Uint64())
	}
	return p[:n]
}

func sumOf(p []byte) (s sha.Sum) {
	_, _ = s.Write(p)
	return s
}

func everyRoad(t *testing.T, f func(t *testing.T)) {
	sha.EachRoad(func(road string) { t.Run(road, f) })
}

// The examples of FIPS 180-2, appendix B.
func TestKnown(t *testing.T) { everyRoad(t, known) }

func known(t *testing.T) {
	for _, c := range []struct{ message, sum string }{
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{
			"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
		},
		{strings.Repeat("a", 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
	} {
		s := sumOf([]byte(c.message))
		if s.Sum() != sha.Of([]byte(c.message)) {
			t.Errorf("%.20q: Of gives another sum", c.message)
		}
		if sum := s.Sum(); hex.EncodeToString(sum[:]) != c.sum {
			t.Errorf("%.20q: %x", c.message, sum)
		}
	}
}

func TestEveryLengthInRandomParts(t *testing.T) { everyRoad(t, everyLengthInRandomParts) }

func everyLengthInRandomParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 301 {
		p := message(n)
		for range 8 {
			var s sha.Sum
			for from := 0; from < n; {
				to := from + r.IntN(min(n-from, 1+r.IntN(150))+1)
				if k, err := s.Write(p[from:to]); k != to-from || err != nil {
					t.Fatalf("Write of %d bytes: %d, %v", to-from, k, err)
				}
				from = to
				if s.Sum() != sha256.Sum256(p[:to]) { // and s goes on
					t.Fatalf("sum of the first %d bytes of %d", to, n)
				}
			}
			if s.Sum() != sha256.Sum256(p) || sha.Of(p) != s.Sum() || s.Size() != int64(n) {
				t.Fatalf("sum of %d bytes, size %d", n, s.Size())
			}
		}
	}
}

func TestResumeAtEveryLength(t *testing.T) { everyRoad(t, resumeAtEveryLength) }

func resumeAtEveryLength(t *testing.T) {
	p := message(300)
	for n := range len(p) + 1 {
		s := sumOf(p[:n])
		again, err := sha.Resume(s.State(), s.Size(), p[n-n%64:n])
		if err != nil {
			t.Fatalf("resume at %d: %v", n, err)
		}
		if again.Sum() != sha256.Sum256(p[:n]) || again.Size() != int64(n) {
			t.Fatalf("resumed at %d: another sum", n)
		}
		_, _ = again.Write(p[n:])
		if again.Sum() != sha256.Sum256(p) || !bytes.Equal(again.State(), stateOf(p)) {
			t.Fatalf("resumed at %d and gone on: another sum", n)
		}
	}
}

func stateOf(p []byte) []byte {
	s := sumOf(p)
	return s.State()
}

func TestResumeRefuses(t *testing.T) {
	state := stateOf(message(100))
	for _, c := range []struct {
		name  string
		state []byte
		size  int64
		rest  int
	}{
		{"no state", nil, 100, 36},
		{"a short state", state[:31], 100, 36},
		{"a long state", append(state[:32:32], 0), 100, 36},
		{"a negative size", state, -64, 0},
		{"no rest", state, 100, 0},
		{"a short rest", state, 100, 35},
		{"a long rest", state, 100, 37},
		{"a whole block as rest", state, 128, 64},
		{"another state before the first block", state, 36, 36},
		{"another state of nothing", state, 0, 0},
	} {
		if _, err := sha.Resume(c.state, c.size, make([]byte, c.rest)); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

// I10: a state holds none of the message, however much of it is pending.
func TestStateHoldsNoData(t *testing.T) {
	const few = 4 // fewer in common would be chance
	p := message(300)
	for n := range len(p) + 1 {
		state := stateOf(p[:n])
		if len(state) != sha.Size {
			t.Fatalf("state of %d bytes", len(state))
		}
		for i := range len(state) - few + 1 {
			if bytes.Contains(p[:n], state[i:i+few]) {
				t.Fatalf("state after %d bytes holds four of them", n)
			}
		}
	}
	// The check can fail: the state that crypto/sha256 marshals does hold data.
	h := sha256.New()
	h.Write(p[:100])
	marshalled, _ := h.(encoding.BinaryMarshaler).MarshalBinary()
	if !bytes.Contains(marshalled, p[64:100]) {
		t.Fatal("crypto/sha256 keeps no data any more: is this package needed?")
	}
}

func TestACopyGoesOnByItself(t *testing.T) {
	p := message(100)
	a := sumOf(p[:70])
	b := a
	_, _ = b.Write(p[:10])
	_, _ = a.Write(p[70:])
	if a.Sum() != sha256.Sum256(p) || b.Sum() != sha256.Sum256(append(p[:70:70], p[:10]...)) {
		t.Fatal("a copy and its original share something")
	}
}
