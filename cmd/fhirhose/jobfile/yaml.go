package jobfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// value is a setting's text and where it was found, for the error that it may
// cause.
type value struct {
	text   string
	origin string // "line 3, column 5", "FHIRHOSE_SINK_LOCATION", "flag --sink.location"
}

// readYAML returns the settings of a job file by key. It takes the text of
// scalars as it stands, so that `tenant: 007` keeps its zeros. Every problem of
// the file is reported, each with its line and column.
func readYAML(data []byte) (map[string]value, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, syntaxError(err)
	}
	r := yamlReader{known: knownKeys(), values: map[string]value{}}
	docs := 0
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if docs++; docs > 1 {
			r.fail(doc.Body, "a job file holds one document")
			break
		}
		r.section("", doc.Body)
	}
	return r.values, errors.Join(r.problems...)
}

// syntaxError keeps the position and the message, and leaves out the excerpt of
// the file that the parser would print.
func syntaxError(err error) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return err
	}
	at := e.GetToken().Position
	return fmt.Errorf("line %d, column %d: %s", at.Line, at.Column, e.GetMessage())
}

type yamlReader struct {
	known    keySet
	values   map[string]value
	problems []error
}

func (r *yamlReader) fail(node ast.Node, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s: %s", position(node), fmt.Sprintf(format, args...)))
}

func position(node ast.Node) string {
	at := node.GetToken().Position
	return fmt.Sprintf("line %d, column %d", at.Line, at.Column)
}

func (r *yamlReader) section(path string, node ast.Node) {
	pairs, ok := node.(ast.MapNode)
	if !ok {
		if node.Type() != ast.NullType {
			r.fail(node, "%s is a section; it takes %s", orFile(path), strings.Join(r.known.below(path), ", "))
		}
		return
	}
	for iter := pairs.MapRange(); iter.Next(); {
		name := iter.Key().GetToken().Value
		key := join(path, name)
		switch {
		case r.known.leaves[key].Key != "":
			r.leaf(r.known.leaves[key], iter.Value())
		case r.known.sections[key]:
			r.section(key, iter.Value())
		default:
			r.fail(iter.Key(), "unknown key %q%s", name, r.known.suggestion(path, name))
		}
	}
}

func (r *yamlReader) leaf(setting Setting, node ast.Node) {
	switch n := node.(type) {
	case *ast.NullNode: // `key:` alone is as good as no key
	case *ast.SequenceNode:
		if !setting.list {
			r.fail(n, "%s takes one value, not a list", setting.Key)
			return
		}
		var items []string
		for _, item := range n.Values {
			text, ok := scalar(item)
			if !ok {
				r.fail(item, "an item of %s is not a plain value", setting.Key)
				return
			}
			items = append(items, text)
		}
		r.values[setting.Key] = value{strings.Join(items, ","), position(n)}
	case ast.MapNode:
		if !setting.pairs {
			r.fail(node, "%s takes one value", setting.Key)
			return
		}
		r.pairs(setting, n, node)
	default:
		text, ok := scalar(node)
		if !ok || setting.pairs {
			r.fail(node, "%s takes %s", setting.Key, orPairs(setting))
			return
		}
		r.values[setting.Key] = value{text, position(node)}
	}
}

func orPairs(setting Setting) string {
	if setting.pairs {
		return "pairs, {name: value, ...}"
	}
	return "one value"
}

// pairs reads a setting whose names are the operator's own.
func (r *yamlReader) pairs(setting Setting, pairs ast.MapNode, node ast.Node) {
	var items []string
	for iter := pairs.MapRange(); iter.Next(); {
		text, ok := scalar(iter.Value())
		if !ok {
			r.fail(iter.Key(), "%s.%s takes one value", setting.Key, iter.Key().GetToken().Value)
			return
		}
		items = append(items, iter.Key().GetToken().Value+"="+text)
	}
	r.values[setting.Key] = value{strings.Join(items, ","), position(node)}
}

// scalar returns the text of a plain value; anchors, aliases and tags are none.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func orFile(path string) string {
	if path == "" {
		return "the job file"
	}
	return path
}
