// Package sourcetest holds every source to the contract of [pipeline.Source] and
// [pipeline.Staged]. A source's own test gives [Run] a function that lays out
// objects as that source finds them; what goes wrong there is the suite's.
package sourcetest
