package convert

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/digesttest"
)

const (
	dated   = `{"display":"2024-01-31T10:00:00.000Z","code":"originalLastUpdated"}`
	deleted = `{"display":"DELETED","code":"DELETED"}`
	updated = `"lastUpdated":"2024-01-31T10:00:00.000Z"`
)

// resourceLine is a resource as the tool's script writes it.
func resourceLine(id, meta, more string) string {
	return `{"resourceType":"Patient","id":"` + id + `","meta":{` + meta + `}` + more + `}`
}

func TestResourceRules(t *testing.T) {
	const meta = `"versionId":"3",` + updated
	whole := resourceLine("p-1", meta+`,"tag":[`+dated+`]`, `,"b":1.50,"a":[ ]`)
	for name, c := range map[string]struct {
		line   string
		reason pipeline.Reason
		path   string
		status pipeline.DocumentStatus
		out    string // "" for the line as it is
	}{
		"as the tool writes it":    {line: whole, status: pipeline.Available},
		"white space around it":    {line: " \t" + whole + "\r\n", status: pipeline.Available, out: whole},
		"white space in it":        {line: strings.ReplaceAll(whole, `"tag":[`, "\"tag\" : [ "), status: pipeline.Available},
		"deleted":                  {line: resourceLine("p-1", meta+`,"tag":[`+dated+`,`+deleted+`]`, ""), status: pipeline.Deleted},
		"tags of others stay":      {line: resourceLine("p-1", meta+`,"tag":[{"code":"x"},`+dated+`]`, ""), status: pipeline.Available},
		"another system's DELETED": {line: resourceLine("p-1", meta+`,"tag":[{"system":"s","code":"DELETED"},`+dated+`]`, ""), status: pipeline.Available},
		"no tag": {
			line: resourceLine("p-1", meta, ""), status: pipeline.Available, out: resourceLine("p-1", meta+`,"tag":[`+dated+`]`, ""),
		},
		"empty tag": {
			line: resourceLine("p-1", `"tag":[ ],`+meta, ""), status: pipeline.Available, out: resourceLine("p-1", `"tag":[`+dated+` ],`+meta, ""),
		},
		"tag without a time": {
			line: resourceLine("p-1", meta+`,"tag":[`+deleted+" ]", ""), status: pipeline.Deleted,
			out: resourceLine("p-1", meta+`,"tag":[`+deleted+`,`+dated+" ]", ""),
		},
		"no tag, space at the end": {
			line: "  " + resourceLine("p-1", meta+" ", ""), status: pipeline.Available, out: resourceLine("p-1", meta+`,"tag":[`+dated+`] `, ""),
		},
		"no lastUpdated": {line: resourceLine("p-1", `"versionId":"3"`, ""), status: pipeline.Available},

		"not JSON":            {line: whole[:40], reason: pipeline.NotJSON, path: "id"},
		"two values":          {line: whole + whole, reason: pipeline.NotJSON, path: "a"},
		"no object":           {line: `["resourceType"]`, reason: pipeline.NoType, path: "resourceType"},
		"no object, not JSON": {line: `[1,]`, reason: pipeline.NotJSON},
		"not UTF-8":           {line: strings.Replace(whole, "p-1", "\xff", 1), reason: pipeline.InvalidUTF8, path: "id"},
		"a key twice":         {line: strings.Replace(whole, `"b"`, `"a"`, 1), reason: pipeline.DuplicateKey, path: "a"},
		"meta twice":          {line: resourceLine("p-1", meta, `,"meta":{`+meta+`}`), reason: pipeline.DuplicateKey, path: "meta"},
		"a key of meta twice": {line: resourceLine("p-1", meta+`,"versionId":"3"`, ""), reason: pipeline.DuplicateKey, path: "meta.versionId"},
		"no type":             {line: `{"id":"p-1","meta":{` + meta + `}}`, reason: pipeline.NoType, path: "resourceType"},
		"type is no name":     {line: strings.Replace(whole, "Patient", "patient", 1), reason: pipeline.BadType, path: "resourceType"},
		"no id":               {line: `{"resourceType":"Patient","meta":{` + meta + `}}`, reason: pipeline.NoID, path: "id"},
		"id with its tenant":  {line: strings.Replace(whole, "p-1", "t|p-1", 1), reason: pipeline.BadID, path: "id"},
		"no meta":             {line: `{"resourceType":"Patient","id":"p-1"}`, reason: pipeline.NoVersion, path: "meta.versionId"},
		"meta is a string":    {line: `{"resourceType":"Patient","id":"p-1","meta":"x"}`, reason: pipeline.NoVersion, path: "meta.versionId"},
		"meta is empty":       {line: resourceLine("p-1", "", ""), reason: pipeline.NoVersion, path: "meta.versionId"},
		"version is a number": {line: strings.Replace(whole, `"3"`, `3`, 1), reason: pipeline.BadVersion, path: "meta.versionId"},
		"version 0":           {line: strings.Replace(whole, `"3"`, `"0"`, 1), reason: pipeline.BadVersion, path: "meta.versionId"},
		"of another folder":   {line: strings.Replace(whole, `"3"`, `"4"`, 1), reason: pipeline.BadVersion, path: "meta.versionId"},
		"tag is no list":      {line: resourceLine("p-1", meta+`,"tag":{}`, ""), reason: pipeline.BadTag, path: "meta.tag", status: pipeline.Available},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConverter(t, Options{Resources: true, Deleted: true})
			k.Version = 3
			var r Record
			line := []byte(c.line)
			out := string(k.Convert([]byte("before"), append(line[:len(line):len(line)], make([]byte, 64)...)[:len(line)], &r))
			if r.Reason != c.reason || string(r.Path) != c.path || r.Status != c.status {
				t.Fatalf("reason %q at %q, status %v", r.Reason, r.Path, r.Status)
			}
			if string(line) != c.line {
				t.Errorf("the source was changed: %s", line)
			}
			want := c.out
			if want == "" {
				want = c.line
			}
			if want = "before" + want + "\n"; c.reason != pipeline.NoReason {
				want = "before"
			}
			if out != want {
				t.Errorf("got  %swant %s", out, want)
			}
			if c.reason == pipeline.NoReason && (string(r.Type) != "Patient" || string(r.ID) != "p-1" || r.Version != 3) {
				t.Errorf("%s/%s version %d", r.Type, r.ID, r.Version)
			}
		})
	}
}

// TestResourceOfNumbers: I7, a line of many MiB whose canonical text would be much
// longer than it is goes to quarantine; one of as many bytes of base64 does not.
func TestResourceOfNumbers(t *testing.T) {
	k, r := newConverter(t, Options{Resources: true, Deleted: true}), Record{}
	for more, want := range map[string]pipeline.Reason{
		`,"n":[` + strings.Repeat("1,", 7<<20) + "1]":      pipeline.TooLarge,
		`,"n":[` + strings.Repeat("1,", 1<<20) + "1]":      pipeline.NoReason,
		`,"data":"` + strings.Repeat("QUJD", 15<<18) + `"`: pipeline.NoReason,
	} {
		if k.Convert(nil, []byte(resourceLine("p", `"versionId":"1"`, more)), &r); r.Reason != want {
			t.Errorf("%d bytes: %v", len(more), r.Reason)
		}
	}
}

// Without a folder that says otherwise, any version is right.
func TestResourceOfAnyVersion(t *testing.T) {
	k, r := newConverter(t, Options{Resources: true}), Record{}
	k.Convert(nil, []byte(resourceLine("p", `"versionId":"17"`, "")), &r)
	if r.Reason != pipeline.NoReason || r.Version != 17 || r.LastUpdated != math.MinInt64 {
		t.Errorf("%v, version %d", r.Reason, r.Version)
	}
}

func TestResourceFilters(t *testing.T) {
	line := resourceLine("p", `"versionId":"1",`+updated+`,"tag":[`+dated+`,`+deleted+`]`, "")
	for want, o := range map[pipeline.Reason]Options{
		pipeline.NoReason:   {Deleted: true, Tenant: "t"}, // all are of that tenant
		pipeline.IsDeleted:  {},
		pipeline.OtherType:  {Deleted: true, Types: []string{"Goal"}},
		pipeline.NotSince:   {Deleted: true, Since: "2024-01-31T10:00:00Z"},
		pipeline.AfterUntil: {Deleted: true, Until: "2024-01-31T09:59:59Z"},
	} {
		o.Resources = true
		var r Record
		newConverter(t, o).Convert(nil, []byte(line), &r)
		if r.Reason != want || r.Status != pipeline.Deleted || r.MultiTenant {
			t.Errorf("%+v: %v", o, r.Reason)
		}
	}
	var r Record
	if out := newConverter(t, Options{Resources: true, Deleted: true, MaxLine: 100}).Convert(nil, []byte(line), &r); r.Reason != pipeline.OverFileCap || len(out) > 0 {
		t.Errorf("over the cap: %v", r.Reason)
	}
}

func TestResourceOptions(t *testing.T) {
	for _, o := range []Options{{Resources: true, Tenant: AllTenants}, {Resources: true, BinaryField: "data"}} {
		if _, err := New(o); pipeline.KindOf(err) != pipeline.KindConfig {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// What the tool should have dropped is told by name, never by value.
func TestResourceUnknown(t *testing.T) {
	k, r := newConverter(t, Options{Resources: true}), Record{}
	k.Convert(nil, []byte(resourceLine("p", `"versionId":"1"`, `,"_id":"p","_birthDate":{"id":"x"},"vid":1,"_a b":1`)), &r)
	if got := fmt.Sprintf("%s", r.Unknown); got != "[_id vid ?]" {
		t.Errorf("got %s", got)
	}
}

// TestRowsMovedTwice: what Convert makes of a row is a resource that it does not
// change, and of which it says the same: type, id, version, time and digests, and
// whether the row was DELETED.
func TestRowsMovedTwice(t *testing.T) {
	rows, resources := newConverter(t, Options{Deleted: true}), newConverter(t, Options{Resources: true, Deleted: true})
	written := 0
	rapid.Check(t, func(rt *rapid.T) {
		g := generator{rt}
		version := rapid.IntRange(1, 12).Draw(rt, "version")
		meta := fmt.Sprintf(`"meta":{"M":{"versionId":{"S":"%d"},%s`, version, strings.TrimPrefix(g.meta(), `{"M":{`))
		status := g.pick("AVAILABLE", "LOCKED", "DELETED", "DELETED")
		line := fmt.Sprintf(`{"Item":{"resourceType":{"S":"Patient"},"id":{"S":"p"},%s:%s,%s,"vid":{"N":"%d"},"documentStatus":{"S":"%s"}}}`,
			g.name(), g.value(0), meta, version, status)
		var first, second Record
		out := rows.Convert(nil, []byte(line), &first)
		if first.Reason != pipeline.NoReason || strings.Contains(line, `"B"`) { // a time of type B is a string only afterwards
			return
		}
		written++
		resources.Version = first.Version
		again := resources.Convert(nil, bytes.Clone(out), &second)
		if !bytes.Equal(again, out) {
			rt.Fatalf("%v: got  %swant %s", second.Reason, again, out)
		}
		tagged := bytes.Contains(out, []byte(`"code":"DELETED"`)) // by the row, or by what it had before
		if string(second.Type) != string(first.Type) || string(second.ID) != string(first.ID) || second.Version != first.Version ||
			second.LastUpdated != first.LastUpdated || second.Content != first.Content || second.Label != first.Label || second.Form != first.Form ||
			(second.Status == pipeline.Deleted) != (first.Status == pipeline.Deleted || tagged) {
			rt.Fatalf("%+v\nbut was %+v\n%s", second, first, out)
		}
	})
	if written < 20 {
		t.Errorf("only %d rows were written", written)
	}
}

// TestResourceAgainstOracle compares with a parser that shares nothing with ours, on
// JSON with white space, escapes and names that repeat.
func TestResourceAgainstOracle(t *testing.T) {
	k := newConverter(t, Options{Resources: true, Deleted: true})
	seen := map[pipeline.Reason]int{}
	rapid.Check(t, func(rt *rapid.T) {
		g := generator{rt}
		line := g.resource()
		want, fault := digesttest.Parse([]byte(line))
		var r Record
		out := k.Convert(nil, []byte(line), &r)
		seen[r.Reason]++
		if r.Reason != fault {
			rt.Fatalf("%v, the oracle says %v: %s", r.Reason, fault, line)
		}
		if fault != pipeline.NoReason {
			return
		}
		content, label := digesttest.Sums(want)
		if r.Content != content || r.Label != label || r.Form != digesttest.Form(want) {
			rt.Fatalf("other digests: %s", line)
		}
		meta := want.Get("meta")
		tags := meta.Get("tag")
		if tags == nil {
			tags = &digesttest.Value{Kind: '['}
			meta.Set("tag", tags)
		}
		if !bytes.Equal(out, append([]byte(strings.Trim(line, space)), '\n')) {
			tag, _ := digesttest.Parse([]byte(dated))
			tags.Members = append(tags.Members, tag)
		}
		got, fault := digesttest.Parse(out)
		if fault != pipeline.NoReason || !digesttest.Equal(got, want) {
			rt.Fatalf("%v: %s\nbecame %s", fault, line, out)
		}
		if n := strings.Count(string(out), "originalLastUpdated"); n != 1 {
			rt.Fatalf("%d tags of time: %s", n, out)
		}
	})
	if seen[pipeline.NoReason] < 20 || seen[pipeline.DuplicateKey]+seen[pipeline.NotJSON] == 0 {
		t.Errorf("only %v", seen)
	}
}

// resource draws plain JSON that is nearly a resource.
func (g generator) resource() string {
	s := g.space
	tag := g.pick("", "", `"tag":`+s()+`[`+s()+`],`, `"tag":[`+dated+s()+`],`, `"tag":[{"code":"x"}`+s()+`]`+s()+`,`)
	members := []string{`"resourceType":"Patient"`, `"id":"p"`, `"meta":` + s() + `{` + s() + tag + `"versionId":"1",` + updated + s() + `}`}
	for range rapid.IntRange(0, 3).Draw(g.t, "more") {
		members = append(members, g.name()+s()+":"+s()+g.plain(0))
	}
	line := strings.ReplaceAll(s()+"{"+strings.Join(members, s()+","+s())+"}"+s(), "\n", " ")
	if g.one(20) {
		line = line[:len(line)-1]
	}
	return line
}

// plain draws a value of plain JSON.
func (g generator) plain(depth int) string {
	switch kind := rapid.IntRange(0, 6).Draw(g.t, "kind"); {
	case kind == 0:
		return g.pick("true", "false", "null")
	case kind == 1:
		return g.pick("0", "-1.50", "1e-7", "1e+21", "72", "12345678901234567890")
	case kind < 4 || depth > 3:
		return g.text()
	case kind < 5:
		return "[" + g.space() + g.plain(depth+1) + "," + g.plain(depth+1) + g.space() + "]"
	default:
		return "{" + g.name() + ":" + g.plain(depth+1) + g.space() + "," + g.name() + ":" + g.plain(depth+1) + "}"
	}
}

// FuzzResource: whatever a line holds, the oracle agrees on what is wrong with it as
// JSON, and a line that is written is one resource with the same digests.
func FuzzResource(f *testing.F) {
	f.Add([]byte(resourceLine("p", `"versionId":"1",`+updated+`,"tag":[`+dated+`,`+deleted+`]`, `,"a":[1.50,{"b":"\u00e9\/"}]`)))
	f.Add([]byte(resourceLine("p", ` "tag" : [ ] , "versionId":"1",`+updated, "")))
	f.Add([]byte(`{"meta":{"tag":[{"code":"DELETED"`))
	f.Add([]byte(` [1,{"meta":null}] `))
	k := newConverter(f, Options{Resources: true, Deleted: true})
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return // no line
		}
		var r, again Record
		before := bytes.Clone(line)
		out := bytes.Clone(k.Convert(nil, line, &r))
		content, label := r.Content, r.Label
		if !bytes.Equal(line, before) {
			t.Fatal("the source was changed")
		}
		want, fault := digesttest.Parse(line)
		broken := r.Reason >= pipeline.NotJSON && r.Reason <= pipeline.TooDeep
		if broken && r.Reason != fault || !broken && fault != pipeline.NoReason {
			t.Fatalf("%v, the oracle says %v", r.Reason, fault)
		}
		if r.Reason != pipeline.NoReason {
			return
		}
		wantContent, wantLabel := digesttest.Sums(want)
		if content != wantContent || label != wantLabel {
			t.Fatal("other digests")
		}
		if twice := k.Convert(nil, out, &again); !bytes.Equal(twice, out) || again.Content != content || again.Label != label {
			t.Fatalf("got  %swant %s", twice, out)
		}
	})
}
