package canon

// Shrink gives large buffers back at once, rather than with the next short line.
// Positions of the last scan are void.
func (t *Tape) Shrink() {
	if len(t.text) > kept {
		t.own, t.text, t.scratch, t.members, t.raw = nil, nil, nil, nil, nil
	}
}
