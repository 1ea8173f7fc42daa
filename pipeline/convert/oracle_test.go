package convert

import (
	"bytes"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest/digesttest"
)

// expected is what the rules make of a row, decided on a tree, step by step as
// design section 6 says.
type expected struct {
	Record
	resource *digesttest.Value
	updated  *digesttest.Value // meta.lastUpdated, if it is a string
}

// defects is the first defect of a row.
type defects struct {
	first  pipeline.Reason
	inMeta bool // the next value is that of meta
}

func (d *defects) note(why pipeline.Reason) {
	if d.first == pipeline.NoReason {
		d.first = why
	}
}

var numberGrammar = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// plain turns a typed value into a plain one; kind is "" if it is none.
func (d *defects) plain(v *digesttest.Value) (out *digesttest.Value, kind string) {
	out = &digesttest.Value{Kind: 'n'}
	inMeta := d.inMeta
	d.inMeta = false
	if v.Kind != '{' || len(v.Names) == 0 {
		d.note(pipeline.BadAttribute)
		return out, ""
	}
	kind, content := v.Names[0], v.Members[0]
	switch tag := kind + " " + content.Kind.String(); tag {
	case "S string", "B string":
		out = content
	case "N string":
		out = d.number(content)
	case "BOOL true", "BOOL false":
		out = content
	case "NULL true":
	case "M {":
		out = &digesttest.Value{Kind: '{'}
		for i, name := range content.Names {
			member, kind := d.plain(content.Members[i])
			if inMeta && name == "tag" && kind != "L" {
				d.note(pipeline.BadTag)
			}
			out.Set(name, member)
		}
	case "L [":
		out = &digesttest.Value{Kind: '['}
		for _, element := range content.Members {
			element, _ := d.plain(element)
			out.Members = append(out.Members, element)
		}
	case "SS [", "NS [", "BS [":
		out = &digesttest.Value{Kind: '['}
		for _, element := range content.Members {
			switch {
			case element.Kind != '"':
				d.note(pipeline.BadAttribute)
			case kind == "NS":
				element = d.number(element)
			}
			out.Members = append(out.Members, element)
		}
	default:
		d.note(pipeline.BadAttribute)
		return out, ""
	}
	if len(v.Names) > 1 {
		d.note(pipeline.BadAttribute)
		return out, ""
	}
	return out, kind
}

func (d *defects) number(text *digesttest.Value) *digesttest.Value {
	if !numberGrammar.MatchString(text.Text) {
		d.note(pipeline.BadNumber)
	}
	return &digesttest.Value{Kind: '0', Text: text.Text}
}

// expect applies the rules to one line.
func expect(o Options, line []byte) (e expected) {
	e.LastUpdated = math.MinInt64
	root, reason := digesttest.Parse(line)
	if e.Reason = reason; reason != pipeline.NoReason {
		return e
	}
	var d defects
	var item *digesttest.Value
	if root.Kind == '{' {
		for i, name := range root.Names {
			if name == "Item" && root.Members[i].Kind == '{' {
				item = root.Members[i]
				e.take(o, item, &d)
			} else {
				d.note(pipeline.BadAttribute)
			}
		}
	}
	if item == nil {
		e.Reason = pipeline.NoItem
		return e
	}
	e.Reason = e.judge(o, item, &d)
	if e.Reason != pipeline.NoReason {
		e.Content, e.Label, e.Unknown = [32]byte{}, [32]byte{}, nil
	}
	return e
}

// take turns the attributes of an item into a resource.
func (e *expected) take(o Options, item *digesttest.Value, d *defects) {
	e.resource = &digesttest.Value{Kind: '{'}
	for i, name := range item.Names {
		d.inMeta = name == "meta"
		v, kind := d.plain(item.Members[i])
		switch name {
		case "_tenantId", "_id":
			e.MultiTenant = true
			continue
		case "documentStatus", "vid", "_references", "_subscriptionStatus":
			continue
		case "lockEndTs":
			if kind == "N" {
				e.LockEnd = whole(v.Text)
			}
			continue
		case "meta":
			if kind != "M" {
				d.note(pipeline.BadMeta)
			}
		case "id":
			if _, rest, ok := strings.Cut(v.Text, "|"); ok && o.Tenant != "" && kind == "S" {
				v = digesttest.String(rest)
			}
		default:
			if strings.HasPrefix(name, "_") && kind != "M" && kind != "L" {
				if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9]{0,63}$`).MatchString(name) {
					name = "?"
				}
				e.Unknown = append(e.Unknown, []byte(name))
				name = item.Names[i]
			}
		}
		e.resource.Set(name, v)
	}
	e.meta(item, d)
}

// mentions are those of a resource that is written.
func mentions(e *expected) (m metrics.Mentions) {
	var walk func(v *digesttest.Value, own bool)
	walk = func(v *digesttest.Value, own bool) { // own: of a resource or its meta, where no element of this name is
		for i, member := range v.Members {
			if v.Kind == '{' && v.Names[i] == "reference" && member.Kind == '"' && !own {
				if regexp.MustCompile("^https?://").MatchString(member.Text) {
					m.AbsoluteReferences++
				}
				if strings.Contains(member.Text, "/_history/") {
					m.VersionedReferences++
				}
			}
			walk(member, v == e.resource && v.Names[i] == "meta")
		}
	}
	walk(e.resource, true)
	status := e.resource.Get("status")
	if string(e.Type) == "Subscription" && e.Status != pipeline.Deleted && status != nil && status.Kind == '"' && (status.Text == "active" || status.Text == "requested") {
		m.ActiveSubscriptions = 1
	}
	return m
}

// meta reads lastUpdated, and the kind of tag, from what meta has as its first
// type.
func (e *expected) meta(item *digesttest.Value, d *defects) {
	meta := item.Get("meta")
	if meta == nil || meta.Kind != '{' || len(meta.Names) == 0 || meta.Names[0] != "M" || meta.Members[0].Kind != '{' {
		return
	}
	if updated, kind := d.plain(member(meta.Members[0], "lastUpdated")); kind == "S" {
		e.updated = updated
		t, err := time.Parse(time.RFC3339Nano, updated.Text)
		if err == nil && rfc3339.MatchString(updated.Text) {
			e.LastUpdated = t.UnixMilli()
		}
	}
}

// rfc3339 is the form of RFC 3339: time.Parse also takes an hour of one digit and
// a comma before the fraction.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

// member returns a typed value that is there for certain.
func member(v *digesttest.Value, name string) *digesttest.Value {
	if m := v.Get(name); m != nil {
		return m
	}
	absent := &digesttest.Value{Kind: '{'}
	absent.Set("NULL", &digesttest.Value{Kind: 't'})
	return absent
}

func whole(text string) int64 {
	if !regexp.MustCompile(`^[1-9][0-9]{0,17}$`).MatchString(text) {
		return 0
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// attributeText returns the text of an attribute of this type.
func attributeText(item *digesttest.Value, name, kind string) (text string, present, ok bool) {
	v := item.Get(name)
	if v == nil {
		return "", false, false
	}
	var ignored defects
	p, k := ignored.plain(v)
	if k != kind {
		return "", true, false
	}
	return p.Text, true, true
}

func (e *expected) judge(o Options, item *digesttest.Value, d *defects) pipeline.Reason {
	resourceType, present, _ := attributeText(item, "resourceType", "S")
	if !present {
		return pipeline.NoType
	}
	if !regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`).MatchString(resourceType) {
		return pipeline.BadType
	}
	e.Type = []byte(resourceType)
	fullID, present, _ := attributeText(item, "id", "S")
	if !present {
		return pipeline.NoID
	}
	id, prefix, split := fullID, "", false
	if o.Tenant != "" {
		if p, rest, ok := strings.Cut(fullID, "|"); ok {
			prefix, id, split = p, rest, true
		}
	}
	rest := id
	plainID, _, hasPlainID := attributeText(item, "_id", "S")
	if hasPlainID {
		id = plainID
	}
	if !regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`).MatchString(id) {
		return pipeline.BadID
	}
	e.ID = []byte(id)
	version, present, _ := attributeText(item, "vid", "N")
	if !present {
		return pipeline.NoVersion
	}
	if !regexp.MustCompile(`^[1-9][0-9]{0,8}$`).MatchString(version) {
		return pipeline.BadVersion
	}
	e.Version = uint32(whole(version))
	status, present, _ := attributeText(item, "documentStatus", "S")
	if !present {
		return pipeline.NoStatus
	}
	if e.Status = pipeline.ParseDocumentStatus([]byte(status)); e.Status == pipeline.StatusUnknown {
		return pipeline.BadStatus
	}
	tenant, hasTenant, tenantOK := attributeText(item, "_tenantId", "S")
	agree := tenantOK && hasPlainID && split && prefix == tenant && rest == plainID
	badTenant := tenantOK && !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(tenant)
	if o.Tenant == "*" && agree && !badTenant {
		e.Tenant = []byte(tenant)
	}
	if o.Tenant != "" && o.Tenant != "*" && tenantOK && tenant != o.Tenant {
		return pipeline.OtherTenant
	}
	if reason := e.filtered(o); reason != pipeline.NoReason {
		return reason
	}
	meta := item.Get("meta")
	switch {
	case d.first != pipeline.NoReason:
		return d.first
	case meta == nil:
		return pipeline.NoMeta
	case o.Tenant != "" && !hasTenant:
		return pipeline.NoTenant
	case o.Tenant == "*" && badTenant:
		return pipeline.BadTenant
	case e.MultiTenant && (o.Tenant == "" || !agree):
		return pipeline.TenantMismatch
	}
	e.addTags()
	return pipeline.NoReason
}

func (e *expected) filtered(o Options) pipeline.Reason {
	if e.Status == pipeline.Pending {
		return pipeline.IsPending
	}
	if len(o.Types) > 0 && o.Types[0] != string(e.Type) {
		return pipeline.OtherType
	}
	if e.LastUpdated != math.MinInt64 {
		if t, err := time.Parse(time.RFC3339, o.Since); err == nil && e.LastUpdated <= t.UnixMilli() {
			return pipeline.NotSince
		}
		if t, err := time.Parse(time.RFC3339, o.Until); err == nil && e.LastUpdated > t.UnixMilli() {
			return pipeline.AfterUntil
		}
	}
	if e.Status == pipeline.Deleted && !o.Deleted {
		return pipeline.IsDeleted
	}
	return pipeline.NoReason
}

func (e *expected) addTags() {
	meta := e.resource.Get("meta")
	var added []*digesttest.Value
	tag := func(display, code string) {
		v := &digesttest.Value{Kind: '{'}
		v.Set("display", digesttest.String(display))
		v.Set("code", digesttest.String(code))
		added = append(added, v)
	}
	if e.updated != nil {
		tag(e.updated.Text, "originalLastUpdated")
	}
	if e.Status == pipeline.Deleted {
		tag("DELETED", "DELETED")
	}
	e.Content, e.Label = digesttest.Sums(e.resource)
	e.Form = digesttest.Form(e.resource)
	if len(added) == 0 {
		return
	}
	if meta.Get("tag") == nil {
		meta.Set("tag", &digesttest.Value{Kind: '['})
	}
	tags := meta.Get("tag")
	tags.Members = append(tags.Members, added...)
	after, label := digesttest.Sums(e.resource)
	if after != e.Content || label != e.Label {
		panic("our own tags change a digest")
	}
}

// compare converts a line and compares with the oracle.
func compare(t *testing.T, c *Converter, o Options, line []byte) {
	t.Helper()
	want := expect(o, line)
	var r Record
	out := c.Convert([]byte("before"), line, &r)
	rest, ok := bytes.CutPrefix(out, []byte("before"))
	if !ok {
		t.Fatalf("what was in dst has changed: %q", out)
	}
	if r.Reason != want.Reason {
		t.Fatalf("reason %v at %q, want %v\n%q", r.Reason, r.Path, want.Reason, line)
	}
	if r.Reason.Identified() {
		if string(r.Tenant) != string(want.Tenant) {
			t.Fatalf("tenant %q, want %q\n%q", r.Tenant, want.Tenant, line)
		}
		if string(r.Type) != string(want.Type) || string(r.ID) != string(want.ID) || r.Version != want.Version || r.Status != want.Status {
			t.Fatalf("identity %s %s %d %v, want %s %s %d %v\n%q", r.Type, r.ID, r.Version, r.Status, want.Type, want.ID, want.Version, want.Status, line)
		}
	}
	if r.Reason != pipeline.NoItem && r.Reason.Identified() && (r.LastUpdated != want.LastUpdated || r.LockEnd != want.LockEnd || r.MultiTenant != want.MultiTenant) {
		t.Fatalf("%d %d %v, want %d %d %v\n%q", r.LastUpdated, r.LockEnd, r.MultiTenant, want.LastUpdated, want.LockEnd, want.MultiTenant, line)
	}
	if (r.Reason.Outcome() == pipeline.Quarantined) != (len(r.Path) > 0) && r.Reason.Identified() {
		t.Fatalf("%v: path %q\n%q", r.Reason, r.Path, line)
	}
	if r.Reason != pipeline.NoReason {
		if len(rest) > 0 {
			t.Fatalf("%v, and yet output: %q", r.Reason, rest)
		}
		return
	}
	compareOutput(t, line, rest, &r, &want)
	compareBinary(t, o, rest, &r, want.resource)
}

func compareOutput(t *testing.T, line, out []byte, r *Record, want *expected) {
	t.Helper()
	if len(out) == 0 || bytes.IndexByte(out, '\n') != len(out)-1 {
		t.Fatalf("no single line: %q", out)
	}
	got, reason := digesttest.Parse(out)
	if reason != pipeline.NoReason {
		t.Fatalf("the output is bad: %v\n%q\n%q", reason, line, out)
	}
	if !digesttest.Equal(got, want.resource) {
		t.Fatalf("other values\n%q\n%q\nwant %s", line, out, digesttest.Canonical(want.resource))
	}
	if r.Form != want.Form {
		t.Fatalf("number form %x, want %x\n%q", r.Form, want.Form, line)
	}
	if r.Content != want.Content || r.Label != want.Label {
		t.Fatalf("digests differ: content equal %v, label equal %v\n%q", r.Content == want.Content, r.Label == want.Label, line)
	}
	if !equalNames(r.Unknown, want.Unknown) {
		t.Fatalf("unknown %q, want %q\n%q", r.Unknown, want.Unknown, line)
	}
	if m := mentions(want); r.Mentions != m {
		t.Fatalf("%+v, want %+v\n%q", r.Mentions, m, line)
	}
}

func equalNames(a, b [][]byte) bool {
	return bytes.Equal(bytes.Join(a, []byte{0}), bytes.Join(b, []byte{0}))
}
