package ledger_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// naiveDecode reads a sealed segment as docs/ledger.md describes it, and shares
// no code with the package: it is what an auditor would write. It panics where
// a segment is not as described (indexing), which the caller turns into a failure.
func naiveDecode(file []byte) (entries []ledger.Entry, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not as documented: %v", r)
		}
	}()
	crc := func(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
	u32 := binary.LittleEndian.Uint32

	trailer := file[len(file)-24:]
	footerAt := u32(trailer[8:])
	footer := file[footerAt : len(file)-24]
	checked := append(append(append([]byte{}, file[:12]...), footer...), trailer[:12]...)
	switch {
	case string(file[:8]) != "fhledger" || u32(file[8:]) != 2:
		return nil, errors.New("header")
	case string(trailer[16:]) != "fhLEDend" || binary.LittleEndian.Uint64(trailer) != uint64(len(file)):
		return nil, errors.New("trailer")
	case crc(checked) != u32(trailer[12:]):
		return nil, errors.New("footer checksum")
	}

	var types, labels []string
	count, footer := u32(footer), footer[4:]
	for range count {
		k := footer[0]
		types, footer = append(types, string(footer[1:1+k])), footer[1+k:]
	}
	count, footer = u32(footer), footer[4:]
	for range count {
		labels, footer = append(labels, string(footer[:32])), footer[32:]
	}
	if len(footer) != 257*8 {
		return nil, errors.New("fan-out")
	}

	at := uint32(12)
	for at < footerAt {
		n := u32(file[at:])
		if n < 1 || n > 4352 || crc(file[at:at+4+n]) != u32(file[at+4+n:]) {
			return nil, errors.New("block")
		}
		payload := file[at+4 : at+4+n]
		id, origin := "", [2]int64{}
		for len(payload) > 0 {
			var e ledger.Entry
			e, payload = naiveEntry(payload, &id, &origin, types, labels)
			lead := naiveHash(e.ID)[0]
			from, to := footer[8*int(lead):], footer[8*int(lead)+8:]
			if at < u32(from) || at >= u32(to) || uint32(len(entries)) < u32(from[4:]) || uint32(len(entries)) >= u32(to[4:]) {
				return nil, errors.New("fan-out does not lead here")
			}
			entries = append(entries, e)
		}
		at += n + 8
	}
	if u32(footer[256*8:]) != footerAt || u32(footer[256*8+4:]) != uint32(len(entries)) {
		return nil, errors.New("end of the fan-out")
	}
	return entries, nil
}

func naiveEntry(p []byte, id *string, origin *[2]int64, types, labels []string) (ledger.Entry, []byte) {
	bits := p[0]
	p = p[1:]
	number := func() uint64 {
		v, n := binary.Uvarint(p)
		if n <= 0 {
			panic("varint")
		}
		p = p[n:]
		return v
	}
	take := func(n int) []byte {
		b := p[:n]
		p = p[n:]
		return b
	}
	signed := func() int64 {
		zigzag := number()
		return int64(zigzag>>1) ^ -int64(zigzag&1)
	}
	if bits&0x10 == 0 {
		*origin = [2]int64{}
	}
	switch {
	case bits&0x10 != 0:
	case bits&0x20 != 0:
		b := take(16)
		*id = fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
	default:
		*id = string(take(int(take(1)[0])))
	}
	e := ledger.Entry{ID: []byte(*id), Status: pipeline.DocumentStatus(bits & 7), LastUpdated: -1 << 63}
	e.Type = []byte(types[number()])
	e.Version = uint32(number())
	if bits&0x40 == 0 {
		e.LastUpdated = signed()
	}
	origin[0] += signed()
	origin[1] += signed()
	e.Object, e.Record = uint32(origin[0]), origin[1]
	if bits&0x08 != 0 {
		e.Reason = pipeline.Reason(take(1)[0])
		return e, p
	}
	e.Folder, e.File, e.Line = uint32(number()), uint32(number()), uint32(number())
	e.Content = [32]byte(take(32))
	if bits&0x80 != 0 {
		e.Form = binary.LittleEndian.Uint32(take(4))
	}
	if n := number(); n == 0 {
		e.Label = [32]byte(take(32))
	} else {
		e.Label = [32]byte([]byte(labels[n-1]))
	}
	return e, p
}
