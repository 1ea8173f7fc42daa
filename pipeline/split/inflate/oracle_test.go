package inflate

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	"errors"
	"io"
	"math/rand/v2"

	"github.com/klauspost/compress/gzip"
)

// outcome is what became of an input: its bytes and the class of its defect.
type outcome struct {
	plain  []byte
	defect string // empty if the input is whole
}

func defect(err error) string {
	var corrupt flate.CorruptInputError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return ""
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "truncated"
	case errors.Is(err, stdgzip.ErrHeader):
		return "header"
	case errors.Is(err, stdgzip.ErrChecksum):
		return "checksum"
	case errors.As(err, &corrupt):
		return "corrupt"
	}
	return err.Error()
}

func standard(compressed []byte) outcome {
	r, err := stdgzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return outcome{nil, defect(err)}
	}
	plain, err := io.ReadAll(r)
	return outcome{plain, defect(err)}
}

// klauspost goes from member to member itself: the library's own loop takes a
// header that breaks off within the name for a sound end.
func klauspost(compressed []byte) outcome {
	var r gzip.Reader
	var plain []byte
	for in := bytes.NewReader(compressed); in.Len() > 0; {
		if err := r.Reset(in); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return outcome{plain, defect(err)}
		}
		r.Multistream(false)
		part, err := io.ReadAll(&r)
		plain = append(plain, part...)
		if err != nil {
			return outcome{plain, defect(err)}
		}
	}
	return outcome{plain, ""}
}

// whole reads in large pieces.
func whole(compressed []byte) outcome {
	var r Reader
	r.Reset(bytes.NewReader(compressed))
	plain, err := io.ReadAll(&r)
	return outcome{plain, defect(err)}
}

// pieces reads with random chunks of input and output, in every way that the
// contract of Fill allows, and destroys what Keep has let go of.
func pieces(compressed []byte, r *Reader, random *rand.Rand) outcome {
	r.Reset(&chunks{compressed, random, 1 << random.IntN(17)})
	var plain []byte
	buffer := make([]byte, 1+random.IntN(100<<10))
	most := 1 << random.IntN(17)
	for at := 0; ; {
		switch {
		case at == len(buffer), random.IntN(50) == 0:
			r.Keep()
			clear(buffer)
			at = random.IntN(1 + len(buffer)/2)
			at = min(at, len(buffer)-1)
		case random.IntN(20) == 0: // a larger buffer, with the same bytes in front
			moved := make([]byte, len(buffer)+1)
			copy(moved, buffer[:at])
			clear(buffer)
			buffer = moved
		}
		room := min(len(buffer)-at, 1+random.IntN(most))
		n, err := r.Fill(buffer[:at+room], at)
		if n > 0 == (err != nil) {
			return outcome{plain, "neither bytes nor error, or both"}
		}
		if err != nil {
			return outcome{plain, defect(err)}
		}
		plain = append(plain, buffer[at:at+n]...)
		at += n
	}
}

// chunks is a source that returns 1 to most bytes at a time, or none.
type chunks struct {
	rest   []byte
	random *rand.Rand
	most   int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(len(c.rest), c.random.IntN(c.most+1))])
	c.rest = c.rest[n:]
	if len(c.rest) == 0 && c.random.IntN(2) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// failer is a test, or a check within one.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// agree checks the Reader against both libraries and against itself.
func agree(t failer, compressed []byte, seed uint64) outcome {
	t.Helper()
	got := whole(compressed)
	if want := klauspost(compressed); got.defect == "" || want.defect == "" {
		if got.defect != want.defect || !bytes.Equal(got.plain, want.plain) {
			t.Fatalf("%q after %d bytes, klauspost has %q after %d", got.defect, len(got.plain), want.defect, len(want.plain))
		}
	} else if got.defect != want.defect && got.defect != "corrupt" {
		// Where a code is empty klauspost goes on with the table of an earlier
		// one, and so finds another defect, later.
		t.Fatalf("defect %q, klauspost has %q", got.defect, want.defect)
	}
	if want := standard(compressed); got.defect == "" || want.defect == "" {
		// compress/gzip refuses no bytes at all and ignores the reserved flags.
		lenient := got.defect == "header" || len(compressed) == 0
		if !lenient && (got.defect != want.defect || !bytes.Equal(got.plain, want.plain)) {
			t.Fatalf("%q after %d bytes, compress/gzip has %q after %d", got.defect, len(got.plain), want.defect, len(want.plain))
		}
	} else {
		// Before it finds a stream truncated it may ask for more bits than the
		// next code needs, and so return less.
		if got.defect != "header" && (got.defect != want.defect || !bytes.HasPrefix(got.plain, want.plain)) {
			t.Fatalf("%q after %d bytes, compress/gzip has %q after %d", got.defect, len(got.plain), want.defect, len(want.plain))
		}
	}
	random := rand.New(rand.NewPCG(seed, 1))
	var r Reader
	for range 2 {
		again := pieces(compressed, &r, random)
		if again.defect != got.defect || !bytes.Equal(again.plain, got.plain) {
			t.Fatalf("in pieces %q after %d bytes, whole %q after %d", again.defect, len(again.plain), got.defect, len(got.plain))
		}
	}
	return got
}
