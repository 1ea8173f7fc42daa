package generate

import (
	"embed"
	"encoding/json"
	"fmt"
)

//go:embed templates/*.json
var templateFiles embed.FS

// tables are the values that slots choose from.
type tables struct {
	words    map[string][][]byte // JSON string contents, escapes as in the file
	concepts map[string]*concepts
}

// concepts is a code system's table, its values rendered ahead.
type concepts struct {
	index int // of the table: where a resource remembers its last choice
	rows  []concept
}

type concept struct {
	display  []byte // JSON string content
	coding   []byte // {"M":...}
	concept  []byte // {"M":...}
	lo, hi   int64  // range of the quantity
	places   int
	unitTail []byte // what follows the number of a quantity
}

func loadTables() (*tables, error) {
	file, err := templateFiles.ReadFile("templates/tables.json")
	if err != nil {
		return nil, err
	}
	var raw struct {
		Words    map[string][]json.RawMessage `json:"words"`
		Concepts map[string]struct {
			System string              `json:"system"`
			Rows   [][]json.RawMessage `json:"rows"`
		} `json:"concepts"`
	}
	if err := json.Unmarshal(file, &raw); err != nil {
		return nil, err
	}
	t := &tables{words: map[string][][]byte{}, concepts: map[string]*concepts{}}
	for name, words := range raw.Words {
		for _, w := range words {
			t.words[name] = append(t.words[name], w[1:len(w)-1])
		}
	}
	for name, c := range raw.Concepts {
		table := &concepts{index: len(t.concepts)}
		for _, cells := range c.Rows {
			row, err := newConcept(c.System, cells)
			if err != nil {
				return nil, fmt.Errorf("concepts %s: %w", name, err)
			}
			table.rows = append(table.rows, row)
		}
		t.concepts[name] = table
	}
	return t, nil
}

// newConcept reads a row [code, display] or [code, display, unit, lo, hi, places].
func newConcept(system string, cells []json.RawMessage) (concept, error) {
	code, display := string(cells[0]), string(cells[1])
	c := concept{display: []byte(display[1 : len(display)-1])}
	coding := `{"M":{"system":{"S":` + quote(system) + `},"code":{"S":` + code + `},"display":{"S":` + display + `}}}`
	c.coding = []byte(coding)
	c.concept = []byte(`{"M":{"coding":{"L":[` + coding + `]},"text":{"S":` + display + `}}}`)
	if len(cells) == 2 {
		return c, nil
	}
	unit := string(cells[2])
	c.unitTail = []byte(`"},"unit":{"S":` + unit + `},"system":{"S":"http://unitsofmeasure.org"},"code":{"S":` + unit + `}}}`)
	for i, n := range []any{&c.lo, &c.hi, &c.places} {
		if err := json.Unmarshal(cells[3+i], n); err != nil {
			return c, err
		}
	}
	return c, nil
}

// loadBodies compiles the template of each of the given types.
func loadBodies(types []weightedType) (map[string][]op, int, error) {
	t, err := loadTables()
	if err != nil {
		return nil, 0, err
	}
	bodies := map[string][]op{}
	for _, typ := range types {
		if bodies[typ.template] != nil {
			continue
		}
		file, err := templateFiles.ReadFile("templates/" + typ.template + ".json")
		if err != nil {
			return nil, 0, err
		}
		if bodies[typ.template], err = compile(file, t); err != nil {
			return nil, 0, fmt.Errorf("template %s: %w", typ.template, err)
		}
	}
	return bodies, len(t.concepts), nil
}
