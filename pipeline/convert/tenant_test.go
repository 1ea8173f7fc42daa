package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"pgregory.net/rapid"
)

// tenantNames and tenantIDs contain each other, the separator, and what a path
// or a tenant may not hold.
var (
	tenantNames = []string{"a", "a_", "a_b", "a-b", "ab", "_", "-", "a|b", "a.b", "a|", "|", "", ".", "..", "a/b", "é", "A"}
	tenantIDs   = []string{"a", "b", "a-b", "a.b", ".", "-", "ab", "a_b", "b|c", "|b", "", "a|b"}
)

// identity is the three attributes that name a row's tenant, as JSON of
// DynamoDB; "" where the row has none.
type identity struct{ tenantID, plainID, id string }

// drawIdentity mostly agrees with itself.
func drawIdentity(t *rapid.T) (n identity) {
	one := func(times int) bool { return rapid.IntRange(0, times-1).Draw(t, "one") == 0 }
	name := rapid.SampledFrom(tenantNames)
	plain := rapid.SampledFrom(tenantIDs)
	tenant, id := name.Draw(t, "tenant"), plain.Draw(t, "id")
	text := func(s string) string {
		if one(8) { // the same text, written otherwise
			var escaped []byte
			for _, r := range s {
				escaped = fmt.Appendf(escaped, `\u%04x`, r)
			}
			s = string(escaped)
		}
		if one(12) {
			return `{ "S" : "` + s + `" }`
		}
		return `{"S":"` + s + `"}`
	}
	n = identity{text(tenant), text(id), text(tenant + "|" + id)}
	if one(4) {
		n.id = text(name.Draw(t, "other tenant") + "|" + plain.Draw(t, "other id"))
	}
	if one(8) {
		n.id = text(id)
	}
	for _, field := range []*string{&n.tenantID, &n.plainID, &n.id} {
		if one(20) {
			*field = rapid.SampledFrom([]string{"", `{"N":"1"}`, `{"SS":["a"]}`, `{"NULL":true}`}).Draw(t, "odd")
		}
	}
	return n
}

// row puts the attributes behind the others, in any order.
func (n identity) row(t *rapid.T) []byte {
	all := []string{"-id"}
	for _, a := range [][2]string{{"_tenantId", n.tenantID}, {"_id", n.plainID}, {"ID", n.id}} {
		if a[1] != "" {
			all = append(all, `"`+a[0]+`":`+a[1])
		}
	}
	order := rapid.Permutation(all).Draw(t, "order")
	if rapid.IntRange(0, 9).Draw(t, "pending") == 0 {
		order = append(order, `"documentStatus":{"S":"PENDING"}`)
	}
	return []byte(strings.Replace(testRow(order...), `"ID":`, `"id":`, 1))
}

// text decodes a string attribute with encoding/json.
func (n identity) text(attribute string) (s string, ok bool) {
	var typed map[string]any
	if json.Unmarshal([]byte(attribute), &typed) != nil {
		return "", false
	}
	s, ok = typed["S"].(string)
	return s, ok
}

// TestTenantOfARow: a row comes out under a tenant exactly if all three
// attributes name that tenant and this id, and then as it does in a job of that
// tenant alone.
func TestTenantOfARow(t *testing.T) {
	everyone := newConverter(t, Options{Tenant: AllTenants, Deleted: true})
	alone := make(map[string]*Converter)
	for _, name := range tenantNames {
		if c, err := New(Options{Tenant: name, Deleted: true}); err == nil && name != "" {
			alone[name] = c
		}
	}
	written := 0
	rapid.Check(t, func(rt *rapid.T) {
		n := drawIdentity(rt)
		line := n.row(rt)
		var r Record
		out := everyone.Convert(nil, line, &r)

		tenant, hasTenant := n.text(n.tenantID)
		id, hasID := n.text(n.plainID)
		full, _ := n.text(n.id)
		certain := hasTenant && hasID && full == tenant+"|"+id && regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(tenant)
		if (len(r.Tenant) > 0) != certain || certain && string(r.Tenant) != tenant {
			rt.Fatalf("tenant %q, want %q (%v)\n%s", r.Tenant, tenant, certain, line)
		}
		if len(out) > 0 && (!certain || string(r.ID) != id) {
			rt.Fatalf("written as %q of %q\n%s", r.ID, r.Tenant, line)
		}
		if certain && isID([]byte(id)) && r.Reason != pipeline.NoReason && r.Reason != pipeline.IsPending {
			rt.Fatalf("%v at %s\n%s", r.Reason, r.Path, line)
		}
		if len(out) > 0 {
			written++
		}
		for name, c := range alone {
			var single Record
			same := c.Convert(nil, line, &single)
			if name != tenant {
				if len(same) > 0 {
					rt.Fatalf("in a job of %q\n%s", name, line)
				}
				continue
			}
			if !bytes.Equal(same, out) || single.Content != r.Content || single.Reason != r.Reason {
				rt.Fatalf("%v, alone %v\n%s\n%s", r.Reason, single.Reason, out, same)
			}
			if single.Tenant != nil {
				rt.Fatal("a tenant in a job that has only one")
			}
		}
	})
	if written == 0 {
		t.Error("no row was written")
	}
}

// TestTenantWithoutID: an id that is only a tenant and a | does not agree with an
// _id that is not there.
func TestTenantWithoutID(t *testing.T) {
	var r Record
	newConverter(t, Options{Tenant: AllTenants}).Convert(nil, []byte(testRow(`"id":{"S":"t1|"}`, `"_tenantId":{"S":"t1"}`)), &r)
	if r.Reason != pipeline.BadID || r.Tenant != nil {
		t.Errorf("%v, tenant %q", r.Reason, r.Tenant)
	}
}

// TestSingleTenantTableInAJobOfAllTenants: no row of it has a tenant.
func TestSingleTenantTableInAJobOfAllTenants(t *testing.T) {
	c := newConverter(t, Options{Tenant: AllTenants, Deleted: true})
	for _, row := range rows(t, 40) {
		var r Record
		if out := c.Convert(nil, row, &r); r.Reason != pipeline.NoTenant || len(out) > 0 || r.Tenant != nil || r.MultiTenant || r.ID == nil {
			t.Fatalf("%v, tenant %q, id %q", r.Reason, r.Tenant, r.ID)
		}
	}
}
