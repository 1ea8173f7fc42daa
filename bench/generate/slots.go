package generate

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// text compiles a string: plain, with slots, or standing for another value.
func (c *compiler) text(s string) ([]op, error) {
	number := strings.HasPrefix(s, "#") && strings.Contains(s, "{{")
	ops, err := c.parts(strings.TrimPrefix(s, map[bool]string{true: "#"}[number]))
	switch {
	case err != nil:
		return nil, err
	case number:
		return tagged("N", quoted(ops)), nil
	case len(ops) == 1 && ops[0].kind == opBool:
		return tagged("BOOL", ops), nil
	case len(ops) == 1 && ops[0].whole():
		return ops, nil
	default:
		return tagged("S", quoted(ops)), nil
	}
}

// whole tells whether an op renders a tagged value.
func (o op) whole() bool { return o.kind == opCoding || o.kind == opConcept || o.kind == opQuantity }

// parts splits a string at its slots.
func (c *compiler) parts(s string) ([]op, error) {
	var ops []op
	for {
		before, rest, found := strings.Cut(s, "{{")
		if before != "" {
			escaped := quote(before)
			ops = join(ops, literal(escaped[1:len(escaped)-1])...)
		}
		if !found {
			return ops, nil
		}
		slot, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return nil, fmt.Errorf("slot %q is not closed", rest)
		}
		o, err := c.slot(strings.Fields(slot))
		if err != nil {
			return nil, fmt.Errorf("slot %q: %w", slot, err)
		}
		ops = append(ops, o)
		s = after
	}
}

func (c *compiler) slot(words []string) (op, error) {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(arg(i), 10, 64)
		return n
	}
	switch arg(0) {
	case "uuid":
		return op{kind: opUUID}, nil
	case "digits":
		return op{kind: opDigits, lo: number(1)}, nil
	case "birth":
		return op{kind: opBirth}, nil
	case "bool":
		return op{kind: opBool}, nil
	case "ref":
		return op{kind: opReference, text: []byte(arg(1))}, nil
	case "time":
		return op{kind: opTime, lo: number(1)}, nil
	case "instant":
		return op{kind: opInstant, lo: number(1)}, nil
	case "date":
		return op{kind: opDate, lo: number(1)}, nil
	case "int":
		return op{kind: opInt, lo: number(1), hi: number(2)}, nil
	case "decimal":
		return op{kind: opDecimal, lo: number(1), hi: number(2), places: int(number(3))}, nil
	}
	return c.tableSlot(arg(0), arg(1))
}

func (c *compiler) tableSlot(kind, table string) (op, error) {
	kinds := map[string]opKind{
		"word": opWord, "text": opVersionWord,
		"display": opDisplay, "coding": opCoding, "concept": opConcept, "quantity": opQuantity,
	}
	o := op{kind: kinds[kind], words: c.tables.words[table], table: c.tables.concepts[table]}
	switch {
	case o.kind == opText:
		return o, fmt.Errorf("unknown kind")
	case o.words == nil && (o.kind == opWord || o.kind == opVersionWord):
		return o, fmt.Errorf("unknown word table")
	case o.table == nil && o.kind != opWord && o.kind != opVersionWord:
		return o, fmt.Errorf("unknown concept table")
	}
	return o, nil
}

func literal(s string) []op { return []op{{kind: opText, text: []byte(s)}} }

// join appends ops, melting neighbouring literals into one.
func join(ops []op, more ...op) []op {
	for _, o := range more {
		if last := len(ops) - 1; o.kind == opText && last >= 0 && ops[last].kind == opText {
			ops[last].text = append(ops[last].text[:len(ops[last].text):len(ops[last].text)], o.text...)
			continue
		}
		ops = append(ops, o)
	}
	return ops
}

func tagged(tag string, value []op) []op {
	return join(join(literal(`{"`+tag+`":`), value...), literal("}")...)
}

func quoted(ops []op) []op { return join(join(literal(`"`), ops...), literal(`"`)...) }

// quote returns s as a JSON string with the escapes that JSON demands and no
// more, as DynamoDB writes it.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a strings.Builder takes every string
	return strings.TrimSuffix(b.String(), "\n")
}
