package canon

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func canonical(t interface{ Fatalf(string, ...any) }, text string) string {
	var tape Tape
	tape.Reset([]byte(text), make([]byte, len(text)+Room), Longest([]byte(text)))
	i, o, k := tape.Number(0, 0, 0)
	if i != len(text) || string(tape.Raw(0, o)) != text {
		t.Fatalf("%q: read to %d, copied %q", text, i, tape.Raw(0, o))
	}
	return string(tape.Text(0, k))
}

func TestCanonicalNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "0.000": "0", "0e5": "0", "-0.0E-9": "0", "1": "1e0", "57": "57e0", "1.5": "15e-1", "1.50": "15e-1", "-1.50": "-15e-1", "100": "1e2",
		"0.001": "1e-3", "1e+21": "1e21", "1E-7": "1e-7", "10e-1": "1e0", "12e00": "12e0", "120e-0001": "12e0",
		"1e99999999999999999": "1e99999999999999999", "10e99999999999999999": "1e100000000000000000", "1.5e100000000000000000": "15e99999999999999999", "10e999999999999999999999": "1e1000000000000000000000",
		"0.1e1000000000000000000000": "1e999999999999999999999", "10e-1000000000000000000000": "1e-999999999999999999999", "0.1e-999999999999999999999": "1e-1000000000000000000000",
		"1e000000000000000000000000005": "1e5", "1e-00000000000000000000000000": "1e0",
	} {
		if got := canonical(t, text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestEqualNumbers: two texts have the same canonical text exactly if their
// values are equal.
func TestEqualNumbers(t *testing.T) {
	number := rapid.Custom(func(t *rapid.T) string {
		text := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign")
		text += rapid.SampledFrom([]string{"0", "1", "10", "12", "100", "99999999999999999999999999999999999999"}).Draw(t, "whole")
		text += rapid.SampledFrom([]string{"", ".0", ".1", ".10", ".01", ".00000000000000000000000000000000000001"}).Draw(t, "fraction")
		return text + rapid.SampledFrom([]string{"", "e0", "E1", "e+1", "e-1", "e-02", "e40", "e-40"}).Draw(t, "exponent")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if (canonical(t, a) == canonical(t, b)) != (x.Cmp(y) == 0) {
			t.Fatalf("%s is %s, %s is %s", a, canonical(t, a), b, canonical(t, b))
		}
	})
}

// TestExponents compares exponents around the length where int64 ends with
// big integers.
func TestExponents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exponent := rapid.StringMatching(`[+-]?[0-9]{1,40}`).Draw(t, "exponent")
		zeros := rapid.IntRange(0, 1200).Draw(t, "zeros")
		want, _ := new(big.Int).SetString(strings.TrimPrefix(exponent, "+"), 10)
		up := new(big.Int).Add(want, big.NewInt(int64(zeros)))
		if got := canonical(t, "7"+strings.Repeat("0", zeros)+"e"+exponent); got != "7e"+up.String() {
			t.Fatalf("%s, want %s", got, up)
		}
		down := want.Sub(want, big.NewInt(int64(zeros+1)))
		if got := canonical(t, "0."+strings.Repeat("0", zeros)+"7e"+exponent); got != "7e"+down.String() {
			t.Fatalf("%s, want %s", got, down)
		}
	})
}
