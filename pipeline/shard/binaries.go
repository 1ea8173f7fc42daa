package shard

// OfBinaries gives a quarantine slot the names of the binary pipeline's
// quarantine: each pipeline has a sharder of its own, and both end in one folder.
func (s *Slot) OfBinaries() *Slot {
	s.label = "Binary-"
	return s
}

// AssignLine is Assign for one line, which may be longer than 4 GiB.
func (s *Sharder) AssignLine(slot *Slot, length int64) Piece {
	s.join(slot)
	s.makeRoom(slot, length)
	return slot.take(1, length)
}
