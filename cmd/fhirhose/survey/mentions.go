package survey

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
)

// Mentions are what only reading the resources tells, and what may not hold any more
// in another service. It is counted, and never repeated: ids and hosts may be PHI.
type Mentions struct {
	Resources     int64 `json:"resources"`            // that were read
	Subscriptions int64 `json:"active_subscriptions"` // whose status is active or requested
	Absolute      int64 `json:"absolute_references"`  // that name a server, the old API among others
	Versioned     int64 `json:"versioned_references"` // to one version: the target numbers anew
}

func (m *Mentions) add(n Mentions) {
	m.Resources += n.Resources
	m.Subscriptions += n.Subscriptions
	m.Absolute += n.Absolute
	m.Versioned += n.Versioned
}

// Mention adds what a file of resources of one type tells.
func (m *Mentions) Mention(file io.Reader, resourceType string) error {
	lines := bufio.NewReaderSize(file, 1<<20)
	var kept []byte // of a reference that a piece of a line has cut off, or of a Subscription
	for {
		piece, err := lines.ReadSlice('\n')
		text := append(kept, piece...)
		kept = kept[:0]
		whole := err == nil || errors.Is(err, io.EOF)
		switch {
		case !whole && !errors.Is(err, bufio.ErrBufferFull):
			return err
		case !whole && resourceType == "Subscription":
			kept = text
			continue
		}
		rest := m.references(text, whole)
		if whole && len(bytes.TrimSpace(text)) > 0 {
			m.Resources++
			if resourceType == "Subscription" {
				m.subscription(text)
			}
		}
		if !whole {
			kept = append(kept, rest...)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
	}
}

// mostReference is more than any reference has.
const mostReference = 64 << 10

var referenceKey = []byte(`"reference":"`)

// references counts those of a text, and returns where one begins that may go on
// after it. Within a string of JSON the key cannot stand: its quotes would be escaped.
func (m *Mentions) references(text []byte, whole bool) (rest []byte) {
	for {
		at := bytes.Index(text, referenceKey)
		if at < 0 {
			return text[max(0, len(text)-len(referenceKey)):]
		}
		value := text[at+len(referenceKey):]
		end := bytes.IndexByte(value, '"')
		if end < 0 {
			if !whole && len(value) < mostReference {
				return text[at:]
			}
			end = len(value)
		}
		value = value[:end]
		if bytes.HasPrefix(value, []byte("http://")) || bytes.HasPrefix(value, []byte("https://")) {
			m.Absolute++
		}
		if bytes.Contains(value, []byte("/_history/")) {
			m.Versioned++
		}
		text = text[at+len(referenceKey)+end:]
	}
}

func (m *Mentions) subscription(line []byte) {
	var s struct{ Status string }
	if json.Unmarshal(line, &s) == nil && (s.Status == "active" || s.Status == "requested") {
		m.Subscriptions++
	}
}

// judge turns what was counted into warnings.
func (m *Mentions) judge(r *Result) {
	r.prove("%s were read for what they refer to", human.Plural(m.Resources, "resource"))
	if m.Subscriptions > 0 {
		r.Warn("%s: after the cut-over they would notify a second time, or not at all; end them in the source", human.Plural(m.Subscriptions, "active Subscription"))
	}
	if m.Absolute > 0 {
		r.Warn("%s to a server by its URL: those to the old API lead there still", human.Plural(m.Absolute, "reference"))
	}
	if m.Versioned > 0 {
		r.Warn("%s to one version of a resource: HealthLake numbers versions anew", human.Plural(m.Versioned, "reference"))
	}
}

// AddMentions notes what all files tell.
func (r *Result) AddMentions(of []Mentions) {
	r.Mentions = &Mentions{}
	for _, m := range of {
		r.Mentions.add(m)
	}
	r.Mentions.judge(r)
}
