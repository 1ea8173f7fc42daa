package generate

import (
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/convert"
)

// The names of defects are the reasons that fhirhose gives, and rows without a
// defect are written.
func TestConvertSeesTheDefects(t *testing.T) {
	for _, tenants := range [][]string{nil, {"clinic"}} {
		o := convert.Options{Deleted: true}
		if tenants != nil {
			o.Tenant = tenants[0]
		}
		c, err := convert.New(o)
		if err != nil {
			t.Fatal(err)
		}
		s := write(t, Options{Resources: 600, Types: 140, Plant: light(), Tenants: tenants})
		for _, d := range light() {
			for _, line := range plantedLines(t, s, d) {
				if got := reason(c, line); got != wantReason(d, line, tenants != nil) {
					t.Errorf("%s (tenants %v): %q", d, tenants, got)
				}
			}
		}
		planted := 0
		for _, object := range s.Objects {
			for _, line := range readLines(t, object.Path) {
				if got := reason(c, line); got != "" && got != "pending" {
					planted++
				}
			}
		}
		if want := len(light()) - len(Oddities()); planted != want {
			t.Errorf("%d rows are quarantined, %d defects", planted, want)
		}
	}
}

func reason(c *convert.Converter, line string) string {
	var r convert.Record
	c.Convert(nil, []byte(line), &r)
	return r.Reason.String()
}

func wantReason(d Defect, line string, tenants bool) string {
	switch d {
	case NotJSON, InvalidUTF8, DuplicateKey, TooDeep, NoItem, NoType, BadType, NoID, BadID, NoVersion, BadVersion,
		NoStatus, BadStatus, NoMeta, BadMeta, BadTag, BadNumber, BadAttribute:
		return string(d)
	case TenantMismatch:
		if tenants {
			return pipeline.OtherTenant.String() // _tenantId names another tenant
		}
		return pipeline.TenantMismatch.String()
	case PendingTop:
		if strings.Contains(line, `"documentStatus":{"S":"PENDING"}`) {
			return pipeline.IsPending.String()
		}
	}
	return ""
}
