// Package progress shows a running job: a bar on a terminal, otherwise plain
// lines or lines of JSON. All of them are views of [metrics.Status]; nothing
// counts on its own.
package progress
