package pipeline

import (
	"errors"
	"fmt"
	"strings"
)

// Kind decides retry and exit code of an [Error].
type Kind uint8

// The kinds, with the exit code that the process ends with.
const (
	KindOther      Kind = iota // 1
	KindConfig                 // 2: usage or configuration
	KindRetryLater             // 5: network, throttling, disk full
	KindFatal                  // 7: do not retry before a repair: corrupt input, contradiction
	KindCheckpoint             // 10: checkpoint unreadable or of another job
	KindClaimed                // 11: locked or claimed by another
	KindAuth                   // 12: not authorised
)

// Error is an error as data: what was done to which object, why it failed, and
// what the operator can do. None of its fields may hold a value of a resource
// or an id (I10).
type Error struct {
	Op     string // lower-case verb phrase: "open manifest"
	Object string // key or path of the object, file or setting concerned
	Record int64  // record number within the object from 1; 0 when none
	Kind   Kind
	Err    error  // the cause, scrubbed
	Hint   string // the line that the user reads after "try:"
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Object != "" {
		b.WriteString(" " + e.Object)
	}
	if e.Record > 0 {
		fmt.Fprintf(&b, ":%d", e.Record)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost [Error] in err's chain, or KindOther.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindOther
}

// HintOf returns the first hint in err's chain, or "".
func HintOf(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
