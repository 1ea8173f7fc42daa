package jobfile

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

var units = map[string]int64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

var errSize = errors.New("is not a size; write 512MB (1MB = 1000000 bytes) or 512MiB (1MiB = 1048576 bytes)")

// ParseSize reads a number of bytes with a decimal or binary unit: 512MB is
// 512,000,000 and 512MiB is 536,870,912. Without a unit it means bytes.
func ParseSize(text string) (int64, error) {
	text = strings.TrimSpace(text)
	end := strings.LastIndexAny(text, "0123456789.") + 1
	unit, known := units[strings.ToLower(strings.TrimSpace(text[end:]))]
	digits := strings.ReplaceAll(text[:end], "_", "")
	if !known || strings.Trim(digits, "0123456789.") != "" {
		return 0, fmt.Errorf("%q %w", text, errSize)
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n <= math.MaxInt64/unit {
		return n * unit, nil
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n*float64(unit) >= math.MaxInt64 {
		return 0, fmt.Errorf("%q %w", text, errSize)
	}
	return int64(n * float64(unit)), nil
}
