package human

import (
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := Count(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.00 kB", 12_345: "12.3 kB", 123_456: "123 kB", 999_499: "999 kB", 999_500: "1.00 MB",
		9_995_000: "10.0 MB", 512_000_000: "512 MB", 75_000_000_000: "75.0 GB", 9_223_372_036_854_775_807: "9.22 EB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 20 * time.Millisecond: "20 ms", 3 * time.Second: "3 s", 60 * time.Second: "1 min", 250 * time.Second: "4 min 10 s",
		59 * time.Minute: "59 min", 2*time.Hour + 5*time.Minute: "2 h 5 min", 24 * time.Hour: "1 d", 76 * time.Hour: "3 d 4 h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestPercentAndPlural(t *testing.T) {
	if Percent(999, 1000) != "99 %" || Percent(1000, 1000) != "100 %" || Percent(0, 0) != "100 %" || Percent(0, 5) != "0 %" {
		t.Error("percent")
	}
	if Plural(1, "file") != "1 file" || Plural(2000, "file") != "2,000 files" || Plural(0, "file") != "0 files" {
		t.Error("plural")
	}
}
