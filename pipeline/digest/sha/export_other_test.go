//go:build !amd64

package sha

// EachRoad calls f for every way in which this processor can do it.
func EachRoad(f func(road string)) { f("std") }
