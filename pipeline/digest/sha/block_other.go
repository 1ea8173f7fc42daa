//go:build !amd64

package sha

const hasNI = false

func blocks(chain *[8]uint32, p []byte) { stdBlocks(chain, p) }

func oneBlock(chain *[8]uint32, p *[BlockSize]byte) { stdOneBlock(chain, p) }

func twoBlocks(a, b *[8]uint32, p, q []byte) {
	stdBlocks(a, p)
	stdBlocks(b, q)
}
