package inflate

// block reads the header of the next block, RFC 1951 section 3.2.3.
func (r *Reader) block() error {
	header, err := r.take(3)
	if err != nil {
		return err
	}
	r.final = header&1 != 0
	switch header >> 1 {
	case 0:
		return r.beginStored()
	case 1:
		r.step = stepHuffman
		r.buildFixed()
		return nil
	case 2:
		r.step = stepHuffman
		return r.readCodes()
	}
	return r.corrupt()
}

func (r *Reader) endBlock() {
	r.step = stepBlock
	if r.final {
		r.step = stepTrailer
	}
}

func (r *Reader) beginStored() error {
	r.bits, r.count = 0, 0
	both, err := r.take(32)
	if err != nil {
		return err
	}
	length, complement := uint16(both), uint16(both>>16)
	if length != ^complement {
		return r.corrupt()
	}
	r.stored = int(length)
	r.step = stepStored
	return nil
}

func (r *Reader) copyStored() error {
	for r.stored > 0 && r.at < len(r.out) {
		if r.pos == len(r.in) {
			if r.more(1); len(r.in) == 0 {
				return r.end()
			}
		}
		most := min(r.stored, len(r.out)-r.at)
		n := copy(r.out[r.at:][:most], r.in[r.pos:])
		r.pos += n
		r.at += n
		r.stored -= n
	}
	if r.stored == 0 {
		r.endBlock()
	}
	return nil
}

// codeOrder is the order in which the lengths of the code length code come.
var codeOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the two codes of a dynamic block, RFC 1951 section 3.2.7.
func (r *Reader) readCodes() error {
	header, err := r.take(5 + 5 + 4)
	if err != nil {
		return err
	}
	literals, distances := int(header&31)+257, int(header>>5&31)+1
	if literals > literalSymbols || distances > distanceSymbols {
		return r.corrupt()
	}
	if err := r.readCodeLengthCode(int(header>>10) + 4); err != nil {
		return err
	}
	if err := r.readLengths(r.lengths[:literals+distances]); err != nil {
		return err
	}
	r.fixed = false
	if !build(r.literals[:], literalBits, r.lengths[:literals], literalEntries[:]) ||
		!build(r.distances[:], distanceBits, r.lengths[literals:literals+distances], distanceEntries[:]) {
		return r.corrupt()
	}
	return nil
}

// readCodeLengthCode builds the code of the code lengths, for which the table of
// the distances serves.
func (r *Reader) readCodeLengthCode(count int) error {
	r.fixed = false
	var lengths [len(codeOrder)]uint8
	for _, symbol := range codeOrder[:count] {
		length, err := r.take(3)
		if err != nil {
			return err
		}
		lengths[symbol] = uint8(length)
	}
	if !build(r.distances[:], distanceBits, lengths[:], codeLengthEntries[:]) {
		return r.corrupt()
	}
	return nil
}

func (r *Reader) readLengths(lengths []uint8) error {
	for i := 0; i < len(lengths); {
		e, extra, err := r.symbol(r.distances[:], distanceBits)
		if err != nil {
			return err
		}
		if e.isExceptional() {
			return r.corrupt()
		}
		value, repeat := uint8(e.value()), 1
		switch value {
		case 16:
			if i == 0 {
				return r.corrupt()
			}
			value, repeat = lengths[i-1], 3+int(extra)
		case 17:
			value, repeat = 0, 3+int(extra)
		case 18:
			value, repeat = 0, 11+int(extra)
		}
		if repeat > len(lengths)-i {
			return r.corrupt()
		}
		for range repeat {
			lengths[i] = value
			i++
		}
	}
	return nil
}

// buildFixed builds the codes of RFC 1951 section 3.2.6.
func (r *Reader) buildFixed() {
	if r.fixed {
		return
	}
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144, i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	build(r.literals[:], literalBits, lengths[:], literalEntries[:])
	for i := range 32 {
		lengths[i] = 5
	}
	build(r.distances[:], distanceBits, lengths[:32], distanceEntries[:])
	r.fixed = true
}
