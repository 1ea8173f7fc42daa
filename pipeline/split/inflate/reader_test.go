package inflate

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"

	"github.com/klauspost/compress/gzip"
)

func gzipOf(t testing.TB, header gzip.Header, plain string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Header = header
	_, _ = io.WriteString(w, plain)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Every field of the header is passed over, or breaks off at every byte.
func TestHeader(t *testing.T) {
	full := gzipOf(t, gzip.Header{Name: "name", Comment: "comment", Extra: []byte("extra")}, "text")
	for n := range full {
		want := "truncated"
		if n == 0 {
			want = ""
		}
		if got := agree(t, full[:n], 1); got.defect != want {
			t.Errorf("%d bytes: %q", n, got.defect)
		}
	}
	if got := agree(t, full, 1); string(got.plain) != "text" || got.defect != "" {
		t.Errorf("%q after %q", got.defect, got.plain)
	}
	for name, length := range map[string]int{"": 511, "header": 512} {
		if got := agree(t, gzipOf(t, gzip.Header{Name: strings.Repeat("n", length)}, "text"), 1); got.defect != name {
			t.Errorf("name of %d bytes: %q", length, got.defect)
		}
	}
	for flag := range 8 {
		broken := gzipOf(t, gzip.Header{}, "text")
		broken[3] = 1 << flag
		agree(t, broken, 1)
	}
	// FHCRC: of all pairs of bytes one is right.
	right := 0
	var r Reader
	plain := gzipOf(t, gzip.Header{}, "text")
	for sum := range 1 << 16 {
		file := append(append(bytes.Clone(plain[:10]), byte(sum), byte(sum>>8)), plain[10:]...)
		file[3] = flagHeaderCRC
		r.Reset(bytes.NewReader(file))
		_, err := r.Read(make([]byte, 10))
		if err == nil {
			agree(t, file, 1)
			right++
		} else if defect(err) != "header" {
			t.Fatalf("%04x: %v", sum, err)
		}
	}
	if right != 1 {
		t.Errorf("%d header checksums are right", right)
	}
}

// What the source fails with comes back as it is, after the bytes before it.
func TestSourceFails(t *testing.T) {
	cause := errors.New("connection reset")
	plain := strings.Repeat("line of text\n", 50)
	file := gzipOf(t, gzip.Header{}, plain)
	for n := range len(file) + 1 {
		var r Reader
		r.Reset(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(cause)))
		got, err := io.ReadAll(&r)
		if !errors.Is(err, cause) || !strings.HasPrefix(plain, string(got)) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if _, again := r.Read(make([]byte, 1)); !errors.Is(again, cause) {
			t.Fatalf("cut at %d: then %v", n, again)
		}
	}
}

func TestFillWithoutKeepPanics(t *testing.T) {
	var r Reader
	r.Reset(bytes.NewReader(gzipOf(t, gzip.Header{}, "some text")))
	if _, err := r.Fill(make([]byte, 4), 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_, _ = r.Fill(make([]byte, 4), 0)
}

func TestMembersAndTaken(t *testing.T) {
	one := gzipOf(t, gzip.Header{}, "text")
	var r Reader
	r.Reset(bytes.NewReader(append(bytes.Clone(one), one...)))
	if got, err := io.ReadAll(&r); err != nil || string(got) != "texttext" {
		t.Fatalf("%q, %v", got, err)
	}
	if r.Members() != 2 || r.Taken() != int64(2*len(one)) {
		t.Errorf("%d members, %d bytes taken of %d", r.Members(), r.Taken(), 2*len(one))
	}
}

func TestMemory(t *testing.T) {
	if size := unsafe.Sizeof(Reader{}); size > 120<<10 {
		t.Errorf("a Reader has %d bytes", size)
	}
	files := samples(t)
	var r Reader
	p := make([]byte, 1<<10)
	source := new(bytes.Reader)
	if n := testing.AllocsPerRun(5, func() {
		for _, file := range files {
			source.Reset(file)
			r.Reset(source)
			for {
				if _, err := r.Read(p); err != nil {
					break
				}
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
