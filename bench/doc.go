// Command bench measures fhirhose against the tools that a user would run
// instead, and prints a Markdown table that is kept in bench/results.
//
//	go run ./bench                       everything, into results/<machine>.md
//	go run ./bench -h                    the flags
//	go run ./bench generate -h           only write an input
//
// What is measured, all in one run and in turn, so that a change of the machine's
// mood hits every contender: user+system CPU, wall time and peak resident memory
// of whole processes; tables show median, least and most, and ratios of pairs.
// Input comes from bench/generate, and from the folder that FHIRHOSE_TESTDATA
// names when it is set. Peers (bench/peers) run on a sample, one process per core
// over the same files; the output of each complete one is compared with
// fhirhose's as a multiset of normalised resources. Scenarios strain one promise
// each. What cannot run is reported as missing, failed or not run; the rest goes
// on. README.md explains each row, and says what is not measured.
package main
