package generate

import (
	"testing"
	"time"
)

func TestTemplates(t *testing.T) {
	known, err := loadTables()
	if err != nil {
		t.Fatal(err)
	}
	render := func(template string) string {
		ops, err := compile([]byte(template), known)
		if err != nil {
			t.Fatalf("%s: %v", template, err)
		}
		r := renderer{corpus: &corpus{}, chosen: make([]int, len(known.concepts)), at: time.Unix(0, 0).UTC()}
		return string(r.render(nil, ops))
	}
	for template, want := range map[string]string{
		`{"a": "x\"<", "b": 1.50, "c": true, "d": null}`: `"a":{"S":"x\"<"},"b":{"N":"1.50"},"c":{"BOOL":true},"d":{"NULL":true}`,
		`{"a": [], "b": {}, "c": [1, {"d": "e"}]}`:       `"a":{"L":[]},"b":{"M":{}},"c":{"L":[{"N":"1"},{"M":{"d":{"S":"e"}}}]}`,
		`{"a": "x", "b?0": 1, "c?100": 2}`:               `"a":{"S":"x"},"c":{"N":"2"}`,
		`{"a": [{"*": "2 2", "b": 1}]}`:                  `"a":{"L":[{"M":{"b":{"N":"1"}}},{"M":{"b":{"N":"1"}}}]}`,
		`{"a": "#{{int 7 7}}", "b": "#-{{int 7 7}}"}`:    `"a":{"N":"7"},"b":{"N":"-7"}`,
		`{"a": "#no slot", "b": "{{time 60}}"}`:          `"a":{"S":"#no slot"},"b":{"S":"1970-01-01T00:01:00+00:00"}`,
	} {
		if got := render(template); got != want {
			t.Errorf("%s: %s, want %s", template, got, want)
		}
	}
	for _, template := range []string{`[]`, `{"a": "{{nothing}}"}`, `{"a": "{{word none}}"}`, `{"a": "{{concept none}}"}`, `{"a": "{{uuid"}`, `{"a?5": 1}`, `{"a": `} {
		if _, err := compile([]byte(template), known); err == nil {
			t.Errorf("%s compiles", template)
		}
	}
}
