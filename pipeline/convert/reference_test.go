package convert

import (
	"testing"

	"github.com/fhirhose/fhirhose/metrics"
)

// TestMentions: what is counted, in the forms that rows have, and the same of the
// resources that they become. TestRandomRows and the
// fuzz test compare with the oracle.
func TestMentions(t *testing.T) {
	refer := func(to string) string { return `"subject":{"M":{"reference":{"S":"` + to + `"}}}` }
	subscription := func(status string) []string {
		return []string{`"resourceType":{"S":"Subscription"}`, `"status":{"S":"` + status + `"}`}
	}
	for name, o := range map[string]struct {
		attributes []string
		want       metrics.Mentions
	}{
		"relative":              {[]string{refer("Patient/a")}, metrics.Mentions{}},
		"absolute":              {[]string{refer("https://old.example/Patient/a")}, metrics.Mentions{AbsoluteReferences: 1}},
		"without TLS":           {[]string{refer(`http:\/\/old.example/Patient/a`)}, metrics.Mentions{AbsoluteReferences: 1}},
		"URN":                   {[]string{refer("urn:uuid:2d8752fd-0169-4685-8274-632d8752fdaa")}, metrics.Mentions{}},
		"version":               {[]string{refer("Patient/a/_history/3")}, metrics.Mentions{VersionedReferences: 1}},
		"both":                  {[]string{refer("https://old.example/Patient/a/_history/3")}, metrics.Mentions{AbsoluteReferences: 1, VersionedReferences: 1}},
		"white space":           {[]string{`"subject" : { "M" : {"reference" : { "S" : "https://old.example/Patient/a" } } }`}, metrics.Mentions{AbsoluteReferences: 1}},
		"escapes":               {[]string{`"subject":{"M":{"\u0072eference":{"S":"\u0068ttps://old.example/Patient/a"}}}`}, metrics.Mentions{AbsoluteReferences: 1}},
		"in lists":              {[]string{`"a":{"L":[{"M":{"reference":{"S":"http://a"},"b":{"M":{"reference":{"S":"http://a"}}}}}]}`}, metrics.Mentions{AbsoluteReferences: 2}},
		"in meta":               {[]string{`"meta":{"M":{"versionId":{"S":"1"},"extension":{"L":[{"M":{"valueReference":{"M":{"reference":{"S":"http://a"}}}}}]}}}`}, metrics.Mentions{AbsoluteReferences: 1}},
		"other names":           {[]string{`"a":{"M":{"xreference":{"S":"http://a"},"preference":{"S":"http://a"},"ference":{"S":"http://a"},"references":{"S":"http://a"}}}`}, metrics.Mentions{}},
		"no string":             {[]string{`"a":{"M":{"reference":{"L":[{"S":"http://a"}]}}}`}, metrics.Mentions{}},
		"text that looks so":    {[]string{`"a":{"S":"\"reference\":\"https://none.example\" /_history/"}`}, metrics.Mentions{}},
		"what is left out":      {[]string{`"_references":{"L":[{"M":{"reference":{"S":"http://a/_history/1"}}}]}`}, metrics.Mentions{}},
		"an element of its own": {[]string{`"reference":{"S":"http://a"}`}, metrics.Mentions{}},
		"active":                {subscription("active"), metrics.Mentions{ActiveSubscriptions: 1}},
		"requested":             {subscription("requested"), metrics.Mentions{ActiveSubscriptions: 1}},
		"off":                   {subscription("off"), metrics.Mentions{}},
		"superseded":            {append(subscription("active"), `"documentStatus":{"S":"DELETED"}`), metrics.Mentions{}},
		"being changed":         {append(subscription("active"), `"documentStatus":{"S":"LOCKED"}`), metrics.Mentions{ActiveSubscriptions: 1}},
		"no Subscription":       {[]string{`"resourceType":{"S":"Device"}`, `"status":{"S":"active"}`}, metrics.Mentions{}},
		"without status":        {[]string{`"resourceType":{"S":"Subscription"}`, `"a":{"M":{"status":{"S":"active"}}}`}, metrics.Mentions{}},
	} {
		c, err := New(Options{Deleted: true})
		if err != nil {
			t.Fatal(err)
		}
		row := []byte(testRow(o.attributes...))
		var r Record
		if c.Convert(nil, row, &r); r.Reason != 0 || r.Mentions != o.want {
			t.Errorf("%s: %v, %+v, want %+v", name, r.Reason, r.Mentions, o.want)
		}
		compare(t, c, Options{Deleted: true}, row)
		line := c.Convert(nil, row, &r)
		tool, err := New(Options{Deleted: true, Resources: true})
		if err != nil {
			t.Fatal(err)
		}
		if tool.Convert(nil, line, &r); r.Reason != 0 || r.Mentions != o.want {
			t.Errorf("%s, as a resource: %v, %+v, want %+v", name, r.Reason, r.Mentions, o.want)
		}
	}
}
