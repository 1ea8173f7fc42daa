package convert

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
)

// lines returns the lines of a gzip file, or nil if there is no such file.
func lines(t testing.TB, name string) (all [][]byte) {
	t.Helper()
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(z)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		all = append(all, bytes.Clone(scanner.Bytes()))
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// shared is where test data lies that is not part of the repository.
func shared(name string) string {
	dir := os.Getenv("FHIRHOSE_TESTDATA")
	if dir == "" {
		dir = "../../../shared/testdata"
	}
	return dir + "/" + name
}

// resources returns plain FHIR resources to make rows of.
func resources(t testing.TB) [][]byte {
	if all := lines(t, shared("synthea-r4.ndjson.gz")); all != nil {
		return all
	}
	return sample
}

// sample is what resources returns where there is no test data.
var sample = [][]byte{
	[]byte(`{"resourceType":"Patient","id":"p1","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Zoë</div>"},"name":[{"use":"official","family":"Lemke","given":["Abram"],"prefix":["Mr."]}],"gender":"male","birthDate":"1965-01-13","multipleBirthBoolean":false}`),
	[]byte(`{"resourceType":"Observation","id":"o1","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"],"tag":[{"system":"urn:x","code":"y"}]},"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}],"text":"Body Height"},"subject":{"reference":"urn:uuid:6c5d9ca9-54d7-42f5-bfae-a7c19cd217f2"},"effectiveDateTime":"2011-02-09T02:05:03-05:00","valueQuantity":{"value":152.40000000000001,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}`),
}

// dynamo appends a JSON value with DynamoDB's type tags, in the order and with
// the number texts of the source.
func dynamo(out []byte, d *json.Decoder) []byte {
	switch v := next(d).(type) {
	case json.Delim:
		if v == '{' {
			return append(dynamoMembers(append(out, `{"M":{`...), d), `}}`...)
		}
		out = append(out, `{"L":[`...)
		for first := true; d.More(); first = false {
			if !first {
				out = append(out, ',')
			}
			out = dynamo(out, d)
		}
		next(d)
		return append(out, `]}`...)
	case string:
		return append(appendString(append(out, `{"S":`...), v), '}')
	case json.Number:
		return append(append(append(out, `{"N":"`...), v...), `"}`...)
	case bool:
		return fmt.Appendf(out, `{"BOOL":%v}`, v)
	}
	return append(out, `{"NULL":true}`...)
}

// next reads a token of JSON that is known to be good.
func next(d *json.Decoder) json.Token {
	token, err := d.Token()
	if err != nil {
		panic(err)
	}
	return token
}

func dynamoMembers(out []byte, d *json.Decoder) []byte {
	for first := true; d.More(); first = false {
		if !first {
			out = append(out, ',')
		}
		out = dynamo(append(appendString(out, next(d).(string)), ':'), d)
	}
	next(d)
	return out
}

func appendString(out []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return append(out, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// exported returns the row in which FHIR Works keeps a resource, as an export
// shows it.
func exported(resource []byte, version int, status string) []byte {
	d := json.NewDecoder(bytes.NewReader(resource))
	d.UseNumber()
	next(d)
	out := dynamoMembers([]byte(`{"Item":{`), d)
	meta := fmt.Sprintf(`"versionId":{"S":"%d"},"lastUpdated":{"S":"2023-08-%02dT20:17:07.%03dZ"}`, version, 1+len(resource)%28, len(resource)%1000)
	if at := bytes.Index(out, []byte(`"meta":{"M":{`)); at >= 0 {
		at += len(`"meta":{"M":{`)
		out = bytes.Join([][]byte{out[:at], []byte(meta), out[at:]}, []byte(","))
		out = bytes.Replace(out, []byte(`{"M":{,`), []byte(`{"M":{`), 1)
	} else {
		out = append(out, `,"meta":{"M":{`+meta+`}}`...)
	}
	out = fmt.Appendf(out, `,"vid":{"N":"%d"},"documentStatus":{"S":"%s"},"lockEndTs":{"N":"1693685827%03d"},"_references":{"L":[`, version, status, len(resource)%1000)
	for i, reference := range references(resource) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(append(out, `{"S":`...), reference), '}')
	}
	return append(out, `]}}}`...)
}

// references returns the texts of all members named reference.
func references(resource []byte) (all []string) {
	var tree any
	if err := json.Unmarshal(resource, &tree); err != nil {
		panic(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if reference, ok := v["reference"].(string); ok {
				all = append(all, reference)
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(tree)
	sort.Strings(all)
	return all
}

// rows returns the rows of a realistic export, or every n-th of them.
func rows(t testing.TB, n int) (all [][]byte) {
	for i, resource := range resources(t) {
		if i%n > 0 {
			continue
		}
		status := "AVAILABLE"
		if i%7 == 0 {
			status = "DELETED"
		}
		all = append(all, exported(resource, 1+i%3, status))
	}
	return all
}

// testRow returns a row with these attributes beside those that every row needs;
// one that is named again replaces the usual one, "-name" removes it.
func testRow(attributes ...string) string {
	usual := []string{
		`"resourceType":{"S":"Patient"}`, `"id":{"S":"p1"}`, `"vid":{"N":"1"}`,
		`"meta":{"M":{"versionId":{"S":"1"},"lastUpdated":{"S":"2023-08-01T20:17:07.123Z"}}}`,
		`"documentStatus":{"S":"AVAILABLE"}`,
	}
	var all []string
	for _, u := range usual {
		name := u[:strings.Index(u, ":")]
		keep := true
		for i, a := range attributes {
			if a == "-"+strings.Trim(name, `"`) {
				keep = false
			} else if strings.HasPrefix(a, name+":") {
				u, attributes = a, append(attributes[:i:i], attributes[i+1:]...)
				break
			}
		}
		if keep {
			all = append(all, u)
		}
	}
	for _, a := range attributes {
		if !strings.HasPrefix(a, "-") {
			all = append(all, a)
		}
	}
	return `{"Item":{` + strings.Join(all, ",") + `}}`
}
