package convert

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/digest/digesttest"
)

// complete adds the field to a line as the second pipeline does.
func complete(line []byte, field, data string) []byte {
	at := bytes.LastIndexByte(line, '}')
	return slices.Concat(line[:at], []byte(`,"`+field+`":"`+data+`"`), line[at:])
}

// compareBinary completes the line of a written row and compares what Before and
// After say of it with its digest: from the line, and from the tree.
func compareBinary(t *testing.T, o Options, line []byte, r *Record, resource *digesttest.Value) {
	t.Helper()
	isBinary := o.BinaryField != "" && string(r.Type) == "Binary"
	has := isBinary && resource.Get(o.BinaryField) != nil
	if r.HasData != has || (r.Before != nil) != (isBinary && !has) || (r.After != nil) != (r.Before != nil) {
		t.Fatalf("has data %v, want %v, before %q, after %q\n%s", r.HasData, has, r.Before, r.After, line)
	}
	if r.Before == nil {
		return
	}
	if !bytes.HasSuffix(r.Before, []byte(`"`+o.BinaryField+`":"`)) || r.After[0] != '"' {
		t.Fatalf("before %q, after %q", r.Before, r.After)
	}
	for _, data := range []string{"", "AA==", base64.StdEncoding.EncodeToString(line)} {
		whole := complete(line, o.BinaryField, data)
		var d digest.Digester
		sums, reason := d.Resource(whole)
		if reason != pipeline.NoReason {
			t.Fatalf("the completed line: %v\n%s", reason, whole)
		}
		got := sha256.Sum256(slices.Concat(r.Before, []byte(data), r.After))
		if got != sums.Content || r.Label != sums.Label {
			t.Fatalf("content equal %v, label equal %v\n%s\n%s\n%s", got == sums.Content, r.Label == sums.Label, r.Before, r.After, whole)
		}
		tree := *resource
		tree.Names, tree.Members = slices.Clone(tree.Names), slices.Clone(tree.Members)
		tree.Set(o.BinaryField, digesttest.String(data))
		if content, _ := digesttest.Sums(&tree); got != content {
			t.Fatalf("the oracle disagrees\n%s\n%s\n%s", r.Before, r.After, whole)
		}
	}
}

// TestBinary holds both halves, byte for byte.
func TestBinary(t *testing.T) {
	for _, test := range []struct {
		field         string
		row           []string // attributes
		before, after string
		hasData       bool
	}{
		{"data", nil, `{"data":"`, `","id":"p1","resourceType":"Binary"}`, false},
		{"content", nil, `{"content":"`, `","id":"p1","resourceType":"Binary"}`, false},
		{"data", []string{`"contentType":{"S":"a/b"}`}, `{"contentType":"a/b","data":"`, `","id":"p1","resourceType":"Binary"}`, false},
		{"content", []string{`"contentType":{"S":"a/b"}`}, `{"content":"`, `","contentType":"a/b","id":"p1","resourceType":"Binary"}`, false},
		{"data", []string{`"zz":{"N":"1.50"}`, `"a\/":{"S":"\u0041\n"}`}, `{"a/":"A\n","data":"`, `","id":"p1","resourceType":"Binary","zz":15e-1}`, false},
		{"data", []string{`"content":{"S":"AA=="}`}, `{"content":"AA==","data":"`, `","id":"p1","resourceType":"Binary"}`, false},
		{"data", []string{`"data":{"S":"AA=="}`}, "", "", true},
		{"data", []string{`"d\u0061ta":{"NULL":true}`}, "", "", true},
		{"content", []string{`"content":{"S":"AA=="}`}, "", "", true},
		{"data", []string{`"resourceType":{"S":"Patient"}`}, "", "", false},
		{"data", []string{`"resourceType":{"S":"Binaries"}`, `"data":{"S":"x"}`}, "", "", false},
		{"", []string{`"data":{"S":"AA=="}`}, "", "", false},
	} {
		row := append([]string{`"resourceType":{"S":"Binary"}`}, test.row...)
		if len(test.row) > 0 && strings.HasPrefix(test.row[0], `"resourceType"`) {
			row = test.row
		}
		var r Record
		line := newConverter(t, Options{BinaryField: test.field}).Convert(nil, []byte(testRow(row...)), &r)
		if string(r.Before) != test.before || string(r.After) != test.after || r.HasData != test.hasData {
			t.Errorf("%s %v:\n%s\n%s\n%v", test.field, test.row, r.Before, r.After, r.HasData)
		}
		var plain Record
		if same := newConverter(t, Options{}).Convert(nil, []byte(testRow(row...)), &plain); !bytes.Equal(same, line) || plain.Content != r.Content {
			t.Errorf("the line or its digest differs:\n%s\n%s", same, line)
		}
	}
}

// TestBinaryIsNamedWhateverBecomesOfIt: the object of a row that is not written
// is no orphan; where the row's identity is readable it is told.
func TestBinaryIsNamedWhateverBecomesOfIt(t *testing.T) {
	binary := func(attributes ...string) string {
		return testRow(append([]string{`"resourceType":{"S":"Binary"}`, `"vid":{"N":"7"}`}, attributes...)...)
	}
	ofTenant := func(id, tenant string, attributes ...string) string {
		return binary(append(attributes, `"id":{"S":"`+id+`"}`, `"_tenantId":{"S":"`+tenant+`"}`, `"_id":{"S":"p1"}`)...)
	}
	all := Options{Tenant: AllTenants}
	for _, test := range []struct {
		line    string
		options Options
		reason  pipeline.Reason
		tenant  string
	}{
		{binary(`"documentStatus":{"S":"PENDING"}`), Options{}, pipeline.IsPending, ""},
		{binary(), Options{Types: []string{"Patient"}}, pipeline.OtherType, ""},
		{binary(), Options{Since: "2024-01-01T00:00:00Z"}, pipeline.NotSince, ""},
		{binary(), Options{Until: "2020-01-01T00:00:00Z"}, pipeline.AfterUntil, ""},
		{binary(`"documentStatus":{"S":"DELETED"}`), Options{}, pipeline.IsDeleted, ""},
		{binary("-meta"), Options{}, pipeline.NoMeta, ""},
		{binary(`"meta":{"S":"x"}`), Options{}, pipeline.BadMeta, ""},
		{binary(`"meta":{"M":{"tag":{"S":"x"}}}`), Options{}, pipeline.BadTag, ""},
		{binary(`"x":{"N":"x"}`), Options{}, pipeline.BadNumber, ""},
		{binary(`"x":5`), Options{}, pipeline.BadAttribute, ""},
		{binary(), Options{MaxLine: 50}, pipeline.OverFileCap, ""},
		{binary(), Options{Tenant: "t1"}, pipeline.NoTenant, ""},
		{ofTenant("t1|p1", "t2"), Options{Tenant: "t1"}, pipeline.OtherTenant, ""},
		{ofTenant("t1|p1", "t1"), Options{}, pipeline.TenantMismatch, ""},
		{ofTenant("t1|p1", "t2"), all, pipeline.TenantMismatch, ""},
		{ofTenant("t.|p1", "t."), all, pipeline.BadTenant, ""},
		{ofTenant("t1|p1", "t1", `"documentStatus":{"S":"PENDING"}`), all, pipeline.IsPending, "t1"},
		{ofTenant("t1|p1", "t1", "-meta"), all, pipeline.NoMeta, "t1"},
		{ofTenant("t1|p1", "t1"), Options{Tenant: "*", MaxLine: 50}, pipeline.OverFileCap, "t1"},
	} {
		test.options.BinaryField = "data"
		var r Record
		newConverter(t, test.options).Convert(nil, []byte(test.line), &r)
		if r.Reason != test.reason || string(r.Tenant) != test.tenant {
			t.Errorf("%v of %q, want %v of %q", r.Reason, r.Tenant, test.reason, test.tenant)
		}
		if string(r.Type) != "Binary" || string(r.ID) != "p1" || r.Version != 7 || r.Status == pipeline.StatusUnknown {
			t.Errorf("%v: %s/%s %d %v", r.Reason, r.Type, r.ID, r.Version, r.Status)
		}
		if r.Before != nil || r.After != nil || r.HasData {
			t.Errorf("%v: halves of a row that is not written", r.Reason)
		}
	}
}
