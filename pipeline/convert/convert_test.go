package convert

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"pgregory.net/rapid"
)

func newConverter(t testing.TB, o Options) *Converter {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	updatedTag = `{"display":"2023-08-01T20:17:07.123Z","code":"originalLastUpdated"}`
	deletedTag = `{"display":"DELETED","code":"DELETED"}`
)

// TestOutput holds the text of the output, byte for byte: tags of the resource's own
// stay (WE10), numbers keep their digits, and empty values stay what they are (WE14).
func TestOutput(t *testing.T) {
	c := newConverter(t, Options{Deleted: true})
	const rest = `"meta":{"versionId":"1","lastUpdated":"2023-08-01T20:17:07.123Z","tag":[` + updatedTag + `]}`
	meta := func(members string) string { return `"meta":{"M":{` + members + `}}` }
	const updated = `"lastUpdated":{"S":"2023-08-01T20:17:07.123Z"}`
	for _, test := range []struct {
		name string
		row  []string // attributes
		want string   // behind resourceType and id
	}{
		{"plain", nil, rest},
		{"deleted", []string{`"documentStatus":{"S":"DELETED"}`}, strings.Replace(rest, updatedTag, updatedTag+","+deletedTag, 1)},
		{"locked", []string{`"documentStatus":{"S":"LOCKED"}`}, rest},
		{"being deleted", []string{`"documentStatus":{"S":"PENDING_DELETE"}`}, rest},
		{"escapes", []string{`"x":{"S":"\u0041\/é\ud83d\ude00\"\n"}`}, rest + `,"x":"\u0041\/é\ud83d\ude00\"\n"`},
		{"name with escapes", []string{`"\u0078":{"S":""}`}, rest + `,"\u0078":""`},
		{"numbers", []string{`"x":{"L":[{"N":"1e+21"},{"N":"-0.00"},{"N":"12345678901234567890.123456789012345678"}]}`}, rest + `,"x":[1e+21,-0.00,12345678901234567890.123456789012345678]`},
		{
			"all types",
			[]string{`"x":{"M":{"n":{"NULL":true},"t":{"BOOL":true},"f":{"BOOL":false},"b":{"B":"AAE="},"ss":{"SS":["a","b"]},"ns":{"NS":["1.50","2"]},"bs":{"BS":["AA=="]},"l":{"L":[]},"m":{"M":{}}}}`},
			rest + `,"x":{"n":null,"t":true,"f":false,"b":"AAE=","ss":["a","b"],"ns":[1.50,2],"bs":["AA=="],"l":[],"m":{}}`,
		},
		{"dropped", []string{`"lockEndTs":{"N":"5"}`, `"_references":{"L":[{"S":"Patient/1"}]}`, `"_subscriptionStatus":{"S":"active"}`, `"x":{"S":"y"}`}, rest + `,"x":"y"`},
		{"order", []string{`"z":{"S":"1"}`, `"a":{"M":{"y":{"S":"2"},"b":{"S":"3"}}}`}, rest + `,"z":"1","a":{"y":"2","b":"3"}`},
		{"primitive extension", []string{`"_birthDate":{"M":{"id":{"S":"x"}}}`}, rest + `,"_birthDate":{"id":"x"}`},
		{"white space", []string{" \"x\" : { \"L\" : [ { \"S\" : \"y\" } , { \"M\" : { } } ] } "}, rest + `,"x":["y",{}]`},
		{
			"own tag kept",
			[]string{meta(updated + `,"tag":{"L":[{"M":{"code":{"S":"c"}}}]},"source":{"S":"s"}`)},
			`"meta":{"lastUpdated":"2023-08-01T20:17:07.123Z","tag":[{"code":"c"},` + updatedTag + `],"source":"s"}`,
		},
		{"tag before lastUpdated", []string{meta(`"tag":{"L":[]},` + updated)}, `"meta":{"tag":[` + updatedTag + `],"lastUpdated":"2023-08-01T20:17:07.123Z"}`},
		{"lastUpdated with escapes", []string{meta(`"lastUpdated":{"S":"2023\u002d08"}`)}, `"meta":{"lastUpdated":"2023\u002d08","tag":[{"display":"2023\u002d08","code":"originalLastUpdated"}]}`},
		{"no lastUpdated", []string{meta(`"versionId":{"S":"1"}`)}, `"meta":{"versionId":"1"}`},
		{"no lastUpdated, deleted", []string{meta(``), `"documentStatus":{"S":"DELETED"}`}, `"meta":{"tag":[` + deletedTag + `]}`},
		{"lastUpdated no string", []string{meta(`"lastUpdated":{"N":"5"}`)}, `"meta":{"lastUpdated":5}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r Record
			got := string(c.Convert(nil, []byte(testRow(test.row...)), &r))
			if want := `{"resourceType":"Patient","id":"p1",` + test.want + "}\n"; got != want {
				t.Errorf("%v at %s\n%s\nwant\n%s", r.Reason, r.Path, got, want)
			}
		})
	}
}

// TestReasons has every reason, with the path that leads to it.
func TestReasons(t *testing.T) {
	row := testRow
	tenant := func(id, tenantID, plainID string) string {
		return row(`"id":{"S":"`+id+`"}`, `"_tenantId":{"S":"`+tenantID+`"}`, `"_id":{"S":"`+plainID+`"}`)
	}
	deep := func(n int) string { return `"a":` + strings.Repeat(`{"L":[`, n) + strings.Repeat(`]}`, n) }
	size := int64(len(newConverter(t, Options{}).Convert(nil, []byte(row()), new(Record))))
	seen := map[pipeline.Reason]bool{pipeline.TooLarge: true} // that one is for who reads lines
	const bad = `"name":{"N":"x"}`                            // a defect that everything above comes before
	for _, test := range []struct {
		line    string
		options Options
		reason  pipeline.Reason
		path    string
	}{
		{row(), Options{}, pipeline.NoReason, ""},
		{row() + "x", Options{}, pipeline.NotJSON, ""},
		{row()[:80], Options{}, pipeline.NotJSON, "meta"},
		{row(`"name":{"L":[{"M":{"given":{"L":[{"S":"a` + "\t" + `"}]}}}]}`), Options{}, pipeline.NotJSON, "name.given"},
		{row(`"name":{"M":{"a b":{"M":{"given":{"S":"` + "\xff" + `"}}}}}`), Options{}, pipeline.InvalidUTF8, "name.?.given"},
		{row(`"name":{"M":{"x":{"S":"1"},"given":{"M":{"y":{"S":"2"},"x":{"S":"3"},"y":{"S":"4"}}}}}`), Options{}, pipeline.DuplicateKey, "name.given.y"},
		{row(`"vid":{"N":"1"},"vid":{"N":"1"}`), Options{}, pipeline.DuplicateKey, "vid"},
		{row(`"name":{"S":"a","S":"b"}`), Options{}, pipeline.DuplicateKey, "name.S"},
		{row(deep(127)), Options{}, pipeline.NoReason, ""},
		{row(deep(128)), Options{}, pipeline.TooDeep, "a"},
		{row(deep(2500)), Options{}, pipeline.TooDeep, "a"},
		{`{"Items":{}}`, Options{}, pipeline.NoItem, ""},
		{row("-resourceType", bad), Options{}, pipeline.NoType, "resourceType"},
		{row(`"resourceType":{"S":"../../etc"}`, bad), Options{}, pipeline.BadType, "resourceType"},
		{row("-id", bad), Options{}, pipeline.NoID, "id"},
		{row(`"id":{"S":"a b"}`, bad), Options{}, pipeline.BadID, "id"},
		{row("-vid", bad), Options{}, pipeline.NoVersion, "vid"},
		{row(`"vid":{"N":"01"}`, bad), Options{}, pipeline.BadVersion, "vid"},
		{row("-documentStatus", bad), Options{}, pipeline.NoStatus, "documentStatus"},
		{row(`"documentStatus":{"S":"GONE"}`, bad), Options{}, pipeline.BadStatus, "documentStatus"},
		{tenant("t2|p1", "t2", "p1"), Options{Tenant: "t1"}, pipeline.OtherTenant, ""},
		{row(`"documentStatus":{"S":"PENDING"}`, bad, "-meta"), Options{}, pipeline.IsPending, ""},
		{row(bad), Options{Types: []string{"Observation"}}, pipeline.OtherType, ""},
		{row(bad), Options{Since: "2023-08-01T20:17:07.123Z"}, pipeline.NotSince, ""},
		{row(), Options{Since: "2023-08-01T20:17:07.122Z"}, pipeline.NoReason, ""},
		{row(bad), Options{Until: "2023-08-01T22:17:07.122+02:00"}, pipeline.AfterUntil, ""},
		{row(), Options{Until: "2023-08-01T22:17:07.123+02:00"}, pipeline.NoReason, ""},
		{row(`"documentStatus":{"S":"DELETED"}`, bad), Options{}, pipeline.IsDeleted, ""},
		{row("-meta"), Options{}, pipeline.NoMeta, "meta"},
		{row(`"meta":{"S":"x"}`), Options{}, pipeline.BadMeta, "meta"},
		{row(`"meta":{"M":{"tag":{"S":"x"}}}`), Options{}, pipeline.BadTag, "meta.tag"},
		{row(`"value":{"M":{"value":{"N":"1."}}}`), Options{}, pipeline.BadNumber, "value.value"},
		{row(`"name":{"X":"y"}`), Options{}, pipeline.BadAttribute, "name"},
		{row(`"name":{"S":"x","N":"1"}`), Options{}, pipeline.BadAttribute, "name"},
		{row(`"name":{"L":[{"S":"x"},"y"]}`), Options{}, pipeline.BadAttribute, "name"},
		{row(`"name":{"BOOL":"true"}`), Options{}, pipeline.BadAttribute, "name"},
		{row()[:len(row())-1] + `,"Keys":{}}`, Options{}, pipeline.BadAttribute, "Keys"},
		{row(), Options{Tenant: "t1"}, pipeline.NoTenant, "_tenantId"},
		{tenant("t1|p1", "t1", "p1"), Options{Tenant: "t1"}, pipeline.NoReason, ""},
		{tenant("t1|p|1", "t1", "p|1"), Options{Tenant: "t1"}, pipeline.BadID, "id"},
		{tenant("t1|p2", "t1", "p1"), Options{Tenant: "t1"}, pipeline.TenantMismatch, "id"},
		{tenant("t2|p1", "t1", "p1"), Options{Tenant: "t1"}, pipeline.TenantMismatch, "id"},
		{tenant("p1", "t1", "p1"), Options{Tenant: "t1"}, pipeline.TenantMismatch, "id"},
		{tenant("t1|p1", "t1", "p1"), Options{}, pipeline.TenantMismatch, "id"},
		{row(), Options{Tenant: "*"}, pipeline.NoTenant, "_tenantId"},
		{row(`"id":{"S":"t1|p1"}`, `"_id":{"S":"p1"}`), Options{Tenant: "*"}, pipeline.NoTenant, "_tenantId"},
		{tenant("t1|p1", "t1", "p1"), Options{Tenant: "*"}, pipeline.NoReason, ""},
		{tenant("t1|p1", "t2", "p1"), Options{Tenant: "*"}, pipeline.TenantMismatch, "id"},
		{tenant("t1|p1", "t1", "p2"), Options{Tenant: "*"}, pipeline.TenantMismatch, "id"},
		{tenant("p1", "t1", "p1"), Options{Tenant: "*"}, pipeline.TenantMismatch, "id"},
		{row(`"id":{"S":"t1|p1"}`, `"_tenantId":{"S":"t1"}`), Options{Tenant: "*"}, pipeline.TenantMismatch, "id"},
		{row(`"id":{"S":"t1|p1"}`, `"_tenantId":{"N":"1"}`, `"_id":{"S":"p1"}`), Options{Tenant: "*"}, pipeline.TenantMismatch, "id"},
		{tenant("|p1", "", "p1"), Options{Tenant: "*"}, pipeline.BadTenant, "_tenantId"},
		{tenant("t/1|p1", "t/1", "p1"), Options{Tenant: "*"}, pipeline.BadTenant, "_tenantId"},
		{tenant("..|p1", "..", "p1"), Options{Tenant: "*"}, pipeline.BadTenant, "_tenantId"},
		{tenant("t/1|p1", "t/1", "p1"), Options{Tenant: "t1"}, pipeline.OtherTenant, ""},
		{row(), Options{MaxLine: size - 1}, pipeline.OverFileCap, ""},
		{row(), Options{MaxLine: size}, pipeline.NoReason, ""},
	} {
		seen[test.reason] = true
		var r Record
		out := newConverter(t, test.options).Convert([]byte("x"), []byte(test.line), &r)
		if r.Reason != test.reason || string(r.Path) != test.path {
			t.Errorf("%v at %q, want %v at %q\n%.300s", r.Reason, r.Path, test.reason, test.path, test.line)
		}
		if (len(out) > 1) != (test.reason == pipeline.NoReason) {
			t.Errorf("%v: output of %d bytes", r.Reason, len(out)-1)
		}
	}
	for _, reason := range pipeline.Reasons() {
		if !seen[reason] && reason <= pipeline.BadTenant { // those behind are of the binary bucket
			t.Errorf("no test for %v", reason)
		}
	}
}

func TestTenant(t *testing.T) {
	c := newConverter(t, Options{Tenant: "t_1-x"})
	var r Record
	line := testRow(`"id":{"S":"t_1-x|p1"}`, `"_tenantId":{"S":"t_1-x"}`, `"_id":{"S":"p1"}`)
	out := string(c.Convert(nil, []byte(line), &r))
	if !r.MultiTenant || string(r.ID) != "p1" || strings.Contains(out, "t_1") || !strings.Contains(out, `"id":"p1"`) {
		t.Errorf("%v %s %s", r.Reason, r.ID, out)
	}
}

func TestUnknownAttributes(t *testing.T) {
	c := newConverter(t, Options{})
	var r Record
	c.Convert(nil, []byte(testRow(`"_odd":{"S":"x"}`, `"_birthDate":{"M":{}}`, `"_given":{"L":[]}`, `"_a b":{"N":"1"}`, `"x":{"S":""}`)), &r)
	if got := string(bytes.Join(r.Unknown, []byte(" "))); got != "_odd ?" {
		t.Errorf("unknown: %q", got)
	}
}

// TestLongLines: neither escapes nor defects may cost stack or more than linear
// memory, and buffers shrink again.
func TestLongLines(t *testing.T) {
	c := newConverter(t, Options{})
	var r Record
	for _, value := range []string{
		`{"S":"` + strings.Repeat(`\n`, 3<<20) + `"}`,
		`{"S":"` + strings.Repeat(`é`, 1<<18) + `"}`,
		`{"X":[` + strings.Repeat(`1,`, 1<<18) + `1]}`,
		`{"NS":[` + strings.Repeat(`"1",`, 1<<18) + `"1"]}`,
		`{"S":"x","M":{` + strings.Repeat(`"a":1,`, 1<<18) + `"b":[[{"c":1}]]}}`,
	} {
		c.Convert(nil, []byte(testRow(`"x":`+value)), &r)
	}
	c.Convert(nil, []byte(testRow()), &r)
	if r.Reason != pipeline.NoReason {
		t.Error(r.Reason)
	}
}

func TestNoAllocations(t *testing.T) {
	c := newConverter(t, Options{Deleted: true, BinaryField: "data"})
	all := append(rows(t, 20), []byte(testRow(`"resourceType":{"S":"Binary"}`)))
	dst := make([]byte, 0, 1<<20)
	var r Record
	convert := func() {
		for _, row := range all {
			dst = c.Convert(dst[:0], row, &r)
		}
	}
	convert()
	if n := testing.AllocsPerRun(5, convert); n > 0 {
		t.Errorf("%v allocations in %d rows", n, len(all))
	}
}

func TestDigestsAgreeWithOutput(t *testing.T) {
	c := newConverter(t, Options{Deleted: true})
	var r Record
	var d digest.Digester
	for i, row := range rows(t, 5) {
		out := c.Convert(nil, row, &r)
		if r.Reason != pipeline.NoReason {
			t.Fatalf("row %d: %v at %s", i, r.Reason, r.Path)
		}
		sums, reason := d.Resource(out)
		if reason != pipeline.NoReason || sums.Content != r.Content || sums.Label != r.Label {
			t.Fatalf("row %d: %v, digests differ\n%s\n%s", i, reason, row, out)
		}
		if i%10 == 0 {
			compare(t, c, Options{Deleted: true}, row)
		}
	}
}

// TestGenuineRows converts rows that FHIR Works itself has written.
func TestGenuineRows(t *testing.T) {
	all := lines(t, shared("fwoa/items.json.gz"))
	if all == nil {
		t.Skip("no genuine rows here")
	}
	single, tenant := newConverter(t, Options{Deleted: true}), newConverter(t, Options{Deleted: true, Tenant: "tenant1"})
	tenants := 0
	for i, row := range all {
		var r Record
		c, o := single, Options{Deleted: true}
		out := c.Convert(nil, row, &r)
		if r.MultiTenant {
			tenants++
			if len(out) > 0 {
				t.Errorf("row %d: a row of a tenant in a job without", i)
			}
			c, o = tenant, Options{Deleted: true, Tenant: "tenant1"}
			out = c.Convert(nil, row, &r)
		}
		if r.Reason != pipeline.NoReason || r.LastUpdated == math.MinInt64 || r.LockEnd < r.LastUpdated || len(r.Unknown) > 0 {
			t.Errorf("row %d: %v at %s, updated %d, lock %d, unknown %q", i, r.Reason, r.Path, r.LastUpdated, r.LockEnd, r.Unknown)
		}
		for _, internal := range []string{"documentStatus", "lockEndTs", `"vid"`, "_references", "_tenantId", `"_id"`, "_subscriptionStatus", `{"S":`, "tenant1|"} {
			if bytes.Contains(out, []byte(internal)) {
				t.Errorf("row %d: %s is left\n%s", i, internal, out)
			}
		}
		compare(t, c, o, row)
	}
	if tenants == 0 || tenants == len(all) {
		t.Errorf("%d of %d rows are of a tenant", tenants, len(all))
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{
		{Tenant: "a|b"},
		{Tenant: "**"},
		{Tenant: strings.Repeat("t", 65)},
		{Since: "yesterday"},
		{Until: "2023-02-29T00:00:00Z"},
		{Types: []string{"patient"}},
		{MaxLine: -1},
		{BinaryField: "url"},
		{Since: "2023-01-01T00:00:00Z", Until: "2023-01-01T01:00:00+01:00"},
	} {
		if _, err := New(o); pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestInstants: moments with and without a fraction are read (WE9).
func TestInstants(t *testing.T) {
	for _, text := range []string{
		"", "2023", "2023-08-01", "2023-08-01T20:17:07", "2023-08-01 20:17:07Z", "2023-13-01T20:17:07Z", "2023-02-29T20:17:07Z", "2023-00-01T00:00:00Z", "2023-01-00T00:00:00Z",
		"2023-08-01T24:17:07Z", "2023-08-01T20:60:07Z", "2023-08-01T20:17:61Z", "2023-08-01T20:17:07.Z", "2023-08-01T20:17:07.5", "2023-08-01T20:17:07+0100", "2023-08-01T20:17:07+24:00",
		"2023-08-01T20:17:07+01:60", "2023-08-01T20:17:07Zx", "x023-08-01T20:17:07Z", "2023-08-01T2x:17:07Z", "1900-02-29T00:00:00Z",
	} {
		if got, ok := parseInstant([]byte(text)); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
	if got, ok := parseInstant([]byte("2016-12-31T23:59:60.5Z")); !ok || got.millis() != 1483228800500 {
		t.Errorf("leap second: %v %v", got, ok)
	}
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(-62167219200+86400, 253402300799-86400).Draw(t, "seconds")
		zone := time.FixedZone("", rapid.IntRange(-14*60, 14*60).Draw(t, "zone")*60)
		want := time.Unix(seconds, rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")).In(zone)
		got, ok := parseInstant([]byte(want.Format(time.RFC3339Nano)))
		if !ok || got.seconds != want.Unix() || int(got.nanos) != want.Nanosecond() || got.millis() != want.UnixMilli() {
			t.Fatalf("%v: %v %v", want, got, ok)
		}
	})
}

// TestNumberForm: only numbers of the content count, and only those that are not in
// their shortest form.
func TestNumberForm(t *testing.T) {
	c := newConverter(t, Options{})
	form := func(attributes ...string) uint32 {
		t.Helper()
		row := []byte(testRow(attributes...))
		compare(t, c, Options{}, row)
		var r Record
		if c.Convert(nil, row, &r); r.Reason != pipeline.NoReason {
			t.Fatalf("%v at %s", r.Reason, r.Path)
		}
		return r.Form
	}
	none := form(`"x":{"L":[{"N":"0"},{"N":"-10"},{"N":"0.05"},{"N":"100"}]}`, `"meta":{"M":{"n":{"N":"2.50"}}}`, `"lockEndTs":{"N":"1e3"}`, `"_references":{"L":[{"N":"1.0"}]}`)
	if none != 0 {
		t.Errorf("shortest numbers, and others outside the content: %x", none)
	}
	all := map[uint32]string{none: "none"}
	for _, number := range []string{"1.50", "1.500", "15e-1", "15E-1", "1.5e0"} {
		one := form(`"x":{"N":"` + number + `"}`)
		if other := all[one]; other != "" {
			t.Errorf("%s has the form of %s", number, other)
		}
		all[one] = number
		if escaped := form(`"x":{"N":"` + strings.Replace(number, "5", `\u0035`, 1) + `"}`); escaped != one {
			t.Errorf("%s with an escape has another form", number)
		}
		if twice := form(`"y":{"NS":["`+number+`"]}`, `"x":{"N":"`+number+`"}`); twice != 2*one {
			t.Errorf("%s twice: %x, want %x", number, twice, 2*one)
		}
	}
}
