// Package canon scans JSON text once and writes two things while it scans: a
// verbatim copy of what the caller wants to keep, and the canonical text of the
// same values.
//
// Canonical text has its names sorted by code point in every object, strings
// with the fewest escapes, and numbers as sign, digits without outer zeros and
// a decimal exponent ("15e-1", "57e0", "0"), never expanded. Two values are
// equal exactly when their canonical texts are, however many digits they have.
//
// The scan is as strict as package jsontext of go-json-experiment with its
// defaults: UTF-8, escapes, control characters, number grammar, no name twice
// in an object; nesting is bounded by pipeline.MaxDepth.
//
// A [Tape] is driven from outside: package convert walks DynamoDB JSON with it,
// package digest plain JSON. It allocates nothing once its buffers have grown.
//
// Positions i, o and k are offsets in the source, in the copy and in the
// canonical text; methods take and return them, so that they stay in registers.
// A negative i means that the scan has ended, see [Tape.Fault].
package canon
