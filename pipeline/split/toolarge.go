package split

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
)

// discard ends the batch with a line that is too large. b.Data holds its
// beginning, and perhaps its end; the rest is hashed as it passes, in constant
// memory.
func (r *Reader) discard(b *Batch) error {
	hash, from := sha256.New(), r.at
	r.at.pass(b.Data[:r.start])
	line, rest, ended := bytes.Cut(b.Data[r.start:], []byte{'\n'})
	length := int64(len(line))
	hash.Write(line)
	r.at.pass(line)
	r.carry = append(r.carry[:0], rest...)
	for !ended {
		n, err := r.decoder.Read(r.carry[:readBytes])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		line, rest, ended = bytes.Cut(r.carry[:n], []byte{'\n'})
		length += int64(len(line))
		hash.Write(line)
		r.at.pass(line)
		r.carry = append(r.carry[:0], rest...)
	}
	if ended {
		r.at.pass([]byte{'\n'})
	}
	kept := r.start + min(excerptBytes, r.record)
	b.Data = b.Data[:kept]
	b.Lines = append(b.Lines, Line{uint32(r.start), uint32(kept)})
	b.TooLarge = &TooLarge{Length: length, SHA256: [sha256.Size]byte(hash.Sum(nil))}
	r.close(b, from)
	return nil
}
