package digesttest

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"math/big"
	"slices"
	"strings"
)

// Canonical returns the canonical text of a value.
func Canonical(v *Value) string {
	switch v.Kind {
	case '{':
		order := make([]int, len(v.Names))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int {
			return slices.Compare([]rune(v.Names[a]), []rune(v.Names[b]))
		})
		var parts []string
		for _, i := range order {
			parts = append(parts, quote(v.Names[i])+":"+Canonical(v.Members[i]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case '[':
		var parts []string
		for _, member := range v.Members {
			parts = append(parts, Canonical(member))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case '"':
		return quote(v.Text)
	case '0':
		return Number(v.Text)
	}
	return v.Kind.String()
}

func quote(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch i := strings.IndexRune("\"\\\b\f\n\r\t", r); {
		case i >= 0:
			b.WriteString(`\` + `"\bfnrt`[i:i+1])
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

// Number returns the canonical text of a number.
func Number(text string) string {
	digits, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	digits, negative := strings.CutPrefix(digits, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	e := new(big.Int)
	if exponent != "" {
		e.SetString(strings.TrimPrefix(exponent, "+"), 10)
	}
	e.Sub(e, big.NewInt(int64(len(fraction))))
	digits = strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	short := strings.TrimRight(digits, "0")
	e.Add(e, big.NewInt(int64(len(digits)-len(short))))
	if negative {
		short = "-" + short
	}
	return short + "e" + e.String()
}

// Sums returns the content digest of a resource without the attributes named,
// and its label digest.
func Sums(resource *Value) (content, label [sha256.Size]byte) {
	rest, labels := &Value{Kind: '{'}, &Value{Kind: '{'}
	for i, name := range resource.Names {
		if name != "meta" {
			rest.Set(name, resource.Members[i])
		}
	}
	if meta := resource.Get("meta"); meta != nil {
		for _, name := range []string{"security", "profile", "tag"} {
			v := meta.Get(name)
			if v != nil && name == "tag" && v.Kind == '[' {
				v = withoutOurs(v)
			}
			if v != nil {
				labels.Set(name, v)
			}
		}
	}
	return sha256.Sum256([]byte(Canonical(rest))), sha256.Sum256([]byte(Canonical(labels)))
}

// Form returns the number form of a resource: the sum of FNV-1a, of 32 bits, over the
// text of each number outside meta that is longer than need be, or has an exponent.
func Form(resource *Value) (form uint32) {
	for i, name := range resource.Names {
		if name != "meta" {
			form += formOf(resource.Members[i])
		}
	}
	return form
}

func formOf(v *Value) (form uint32) {
	if v.Kind == '0' && v.Text != shortest(v.Text) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(v.Text)) // never fails
		return h.Sum32()
	}
	for _, member := range v.Members {
		form += formOf(member)
	}
	return form
}

// shortest returns the one text of a number's value that counts for nothing, or ""
// if text has an exponent.
func shortest(text string) string {
	if strings.ContainsAny(text, "eE") {
		return ""
	}
	value, _ := new(big.Rat).SetString(text)
	_, fraction, _ := strings.Cut(text, ".")
	short := value.FloatString(len(fraction))
	if len(fraction) > 0 {
		short = strings.TrimRight(strings.TrimRight(short, "0"), ".")
	}
	return short
}

func withoutOurs(tags *Value) *Value {
	kept := &Value{Kind: '['}
	for _, tag := range tags.Members {
		code, display := tag.Get("code"), tag.Get("display")
		if tag.Kind == '{' && len(tag.Names) == 2 && code != nil && display != nil && code.Kind == '"' && display.Kind == '"' &&
			(code.Text == "originalLastUpdated" || code.Text == "DELETED" && display.Text == "DELETED") {
			continue
		}
		kept.Members = append(kept.Members, tag)
	}
	if len(kept.Members) == 0 {
		return nil
	}
	return kept
}
