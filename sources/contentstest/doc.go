// Package contentstest holds every bucket of contents to the contract of
// [pipeline.Contents]. An implementation's own test gives [Run] a function that
// lays out objects where that implementation finds them; what goes wrong there is
// the suite's.
package contentstest
