package sha

// maxBlocks is how many blocks one call takes: the scheduler cannot interrupt
// assembly, and this is 64 KiB of each message, some 40 µs.
const maxBlocks = 1024

// hasNI tells whether the processor has the instructions of block_amd64.s.
var hasNI = detectNI()

func detectNI() bool {
	const ssse3, sse41, sha = 1 << 9, 1 << 19, 1 << 29 // Intel SDM, volume 2, CPUID
	if last, _, _, _ := cpuid(0, 0); last < 7 {
		return false
	}
	_, _, c, _ := cpuid(1, 0)
	_, b, _, _ := cpuid(7, 0)
	return c&ssse3 != 0 && c&sse41 != 0 && b&sha != 0
}

// blocks takes whole blocks into a chaining value.
func blocks(chain *[8]uint32, p []byte) {
	if !hasNI {
		stdBlocks(chain, p)
		return
	}
	for len(p) > 0 {
		n := min(len(p)/BlockSize, maxBlocks)
		niBlocks(chain, &p[0], n)
		p = p[n*BlockSize:]
	}
}

// oneBlock does not let p escape.
func oneBlock(chain *[8]uint32, p *[BlockSize]byte) {
	if !hasNI {
		stdOneBlock(chain, p)
		return
	}
	niBlocks(chain, &p[0], 1)
}

// twoBlocks takes whole blocks of p into a, and as many of q into b.
func twoBlocks(a, b *[8]uint32, p, q []byte) {
	if !hasNI {
		stdBlocks(a, p)
		stdBlocks(b, q)
		return
	}
	for len(p) > 0 {
		n := min(len(p)/BlockSize, maxBlocks)
		niBlocks2(a, b, &p[0], &q[0], n)
		p, q = p[n*BlockSize:], q[n*BlockSize:]
	}
}

// niBlocks takes n blocks, at least one, from p on.
//
//go:noescape
func niBlocks(chain *[8]uint32, p *byte, n int)

// niBlocks2 takes n blocks, at least one, from p on into a, and from q on into b.
//
//go:noescape
func niBlocks2(a, b *[8]uint32, p, q *byte, n int)

func cpuid(leaf, sub uint32) (a, b, c, d uint32)
