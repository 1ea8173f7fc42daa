package listing

import (
	"fmt"

	"github.com/fhirhose/fhirhose/pipeline"
)

// cursor walks over a listing in key order.
type cursor struct {
	listing *Listing
	next    int64 // where the block behind this leaf begins
	leaf    decoder
	entry   entry
	number  int64  // of entry
	begun   bool   // entry and number are those of an object
	from    string // what lies before it is passed over
}

// Content returns the object that Next has moved to.
func (c *cursor) Content() pipeline.Content { return c.entry.content() }

// Next moves to the next object; false at the end.
func (c *cursor) Next() (bool, error) { return c.advance() }

// seek returns a cursor before the first object whose key is not less than from.
func (l *Listing) seek(from string) (*cursor, error) {
	c := &cursor{listing: l, next: l.blocksEnd, from: from}
	if l.objects == 0 {
		return c, nil
	}
	at, want := l.root, -1
	for {
		level, payload, err := l.block(at)
		if err != nil {
			return nil, err
		}
		if level > maxLevel || want >= 0 && level != want {
			return nil, fmt.Errorf("%w: a block of the wrong level", ErrDamaged)
		}
		if level == 0 {
			return c, c.enter(at, payload)
		}
		if at, err = child(payload, from); err != nil {
			return nil, err
		}
		want = level - 1
	}
}

// child returns the last block that begins at or before key, or the first.
func child(payload []byte, key string) (at span, err error) {
	d := decoder{rest: payload}
	for first := true; d.more(); first = false {
		d.nextKey()
		s := span{d.number(), d.number()}
		if !first && string(d.key) > key {
			break
		}
		at = s
	}
	if d.broken {
		return at, fmt.Errorf("%w: a block cannot be read", ErrDamaged)
	}
	return at, nil
}

// enter begins with the leaf that lies at s.
func (c *cursor) enter(s span, payload []byte) error {
	c.next = s.offset + s.length
	c.leaf = decoder{rest: payload, key: c.leaf.key[:0]}
	first := c.leaf.number()
	if c.leaf.broken || c.begun && first != c.number+1 || first >= c.listing.objects {
		return fmt.Errorf("%w: a block of the wrong place", ErrDamaged)
	}
	c.number = first - 1
	return nil
}

func (c *cursor) advance() (bool, error) {
	for {
		if !c.leaf.more() {
			if c.leaf.broken {
				return false, fmt.Errorf("%w: a block cannot be read", ErrDamaged)
			}
			if ok, err := c.nextLeaf(); err != nil || !ok {
				return false, err
			}
		}
		c.entry = c.leaf.entry()
		if c.leaf.broken {
			return false, fmt.Errorf("%w: a block cannot be read", ErrDamaged)
		}
		c.number++
		c.begun = true
		if string(c.entry.key) >= c.from {
			return true, nil
		}
	}
}

// nextLeaf goes on with the next leaf in the file: blocks of higher levels lie
// between the leaves.
func (c *cursor) nextLeaf() (bool, error) {
	for {
		s, level, err := c.listing.following(c.next)
		if err != nil {
			return false, err
		}
		if s.length == 0 {
			if c.begun && c.number+1 != c.listing.objects {
				return false, fmt.Errorf("%w: it holds another number of objects", ErrDamaged)
			}
			return false, nil
		}
		if level > 0 {
			c.next += s.length
			continue
		}
		level, payload, err := c.listing.block(s)
		if err != nil {
			return false, err
		}
		if level != 0 {
			return false, fmt.Errorf("%w: a block of the wrong level", ErrDamaged)
		}
		return true, c.enter(s, payload)
	}
}
