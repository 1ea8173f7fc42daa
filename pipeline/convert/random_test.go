package convert

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRandomRows compares with the oracle on rows that are nearly right: a few
// values of the wrong shape, names that repeat, white space, escapes.
func TestRandomRows(t *testing.T) {
	all := converters(t)
	rapid.Check(t, func(rt *rapid.T) {
		g := generator{rt}
		attributes := []string{g.name() + ":" + g.value(0)}
		for range rapid.IntRange(0, 3).Draw(rt, "attributes") {
			attributes = append(attributes, g.name()+":"+g.value(0))
		}
		if g.one(3) {
			attributes = append(attributes, `"meta":`+g.meta())
		}
		if g.one(3) {
			attributes = append(attributes, `"resourceType":{"S":"Binary"}`)
			for range rapid.IntRange(0, 2).Draw(rt, "near data") {
				attributes = append(attributes, g.pick(`"data"`, `"content"`, `"contentType"`, `"dat"`, `"data\\"`, `"d\u0061tb"`, `"conten\""`, `"_data"`)+":"+g.value(3))
			}
		}
		if g.one(5) {
			attributes = append(attributes, `"resourceType":{"S":"Subscription"}`,
				`"status":`+g.pick(`{"S":"active"}`, `{ "S":"r\u0065quested"}`, `{"S":"off"}`, `{"S":"activ"}`, `{"BOOL":true}`, `{"M":{"status":{"S":"active"}}}`),
				`"documentStatus":{"S":"`+g.pick("AVAILABLE", "DELETED", "LOCKED")+`"}`)
		}
		row := testRow(attributes...)
		for i, c := range all {
			compare(t, c, fuzzOptions[i], []byte(row))
		}
	})
}

type generator struct{ t *rapid.T }

// one is true once in n times.
func (g generator) one(n int) bool { return rapid.IntRange(0, n-1).Draw(g.t, "one") == 0 }

func (g generator) pick(from ...string) string { return rapid.SampledFrom(from).Draw(g.t, "pick") }

// space is mostly none.
func (g generator) space() string {
	if g.one(20) {
		return g.pick(" ", "\t", "\n", "\r ")
	}
	return ""
}

func (g generator) name() string {
	return `"` + g.pick("a", "b", "system", "code", "display", "valueQuantity", "valueString", "extension", "abcdefgh", "abcdefghi", "_x", "reference", `ref\u0065rence`, "xreference", "ference", `\u0061`, `a\"`, `a\\`, "é", "", "sixteen-bytes-ab", "sixteen-bytes-abc") + `"`
}

func (g generator) text() string {
	return `"` + strings.Repeat(g.pick("", "x", "http://hl7.org/fhir/", `https:\/\/a`, "/_history/1", "_", `\"`, `\/`, "é", "😀", `\ud83d\ude00`, `\u0000`, "a b"), rapid.IntRange(0, 3).Draw(g.t, "n")) + g.pick("", "y", "12345678") + `"`
}

func (g generator) value(depth int) string {
	s := g.space
	if g.one(150) {
		return g.pick(`5`, `{}`, `null`, `{"X":1}`, `{"S":5}`, `{"N":"x"}`, `{"S":"a","N":"1"}`, `{"M":{"a":5,"a":6}}`, `[1,{"a":2}]`, `{"S":"\x"}`)
	}
	kind := rapid.IntRange(0, 9).Draw(g.t, "kind")
	if depth > 4 {
		kind %= 6
	}
	var tag, content string
	switch kind {
	case 0:
		return g.pick(`{"BOOL":true}`, `{"BOOL":false}`, `{"NULL":true}`, `{"B":"AA=="}`, `{"SS":["a"]}`, `{"NS":["1.0","2e5"]}`)
	case 1:
		tag, content = "N", `"`+g.pick("0", "-1.50", "1.5\\u0030", "1e-7", "72", "0.1", "12345678901234567890")+`"`
	case 2, 3, 4, 5:
		tag, content = "S", g.text()
	case 6, 7:
		var elements []string
		for range rapid.IntRange(0, 4).Draw(g.t, "n") {
			elements = append(elements, s()+g.value(depth+1)+s())
		}
		tag, content = "L", "["+strings.Join(elements, ",")+"]"
	default:
		tag, content = "M", g.members(depth)
	}
	return fmt.Sprintf(`%s{%s"%s"%s:%s%s%s}%s`, s(), s(), tag, s(), s(), content, s(), s())
}

func (g generator) members(depth int) string {
	var members []string
	seen := make(map[string]bool)
	for range rapid.IntRange(0, 6).Draw(g.t, "n") {
		name := g.name()
		if seen[name] && !g.one(40) {
			continue
		}
		seen[name] = true
		members = append(members, g.space()+name+g.space()+":"+g.value(depth+1)+g.space())
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (g generator) meta() string {
	tag := g.pick(`"code":{"S":"originalLastUpdated"}`, `"code":{"S":"DELETED"},"display":{"S":"DELETED"}`, `"code":{"S":"x"}`, `"display":{"S":"x"},"code":{"S":"originalLastUpdated"}`, `"system":{"S":"s"}`)
	return `{"M":{` + g.pick(`"tag":{"L":[]}`, `"tag":{"L":[{"M":{`+tag+`}}]}`, `"tag":{"L":[{"M":{`+tag+`}},`+g.value(3)+`]}`, `"x":`+g.value(3)) + "," +
		g.pick(`"profile":`+g.value(2), `"security":{"L":[{"M":{"code":{"S":"R"}}}]},"profile":{"L":[{"S":"p"}]}`, `"lastUpdated":{"S":"2023-08-15T12:00:00+02:00"}`, `"lastUpdated":`+g.value(5)) + `}}`
}
