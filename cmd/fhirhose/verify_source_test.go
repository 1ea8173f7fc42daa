package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fhirhose/fhirhose/pipeline/records/recordstest"
	"github.com/fhirhose/fhirhose/sinks/healthlake/healthlaketest"
	"github.com/fhirhose/fhirhose/sources/fhirworks/fhirworkstest"
)

// TestVerifyAgainstSource (WV8): what changed at the source since the export is told
// apart from what the migration did, and no Binary is compared with its URL.
func TestVerifyAgainstSource(t *testing.T) {
	r := newVerifyRig(t, healthlaketest.Traps{})
	api := &fhirworkstest.API{Key: recordstest.Canary, Username: "u", Password: recordstest.Canary, ClientID: "c"}
	for key, body := range r.simulation.Current(healthlaketest.DatastoreID) {
		api.Set(key, string(body))
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	r.run(2, "verify", "--against", "source")
	r.says("API_URL")
	for name, value := range map[string]string{
		"API_URL": server.URL + "/dev/", "API_KEY": recordstest.Canary, "COGNITO_CLIENT_ID": "c", "COGNITO_USERNAME": "u",
		"COGNITO_PASSWORD": "wrong", "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": server.URL,
	} {
		t.Setenv(name, value)
	}
	r.run(12, "verify", "--against", "source")
	r.says("Cognito refuses user or password", "COGNITO_")
	t.Setenv("COGNITO_PASSWORD", recordstest.Canary)
	r.run(0, "verify", "--against", "source")
	r.says("passed, by mode source", "equal             6", "deleted and gone  2")
	api.Set(patient(2), "")
	api.Set(patient(3), strings.NewReplacer(`"given"`, `"prefix"`, `"lastUpdated":"2`, `"lastUpdated":"3`).Replace(r.body(patient(3))))
	r.run(4, "verify", "--against", "source", "--again")
	r.classes("source", map[string]int64{"equal": live - 3, "deleted and gone": 2, "changed at the source since the export": 2})
	r.run(0, "verify", "--mode", "full")
	r.run(2, "verify", "--against", "source", "--mode", "full")
	r.run(4, "verify", "--mode", "source")
	r.says("2 resources not as they should be", "! changed at the source since the export", "what differs, in 1 resource:",
		"Patient.name.given: missing in live source, in 1 resource", "what differs is not known of 1 resource: the other side could not be read, or has it no longer")
	if named := r.named("source", id("3")); len(named) != 1 || named[0] != "Patient.name[0].given: missing in live source, Patient.name[0].prefix: added in live source" {
		t.Error(named)
	}
}
