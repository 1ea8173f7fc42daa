package inflate

// huffman decodes symbols of the block in progress until it ends or the output
// is full. It is content with an output that is nearly full.
func (r *Reader) huffman() error {
	from := r.at
	for {
		if len(r.in)-r.pos < fastInput && r.failed == nil {
			r.more(fastInput)
		}
		roomy := len(r.out)-r.at >= fastOutput
		switch {
		case r.length > 0:
			r.copyMatch()
		case roomy && len(r.in)-r.pos >= fastInput:
			if err := r.fast(); err != nil {
				return err
			}
		case !roomy && r.at > from+windowBytes:
			return nil
		default:
			if err := r.slow(); err != nil {
				return err
			}
		}
		if r.step != stepHuffman || r.at == len(r.out) {
			return nil
		}
	}
}

// slow decodes one symbol, whatever little is left of input and output.
func (r *Reader) slow() error {
	e, extra, err := r.symbol(r.literals[:], literalBits)
	switch {
	case err != nil:
		return err
	case e.isLiteral():
		r.out[r.at] = byte(e.value())
		r.at++
		return nil
	case e.isEnd():
		r.endBlock()
		return nil
	case e.isExceptional():
		return r.corrupt()
	}
	length := int(e.value() + extra)
	e, extra, err = r.symbol(r.distances[:], distanceBits)
	if err != nil {
		return err
	}
	distance := int(e.value() + extra)
	if e.isExceptional() || distance > r.at-r.base+r.kept {
		return r.corrupt()
	}
	r.length, r.distance = length, distance
	r.copyMatch()
	return nil
}

// copyMatch copies as much of the match in progress as the output has room for.
func (r *Reader) copyMatch() {
	for r.length > 0 && r.at < len(r.out) {
		// The part in the window, or at most a whole period of the match.
		source := r.window[:]
		start := windowBytes - r.distance + r.at - r.base
		if start >= windowBytes {
			source, start = r.out[:r.at], r.at-r.distance
		}
		n := copy(r.out[r.at:min(r.at+r.length, len(r.out))], source[start:])
		r.at += n
		r.length -= n
	}
}
