//go:build race

package binarybucket

const manyObjects = 10_000
