package sha

func blocks(chain *[8]uint32, p []byte) {
	stdBlocks(chain, p)
}

func oneBlock(chain *[8]uint32, p *[block]byte) {
	stdOneBlock(chain, p)
}
