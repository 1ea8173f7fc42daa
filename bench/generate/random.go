package generate

import "encoding/hex"

// random is splitmix64: eight bytes of state, so that every resource has its
// own, derived from the seed and the resource's number. Its sequence is fixed
// here because the standard library's may change with a release.
type random uint64

func newRandom(seed uint64, keys ...uint64) random {
	state := mix(seed + 0x9e3779b97f4a7c15)
	for _, key := range keys {
		state = mix(state ^ mix(key+0x9e3779b97f4a7c15))
	}
	return random(state)
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// below returns a number in [0, n). The bias is below n/2^64.
func (r *random) below(n uint64) uint64 { return r.next() % n }

// between returns a number in [low, high].
func (r *random) between(low, high int64) int64 {
	return low + int64(r.below(uint64(high-low+1)))
}

// chance is true in perMille of 1,000 cases.
func (r *random) chance(perMille uint64) bool { return r.below(1000) < perMille }

// appendUUID appends a random version 4 UUID.
func (r *random) appendUUID(dst []byte) []byte {
	var raw [16]byte
	for i, half := range [2]uint64{r.next(), r.next()} {
		for j := range 8 {
			raw[8*i+j] = byte(half >> (8 * j))
		}
	}
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	dst = append(hex.AppendEncode(dst, raw[:4]), '-')
	dst = append(hex.AppendEncode(dst, raw[4:6]), '-')
	dst = append(hex.AppendEncode(dst, raw[6:8]), '-')
	dst = append(hex.AppendEncode(dst, raw[8:10]), '-')
	return hex.AppendEncode(dst, raw[10:])
}

func (r *random) appendDigits(dst []byte, n int64) []byte {
	for range n {
		dst = append(dst, byte('0'+r.below(10)))
	}
	return dst
}
