package stub_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/stub"
)

// sealed returns a frame around a body, with the right length and checksum.
func sealed(body []byte) []byte {
	frame := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	sum := crc32.Checksum(append(bytes.Clone(frame), body...), crc32.MakeTable(crc32.Castagnoli))
	return append(binary.LittleEndian.AppendUint32(frame, sum), body...)
}

// TestWrongContent: what Append does not write is refused, be its checksum right.
func TestWrongContent(t *testing.T) {
	all := samples()
	all[0].Raw = make([]byte, 200)
	written, named := stub.Append(nil, &all[0])[8:], stub.Append(nil, &all[2])[8:]
	with := func(body []byte, at int, b byte) []byte {
		body = bytes.Clone(body)
		body[at] = b
		return body
	}
	for name, body := range map[string][]byte{
		"nothing":                      nil,
		"short":                        named[:28],
		"behind the id":                append(bytes.Clone(named), 'x'),
		"no status":                    with(named, 24, 0),
		"unknown status":               with(named, 24, 6),
		"no identity":                  with(named, 25, 7),
		"unknown reason":               with(named, 25, 200),
		"layout of an earlier release": with(written, 26, 1),
		"layout of a later release":    with(named, 26, 3),
		"long tenant":                  with(written, 27, 65),
		"no id":                        with(named, 28, 0)[:29],
		"long id":                      with(written, 28, 65),
		"no room for the id":           written[:29+len(all[0].Tenant)+len(all[0].ID)-1],
	} {
		file := sealed(body)
		_, err := readAll(t, bytes.NewReader(file), 0, int64(len(file)), nil)
		if refused(t, err); !strings.Contains(err.Error(), "content is wrong") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, body := range [][]byte{written, named} {
		file := sealed(body)
		var s stub.Stub
		if err := stub.NewReader(bytes.NewReader(file), "", 0, int64(len(file))).Next(&s); err != nil {
			t.Error(err)
		}
	}
}
