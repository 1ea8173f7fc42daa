package digest_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/digest"
	"github.com/fhirhose/fhirhose/pipeline/digest/digesttest"
)

// check compares Resource with the oracle.
func check(t *testing.T, d *digest.Digester, line []byte) {
	t.Helper()
	v, want := digesttest.Parse(line)
	switch {
	case !bytes.HasPrefix(bytes.TrimLeft(line, " \t\r\n"), []byte("{")):
		want = pipeline.NotJSON
	case want != pipeline.NoReason:
	case v.Get("meta") != nil && v.Get("meta").Kind != '{':
		want = pipeline.BadMeta
	}
	sums, reason := d.Resource(line)
	if reason != want {
		t.Fatalf("reason %v, want %v\n%q", reason, want, line)
	}
	if reason != pipeline.NoReason {
		return
	}
	content, label := digesttest.Sums(v)
	if sums.Content != content {
		t.Errorf("content digest differs\n%q", line)
	}
	if want := digesttest.Form(v); sums.Form != want {
		t.Errorf("number form %x, want %x\n%q", sums.Form, want, line)
	}
	if sums.Label != label {
		t.Errorf("label digest differs\n%q", line)
	}
}

var lines = []string{
	`{}`, ` { } `, `[]`, `5`, `"x"`, `null`, `nul`, ``, ` `, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a":1}x`, `{"a":1}{}`,
	`{"resourceType":"Patient","id":"p1"}`,
	`{"id":"p1","resourceType":"Patient"}`,
	"\t{ \"b\" : [ 1 , 2.50 , -0.0 , 1e+21 ] ,\r\n \"a\" : { } }\n",
	`{"a":[true,false,null,[],{},[[]],[{}]]}`,
	`{"a":tru}`, `{"a":truE}`, `{"a":nulll}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{a:1}`, `{"a" 1}`, `{"a":1 "b":2}`,
	`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":-}`, `{"a":+1}`, `{"a":1e}`, `{"a":1e+}`, `{"a":1e5}`, `{"a":1E-05}`, `{"a":0e99}`, `{"a":--1}`, `{"a":1x}`, `{"a":0x1}`,
	`{"a":1e99999999999999999999}`, `{"a":10e-100000000000000000000}`, `{"a":1.5e100000000000000000000}`, `{"a":0.05e-99999999999999999999}`, `{"a":100e99999999999999999}`, `{"a":1e00000000000000000000001}`,
	`{"a":0,"b":-0,"c":0.0,"d":-0.0,"e":10,"f":-10,"g":1.0,"h":1.50,"i":1.05,"j":0.50,"k":100,"l":1e2,"m":-1.5}`, `{"a":1.50,"meta":{"x":2.50},"b":{"c":[2.50,1.50]}}`, `{"meta":{"x":2.50}}`,
	`{"a":-0}`, `{"a":-00}`, `{"a":[-10,-0.5,0.5,20,1e0,15E-1]}`,
	`{"a":"é","b":"\u00e9\u0041\n\/\b\f\r\t\"\\\u0000\u001f\u007f\u2028\ud83d\ude00"}`,
	`{"a":"\ud83d"}`, `{"a":"\ude00"}`, `{"a":"\ud83d\u0041"}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12G4"}`, `{"a":"\`, `{"a":"\u`,
	"{\"a\":\"\xff\"}", "{\"a\":\"\xc3\"}", "{\"a\":\"\xe2\x82", "{\"a\":\"\xed\xa0\x80\"}", "{\"\xff\":1}", "{\"a\":\"tab\t\"}", "{\"a\":\"\x00\"}", "{\"a\x1f\":1}", "\xef\xbb\xbf{}", "{\xff}",
	`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"x":{"b":1,"a":2,"b":3}}`, `{"meta":{},"meta":{}}`, `{"meta":{"tag":[],"tag":[]}}`, `{"abcdefghi":1,"abcdefgh":2,"abcdefghi":3}`, `{"a":1,"a":}`,
	`{"":1,"\u0000":2,"a\u0000":3,"a":4,"a\"":5,"a!":6,"a ":7,"a\\":8,"a]":9,"a\u0001":10}`,
	`{"abcdefgh\u0000":1,"abcdefgh":2,"abcdefgh\"":3,"abcdefgh!":4,"abcdefg":5,"abcdefghijklmnop":6,"abcdefghijklmno":7}`,
	`{"é":1,"z":2,"\ud83d\ude00":3,"\uffee":4,"ééééé":5,"éééé":6}`,
	`{"meta":5}`, `{"meta":[{"tag":1}]}`, `{"meta":{}}`, `{"meta":{"tag":[]}}`, `{"meta":{"tag":5}}`, `{"meta":{"tag":{}}}`, `{"meta":{"tag":null,"profile":[]}}`,
	`{"meta":{"versionId":"1","tag":[{"display":"x","code":"originalLastUpdated"},{"display":"DELETED","code":"DELETED"}]}}`,
	`{"meta":{"tag":[{"display":"x","code":"originalLastUpdated","system":"s"},{"code":"DELETED"},{"display":"DELETED","code":"DELETED"},"x",[1,{}],"a,b]\"}"],"security":[{"code":"R"}],"profile":["p","o"]}}`,
	`{"meta":{"tag":[{"display":5,"code":"originalLastUpdated"},{"display":{"a":"}"},"code":"originalLastUpdated"},{"code":"originalLastUpdated","display":"x","userSelected":true},{"code":"originalLastUpdated","display":"a\"}"}]}}`,
	`{"\u006deta":{"profile":["x"]},"id":"1"}`,
}

func TestResourceAgainstOracle(t *testing.T) {
	var d digest.Digester
	all := append([]string{}, lines...)
	for n := 250; n < 262; n++ {
		all = append(all, `{"a":`+strings.Repeat("[", n)+strings.Repeat("]", n)+`}`,
			strings.Repeat(`{"a":`, n)+"1"+strings.Repeat("}", n),
			strings.Repeat(`{"meta":`, n)+"{}"+strings.Repeat("}", n))
	}
	for _, n := range []int{33, 40, 400} { // many members, in reverse order
		var b strings.Builder
		for i := n; i > 0; i-- {
			b.WriteString(`,"member` + strings.Repeat("x", i) + `":` + strings.Repeat("7", i%50+1))
		}
		all = append(all, "{"+b.String()[1:]+"}", "{"+b.String()[1:]+b.String()[:12]+`x":1}`)
	}
	for _, line := range all {
		check(t, &d, []byte(line))
		for cut := range min(len(line), 300) {
			check(t, &d, []byte(line[:cut]))
		}
	}
}

func FuzzResource(f *testing.F) {
	for _, line := range lines {
		f.Add([]byte(line))
	}
	var d digest.Digester
	f.Fuzz(func(t *testing.T, line []byte) { check(t, &d, line) })
}

func TestNoLabels(t *testing.T) {
	var l digest.Labels
	_, want := digesttest.Sums(&digesttest.Value{Kind: '{'})
	if got := l.Sum(); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestNumberFormCheck holds the check value of docs/ledger.md.
func TestNumberFormCheck(t *testing.T) {
	var d digest.Digester
	if sums, _ := d.Resource([]byte(`{"a":1.50,"b":[2,1e2]}`)); sums.Form != 0x1cfc4f16 {
		t.Errorf("%08x", sums.Form)
	}
}
