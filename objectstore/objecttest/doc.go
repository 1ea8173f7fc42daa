// Package objecttest plays S3 in tests: [Memory] answers the calls that
// objectstore makes, from memory and with parts of any size, and [Faults]
// breaks a chosen share of the calls of any S3, Memory or a real server behind
// a proxy.
//
// Memory checks no signature. What it says is held against a real S3 server in
// the module s3test, which runs the same suites.
package objecttest
