package verify

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/digest/digesttest"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// healthLake are the marks that AWS documents for HealthLake.
var healthLake = Marks{
	Extensions: []string{
		"http://healthlake.amazonaws.com/aws-cm/",
		"http://healthlake.amazonaws.com/system-generated-resources/",
		"http://healthlake.amazonaws.com/fhir/StructureDefinition/validation-issue",
	},
	Tags: []string{`{"display":"SYSTEM_GENERATED"}`},
}

// checkLine compares scan with package digest and with an oracle that reads the
// line with another parser.
func checkLine(t *testing.T, s *scanner, line []byte) {
	t.Helper()
	var d digest.Digester
	sums, want := d.Resource(bytes.Clone(line))
	v, fault := digesttest.Parse(line)
	var typ, id string
	if fault == pipeline.NoReason {
		typ, id = oracleName(v, "resourceType"), oracleName(v, "id")
		if want == pipeline.NoReason {
			want = oracleReason(v)
		}
	}
	var r resource
	given := append(bytes.Clone(line), "behind"...)
	s.scan(given[:len(line)], &r)
	if string(given) != string(line)+"behind" {
		t.Fatalf("the line or what lies behind it has changed\n%q", line)
	}
	if r.reason != want {
		t.Fatalf("reason %v, want %v\n%q", r.reason, want, line)
	}
	if fault == pipeline.NoReason && oracleReason(v) == pipeline.NoReason && (string(r.typ) != typ || string(r.id) != id) {
		t.Fatalf("it is %s/%s, want %s/%s\n%q", r.typ, r.id, typ, id, line)
	}
	if r.reason == pipeline.NoReason {
		if r.sums != sums {
			t.Fatalf("digests are not those of package digest\n%q", line)
		}
		checkBare(t, &r, v, line)
	}
}

// checkBare compares the sums without marks with those of a tree without them.
func checkBare(t *testing.T, r *resource, v *digesttest.Value, line []byte) {
	t.Helper()
	tags, extensions := withoutMarks(v)
	if r.marked != (tags || extensions) || r.generated != tags {
		t.Fatalf("marked %v, generated %v; it has the target's tags: %v, extensions: %v\n%q", r.marked, r.generated, tags, extensions, line)
	}
	if !r.marked {
		return
	}
	content, label := digesttest.Sums(v)
	if r.bare.Content != content || r.bare.Label != label {
		t.Fatalf("digests without the marks differ\n%q", line)
	}
}

func withoutMarks(v *digesttest.Value) (tags, extensions bool) {
	if list := v.Get("extension"); list != nil && list.Kind == '[' {
		before := len(list.Members)
		list.Members = remove(list.Members, func(e *digesttest.Value) bool {
			url := e.Get("url")
			return e.Kind == '{' && url != nil && url.Kind == '"' &&
				(strings.HasPrefix(url.Text, healthLake.Extensions[0]) || strings.HasPrefix(url.Text, healthLake.Extensions[1]) || strings.HasPrefix(url.Text, healthLake.Extensions[2]))
		})
		extensions = len(list.Members) < before
		if extensions && len(list.Members) == 0 {
			for i, name := range v.Names {
				if name == "extension" {
					v.Names, v.Members = append(v.Names[:i:i], v.Names[i+1:]...), append(v.Members[:i:i], v.Members[i+1:]...)
					break
				}
			}
		}
	}
	if meta := v.Get("meta"); meta != nil {
		if list := meta.Get("tag"); list != nil && list.Kind == '[' {
			before := len(list.Members)
			list.Members = remove(list.Members, func(e *digesttest.Value) bool {
				return digesttest.Canonical(e) == healthLake.Tags[0]
			})
			tags = len(list.Members) < before
		}
	}
	return tags, extensions
}

func remove(list []*digesttest.Value, theirs func(*digesttest.Value) bool) (kept []*digesttest.Value) {
	for _, e := range list {
		if !theirs(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

func oracleName(v *digesttest.Value, member string) string {
	if m := v.Get(member); m != nil && m.Kind == '"' {
		return m.Text
	}
	return ""
}

func oracleReason(v *digesttest.Value) pipeline.Reason {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	is := func(text, set string) bool {
		return text != "" && len(text) <= 64 && strings.Trim(text, set) == "" && strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(set, r) }) < 0
	}
	switch {
	case v.Get("resourceType") == nil:
		return pipeline.NoType
	case !is(oracleName(v, "resourceType"), letters):
		return pipeline.BadType
	case v.Get("id") == nil:
		return pipeline.NoID
	case !is(oracleName(v, "id"), letters+"-."):
		return pipeline.BadID
	}
	return pipeline.NoReason
}

const cm = `"http://healthlake.amazonaws.com/aws-cm/"`

var exported = []string{
	``, ` `, `{}`, `[]`, `5`, `nul`, `{"resourceType":"Patient"}`, `{"id":"p"}`, `{"resourceType":"Patient","id":"p"}`,
	`{"id":"p","meta":{"versionId":"7","lastUpdated":"2024-01-02T03:04:05.678Z"},"resourceType":"Patient"}`,
	` { "meta" : { } , "id" : "p.1-X" , "resourceType" : "Patient" , "x" : [ 1.50 , 1e2 ] } ` + "\r",
	`{"resourceType":"Patient","id":"p","meta":5}`, `{"resourceType":"Patient","id":"p","meta":[]}`, `{"meta":{},"resourceType":"Patient","id":"p","meta":{}}`,
	`{"resourceType":"Patient","id":"p","id":"q"}`, `{"resourceType":"Patient","id":"p","resourceType":"Patient"}`, `{"resourceType":"Patient","id":"p","a":{"b":1,"b":2}}`,
	`{"resourceType":"Patient","id":"p","a":`, `{"resourceType":"Patient","id":"p"}}`, `{"resourceType":"Patient","id":"p"}{}`, `{"resourceType":"Patient","id":"p","a":"` + "\xff" + `"}`,
	`{"resourceType":5,"id":"p"}`, `{"resourceType":"Patient","id":7}`, `{"resourceType":"","id":"p"}`, `{"resourceType":"Patient","id":""}`, `{"resourceType":"Pa tient","id":"p"}`, `{"resourceType":"Patient","id":"a/b"}`,
	`{"resourceType":"Patient","id":"` + strings.Repeat("x", 64) + `"}`, `{"resourceType":"Patient","id":"` + strings.Repeat("x", 65) + `"}`, `{"resourceType":"Patient","id":"\u0070"}`, `{"resourceType":"Patient","id":"\n"}`,
	`{"resourceType":"Patient","id":"p","meta":{"security":[{"code":"R"}],"tag":[{"display":"x","code":"originalLastUpdated"},{"code":"a"}],"profile":["u"]}}`,
	`{"resourceType":"Linkage","id":"p","meta":{"tag":[{"display":"SYSTEM_GENERATED"}]}}`,
	`{"resourceType":"Linkage","id":"p","meta":{"tag":[{"code":"a"},{"display":"SYSTEM_GENERATED"},{"code":"b"}],"security":[1]}}`,
	`{"resourceType":"Linkage","id":"p","meta":{"tag":[{"display":"SYSTEM_GENERATED","code":"x"}]}}`, `{"resourceType":"Linkage","id":"p","meta":{"tag":{"display":"SYSTEM_GENERATED"}}}`,
	`{"resourceType":"DocumentReference","id":"p","extension":[{"url":` + cm + `,"extension":[{"url":"x"}]}]}`,
	`{"extension":[{"url":` + cm + `}],"id":"p","resourceType":"DocumentReference"}`, `{"extension":[{"url":` + cm + `}]}`,
	`{"resourceType":"DocumentReference","id":"p","extension":[{"url":"a"},{"extension":[],"url":` + cm + `},{"url":"b"}],"status":"x","author":[{}]}`,
	`{"resourceType":"DocumentReference","id":"p","extension":[{"url":"http:\/\/healthlake.amazonaws.com\/aws-cm\/"}],"a":1,"z":2}`,
	`{"resourceType":"DocumentReference","id":"p","extension":[{"url":"a","valueUri":` + cm + `}]}`, `{"resourceType":"DocumentReference","id":"p","extension":{"url":` + cm + `}}`, `{"resourceType":"DocumentReference","id":"p","extension":` + cm + `}`,
	`{"resourceType":"DocumentReference","id":"p","extension":[` + cm + `,[` + cm + `],{"url":[` + cm + `]},{"url":{"url":` + cm + `}},5]}`,
	`{"resourceType":"DocumentReference","id":"p","modifierExtension":[{"url":` + cm + `}],"content":[{"extension":[{"url":` + cm + `}]}]}`,
	`{"resourceType":"DocumentReference","id":"p","extension":[{"url":` + cm + `}],"meta":{"tag":[{"display":"SYSTEM_GENERATED"}],"profile":["p"]}}`,
	`{"resourceType":"DocumentReference","id":"p","extension":[{"url":` + cm + `}],"extension":[]}`,
}

func TestScanAgainstOracle(t *testing.T) {
	s := newScanner(&healthLake)
	for _, line := range exported {
		checkLine(t, s, []byte(line))
		for cut := range line {
			checkLine(t, s, []byte(line[:cut]))
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, line := range exported {
		f.Add([]byte(line))
	}
	s := newScanner(&healthLake)
	f.Fuzz(func(t *testing.T, line []byte) { checkLine(t, s, line) })
}

// TestIdentityOfUnreadableLine: what stood before the defect is still known, but
// nothing that is there twice.
func TestIdentityOfUnreadableLine(t *testing.T) {
	s := newScanner(&Marks{})
	for line, want := range map[string]string{
		`{"resourceType":"Patient","id":"p","a":{"b":1,"b":2}}`:       "Patient/p",
		`{"resourceType":"Patient","id":"p","a":nul`:                  "Patient/p",
		`{"id":"p","a":1,"a":2,"resourceType":"Patient"}`:             "Patient/p",
		`{"resourceType":"Patient","id":"p","meta":{"a":"` + "\x00":   "Patient/p",
		`{"resourceType":"Patient","id":"p","meta":7}`:                "Patient/p",
		`{"resourceType":"Patient","id":"p`:                           "/",
		`{"resourceType":"Patient","a":nul,"id":"p"}`:                 "/",
		`{"resourceType":"Patient","id":"p","id":"q"}`:                "/",
		`{"resourceType":"Patient","id":"p","resourceType":"Device"}`: "/",
		`{"a":{"resourceType":"Patient","id":"p"},"id":"q","b":}`:     "/",
		`{"resourceType":"Patient","id":"a b","c":1,"c":2}`:           "/",
		`["resourceType","Patient","id","p"]`:                         "/",
	} {
		var r resource
		s.scan([]byte(line), &r)
		if r.reason == pipeline.NoReason {
			t.Errorf("no defect in %q", line)
		}
		if got := string(r.typ) + "/" + string(r.id); got != want {
			t.Errorf("%s, want %s: %q", got, want, line)
		}
	}
}

func TestInstant(t *testing.T) {
	for text, want := range map[string]int64{
		`"1970-01-01T00:00:01Z"`: 1000, `"1970-01-01T00:00:00.0015Z"`: 1, `"1970-01-01T01:00:00+01:00"`: 0, `"1969-12-31T23:59:59.999Z"`: -1,
		`"1970-01-01"`: ledger.UnknownTime, `5`: ledger.UnknownTime, `""`: ledger.UnknownTime, `"1970-13-01T00:00:00Z"`: ledger.UnknownTime, `[{"aaaaaaaaaaaaaaaaaa":1}]`: ledger.UnknownTime,
	} {
		if got := instant([]byte(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	s := newScanner(&healthLake)
	var lines [][]byte
	var r resource
	for _, text := range exported {
		line := append([]byte(text), make([]byte, 64)...)[:len(text)]
		if s.scan(line, &r); r.reason == pipeline.NoReason {
			lines = append(lines, line)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, line := range lines {
			s.scan(line, &r)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
