package convert

import "testing"

// fuzzOptions are the jobs that every line is converted in.
var fuzzOptions = []Options{
	{Deleted: true},
	{Tenant: "t1", Deleted: true},
	{Tenant: "*", Deleted: true, BinaryField: "data"},
	{Deleted: true, BinaryField: "content"},
	{Deleted: true, BinaryField: "data"},
	{Types: []string{"Patient"}, Since: "2023-08-01T00:00:00Z", Until: "2023-08-31T23:59:59.999Z"},
}

func converters(t testing.TB) (all []*Converter) {
	for _, o := range fuzzOptions {
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// fuzzRows are rows from which fuzzing starts; every cut of them is tested too.
func fuzzRows() []string {
	value := func(v string) string { return testRow(`"name":` + v) }
	all := []string{
		``, ` `, `{}`, `[]`, `5`, `{"Item":5}`, `{"Item":{}}`, `{"Item":{}} x`, `{"Keys":{"id":{"S":"x"}}}`, `{"Item":{}`, `{"Item":{"a"`, `{"Item":{"a":{`,
		testRow(), ` ` + testRow() + "\r\n", testRow() + "x", testRow() + testRow(),
		`{"Other":[1,2],` + testRow()[1:], testRow()[:len(testRow())-1] + `,"Other":{"a":1,"a":2}}`, testRow()[:len(testRow())-1] + `,"Item":{}}`,
		"{ \"Item\" : { \"resourceType\" : { \"S\" : \"Patient\" } , \"id\":{\"S\" :\"p1\"}\n,\"vid\": {\"N\":\"7\" },\"meta\":{\"M\":{ }},\"documentStatus\":{\"S\":\"LOCKED\"} , \"x\":{ \"M\" : { \"y\" : { \"L\" : [ { \"S\" : \"z\" } , { \"N\" : \"1\" } ] } } } } }",
		testRow(`"meta" : { "M" : { "tag" : { "L" : [ ] } , "lastUpdated" : { "S" : "2023-08-01T20:17:07+02:00" } } }`),
	}
	for _, v := range []string{
		`{"S":""}`, `{"S":"x\"\\\/\b\f\n\r\t\u0041\u00e9é😀\ud83d\ude00"}`, `{"S":"\ud83d"}`, `{"S":5}`, `{"S":null}`, `{"S":{"a":1,"a":1}}`,
		`{"B":"AAEC"}`, `{"BOOL":true}`, `{"BOOL":false}`, `{"BOOL":"true"}`, `{"BOOL":truE}`, `{"NULL":true}`, `{"NULL":false}`, `{"NULL":null}`,
		`{"N":"0"}`, `{"N":"-0.00"}`, `{"N":"1e+21"}`, `{"N":"1e-7"}`, `{"N":"12345678901234567890.123456789012345678"}`, `{"N":"01"}`, `{"N":"1."}`, `{"N":""}`, `{"N":"NaN"}`, `{"N":"1 "}`, `{"N":"\u0031e\u0035"}`, `{"N":"1.50\u0030"}`, `{"N":"\u0031x"}`, `{"N":1}`, `{"N":"1e99999999999999999999"}`, `{"N":"10e-99999999999999999999"}`,
		`{"SS":["a","b"]}`, `{"SS":[]}`, `{"SS":["a",5]}`, `{"NS":["1","2.50"]}`, `{"NS":["x"]}`, `{"BS":["AA=="]}`, `{"SS":"a"}`, `{"SS":["a",]}`,
		`{"M":{}}`, `{"M":[]}`, `{"M":{"a":{"M":{"b":{"L":[]}}}}}`, `{"M":{"b":{"S":"x"},"a":{"S":"y"}}}`, `{"M":{"a":{"S":"x"},"a":{"S":"y"}}}`, `{"M":{"a":{"S":"x"},"\u0061":{"S":"y"}}}`, `{"M":{"abcdefghi":{"N":"1"},"abcdefgh":{"N":"2"},"":{"N":"3"}}}`, `{"M":{"a":5,"b":{"N":"x"}}}`, `{"M":{"a":{"S":"x"},}}`,
		`{"L":[]}`, `{"L":[{"S":"a"},{"L":[{"N":"1"}]},{"M":{"z":{"NULL":true}}}]}`, `{"L":[5,{"S":"x"}]}`, `{"L":{}}`, `{"L":[{"S":"x"}{"S":"y"}]}`, `{"L":[{"S":"x"},]}`,
		`{}`, `5`, `"x"`, `null`, `[{"S":"x"}]`, `{"X":"y"}`, `{"S":"a","S":"b"}`, `{"S":"a","N":"1"}`, `{"S":"a","M":{"x":1,"x":2}}`, `{"M":{"a":{"S":"b"}},"L":[]}`, `{"S":"a" }`, `{"S":"a"`, `{"\u0053":"a"}`, `{"S":"a"]`,
		"{\"S\":\"\xff\"}", "{\"S\":\"\x01\"}", "{\"\xff\":\"x\"}", "{\"M\":{\"\xc3\xa9\":{\"S\":\"\xe2\x82\"}}}",
	} {
		all = append(all, value(v))
	}
	for _, a := range []string{
		"-resourceType", "-id", "-vid", "-meta", "-documentStatus",
		`"resourceType":{"S":"../../etc"}`, `"resourceType":{"S":"patient"}`, `"resourceType":{"S":""}`, `"resourceType":{"N":"1"}`, `"resourceType":{"S":"Pati\u0065nt"}`, `"resourceType":{"S":"Observation"}`,
		`"id":{"S":"a b"}`, `"id":{"S":""}`, `"id":{"N":"1"}`, `"id":{"S":"t1|p1"}`, `"id":{"S":"t2|p1"}`, `"id":{"S":"t1|p|1"}`, `"id":{"S":"t1\u007cp1"}`, `"id":{"S":"t1|"}`,
		`"vid":{"N":"0"}`, `"vid":{"N":"01"}`, `"vid":{"N":"1.0"}`, `"vid":{"N":"999999999"}`, `"vid":{"N":"1000000000"}`, `"vid":{"S":"1"}`, `"vid":{"N":"x"}`, `"vid":{"N":"1e0"}`, `"vid":{"N":"\u0031"}`,
		`"documentStatus":{"S":"DELETED"}`, `"documentStatus":{"S":"PENDING"}`, `"documentStatus":{"S":"PENDING_DELETE"}`, `"documentStatus":{"S":"x"}`, `"documentStatus":{"BOOL":true}`,
		`"meta":{"M":{}}`, `"meta":{"S":"x"}`, `"meta":5`, `"meta":{"M":5}`, `"meta":{"M":{},"S":"x"}`, `"meta":{"L":[{"M":{"tag":{"S":"x"}}}]}`,
		`"meta":{"M":{"tag":{"L":[]}}}`, `"meta":{"M":{"tag":{"S":"x"}}}`, `"meta":{"M":{"tag":5}}`, `"meta":{"M":{"tag":{"L":[{"M":{"code":{"S":"x"}}}]},"lastUpdated":{"S":"2023-08-15T00:00:00.1Z"},"security":{"L":[{"M":{"system":{"S":"s"},"code":{"S":"R"}}}]},"profile":{"L":[{"S":"p"}]}}}`,
		`"meta":{"M":{"lastUpdated":{"S":"yesterday \"x\""}}}`, `"meta":{"M":{"lastUpdated":{"N":"5"}}}`, `"meta":{"M":{"lastUpdated":{"S":"2023-07-31T23:59:59Z"}}}`, `"meta":{"M":{"lastUpdated":{"S":"2024-01-01T00:00:00+01:00"}}}`, `"meta":{"M":{"tag":{"L":[{"M":{"display":{"S":"DELETED"},"code":{"S":"DELETED"}}}]}}}`,
		`"_tenantId":{"S":"t1"}`, `"_tenantId":{"S":"t2"}`, `"_tenantId":{"N":"1"}`, `"_id":{"S":"p1"}`, `"_id":{"M":{}}`, `"_id":{"S":"p 1"}`,
		`"_birthDate":{"M":{"extension":{"L":[]}}}`, `"_given":{"L":[]}`, `"_odd":{"S":"x"}`, `"_odd name":{"N":"1"}`, `"_":{"BOOL":true}`, `"_subscriptionStatus":{"S":"active"}`, `"_references":{"L":[{"S":"Patient/1"}]}`, `"_references":5`,
		`"lockEndTs":{"N":"1693685827000"}`, `"lockEndTs":{"N":"1.5"}`, `"lockEndTs":{"S":"x"}`, `"name":{"S":"x"},"name":{"S":"y"}`, `"vid":{"N":"1"},"vid":{"N":"2"}`,
	} {
		all = append(all, testRow(a), testRow(a, `"name":{"N":"x"}`))
	}
	for _, a := range []string{
		`"contentType":{"S":"a/b"}`, `"data":{"S":"AA=="}`, `"data":{"NULL":true}`, `"content":{"S":""}`, `"d\u0061ta":{"S":"x"}`, `"Data":{"S":"x"}`, `"data\u0000":{"N":"1.50"}`,
		`"dat":{"M":{"data":{"L":[{"S":"\"data\""}]}}}`, `"":{"S":""},"a":{"NULL":true},"zz":{"N":"-0"}`, `"\"":{"S":"}"},"\\":{"SS":["{"]},"\u0001":{"BOOL":true},"é":{"S":"\ud83d\ude00"}`,
		`"securityContext":{"M":{"reference":{"S":"Patient/1"}}}`, `"meta":{"M":{}}`, `"documentStatus":{"S":"DELETED"}`, `"documentStatus":{"S":"PENDING"}`, `"name":5`,
	} {
		all = append(all, testRow(`"resourceType":{"S":"Binary"}`, a))
	}
	for _, tenant := range []string{"t1", "t2", "", "t.1", "t1|p1", `\u00741`} {
		all = append(all, testRow(`"id":{"S":"t1|p1"}`, `"_tenantId":{"S":"`+tenant+`"}`, `"_id":{"S":"p1"}`),
			testRow(`"id":{"S":"t1|p2"}`, `"_tenantId":{"S":"`+tenant+`"}`, `"_id":{"S":"p1"}`),
			testRow(`"id":{"S":"p1"}`, `"_tenantId":{"S":"`+tenant+`"}`, `"_id":{"S":"p1"}`),
			testRow(`"id":{"S":"t1\u007cp\u0031"}`, `"_tenantId":{"S":"`+tenant+`"}`, `"_id":{"S":"p1"}`))
	}
	return all
}

func TestConvertAgainstOracle(t *testing.T) {
	all := converters(t)
	for _, row := range fuzzRows() {
		for i, c := range all {
			compare(t, c, fuzzOptions[i], []byte(row))
		}
		for cut := range row {
			compare(t, all[0], fuzzOptions[0], []byte(row[:cut]))
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, row := range fuzzRows() {
		f.Add([]byte(row))
	}
	all := converters(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		for i, c := range all {
			compare(t, c, fuzzOptions[i], line)
		}
	})
}
