package healthlaketest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const timeFormat = "2006-01-02T15:04:05.000Z"

// markURL is the extension of a resource that minimal validation has let in, as it is
// documented; its value is of the simulation.
const markURL = "http://healthlake.amazonaws.com/fhir/StructureDefinition/validation-issue"

// stamp returns a compact resource as it is stored: with the service's own
// versionId and lastUpdated, all else as it came, every digit of it. A mark is
// an extension more.
func stamp(body jsontext.Value, version int, at time.Time, mark bool) ([]byte, error) {
	meta := []byte(`{`)
	ours := fmt.Appendf(nil, `"versionId":"%d","lastUpdated":"%s"}`, version, at.UTC().Format(timeFormat))
	extension := []byte(`[`)
	out := []byte(`{`)
	err := members(body, func(name string, value jsontext.Value) error {
		switch {
		case name == "meta":
			return members(value, func(name string, value jsontext.Value) error {
				if name != "versionId" && name != "lastUpdated" {
					meta = append(appendMember(meta, name, value), ',')
				}
				return nil
			})
		case name == "extension" && mark && value.Kind() == '[':
			if extension = bytes.Clone(value[:len(value)-1]); len(extension) > 1 {
				extension = append(extension, ',')
			}
			return nil
		}
		out = append(appendMember(out, name, value), ',')
		return nil
	})
	if err != nil {
		return nil, err
	}
	if mark {
		extension = append(extension, `{"url":"`+markURL+`","valueString":"invalid"}]`...)
		out = append(appendMember(out, "extension", extension), ',')
	}
	out = appendMember(out, "meta", append(meta, ours...))
	return append(out, '}'), nil
}

func appendMember(object []byte, name string, value []byte) []byte {
	object, _ = jsontext.AppendQuote(object, name) // it was valid when it was read
	return append(append(object, ':'), value...)
}

var errNotAnObject = errors.New("not a JSON object")

// compact checks a resource and returns it without whitespace.
func compact(body []byte) (jsontext.Value, error) {
	value := jsontext.Value(bytes.Clone(body))
	if err := value.Compact(); err != nil {
		return nil, err
	}
	if value.Kind() != '{' {
		return nil, errNotAnObject
	}
	return value, nil
}

// members calls f for each member of a compact object. value is good until f
// returns.
func members(object jsontext.Value, f func(name string, value jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(object))
	if opening, err := d.ReadToken(); err != nil || opening.Kind() != '{' {
		return errNotAnObject
	}
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := f(name, value); err != nil {
			return err
		}
	}
	return nil
}

// identity returns the type and id of a compact resource.
func identity(body jsontext.Value) (resourceType, id string, err error) {
	err = members(body, func(name string, value jsontext.Value) error {
		switch name {
		case "resourceType":
			resourceType = unquoted(value)
		case "id":
			id = unquoted(value)
		}
		return nil
	})
	if err == nil && (resourceType == "" || id == "") {
		err = errors.New("resourceType or id is missing")
	}
	return resourceType, id, err
}

func unquoted(value jsontext.Value) string {
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil || value.Kind() != '"' {
		return ""
	}
	return string(text)
}
