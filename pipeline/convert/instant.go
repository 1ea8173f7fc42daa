package convert

// instant is a point in time to the nanosecond, for any year that RFC 3339 can
// write.
type instant struct {
	seconds int64 // since 1970
	nanos   int32
}

func (t instant) after(u instant) bool {
	return t.seconds > u.seconds || t.seconds == u.seconds && t.nanos > u.nanos
}

func (t instant) millis() int64 { return t.seconds*1000 + int64(t.nanos)/1_000_000 }

// parseInstant reads a FHIR instant: YYYY-MM-DDThh:mm:ss, a fraction or none, Z
// or an offset. A second 60 is the first of the next minute; of a fraction only
// nanoseconds count.
func parseInstant(b []byte) (t instant, ok bool) {
	if len(b) < len("2006-01-02T15:04:05Z") || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return t, false
	}
	century, month, day := two(b, 0), two(b, 5), two(b, 8)
	hour, minute, second := two(b, 11), two(b, 14), two(b, 17)
	year := century*100 + two(b, 2)
	if century|two(b, 2)|month|day|hour|minute|second < 0 ||
		month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60 {
		return t, false
	}
	t.seconds = ((days(year, month, day)*24+hour)*60+minute)*60 + second
	b = b[19:]
	if b[0] == '.' {
		n := 1
		for scale := int32(100_000_000); n < len(b) && b[n]-'0' <= 9; n++ {
			t.nanos += int32(b[n]-'0') * scale
			scale /= 10
		}
		if n == 1 {
			return t, false
		}
		b = b[n:]
	}
	offset, ok := zone(b)
	t.seconds -= offset
	return t, ok
}

// zone reads Z, +hh:mm or -hh:mm: seconds east of Greenwich.
func zone(b []byte) (int64, bool) {
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != 6 || b[3] != ':' || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	hour, minute := two(b, 1), two(b, 4)
	if hour|minute < 0 || hour > 23 || minute > 59 {
		return 0, false
	}
	offset := (hour*60 + minute) * 60
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// two reads two digits, or returns a negative number.
func two(b []byte, i int) int64 {
	tens, units := b[i]-'0', b[i+1]-'0'
	if tens > 9 || units > 9 {
		return -1
	}
	return int64(tens)*10 + int64(units)
}

func daysIn(year, month int64) int64 {
	switch {
	case month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	case month == 2:
		return 28
	case month == 4 || month == 6 || month == 9 || month == 11:
		return 30
	}
	return 31
}

// days returns the days from 1970-01-01 to a date of the Gregorian calendar.
// Years begin in March here, so that a leap day is the last of its year.
func days(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	year += 400 // never negative
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 146097 - 719468
}
