package objectstore

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/minio/crc64nvme"
)

// CRC is a CRC-64/NVME, the checksum that S3 keeps of a whole object although
// it came in parts. The zero value is that of no bytes.
// Source: Amazon S3 User Guide, "Checking object integrity".
type CRC uint64

// Add returns the checksum after p follows.
func (c CRC) Add(p []byte) CRC { return CRC(crc64nvme.Update(uint64(c), p)) }

// Base64 returns the checksum as S3 writes it.
func (c CRC) Base64() string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(c)))
}

// Join returns the checksum of what c is of followed by size bytes whose
// checksum is next: parts are summed once, alone, and their sums joined.
//
// size zero bytes are a linear map of the checksum over GF(2); squaring the map
// of one zero bit doubles its length (as zlib's crc32_combine does).
func (c CRC) Join(next CRC, size int64) CRC {
	zeros := matrix{0: crc64nvme.NVME}
	for i := 1; i < len(zeros); i++ {
		zeros[i] = 1 << (i - 1)
	}
	for range 3 { // 1 bit, 2, 4, 8: one byte
		zeros = zeros.squared()
	}
	for ; size > 0; size >>= 1 {
		if size&1 == 1 {
			c = CRC(zeros.times(uint64(c)))
		}
		zeros = zeros.squared()
	}
	return c ^ next
}

// matrix is a linear map of 64 bits: the images of the single bits.
type matrix [64]uint64

func (m *matrix) times(v uint64) (product uint64) {
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 == 1 {
			product ^= m[i]
		}
	}
	return product
}

func (m *matrix) squared() (square matrix) {
	for i, image := range m {
		square[i] = m.times(image)
	}
	return square
}
