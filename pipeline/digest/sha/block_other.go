//go:build !amd64

package sha

const hasNI = false

func blocks(chain *[8]uint32, p []byte) { stdBlocks(chain, p) }

func oneBlock(chain *[8]uint32, p *[BlockSize]byte) { stdOneBlock(chain, p) }

func twoBlocks(a, b *[8]uint32, p, q []byte) {
	stdBlocks(a, p)
	stdBlocks(b, q)
}

// Many sets out[i] to the digest of in[i]. out must be as long as in.
func Many(out [][Size]byte, in [][]byte) { stdMany(out, in) }
