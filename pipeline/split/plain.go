package split

import (
	"bytes"
	"cmp"
	"io"

	"github.com/fhirhose/fhirhose/pipeline"
)

// plain reads an object that is no gzip: its bytes go where they are wanted, and
// nowhere else.
type plain struct {
	in    io.Reader
	count int64
	err   error // sticky
}

func (p *plain) reset(in io.Reader) { *p = plain{in: in} }

// Read returns bytes or an error, never both.
func (p *plain) Read(b []byte) (int, error) {
	for p.err == nil && len(b) > 0 {
		n, err := p.in.Read(b)
		p.count += int64(n)
		if p.err = err; n > 0 {
			return n, nil
		}
	}
	return 0, p.err
}

func (p *plain) fill(b []byte, from int) (int, error) { return p.Read(b[from:]) }

func (p *plain) keep() {}

func (p *plain) taken() int64 { return p.count }

// blank tells whether a line has nothing but JSON's white space in it.
func blank(line []byte) bool {
	for _, b := range line {
		switch b {
		case ' ', '\t', '\r':
		default:
			return false
		}
	}
	return true
}

// Counter counts the records that a [Reader] with Options.Plain finds in the same
// bytes. The zero value has seen none.
type Counter struct {
	records int64
	length  int64 // of the line that has not ended yet
	begun   bool  // it has more than blanks in it
	longest int64 // of tests; 0: pipeline.MaxRecordBytes
}

// Add goes on with the bytes that follow.
func (c *Counter) Add(p []byte) {
	for len(p) > 0 {
		line := p
		n := bytes.IndexByte(p, '\n')
		if n >= 0 {
			line = p[:n]
		}
		c.length += int64(len(line))
		c.begun = c.begun || !blank(line)
		if n < 0 {
			return
		}
		c.end()
		p = p[n+1:]
	}
}

func (c *Counter) end() {
	if c.begun || c.length > cmp.Or(c.longest, pipeline.MaxRecordBytes) {
		c.records++
	}
	c.length, c.begun = 0, false
}

// Records returns how many records the bytes hold, if none follow.
func (c *Counter) Records() int64 {
	all := *c
	all.end()
	return all.records
}
