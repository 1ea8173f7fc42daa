// Package human writes numbers the way an operator reads them: counts with
// separators, bytes in decimal units, durations rounded to what matters.
package human

import (
	"fmt"
	"strconv"
	"time"
)

// Count writes 1234567 as 1,234,567.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(digits) - 3; i > start; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Bytes writes a number of bytes in decimal units with three digits: 12.3 GB.
func Bytes(n int64) string {
	const units = "kMGTPE"
	value, unit := float64(n), -1
	for value >= 999.5 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	if unit < 0 {
		return fmt.Sprintf("%d B", n)
	}
	precision := 2
	switch {
	case value >= 99.95:
		precision = 0
	case value >= 9.995:
		precision = 1
	}
	return fmt.Sprintf("%.*f %cB", precision, value, units[unit])
}

// Duration rounds to the two largest units: 3 s, 4 min 10 s, 2 h 5 min, 3 d 4 h.
func Duration(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	seconds := int64(d.Round(time.Second) / time.Second)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case seconds < 60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 600:
		return pair(seconds, 60, "min", 1, "s")
	case seconds < 3600:
		return fmt.Sprintf("%d min", (seconds+30)/60)
	case seconds < 86400:
		return pair(seconds, 3600, "h", 60, "min")
	default:
		return pair(seconds, 86400, "d", 3600, "h")
	}
}

func pair(seconds, big int64, bigName string, small int64, smallName string) string {
	if rest := seconds % big / small; rest > 0 {
		return fmt.Sprintf("%d %s %d %s", seconds/big, bigName, rest, smallName)
	}
	return fmt.Sprintf("%d %s", seconds/big, bigName)
}

// Percent writes part of whole, never 100 % before it is all: "27 %".
func Percent(part, whole int64) string {
	if whole <= 0 || part >= whole {
		return "100 %"
	}
	return fmt.Sprintf("%d %%", int64(float64(part)/float64(whole)*100))
}

// Plural writes "1 file" or "2 files".
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}
