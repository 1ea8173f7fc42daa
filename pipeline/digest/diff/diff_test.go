package diff

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/digest/digesttest"
)

// compare compares two texts, as "path: kind".
func compare(t testing.TB, d *Differ, resourceType string, ours, theirs []byte) (all []string) {
	t.Helper()
	b, err := d.Read(bytes.NewReader(theirs), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.Read(iotest.OneByteReader(bytes.NewReader(ours)), b)
	if err != nil {
		t.Fatal(err)
	}
	found, more := d.Compare(resourceType, a, b, 1000)
	if more != 0 {
		t.Fatal(more)
	}
	for _, it := range found {
		all = append(all, it.String())
	}
	return all
}

const theirTag, theirExtension = `{"display":"SYSTEM_GENERATED"}`, `{"url":"http://theirs/x","valueString":"v"}`

func marks() Marks {
	return Marks{
		Extension: func(e []byte) bool { return bytes.Contains(e, []byte(`"url":"http://theirs/`)) },
		Tag:       func(e []byte) bool { return string(e) == theirTag },
	}
}

func TestCompare(t *testing.T) {
	long := strings.Repeat("QUJD", 5000)
	const updated = `{"code":"originalLastUpdated","display":"2020-01-01T00:00:00Z"}`
	f := func(ours, theirs string, want ...string) {
		t.Helper()
		got := compare(t, New(marks()), "Patient", []byte(ours), []byte(theirs))
		if !slices.Equal(got, want) {
			t.Errorf("%.300s\n%.300s\n%q, want %q", ours, theirs, got, want)
		}
	}
	f(`{"name":[{"given":["a","b"]}]}`, `{"name":[{"given":["a","c"]}]}`, "Patient.name[0].given[1]: changed")
	f(`{"name":[{"given":["a","b"]}]}`, `{"name":[{"given":["b"]}]}`, "Patient.name[0].given[0]: missing")
	f(`{"name":["a","b"]}`, `{"name":["x","a","b"]}`, "Patient.name[0]: added")
	f(`{"name":["a","b","c"]}`, `{"name":["c","b","a"]}`, "Patient.name: in another order")
	f(`{"name":["a","b","c","d"]}`, `{"name":["x","b","d"]}`, "Patient.name[0]: changed", "Patient.name[2]: missing")
	f(`{"valueQuantity":{"value":1.2345678901234567891}}`, `{"valueQuantity":{"value":1.2345678901234567}}`, "Patient.valueQuantity.value: changed digits")
	f(`{"active":true}`, `{"active":false}`, "Patient.active: changed")
	f(`{"active":true}`, `{"active":"true"}`, "Patient.active: changed in type")
	f(`{"active":null}`, `{}`, "Patient.active: missing")
	f(`{"contact":[{"name":{}}],"id":"1"}`, `{"id":"1"}`, "Patient.contact: missing")
	f(`{"_birthDate":{"id":"1"}}`, `{"_birthDate":{"id":"2"}}`, "Patient._birthDate.id: changed")
	f(`{"contained":[{"resourceType":"Patient","meta":{"tag":[1]}}]}`, `{"contained":[{"resourceType":"Patient"}]}`, "Patient.contained[0].meta: missing")

	// Strings of any length, however they are written.
	f(`{"data":"abcdef"}`, `{"data":"abc"}`, "Patient.data: truncated")
	f(`{"data":"abc"}`, `{"data":"abcdef"}`, "Patient.data: changed")
	f(`{"data":"`+long+`"}`, `{"data":"`+long[:8000]+`"}`, "Patient.data: truncated")
	f(`{"data":"`+long+`"}`, `{"data":"`+long[:len(long)-1]+`"}`, "Patient.data: truncated")
	f(`{"data":"`+long+`"}`, `{"data":"QUJD"}`, "Patient.data: truncated")
	f(`{"data":"`+long+`"}`, `{"data":"QUJE"}`, "Patient.data: changed")
	f(`{"data":"`+long+`"}`, `{"data":"`+strings.Repeat("QUJE", 1200)+`"}`, "Patient.data: changed")
	f(`{"data":"`+long+`"}`, `{"data":"`+long+`QUJD"}`, "Patient.data: changed")
	f(`{"data":"QUJD"}`, `{"data":"`+long+`"}`, "Patient.data: changed")
	f(`{"data":"`+long+`","id":"1"}`, `{"data":"`+strings.ReplaceAll(long, "Q", `\u0051`)+`","id":"2"}`, "Patient.id: changed")
	f(`{"div":"`+strings.Repeat(`\/\n\ud83d\ude00`, 1000)+`","id":"1"}`, `{"id":"2","div":"`+strings.Repeat(`/\u000a😀`, 1000)+`"}`, "Patient.id: changed")
	f(`{"div":"`+strings.Repeat(`\"\\`, 1000)+`"}`, `{"div":"`+strings.Repeat(`\u0022\u005c`, 1000)+`"}`)
	f(`{"data":["`+long+`","`+long+`x"]}`, `{"data":["`+long+`x","`+long+`"]}`, "Patient.data: in another order")

	// Of meta, labels alone.
	f(`{"meta":{"versionId":"1"}}`, `{"meta":{"versionId":"2","lastUpdated":"x"}}`)
	f(`{"meta":{"security":[{"code":"R"},{"code":"V"}]}}`, `{"meta":{"security":[{"code":"R"}]}}`, "Patient.meta.security[1]: lost")
	f(`{"meta":{"security":[{"code":"R"}]}}`, `{}`, "Patient.meta.security[0]: lost")
	f(`{"meta":{"security":[{"code":"R"}]}}`, `{"meta":{"security":[{"code":"N"}]}}`, "Patient.meta.security[0]: lost", "Patient.meta.security[0]: added")
	f(`{"meta":{"profile":["a","b"]}}`, `{"meta":{"profile":["b","a"]}}`, "Patient.meta.profile: in another order")
	f(`{"meta":{"profile":[]}}`, `{"meta":{}}`, "Patient.meta.profile: missing")
	f(`{"meta":{"profile":"a"}}`, `{"meta":{"profile":["a"]}}`, "Patient.meta.profile: changed in type")
	f(`{"meta":{"tag":[`+updated+`]}}`, `{"meta":{"tag":[]}}`)
	f(`{"meta":{"tag":[{"code":"x"},`+updated+`]}}`, `{"meta":{"tag":[`+updated+`,`+theirTag+`]}}`, "Patient.meta.tag[0]: lost")
	f(`{"meta":{"tag":[`+theirTag+`]}}`, `{"meta":{}}`, "Patient.meta.tag[0]: lost")
	f(`{"meta":{"tag":[{"code":"x"}]},"id":"1"}`, `{"id":"2"}`, "Patient.id: changed", "Patient.meta.tag[0]: lost")

	// What the target adds.
	f(`{"id":"1"}`, `{"id":"2","extension":[`+theirExtension+`]}`, "Patient.id: changed")
	f(`{"extension":[{"url":"a"}]}`, `{"extension":[`+theirExtension+`]}`, "Patient.extension: missing")
	f(`{"extension":[{"url":"a"},{"url":"b"}]}`, `{"extension":[`+theirExtension+`,{"url":"a"}]}`, "Patient.extension[1]: missing")
	f(`{"extension":[`+theirExtension+`]}`, `{"extension":[`+theirExtension+`]}`)
	f(`{}`, `{"extension":[{"url":"a"}]}`, "Patient.extension: added")
	f(`{}`, `{"extension":[{"url":"a"},`+theirExtension+`]}`, "Patient.extension[0]: added")
	f(`{"extension":[]}`, `{}`, "Patient.extension: missing")
	f(`{"extension":[]}`, `{"extension":{}}`, "Patient.extension: changed in type")

	// I10: no name that FHIR does not have.
	for _, name := range []string{"SarahConnor", "19840512", "conn\\u006fr", "", "a b", "_", "__birthDate", strings.Repeat("x", 70), strings.Repeat("x", 5000)} {
		f(`{"name":[{"`+name+`":1}]}`, `{"name":[{"`+name+`":2}]}`, "Patient.name[0].(unnamed): changed digits")
	}
	if got := compare(t, New(Marks{}), "SarahConnor", []byte(`{"id":"1"}`), []byte(`{}`)); !slices.Equal(got, []string{"(unnamed).id: missing"}) {
		t.Error(got)
	}
}

// TestCompareCaps: what is not listed is counted, labels last.
func TestCompareCaps(t *testing.T) {
	d := New(Marks{})
	read := func(s string) *Text {
		text, err := d.Read(strings.NewReader(s), nil)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	a := read(`{"name":[1,2,3],"id":"1","meta":{"security":[1,2,3,4,5]}}`)
	b := read(`{"name":[4,5,6],"id":"2"}`)
	for most := range 12 {
		found, more := d.Compare("Patient", a, b, most)
		if len(found) != min(most, 9) || len(found)+more != 9 {
			t.Errorf("%d: %v and %d", most, found, more)
		}
		if most == 5 && found[4].Path != "Patient.meta.security[0]" {
			t.Error(found)
		}
	}
	deep := func(leaf string) *Text {
		return read(strings.Repeat(`{"item":[`, 100) + leaf + strings.Repeat(`]}`, 100))
	}
	found, _ := d.Compare("Questionnaire", deep("1"), deep("2"), 10)
	if len(found) != 1 || found[0].Kind != Changed || strings.Count(found[0].Path, "item") != mostSteps/2 {
		t.Error(found)
	}
	if got := (Difference{Path: "Patient.name[0].given[12]"}).Element(); got != "Patient.name.given" {
		t.Error(got)
	}
}

// TestReadRefuses: what is no resource, or too large, is an error without its text.
func TestReadRefuses(t *testing.T) {
	d := New(Marks{})
	for _, s := range []string{``, `[]`, `{`, `{"a":1}x`, `{"a":1,"a":2}`, `{"secret":"`, `{"a":"\ud800"}`, `{"a":"` + strings.Repeat(`\u00zz`, 1000) + `}`} {
		if _, err := d.Read(strings.NewReader(s), nil); !errors.Is(err, ErrUnreadable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.50q: %v", s, err)
		}
	}
	large := `{"a":[` + strings.Repeat(`"`+strings.Repeat("x", 4000)+`",`, 300) + `1]}`
	if _, err := d.Read(strings.NewReader(large), nil); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := d.Read(iotest.ErrReader(io.ErrUnexpectedEOF), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	text, err := d.Read(strings.NewReader(`{"resourceType":"Binary","id":"1","data":"`+strings.Repeat("QUJD", 10<<20)+`"}`), nil)
	if err != nil || text.Size() > 64<<10 {
		t.Errorf("%v, %d bytes", err, text.Size())
	}
	if !text.Is("Binary", "1") || text.Is("Binary", "2") || text.Is("Patient", "1") {
		t.Error("it is another resource")
	}
}

// names are elements that random resources have.
var names = []string{"id", "name", "given", "valueQuantity", "value", "contact", "extension", "data", "_birthDate", "contained"}

// maker makes resources of which no two scalars are the same.
type maker struct {
	t *rapid.T
	n int
}

func (m *maker) draw(n int) int { return rapid.IntRange(0, n-1).Draw(m.t, "n") }

func (m *maker) text(kind jsontext.Kind) *digesttest.Value {
	m.n++
	switch {
	case kind == '0':
		return &digesttest.Value{Kind: '0', Text: fmt.Sprintf("%d.%03d1", m.n, m.draw(100))}
	case m.draw(12) == 0: // long
		return digesttest.String(fmt.Sprintf("%d/%s", m.n, strings.Repeat("é/\n", longString/4+m.draw(2*longString))))
	}
	return digesttest.String(fmt.Sprintf("v%d\"\\\n/é😀", m.n))
}

func (m *maker) value(depth int) *digesttest.Value {
	kinds := []jsontext.Kind{'"', '"', '0', '{', '['}
	if depth == 0 {
		kinds = kinds[:3]
	}
	switch kind := kinds[m.draw(len(kinds))]; kind {
	case '{':
		return m.object(depth - 1)
	case '[':
		v := &digesttest.Value{Kind: '['}
		for range m.draw(4) {
			v.Members = append(v.Members, m.value(depth-1))
		}
		return v
	default:
		return m.text(kind)
	}
}

func (m *maker) object(depth int) *digesttest.Value {
	v := &digesttest.Value{Kind: '{'}
	m.n++
	v.Set("id", digesttest.String(fmt.Sprint("id", m.n))) // so that no two are the same
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(1, len(names)-1), 0, 4, func(i int) int { return i }).Draw(m.t, "members") {
		v.Set(names[i], m.value(depth))
	}
	return v
}

// resource has labels too, and tags that we add.
func (m *maker) resource() *digesttest.Value {
	v := m.object(4)
	meta := &digesttest.Value{Kind: '{'}
	for _, name := range []string{"profile", "security", "tag"} {
		list := &digesttest.Value{Kind: '['}
		for range m.draw(4) {
			coding := &digesttest.Value{Kind: '{'}
			m.n++
			coding.Set("code", digesttest.String(fmt.Sprint("c", m.n)))
			list.Members = append(list.Members, coding)
		}
		if len(list.Members) > 0 {
			meta.Set(name, list)
		}
	}
	v.Set("meta", meta)
	return v
}

// write writes v in some form: members in any order, with white space, escapes, and
// numbers spelled in another way.
func write(v *digesttest.Value, r *rand.Rand) string {
	space := []string{"", " ", "\n", "\t "}[r.IntN(4)]
	switch v.Kind {
	case '{':
		var parts []string
		for _, i := range r.Perm(len(v.Names)) {
			parts = append(parts, space+quoted(v.Names[i], r)+space+":"+space+write(v.Members[i], r))
		}
		return "{" + strings.Join(parts, ",") + space + "}"
	case '[':
		var parts []string
		for _, member := range v.Members {
			parts = append(parts, write(member, r)+space)
		}
		return "[" + space + strings.Join(parts, ",") + "]"
	case '"':
		return quoted(v.Text, r)
	case '0':
		return []string{v.Text, v.Text + "000", v.Text + "E+00", digesttest.Number(v.Text)}[r.IntN(4)]
	}
	return v.Kind.String()
}

func quoted(s string, r *rand.Rand) string {
	text, _ := jsontext.AppendQuote(nil, s)
	switch r.IntN(3) {
	case 0:
		return strings.ReplaceAll(string(text), "/", `\/`)
	case 1:
		return strings.NewReplacer("é", `\u00e9`, "😀", `\uD83d\ude00`, "v", `\u0076`, "i", `\u0069`).Replace(string(text))
	}
	return string(text)
}

// place is an element of a resource, and what changes it.
type place struct {
	path string
	of   *digesttest.Value // object or list that it stands in
	at   int
}

func places(v *digesttest.Value, path string) (all []place) {
	for i, member := range v.Members {
		p := fmt.Sprintf("%s[%d]", path, i)
		if v.Kind == '{' {
			if p = path + "." + v.Names[i]; p == "Patient.meta" {
				continue
			}
		}
		all = append(append(all, place{p, v, i}), places(member, p)...)
	}
	return all
}

func (p place) remove() {
	p.of.Members = slices.Delete(p.of.Members, p.at, p.at+1)
	if p.of.Kind == '{' {
		p.of.Names = slices.Delete(p.of.Names, p.at, p.at+1)
	}
}

// mutate changes one thing, and returns what must be named.
func (m *maker) mutate(v *digesttest.Value) string {
	all := places(v, "Patient")
	if meta := v.Get("meta"); len(all) == 0 || len(meta.Names) > 0 && m.draw(4) == 0 {
		if len(meta.Names) == 0 {
			meta.Set("tag", &digesttest.Value{Kind: '[', Members: []*digesttest.Value{m.text('"')}})
			return "Patient.meta.tag[0]: added"
		}
		i := m.draw(len(meta.Names))
		list := meta.Members[i]
		if len(list.Members) == 0 {
			list.Members = append(list.Members, m.text('"'))
			return "Patient.meta." + meta.Names[i] + "[0]: added"
		}
		at := m.draw(len(list.Members))
		p := place{fmt.Sprintf("Patient.meta.%s[%d]", meta.Names[i], at), list, at}
		if m.draw(2) == 0 {
			p.remove()
			return p.path + ": lost"
		}
		list.Members = slices.Insert(list.Members, at, m.text('"'))
		return p.path + ": added"
	}
	p := all[m.draw(len(all))]
	value := p.of.Members[p.at]
	set := func(to *digesttest.Value) { p.of.Members[p.at] = to }
	switch m.draw(5) {
	case 0:
		p.remove()
		return p.path + ": missing"
	case 1:
		if p.of.Kind == '[' {
			p.of.Members = slices.Insert(p.of.Members, p.at, m.value(2))
			return p.path + ": added"
		}
		for _, name := range []string{"telecom", "address", "photo", "gender", "link", "note"} {
			if p.of.Get(name) == nil {
				p.of.Set(name, m.value(2))
				return p.path[:strings.LastIndex(p.path, ".")] + "." + name + ": added"
			}
		}
	case 2:
		if value.Kind == '"' && value.Text != "" {
			set(digesttest.String(value.Text[:max(0, strings.LastIndexAny(value.Text, "dv/0123456789"))]))
			return p.path + ": truncated"
		}
	case 3:
		set(&digesttest.Value{Kind: 't'})
		return p.path + ": changed in type"
	}
	switch value.Kind {
	case '"':
		set(digesttest.String(value.Text + "x"))
		return p.path + ": changed"
	case '0':
		set(&digesttest.Value{Kind: '0', Text: value.Text + "1"})
		return p.path + ": changed digits"
	}
	set(m.text('"'))
	return p.path + ": changed in type"
}

// TestOneChange: of a resource with one change, exactly that element is named; of one
// that is only written in another way, none. Nothing is named where the digests agree.
func TestOneChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &maker{t: rt}
		v := m.resource()
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		ours, same := []byte(write(v, r)), []byte(write(v, r))
		d := New(marks())
		if got := compare(t, d, "Patient", ours, same); len(got) > 0 {
			rt.Fatalf("%.2000s\n%.2000s\nequal, but %q", ours, same, got)
		}
		want := m.mutate(v)
		theirs := []byte(write(v, r))
		if got := compare(t, d, "Patient", ours, theirs); !slices.Equal(got, []string{want}) {
			rt.Fatalf("%.2000s\n%.2000s\n%q, want %s", ours, theirs, got, want)
		}
	})
}

// TestChangesAndDigests: however many changes there are, something is named exactly
// where the digests differ, in content or labels.
func TestChangesAndDigests(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &maker{t: rt}
		v := m.resource()
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		ours := []byte(write(v, r))
		for range m.draw(6) {
			m.mutate(v)
		}
		theirs := []byte(write(v, r))
		got := compare(t, New(Marks{}), "Patient", ours, theirs)
		content, label := false, false
		for _, it := range got {
			if strings.HasPrefix(it, "Patient.meta.") {
				label = true
			} else {
				content = true
			}
		}
		var d digest.Digester
		a, one := d.Resource(ours)
		b, two := d.Resource(theirs)
		if one != pipeline.NoReason || two != pipeline.NoReason || content != (a.Content != b.Content) || label != (a.Label != b.Label) {
			rt.Fatalf("%.2000s\n%.2000s\n%q: %v %v %t %t", ours, theirs, got, one, two, a.Content != b.Content, a.Label != b.Label)
		}
	})
}

// FuzzCompare: any two texts that can be read agree with the digests, and no path
// holds what is not from a closed list.
func FuzzCompare(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"meta":{"tag":[{"code":"DELETED","display":"DELETED"}]}}`, `{"meta":{"security":[1,1,2]}}`, `{"extension":[[]]}`, `{"name":[1,2,1]}`} {
		f.Add([]byte(s), []byte(`{"meta":{"security":[]},"name":[2,1,1],"id":"x"}`))
	}
	f.Fuzz(func(t *testing.T, ours, theirs []byte) {
		var digester digest.Digester
		a, one := digester.Resource(ours)
		b, two := digester.Resource(theirs)
		if one != pipeline.NoReason || two != pipeline.NoReason || len(ours)+len(theirs) > mostText {
			return
		}
		got := compare(t, New(Marks{}), "Patient", ours, theirs)
		if (len(got) > 0) != (a != b) {
			t.Fatalf("%q %q: %q", ours, theirs, got)
		}
		for _, it := range got {
			path, _, _ := strings.Cut(it, ":")
			for _, name := range strings.Split(Difference{Path: path}.Element(), ".")[1:] {
				if name != unnamed && nameOf(`"`+name+`":`) != name {
					t.Fatalf("%q", it)
				}
			}
		}
	})
}
