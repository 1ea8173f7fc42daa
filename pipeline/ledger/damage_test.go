package ledger_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// readAll asks everything of one segment and returns the first error. A lookup
// may answer before it reaches damage, so it does not count.
func readAll(ctx context.Context, file ledger.File) error {
	l, err := ledger.Open(ctx, []ledger.File{file})
	if err != nil {
		return err
	}
	_, err = l.Summarize(ctx, plenty)
	for r, rerr := range l.Resources(ctx, plenty) {
		if rerr != nil {
			return errors.Join(err, rerr)
		}
		_ = r.Versions[0]
	}
	for _, id := range ids[:2] {
		if _, lerr := lookup(ctx, l, "Patient", id); lerr != nil {
			return errors.Join(err, lerr)
		}
	}
	return err
}

func refused(t *testing.T, what string, err error) {
	t.Helper()
	if pipeline.KindOf(err) != pipeline.KindFatal || pipeline.HintOf(err) == "" || !strings.Contains(err.Error(), "segment 0") {
		t.Fatalf("%s: %v", what, err)
	}
	for _, id := range ids[:2] {
		if strings.Contains(err.Error(), id) {
			t.Fatalf("%s: the error holds an id (I10)", what)
		}
	}
}

// TestEveryDamagedByteIsRefused flips each byte in turn, cuts the file at every
// length, and appends to it.
func TestEveryDamagedByteIsRefused(t *testing.T) {
	sealed := seal(t, everyForm()[:20])
	if err := readAll(t.Context(), bytes.NewReader(sealed)); err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		spoilt := bytes.Clone(sealed)
		spoilt[i] ^= 0x10
		refused(t, "flipped", readAll(t.Context(), bytes.NewReader(spoilt)))
		refused(t, "cut", readAll(t.Context(), bytes.NewReader(sealed[:i])))
	}
	refused(t, "longer", readAll(t.Context(), bytes.NewReader(append(bytes.Clone(sealed), 0))))
}

func TestForeignVersionIsNamed(t *testing.T) {
	sealed := seal(t, everyForm())
	sealed[8] = 1
	err := readAll(t.Context(), bytes.NewReader(sealed))
	refused(t, "version", err)
	if !strings.Contains(err.Error(), "version 1, this build reads 2") {
		t.Fatal(err)
	}
}

// resum makes all checksums of a segment right again, as far as it hangs together.
func resum(segment []byte) []byte {
	table := crc32.MakeTable(crc32.Castagnoli)
	s := bytes.Clone(segment)
	end := len(s) - 24
	footer := int(binary.LittleEndian.Uint32(s[end+8:]))
	for at := 12; at < footer; {
		n := int(binary.LittleEndian.Uint32(s[at:]))
		if at+8+n > footer {
			break
		}
		binary.LittleEndian.PutUint32(s[at+4+n:], crc32.Checksum(s[at:at+4+n], table))
		at += n + 8
	}
	sum := crc32.Update(crc32.Checksum(s[:12], table), table, s[footer:end+12])
	binary.LittleEndian.PutUint32(s[end+12:], sum)
	return s
}

// TestContradictionsAreRefused: right checksums around content that no Seal
// writes.
func TestContradictionsAreRefused(t *testing.T) {
	// Two ids of one leading byte, in one block, with text ids of equal length.
	a, b := sameLead(t)
	sealed := seal(t, []ledger.Entry{entry("Patient", a, 1, pipeline.Available), entry("Patient", b, 1, pipeline.Available)})
	if err := readAll(t.Context(), bytes.NewReader(resum(sealed))); err != nil {
		t.Fatal(err)
	}
	footer := int(binary.LittleEndian.Uint32(sealed[len(sealed)-16:]))
	lastMark := len(sealed) - 24 - 8
	for name, spoil := range map[string]func(s []byte){
		"order": func(s []byte) {
			i, j := bytes.Index(s, []byte(a)), bytes.Index(s, []byte(b))
			copy(s[i:], sealed[j:j+len(b)])
			copy(s[j:], sealed[i:i+len(a)])
		},
		"id of another range":    func(s []byte) { s[bytes.Index(s, []byte(a))] = 'Q' },
		"status":                 func(s []byte) { s[16] |= 7 },
		"same id first":          func(s []byte) { s[16] |= 0x10 },
		"id length":              func(s []byte) { s[17] = 65 },
		"type number":            func(s []byte) { s[18+len(a)] = 1 },
		"more entries promised":  func(s []byte) { promise(s, lastMark, 3) },
		"fewer entries promised": func(s []byte) { promise(s, lastMark, 1) },
		"entries of no bytes":    func(s []byte) { s[lastMark+4]++ },
		"step back":              func(s []byte) { s[lastMark-8+4] += 9 },
		"first mark":             func(s []byte) { s[lastMark-256*8]++ },
		"more types":             func(s []byte) { s[footer]++ },
		"more labels":            func(s []byte) { s[footer+4+1+len("Patient")]++ },
		"unnamed type":           func(s []byte) { s[footer+4] = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			s := bytes.Clone(sealed)
			spoil(s)
			refused(t, name, readAll(t.Context(), bytes.NewReader(resum(s))))
		})
	}
}

// TestPayloadsRefused: blocks and footers that no Seal writes, spelt out.
func TestPayloadsRefused(t *testing.T) {
	lead := naiveHash([]byte("x"))[0]
	one := []byte{1, 1, 'x', 0, 1, 0, 0, 2, 0, 0, 0}  // AVAILABLE, id x, type 0, version 1, time 0, record 1 of object 0, place 0/0/0
	one = append(append(one, make([]byte, 32)...), 1) // content, label 1
	many := append(bytes.Clone(one), bytes.Repeat(append([]byte{0x11}, one[3:]...), 110)...)
	good := around(one, lead, 1)
	if err := readAll(t.Context(), bytes.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	if len(many) < 4352 {
		t.Fatal("not too long")
	}
	wide := append([]byte{1, 1, 'x', 0, 0x81, 0x80, 0x80, 0x80, 0x10}, one[5:]...) // version 2^32 + 1
	footer := len(good) - 24
	overlong := append(append(bytes.Clone(good[:footer]), 0), good[footer:]...)
	overlong[footer+1]++ // size
	for name, file := range map[string][]byte{
		"no payload":           around(nil, lead, 0),
		"payload too long":     around(many, lead, 111),
		"number too wide":      around(wide, lead, 1),
		"varint without end":   around(append(bytes.Clone(one[:4]), 0xff, 0xff), lead, 1),
		"time without end":     around(append(bytes.Clone(one[:5]), 0xff), lead, 1),
		"cut in the digest":    around(one[:20], lead, 1),
		"cut before the label": around(one[:len(one)-1], lead, 1),
		"label number":         around(append(bytes.Clone(one[:len(one)-1]), 9), lead, 1),
		"unreadable's reason":  around([]byte{9, 1, 'x', 0, 1, 0, 0, 2, byte(pipeline.NoType)}, lead, 1),
		"reason written":       around([]byte{9, 1, 'x', 0, 1, 0, 0, 2, 0}, lead, 1),
		"number form of 0":     around(append(append([]byte{0x81}, one[1:len(one)-1]...), 0, 0, 0, 0, 1), lead, 1),
		"skipped with a form":  around([]byte{0x89, 1, 'x', 0, 1, 0, 0, 2, byte(pipeline.OtherType)}, lead, 1),
		"object below 0":       around(append(append(bytes.Clone(one[:6]), 1), one[7:]...), lead, 1),
		"object too large":     around(append(append(bytes.Clone(one[:6]), 0x80, 0x80, 0x80, 0x80, 0x20), one[7:]...), lead, 1),
		"record below 0":       around(append(append(bytes.Clone(one[:7]), 1), one[8:]...), lead, 1),
		"record before the first": around(append(append(append(bytes.Clone(one), 0x11), one[3:7]...),
			append([]byte{3}, one[8:]...)...), lead, 2),
		"same id as nothing":  around(append([]byte{0x11}, one[3:]...), lead, 1),
		"same id and UUID":    around(append(append(bytes.Clone(one), 0x31), one[3:]...), lead, 2),
		"bytes after the fan": resum(overlong),
	} {
		refused(t, name, readAll(t.Context(), bytes.NewReader(file)))
	}
}

// promise changes how many entries the fan-out gives to the only leading byte.
func promise(s []byte, lastMark int, n byte) {
	for at := lastMark; s[at+4] == 2; at -= 8 {
		s[at+4] = n
	}
}

func sameLead(t *testing.T) (string, string) {
	seen := map[byte]string{}
	for i := range 1000 {
		id := "id" + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10))
		lead := naiveHash([]byte(id))[0]
		if first, ok := seen[lead]; ok {
			return first, id
		}
		seen[lead] = id
	}
	t.Fatal("no two ids of one leading byte")
	return "", ""
}

// brokenFile fails after some reads.
type brokenFile struct {
	ledger.File
	reads int
}

var errAway = &pipeline.Error{Op: "get", Kind: pipeline.KindRetryLater, Err: errors.New("throttled")}

func (f *brokenFile) ReadAt(p []byte, offset int64) (int, error) {
	if f.reads--; f.reads < 0 {
		return 0, errAway
	}
	return f.File.ReadAt(p, offset)
}

func TestReadErrorsKeepTheirKind(t *testing.T) {
	sealed := seal(t, everyForm())
	for reads := 0; ; reads++ {
		file := &brokenFile{bytes.NewReader(sealed), reads}
		l, err := ledger.Open(t.Context(), []ledger.File{file})
		if err == nil {
			for _, rerr := range l.Resources(t.Context(), plenty) {
				err = errors.Join(err, rerr)
			}
		}
		if err == nil {
			if reads < 4 {
				t.Fatal("no read failed")
			}
			return
		}
		if !errors.Is(err, errAway) || pipeline.KindOf(err) != pipeline.KindRetryLater {
			t.Fatal(err)
		}
	}
}

func TestCancelEndsReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := open(t, typical(0, 3000), typical(1, 3000))
	n := 0
	var last error
	for _, err := range l.Resources(ctx, l.MinMemory()) {
		if n++; n == 10 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) || n > 1000 {
		t.Fatalf("%d resources, %v", n, last)
	}
	if _, err := l.Summarize(ctx, plenty); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := lookup(ctx, l, "Patient", "a"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := ledger.Open(ctx, []ledger.File{bytes.NewReader(nil)}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestMemoryIsBounded: however many segments and entries, Summarize allocates
// no more than it is given (I7), and says so if that is too little.
func TestMemoryIsBounded(t *testing.T) {
	segments := make([][]ledger.Entry, 300)
	for i := range segments {
		segments[i] = typical(i, 400)
	}
	l := open(t, segments...)
	_, err := l.Summarize(t.Context(), l.MinMemory()-1)
	if pipeline.KindOf(err) != pipeline.KindConfig || pipeline.HintOf(err) == "" {
		t.Fatal(err)
	}
	want, err := l.Summarize(t.Context(), plenty)
	if err != nil {
		t.Fatal(err)
	}
	const results = 256 << 10 // tallies by type
	for _, memory := range []int{l.MinMemory(), 2 * l.MinMemory(), 10 << 20} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := l.Summarize(t.Context(), memory)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(memory+results) {
			t.Errorf("%d bytes used, %d allowed", used, memory)
		}
		if got.Tally != want.Tally {
			t.Errorf("got %+v, want %+v", got.Tally, want.Tally)
		}
	}
}

func TestEmptyLedger(t *testing.T) {
	for name, l := range map[string]*ledger.Ledger{"no segment": open(t), "no entry": open(t, nil, nil)} {
		sum, err := l.Summarize(t.Context(), plenty)
		if err != nil || sum.Tally != (ledger.Tally{}) || l.Entries() != 0 || len(resources(t, l, plenty)) != 0 {
			t.Fatalf("%s: %+v, %v", name, sum, err)
		}
	}
}
