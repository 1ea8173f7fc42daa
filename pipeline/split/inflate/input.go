package inflate

import (
	"compress/flate"
	"errors"
	"io"
)

// inputBytes is the most that one read of the source asks for.
const inputBytes = 64 << 10

// input is the compressed side: a buffer over the source, and bits before it.
type input struct {
	source io.Reader
	failed error // what the source ended with
	read   int64 // bytes read from the source

	in       []byte // buffer[pos:] are the bytes not taken yet
	pos      int
	bits     uint64 // taken but not consumed, the next one lowest
	count    uint   // of bits; fewer than 8 between steps
	buffered [inputBytes]byte
}

func (z *input) reset(source io.Reader) {
	z.source, z.failed, z.read = source, nil, 0
	z.in, z.pos, z.bits, z.count = z.buffered[:0], 0, 0, 0
}

// Taken returns how many bytes of the source are behind what was returned.
func (z *input) Taken() int64 { return z.read - int64(len(z.in)-z.pos) }

// more reads on until wanted bytes are ready or the source has ended. wanted is
// small against inputBytes.
func (z *input) more(wanted int) {
	held := copy(z.buffered[:], z.in[z.pos:])
	for idle := 0; held < wanted && z.failed == nil; {
		n, err := z.source.Read(z.buffered[held:])
		held += n
		z.read += int64(n)
		z.failed = err
		if idle++; n > 0 {
			idle = 0
		}
		if idle == 100 && err == nil {
			z.failed = io.ErrNoProgress
		}
	}
	z.in, z.pos = z.buffered[:held], 0
}

// end returns why there is no further byte where there must be one.
func (z *input) end() error {
	if errors.Is(z.failed, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return z.failed
}

func (z *input) corrupt() error { return flate.CorruptInputError(z.Taken()) }

// byte takes a byte; there are no bits before it.
func (z *input) byte() (byte, error) {
	if z.pos == len(z.in) {
		if z.more(1); len(z.in) == 0 {
			return 0, z.end()
		}
	}
	b := z.in[z.pos]
	z.pos++
	return b, nil
}

// need makes at least n bits ready, byte by byte, so that none is taken from
// what follows the deflate stream.
func (z *input) need(n uint) error {
	for z.count < n {
		b, err := z.byte()
		if err != nil {
			return err
		}
		z.bits |= uint64(b) << z.count
		z.count += 8
	}
	return nil
}

// take consumes n bits.
func (z *input) take(n uint) (uint, error) {
	if err := z.need(n); err != nil {
		return 0, err
	}
	value := uint(z.bits) & (1<<n - 1)
	z.bits >>= n
	z.count -= n
	return value, nil
}

// symbol consumes one code and the extra bits that belong to it. It returns the
// entry and the value of the extra bits.
func (z *input) symbol(table []entry, root uint) (entry, uint, error) {
	for {
		e := table[z.bits&(1<<root-1)]
		if e.isSubtable() {
			e = table[e.value()+uint(z.bits>>root)&(1<<e.code()-1)]
		}
		if e.bits() <= z.count {
			extra := uint(z.bits) & (1<<e.bits() - 1) >> e.code()
			z.bits >>= e.bits()
			z.count -= e.bits()
			return e, extra, nil
		}
		if err := z.need(z.count + 1); err != nil {
			return 0, 0, err
		}
	}
}
