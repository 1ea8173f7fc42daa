package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
	"github.com/fhirhose/fhirhose/pipeline/digest/digesttest"
)

// numbers are spellings of the same value, the first as DynamoDB has it.
var numbers = [][]string{
	{"1.5", "1.50", "15e-1", "0.15E1"},
	{"0", "-0", "0.0", "0e7"},
	{"1e+21", "1000000000000000000000", "1E21"},
	{"-72", "-72.000", "-7.2e1"},
	{"1234567890.1234567890123456789012345678", "1234567890.12345678901234567890123456780"},
	{"1e-7", "0.0000001"},
}

// TestMovedAndExported: a line that move has written, after the target has taken
// it and given it back in its own spelling, has the digests that the ledger has.
func TestMovedAndExported(t *testing.T) {
	converter, err := convert.New(convert.Options{Deleted: true})
	if err != nil {
		t.Fatal(err)
	}
	s := newScanner(&healthLake)
	rapid.Check(t, func(rt *rapid.T) {
		g := moved{rt, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2))}
		row := g.row()
		var r convert.Record
		line := converter.Convert(nil, []byte(row), &r)
		if r.Reason != pipeline.NoReason {
			rt.Fatalf("%v at %s: %s", r.Reason, r.Path, row)
		}
		v, fault := digesttest.Parse(line)
		if fault != pipeline.NoReason {
			rt.Fatal(fault)
		}
		g.target(v)
		given := g.spell(v)
		var got resource
		s.scan([]byte(given), &got)
		if got.reason != pipeline.NoReason {
			rt.Fatalf("%v: %s", got.reason, given)
		}
		if got.sums.Content != r.Content || got.sums.Label != r.Label {
			rt.Fatalf("other digests\nrow:      %s\nmoved:    %s\nexported: %s", row, line, given)
		}
		if string(got.typ) != string(r.Type) || string(got.id) != string(r.ID) {
			rt.Fatalf("%s/%s, want %s/%s", got.typ, got.id, r.Type, r.ID)
		}
	})
}

type moved struct {
	t    *rapid.T
	rand *rand.Rand
}

// row returns a row of an export of DynamoDB.
func (g moved) row() string {
	status := []string{"AVAILABLE", "LOCKED", "PENDING_DELETE", "DELETED"}[g.rand.IntN(4)]
	m := []string{
		`"resourceType":{"S":"Observation"}`, `"id":{"S":"o-1.x"}`, `"vid":{"N":"3"}`, `"documentStatus":{"S":"` + status + `"}`, `"lockEndTs":{"N":"1"}`,
		`"_references":{"L":[{"S":"Patient/1"}]}`, `"meta":{"M":{` + g.meta() + `}}`,
	}
	for i := range g.rand.IntN(5) {
		m = append(m, fmt.Sprintf(`"m%d":%s`, i, g.value(0)))
	}
	g.rand.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
	return `{"Item":{` + strings.Join(m, ",") + `}}`
}

func (g moved) meta() string {
	m := []string{`"versionId":{"S":"3"}`, `"lastUpdated":{"S":"2023-08-15T12:00:00.000Z"}`}
	if g.rand.IntN(2) == 0 {
		m = append(m, `"security":{"L":[{"M":{"code":{"S":"R"},"system":{"S":"é/\"`+"\\u0001"+`"}}}]}`)
	}
	if g.rand.IntN(2) == 0 {
		m = append(m, `"tag":{"L":[{"M":{"code":{"S":"x"}}},{"M":{"display":{"S":"DELETED"},"code":{"S":"DELETED"}}}]}`)
	}
	if g.rand.IntN(2) == 0 {
		m = append(m, `"profile":{"L":[{"S":"http://p"}]}`)
	}
	g.rand.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
	return strings.Join(m, ",")
}

func (g moved) value(depth int) string {
	kind := g.rand.IntN(7)
	if depth > 3 {
		kind %= 4
	}
	switch kind {
	case 0:
		return `{"N":"` + numbers[g.rand.IntN(len(numbers))][0] + `"}`
	case 1:
		return `{"S":"` + []string{"", "a", `\"\\\/\b\n`, "é😀", `\ud83d\ude00`}[g.rand.IntN(5)] + `"}`
	case 2:
		return `{"BOOL":true}`
	case 3:
		return `{"NULL":true}`
	case 4:
		return `{"L":[` + g.value(depth+1) + `,` + g.value(depth+1) + `]}`
	}
	return `{"M":{"z":` + g.value(depth+1) + `,"a\\":` + g.value(depth+1) + `,"":` + g.value(depth+1) + `}}`
}

// target does to a resource what HealthLake does: its own version and time.
func (g moved) target(v *digesttest.Value) {
	meta := v.Get("meta")
	for i, name := range meta.Names {
		switch name {
		case "versionId":
			meta.Members[i] = digesttest.String(fmt.Sprint(1 + g.rand.IntN(9)))
		case "lastUpdated":
			meta.Members[i] = digesttest.String("2024-05-01T00:00:00.123Z")
		}
	}
}

// spell writes a value in another way: order of members, numbers, escapes, white
// space.
func (g moved) spell(v *digesttest.Value) string {
	space := []string{"", "", "", " "}[g.rand.IntN(4)]
	switch v.Kind {
	case '{':
		var m []string
		for i, name := range v.Names {
			m = append(m, g.quote(name)+space+":"+space+g.spell(v.Members[i]))
		}
		g.rand.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
		return "{" + space + strings.Join(m, ","+space) + "}"
	case '[':
		var m []string
		for _, e := range v.Members {
			m = append(m, g.spell(e))
		}
		return "[" + strings.Join(m, space+",") + "]"
	case '"':
		return g.quote(v.Text)
	case '0':
		for _, spellings := range numbers {
			if digesttest.Number(v.Text) == digesttest.Number(spellings[0]) {
				return spellings[g.rand.IntN(len(spellings))]
			}
		}
		return v.Text
	}
	return v.Kind.String()
}

func (g moved) quote(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(g.rand.IntN(2) == 0)
	if err := e.Encode(text); err != nil {
		g.t.Fatal(err)
	}
	quoted := strings.TrimSuffix(b.String(), "\n")
	if g.rand.IntN(2) == 0 {
		quoted = strings.ReplaceAll(quoted, "/", `\/`)
	}
	return quoted
}
