package convert

// Shrink gives back the buffers that a line of many MiB has needed. The last
// Record is void.
func (c *Converter) Shrink() {
	c.tape.Shrink()
	c.halves = nil
}
