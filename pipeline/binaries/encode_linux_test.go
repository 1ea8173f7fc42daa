package binaries

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// fenced returns n bytes between two pages that nobody may touch; they end where
// the second begins, or begin where the first ends.
func fenced(t *testing.T, n int, atEnd bool) []byte {
	t.Helper()
	page := os.Getpagesize()
	inner := max(1, (n+page-1)/page) * page
	all, err := unix.Mmap(-1, 0, inner+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(all) })
	for _, fence := range [][]byte{all[:page], all[page+inner:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	from := page
	if atEnd {
		from += inner - n
	}
	return all[from : from+n : from+n]
}

// Vector instructions read and write nothing outside of what they were given: it
// would end the process here.
func TestEncodeStaysInside(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	const most = 700
	for _, atEnd := range []bool{false, true} {
		source, room := fenced(t, most, atEnd), fenced(t, int(encodedLen(most)), atEnd)
		copy(source, randomBytes(r, most))
		for n := range most + 1 {
			src, dst := source[:n], room[:encodedLen(int64(n))]
			if atEnd {
				src, dst = source[most-n:], room[len(room)-len(dst):]
			}
			encode(dst, src)
			if want := base64.StdEncoding.AppendEncode(nil, src); !bytes.Equal(dst, want) {
				t.Fatalf("%d bytes: %s, want %s", n, dst, want)
			}
		}
	}
}
