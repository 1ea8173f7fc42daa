package sha_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/digest/sha"
)

func TestWriteBothEveryLength(t *testing.T) { everyRoad(t, writeBothEveryLength) }

func writeBothEveryLength(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	p, q := message(300), message(700)[300:]
	for n := range 301 {
		for _, m := range []int{n, r.IntN(301), r.IntN(301), r.IntN(301), 0} {
			var a, b sha.Sum
			for i, k := 0, 0; i < n || k < m; {
				to, until := i+r.IntN(n-i+1), k+r.IntN(m-k+1)
				sha.WriteBoth(&a, p[i:to], &b, q[k:until])
				i, k = to, until
				if a.Sum() != sha256.Sum256(p[:i]) || b.Sum() != sha256.Sum256(q[:k]) {
					t.Fatalf("sums of the first %d bytes of %d and %d of %d", i, n, k, m)
				}
			}
			if a.Size() != int64(n) || b.Size() != int64(m) {
				t.Fatalf("sizes %d and %d, want %d and %d", a.Size(), b.Size(), n, m)
			}
		}
	}
}

func TestWriteBothOfTheSameBytes(t *testing.T) { everyRoad(t, writeBothOfTheSameBytes) }

func writeBothOfTheSameBytes(t *testing.T) {
	p := message(200_000) // more than one call of the assembly takes
	a, b := sumOf(p[:10]), sumOf(p[:100])
	sha.WriteBoth(&a, p, &b, p)
	if a.Sum() != sha256.Sum256(append(p[:10:10], p...)) || b.Sum() != sha256.Sum256(append(p[:100:100], p...)) {
		t.Fatal("another sum")
	}
}

// FuzzSum cuts data into messages and writes by what cuts says.
func FuzzSum(f *testing.F) {
	f.Add([]byte("abc"), []byte{1, 1, 3})
	f.Add(bytes.Repeat([]byte("0123456789"), 100), []byte{0, 64, 63, 200, 1, 2, 3, 255})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		sha.EachRoad(func(road string) {
			var a, b sha.Sum
			var p, q []byte
			rest := data
			for _, c := range cuts {
				n, m := min(int(c), len(rest)), min(int(c)*7%256, len(rest))
				sha.WriteBoth(&a, rest[:n], &b, rest[:m])
				p, q = append(p, rest[:n]...), append(q, rest[:m]...)
				again, err := sha.Resume(a.State(), a.Size(), p[len(p)-len(p)%64:])
				if err != nil || again.Sum() != a.Sum() {
					t.Fatalf("%s: resumed at %d: %v", road, len(p), err)
				}
				a, rest = again, rest[n:]
			}
			if a.Sum() != sha256.Sum256(p) || b.Sum() != sha256.Sum256(q) {
				t.Fatalf("%s: sums of %d and %d bytes", road, len(p), len(q))
			}
		})
	})
}

// Bytes are those of all messages together.
func BenchmarkSHA256(b *testing.B) {
	for _, n := range []int{300, 1500, 64 << 10} {
		p, q := message(n), message(n)
		var out [2][32]byte
		run := func(name string, messages int, f func()) {
			b.Run(fmt.Sprintf("bytes=%d/%s", n, name), func(b *testing.B) {
				b.SetBytes(int64(messages * n))
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
		run("crypto", 1, func() { sha256.Sum256(p) })
		run("one", 1, func() { out[0] = sha.Of(p) })
		run("both", 2, func() {
			var s, r sha.Sum
			sha.WriteBoth(&s, p, &r, q)
			out[0], out[1] = s.Sum(), r.Sum()
		})
	}
}
