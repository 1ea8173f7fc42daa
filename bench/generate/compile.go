package generate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A template is a FHIR resource without resourceType, id and meta, whose
// strings may hold slots. compile turns it into DynamoDB JSON once: a list of
// ops that append either fixed bytes or a generated value.
//
//	"{{uuid}}" "{{digits 5}}" "{{word TABLE}}" "{{text TABLE}}" "{{birth}}"
//	"{{ref Patient}}"                  Patient/<id of a generated Patient>
//	"{{time 900}}" {{instant}} {{date}}  the resource's time and so many seconds
//	"{{display TABLE}}"                display of a random concept
//	"{{coding T}}" "{{concept T}}" "{{quantity T}}"   whole values; quantity fits
//	                                   the concept chosen last from that table
//	"{{bool}}"                         a boolean
//	"#{{int 1 9}}" "#-{{decimal 0 99 2}}"  numbers: range, decimal places
//	"key?30": ...                      the key occurs in 30 % of resources
//	[{"*": "1 3", ...}]                the element occurs 1 to 3 times
//
// text, decimal, int, bool and quantity vary from version to version; all else
// is the same in every version of a resource.
type op struct {
	kind   opKind
	text   []byte // opText: bytes; opReference: type name
	lo, hi int64
	places int
	words  [][]byte
	table  *concepts
	ops    []op // opMaybe, opRepeat, opReferenced
}

type opKind uint8

const (
	opText opKind = iota
	opUUID
	opDigits
	opWord
	opVersionWord // a word that changes with the version
	opBirth
	opReference
	opTime
	opInstant
	opDate
	opDisplay
	opCoding
	opConcept
	opQuantity
	opBool
	opInt
	opDecimal
	opMaybe
	opRepeat
	opReferenced // ops render the value of a `reference` element
)

type compiler struct {
	tables *tables
	dec    *json.Decoder
}

// compile returns the ops of the body's attributes, without the braces.
func compile(template []byte, t *tables) ([]op, error) {
	c := &compiler{tables: t, dec: json.NewDecoder(bytes.NewReader(template))}
	c.dec.UseNumber()
	if token, err := c.dec.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("template is no object")
	}
	body, _, err := c.members()
	return body, err
}

// members compiles an object after its opening brace. A first key "*" is not a
// member: its text is returned as the element's repetition.
func (c *compiler) members() (body []op, repeat string, err error) {
	for first := true; ; {
		token, err := c.dec.Token()
		if err != nil {
			return nil, "", err
		}
		if token == json.Delim('}') {
			return body, repeat, nil
		}
		key := token.(string)
		if key == "*" && first {
			token, err := c.dec.Token()
			if err != nil {
				return nil, "", err
			}
			repeat = token.(string)
			continue
		}
		member, err := c.member(key, first)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", key, err)
		}
		body = join(body, member...)
		first = false
	}
}

// member compiles one key and its value, with the comma before it.
func (c *compiler) member(key string, first bool) ([]op, error) {
	name, chance, optional := strings.Cut(key, "?")
	prefix := quote(name) + ":"
	if !first {
		prefix = "," + prefix
	}
	value, err := c.value()
	if err != nil {
		return nil, err
	}
	if name == "reference" {
		value = []op{{kind: opReferenced, ops: value}}
	}
	member := join(literal(prefix), value...)
	if !optional {
		return member, nil
	}
	if first {
		return nil, errors.New("the first key must not be optional")
	}
	percent, err := strconv.ParseInt(chance, 10, 64)
	return []op{{kind: opMaybe, lo: percent * 10, ops: member}}, err
}

// value compiles the next value into its tagged form.
func (c *compiler) value() ([]op, error) {
	token, err := c.dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return c.list()
		}
		return c.object()
	case string:
		return c.text(v)
	case json.Number:
		return tagged("N", literal(quote(v.String()))), nil
	case bool:
		return tagged("BOOL", literal(strconv.FormatBool(v))), nil
	default:
		return tagged("NULL", literal("true")), nil
	}
}

func (c *compiler) object() ([]op, error) {
	body, repeat, err := c.members()
	if err != nil {
		return nil, err
	}
	object := tagged("M", join(join(literal("{"), body...), literal("}")...))
	if repeat == "" {
		return object, nil
	}
	element := op{kind: opRepeat, ops: object}
	_, err = fmt.Sscan(repeat, &element.lo, &element.hi)
	return []op{element}, err
}

func (c *compiler) list() ([]op, error) {
	body := literal("[")
	for first := true; c.dec.More(); first = false {
		if !first {
			body = join(body, literal(",")...)
		}
		element, err := c.value()
		if err != nil {
			return nil, err
		}
		body = join(body, element...)
	}
	_, err := c.dec.Token()
	return tagged("L", join(body, literal("]")...)), err
}
