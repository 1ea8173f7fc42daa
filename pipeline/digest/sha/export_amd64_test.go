package sha

// EachRoad calls f for every way in which this processor can do it.
func EachRoad(f func(road string)) {
	if hasNI {
		f("ni")
		hasNI = false
		defer func() { hasNI = true }()
	}
	f("std")
}
