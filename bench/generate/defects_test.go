package generate

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// light are the defects that a test can afford to print.
func light() []Defect {
	var all []Defect
	for _, d := range append(RowDefects(), Oddities()...) {
		if d != TooLarge {
			all = append(all, d)
		}
	}
	return all
}

func plantedLines(t *testing.T, s Summary, d Defect) []string {
	t.Helper()
	for _, p := range s.Planted {
		if p.Defect != d {
			continue
		}
		for _, o := range s.Objects {
			if o.Key == p.Object {
				lines := readLines(t, o.Path)
				return lines[p.Record-1 : p.Record-1+s.Defects[d]]
			}
		}
	}
	t.Fatalf("%s is not planted", d)
	return nil
}

func TestPlantedDefectsAreWhatTheySay(t *testing.T) {
	s := write(t, Options{Resources: 400, Plant: light(), Tenants: []string{"clinic"}})
	row := func(d Defect) line { return parse(t, plantedLines(t, s, d)[0]) }
	missing := map[Defect]string{NoType: "resourceType", NoID: "id", NoVersion: "vid", NoStatus: "documentStatus", NoMeta: "meta"}
	for d, name := range missing {
		if l := row(d); l.text(name) != "" || l.Item[name].M != nil || len(l.Item) < 5 {
			t.Errorf("%s: %v", d, l)
		}
	}
	checks := map[Defect]bool{
		NotJSON:        !json.Valid([]byte(plantedLines(t, s, NotJSON)[0])),
		InvalidUTF8:    !utf8.ValidString(plantedLines(t, s, InvalidUTF8)[0]),
		DuplicateKey:   strings.Contains(plantedLines(t, s, DuplicateKey)[0], `"url":{"S":"a"},"url"`),
		TooDeep:        strings.Count(plantedLines(t, s, TooDeep)[0], `{"L":[`) >= deepLevels,
		NoItem:         !strings.Contains(plantedLines(t, s, NoItem)[0], "Item"),
		BadType:        row(BadType).text("resourceType") == "../../etc",
		BadID:          strings.Contains(row(BadID).text("_id"), "/../"),
		BadVersion:     row(BadVersion).text("vid") == "1.5",
		BadStatus:      row(BadStatus).text("documentStatus") == "RETIRED",
		BadMeta:        row(BadMeta).Item["meta"].M == nil,
		BadTag:         row(BadTag).Item["meta"].M["tag"].L == nil && row(BadTag).Item["meta"].M["tag"].S != nil,
		BadNumber:      strings.Contains(plantedLines(t, s, BadNumber)[0], `{"N":"1.2.3"}`),
		BadAttribute:   strings.Contains(plantedLines(t, s, BadAttribute)[0], `{"S":"two tags","N":"1"}`),
		TenantMismatch: !strings.HasPrefix(row(TenantMismatch).text("id"), row(TenantMismatch).text("_tenantId")+"|"),
		BadLastUpdated: *row(BadLastUpdated).Item["meta"].M["lastUpdated"].S == "yesterday",
	}
	for d, ok := range checks {
		if !ok {
			t.Errorf("%s is not what it says", d)
		}
	}
	if s.Items-rows(s) != sumDefects(s) {
		t.Errorf("%d rows, %d generated, %d defects", s.Items, rows(s), sumDefects(s))
	}
}

func TestOddities(t *testing.T) {
	s := write(t, Options{Resources: 100, Plant: Oddities()})
	pair := func(d Defect) (a, b line) {
		lines := plantedLines(t, s, d)
		if len(lines) != 2 {
			t.Fatalf("%s: %d rows", d, len(lines))
		}
		return parse(t, lines[0]), parse(t, lines[1])
	}
	if lines := plantedLines(t, s, DuplicateRow); len(lines) != 2 || lines[0] != lines[1] {
		t.Error("not a duplicate")
	}
	if a, b := pair(TwoTypes); a.text("id") != b.text("id") || a.text("resourceType") == b.text("resourceType") {
		t.Error("not one id of two types")
	}
	if a, b := pair(VersionHole); a.text("vid") != "1" || b.text("vid") != "3" || a.text("id") != b.text("id") {
		t.Error("not a hole")
	}
	if a, b := pair(PendingTop); a.text("documentStatus") != locked || b.text("documentStatus") != pending {
		t.Error("no pending top")
	}
	if parse(t, plantedLines(t, s, UnknownAttribute)[0]).text("_ttlForCleaning") == "" {
		t.Error("no unknown attribute")
	}
}

func TestBadFraction(t *testing.T) {
	s := write(t, Options{Resources: 2000, Types: 5, Bad: 0.25})
	if bad := sumDefects(s); bad < 430 || bad > 570 || s.Items != rows(s)+bad {
		t.Errorf("%d bad rows of %d", bad, s.Items)
	}
	if len(s.Defects) < 15 {
		t.Errorf("only %v", s.Defects)
	}
}

func TestTooLargeLineIsStreamed(t *testing.T) {
	s := write(t, Options{Resources: 10, Objects: 1, Plant: []Defect{TooLarge}})
	if s.Bytes < LargeLineBytes || s.Compressed > 4<<20 || s.Items != rows(s)+1 {
		t.Errorf("%d bytes, %d compressed, %d rows", s.Bytes, s.Compressed, s.Items)
	}
}

func rows(s Summary) (n int64) {
	for _, count := range s.Types {
		n += count
	}
	return n
}

func sumDefects(s Summary) (n int64) {
	for _, count := range s.Defects {
		n += count
	}
	return n
}
