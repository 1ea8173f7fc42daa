//go:build !race

package binarybucket

// manyObjects are listed in a test; the race detector takes ten times as long.
const manyObjects = 100_000
