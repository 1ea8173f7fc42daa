package ledger_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// FuzzSegment: a reader of arbitrary bytes neither panics nor allocates by what
// they say, and what it refuses is a fatal error.
func FuzzSegment(f *testing.F) {
	f.Add(seal(f, nil))
	f.Add(seal(f, everyForm()[:20]))
	f.Fuzz(func(t *testing.T, file []byte) {
		check := func(err error) {
			if err != nil && pipeline.KindOf(err) != pipeline.KindFatal {
				t.Fatal(err)
			}
		}
		check(readAll(t.Context(), bytes.NewReader(file)))
		if n := len(file); n >= 36 && int64(binary.LittleEndian.Uint32(file[n-16:])) < int64(n-24) && binary.LittleEndian.Uint32(file[n-16:]) >= 12 {
			check(readAll(t.Context(), bytes.NewReader(resum(file)))) // behind the checksums
		}
	})
}

// FuzzPayload goes behind the checksums: arbitrary bytes as the payload of a
// block with right checksums. What a reader accepts, sealing it again keeps.
func FuzzPayload(f *testing.F) {
	sealed := seal(f, everyForm()[:20])
	footer := int(binary.LittleEndian.Uint32(sealed[len(sealed)-16:]))
	for at := 12; at < footer; {
		n := int(binary.LittleEndian.Uint32(sealed[at:]))
		lead, count := uint8(0), uint16(0)
		for b := range 256 { // find the block in the fan-out
			m := sealed[len(sealed)-24-257*8+8*b:]
			if int(binary.LittleEndian.Uint32(m)) <= at {
				lead, count = uint8(b), uint16(binary.LittleEndian.Uint32(m[12:])-binary.LittleEndian.Uint32(m[4:]))
			}
		}
		f.Add(sealed[at+4:at+4+n], lead, count)
		at += n + 8
	}
	f.Fuzz(func(t *testing.T, payload []byte, lead uint8, count uint16) {
		file := around(payload, lead, uint32(count))
		l, err := ledger.Open(t.Context(), []ledger.File{bytes.NewReader(file)})
		if err != nil {
			return // an empty or overlong payload
		}
		var all []ledger.Entry
		for r, err := range l.Resources(t.Context(), plenty) {
			if err != nil {
				return
			}
			for _, v := range r.Versions {
				v.ID = bytes.Clone(v.ID)
				all = append(all, v)
			}
		}
		again := resources(t, open(t, all), plenty)
		n := 0
		for _, r := range again {
			n += len(r.Versions)
		}
		if n != len(all) {
			t.Fatalf("%d entries, %d after sealing again", len(all), n)
		}
	})
}

// around builds a segment of one block, all of whose entries the fan-out puts
// under one leading byte.
func around(payload []byte, lead uint8, count uint32) []byte {
	u32 := binary.LittleEndian.AppendUint32
	file := u32([]byte("fhledger"), 2)
	file = append(u32(file, uint32(len(payload))), payload...)
	file = u32(file, 0)
	footer := uint32(len(file))
	file = u32(file, 4)
	for _, name := range types {
		file = append(append(file, byte(len(name))), name...)
	}
	file = append(u32(file, 4), make([]byte, 4*32)...)
	for b := range 257 {
		if b <= int(lead) {
			file = u32(u32(file, 12), 0)
		} else {
			file = u32(u32(file, footer), count)
		}
	}
	file = binary.LittleEndian.AppendUint64(file, uint64(len(file)+24))
	file = append(u32(u32(file, footer), 0), "fhLEDend"...)
	return resum(file)
}

// FuzzRows: walking arbitrary bytes neither panics nor reads outside; whole rows
// can be sealed and say the same when encoded again.
func FuzzRows(f *testing.F) {
	f.Add(rowsOf(everyForm()[:3]))
	f.Add(rowsOf(everyForm()[8:20]))
	f.Fuzz(func(t *testing.T, chunk []byte) {
		it, n := ledger.NewRows(chunk), 0
		for it.Next() {
			row := it.Row()
			e := row.Entry()
			again := ledger.Row(ledger.AppendRow(nil, &e))
			again.SetPlace(e.Folder, e.File, e.Line)
			copy(again[6:14], row[6:14]) // the sort key is taken on trust
			if !bytes.Equal(row, again) {
				t.Fatalf("%x\n%x", row, again)
			}
			n++
		}
		if _, err := ledger.Seal(io.Discard, chunk, n); (err == nil) != (it.Err() == nil) {
			t.Fatalf("walk: %v, seal: %v", it.Err(), err)
		}
	})
}
