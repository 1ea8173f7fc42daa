package sha

import "encoding/binary"

// Many sets out[i] to the digest of in[i]. out must be as long as in. It is made
// for messages of a few blocks and more, in any mixture of lengths: while there
// are two that are not done, two go side by side.
func Many(out [][Size]byte, in [][]byte) {
	if !hasNI {
		stdMany(out, in)
		return
	}
	var a, b lane
	next := 0
	for {
		next = a.refill(out, in, next)
		next = b.refill(out, in, next)
		switch {
		case a.busy && b.busy:
			p, n := a.left()
			q, m := b.left()
			n = min(n, m)
			niBlocks2(&a.chain, &b.chain, p, q, n)
			a.done(n)
			b.done(n)
		case a.busy:
			a.alone()
		case b.busy:
			b.alone()
		default:
			return
		}
	}
}

// lane is one of two messages on their way.
type lane struct {
	chain [8]uint32
	whole []byte              // blocks of the message that are left
	end   [2 * BlockSize]byte // what comes behind them, padded
	from  int                 // of end[from:to] is left
	to    int
	index int // of the message
	busy  bool
}

// refill lets the lane take message next if it has none, and returns the next.
func (l *lane) refill(out [][Size]byte, in [][]byte, next int) int {
	if len(l.whole) > 0 || l.from < l.to {
		return next
	}
	if l.busy {
		out[l.index] = text(&l.chain)
	}
	if l.busy = next < len(in); !l.busy {
		return next
	}
	l.index = next
	l.take(in[next])
	return next + 1
}

func (l *lane) take(p []byte) {
	n := len(p) &^ (BlockSize - 1)
	l.chain, l.whole = initial, p[:n]
	n = copy(l.end[:], p[n:])
	l.end[n] = 0x80
	l.from, l.to = 0, BlockSize
	if n+1 > BlockSize-8 { // no room for the length
		l.to = 2 * BlockSize
	}
	clear(l.end[n+1 : l.to-8])
	binary.BigEndian.PutUint64(l.end[l.to-8:], uint64(len(p))*8)
}

// left returns the blocks that come next, and how many of them may be taken.
func (l *lane) left() (*byte, int) {
	if len(l.whole) > 0 {
		return &l.whole[0], min(len(l.whole)/BlockSize, maxBlocks)
	}
	return &l.end[l.from], (l.to - l.from) / BlockSize
}

func (l *lane) done(n int) {
	if len(l.whole) > 0 {
		l.whole = l.whole[n*BlockSize:]
	} else {
		l.from += n * BlockSize
	}
}

func (l *lane) alone() {
	p, n := l.left()
	niBlocks(&l.chain, p, n)
	l.done(n)
}
