package ledger

import "github.com/fhirhose/fhirhose/pipeline"

// Fate is what the ledger knows about the end of a resource's history.
type Fate uint8

const (
	// Uncommitted means that there are only PENDING rows. The source never showed it.
	Uncommitted Fate = iota
	// Live means that the last committed version is written and not DELETED.
	Live
	// Deleted means that the last committed version is written and DELETED. It
	// is the only fate with which a resource may be deleted in a target, and
	// only if its id is not ambiguous.
	Deleted
	// Unsettled means that the last committed version was not written, or that
	// there are several rows of it that disagree. Such a resource is never
	// deleted in a target and never reported as equal.
	Unsettled
)

func (f Fate) String() string {
	return [...]string{"uncommitted", "live", "deleted", "unsettled"}[f]
}

// history follows one resource through its entries, which come in order of
// version. It holds no entry, so it does not grow with the number of versions.
type history struct {
	rows       int64 // of the job's tenant
	duplicates int64
	holes      int64 // below the highest committed version
	gap        int64 // holes since then

	version   uint32 // of the row before
	committed bool   // any
	disagree  bool   // rows of the last committed version
	last      struct {
		version          uint32
		written, deleted bool
		content          [32]byte
	}
}

// add takes the next entry.
func (h *history) add(e *Entry) {
	if !e.ours() {
		return
	}
	switch {
	case h.rows == 0:
		h.gap = max(0, int64(e.Version)-1)
	case e.Version == h.version:
		h.duplicates++
	default:
		h.gap += int64(e.Version) - int64(h.version) - 1
	}
	h.rows++
	h.version = e.Version
	if e.Committed() {
		h.commit(e)
	}
}

func (h *history) commit(e *Entry) {
	h.holes, h.gap = h.holes+h.gap, 0
	now := h.last
	now.version, now.written, now.content = e.Version, e.Written(), e.Content
	now.deleted = e.Status == pipeline.Deleted
	if h.committed && h.last.version == e.Version {
		h.disagree = h.disagree || h.last != now
	} else {
		h.disagree = false
	}
	h.committed, h.last = true, now
}

// fate judges the resource once all its entries have been added.
func (h *history) fate() Fate {
	switch {
	case !h.committed:
		return Uncommitted
	case h.disagree || !h.last.written:
		return Unsettled
	case h.last.deleted:
		return Deleted
	default:
		return Live
	}
}
