package ledger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/fhirhose/fhirhose/pipeline"
)

// Info says what Seal wrote.
type Info struct {
	Entries int
	Bytes   int64
}

// position is where a row begins, with its sort key beside it, so that sorting
// touches the rows only for ties.
type position struct {
	key    uint64
	offset uint32
}

// Seal writes the sealed form of a segment: the n rows that the concatenation
// rows consists of, in merge order, at most 4 GiB. What it writes is a pure
// function of rows (I3). Beside rows it needs 16 bytes per row and less than
// 128 KiB, and it writes in small pieces.
//
// Rows that are damaged or not n are a KindFatal error. Errors of w come back
// wrapped. In both cases what was written is worthless.
func Seal(w io.Writer, rows []byte, n int) (Info, error) {
	order, err := sortRows(rows, n)
	if err != nil {
		return Info{}, err
	}
	p := newPacker(w)
	for _, at := range order {
		p.add(rowAt(rows, at.offset))
	}
	size, err := p.finish()
	if err != nil {
		return Info{}, sealError(err)
	}
	return Info{Entries: n, Bytes: size}, nil
}

func sealError(err error) error {
	return &pipeline.Error{Op: "seal ledger segment", Kind: pipeline.KindOf(err), Err: err}
}

func rowAt(rows []byte, offset uint32) Row {
	size := uint32(binary.LittleEndian.Uint16(rows[offset:]))
	return Row(rows[offset : offset+size])
}

// sortRows returns the rows' positions in ledger order.
func sortRows(rows []byte, n int) ([]position, error) {
	if int64(len(rows)) > maxSealBytes {
		return nil, sealError(fmt.Errorf("%d bytes of rows, %d allowed", len(rows), int64(maxSealBytes)))
	}
	order := make([]position, 0, min(n, len(rows)/rowHead))
	it, offset := NewRows(rows), uint32(0)
	for it.Next() {
		row := it.Row()
		order = append(order, position{row.key(), offset})
		offset += uint32(len(row))
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	if len(order) != n {
		return nil, &pipeline.Error{
			Op: "seal ledger segment", Kind: pipeline.KindFatal,
			Err: fmt.Errorf("%d rows, %d expected", len(order), n),
		}
	}
	slices.SortFunc(order, func(a, b position) int {
		if c := cmp.Compare(a.key, b.key); c != 0 {
			return c
		}
		return cmp.Or(compareRows(rowAt(rows, a.offset), rowAt(rows, b.offset)), cmp.Compare(a.offset, b.offset))
	})
	return order, nil
}

// compareRows orders rows of one sort key: by id, then type, then version.
func compareRows(a, b Row) int {
	if !sameID(a, b) {
		var bufA, bufB [MaxNameBytes]byte
		return bytes.Compare(a.idText(&bufA), b.idText(&bufB))
	}
	return cmp.Or(bytes.Compare(a.Type(), b.Type()), cmp.Compare(a.Version(), b.Version()))
}

func sameID(a, b Row) bool {
	return a[rowIDLen] == b[rowIDLen] && bytes.Equal(a.storedID(), b.storedID())
}
