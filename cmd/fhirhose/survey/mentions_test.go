package survey

import (
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

// TestMention: references are counted wherever a line is cut, and text that looks
// like one is not.
func TestMention(t *testing.T) {
	lines := []string{
		`{"resourceType":"Observation","subject":{"reference":"Patient/a"},"performer":[{"reference":"https://old.example/Practitioner/b"}]}`,
		`{"resourceType":"Observation","subject":{"reference":"http://old.example/Patient/a/_history/2"},"focus":[{"reference":"Patient/a/_history/1"}]}`,
		`{"resourceType":"Observation","note":[{"text":"\"reference\":\"https://none.example\" /_history/"}]}`,
		`{"resourceType":"Observation","valueString":"` + strings.Repeat("x", 1<<20-60) + `","subject":{"reference":"https://old.example/Patient/c"}}`,
		`{"resourceType":"Observation","valueString":"` + strings.Repeat("x", 3<<20) + `","subject":{"reference":"Patient/c/_history/7"}}`,
	}
	text := strings.Join(lines, "\n") + "\n\n"
	want := Mentions{Resources: 5, Absolute: 3, Versioned: 3}
	var got Mentions
	if err := got.Mention(strings.NewReader(text), "Observation"); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for shift := range 120 { // the end of a piece comes at each place of a reference
		var got Mentions
		line := `{"a":"` + strings.Repeat("x", 1<<20-80-shift) + `","subject":{"reference":"https://old.example/Patient/a/_history/2"}}`
		if err := got.Mention(strings.NewReader(line), "Observation"); err != nil || got != (Mentions{Resources: 1, Absolute: 1, Versioned: 1}) {
			t.Fatalf("shift %d: %+v, %v", shift, got, err)
		}
	}
	var subscriptions Mentions
	text = ""
	for i, status := range []string{"active", "off", "requested", "error"} {
		text += fmt.Sprintf(`{"resourceType":"Subscription","id":"%d","status":%q,"criteria":%q}`+"\n", i, status, strings.Repeat("y", i<<19))
	}
	if err := subscriptions.Mention(strings.NewReader(text), "Subscription"); err != nil || subscriptions != (Mentions{Resources: 4, Subscriptions: 2}) {
		t.Errorf("%+v, %v", subscriptions, err)
	}
	if err := got.Mention(iotest.ErrReader(iotest.ErrTimeout), "Patient"); err == nil {
		t.Error("a file that breaks off is taken for whole")
	}
}
