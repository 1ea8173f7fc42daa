package verify

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/faultpoint"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// A run is a file of sorted tuples. It appears whole or not at all, and what it
// covers of the export is not digested again. Layout: tuples; footer, JSON;
// trailer of 24 bytes: number of tuples (8), size of the footer (4), CRC-32C of
// the footer and the 12 bytes before (4), runMagic.

const (
	runMagic    = "fhVERrun"
	runVersion  = 3
	runTrailer  = 24
	runPrefix   = "run-"
	temporary   = ".tmp"
	maxFooter   = 1 << 30
	cellBytes   = 2 + 1 + 2*ledger.SetSumBytes + formsBytes
	writeBuffer = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// extent is a piece of an exported object, from the end of one line to the end
// of another.
type extent struct {
	Object uint32 `json:"object"` // its number in the list
	ID     string `json:"id"`     // names name, size and tag of the object
	From   int64  `json:"from"`   // bytes before it
	To     int64  `json:"to"`
	Lines  int64  `json:"lines"` // lines before To
}

// footer says what a run holds.
type footer struct {
	Version  int      `json:"version"`
	Marks    string   `json:"marks"` // fingerprint
	Types    []string `json:"types"` // a tuple's type is an index
	Extents  []extent `json:"extents"`
	Replaces []int    `json:"replaces,omitempty"` // runs that this one was merged from
	Cells    []byte   `json:"cells"`              // each: type (2), lead (1), both sums, count and sum of number forms (8 each); little-endian
}

// setCells stores the cells that are not empty; types are those of the footer.
func (f *footer) setCells(types []*cells) {
	f.Cells = nil
	for i, c := range types {
		for lead := range c {
			if c[lead] == (cell{}) {
				continue
			}
			f.Cells = append(binary.LittleEndian.AppendUint16(f.Cells, uint16(i)), byte(lead))
			f.Cells = c[lead].content.Append(f.Cells)
			f.Cells = c[lead].label.Append(f.Cells)
			f.Cells = binary.LittleEndian.AppendUint64(f.Cells, c[lead].forms.count)
			f.Cells = binary.LittleEndian.AppendUint64(f.Cells, c[lead].forms.sum)
		}
	}
}

// run is a run file that is there. Its footer stays in the file: there are
// thousands of runs.
type run struct {
	path     string
	number   int
	tuples   int64
	marks    string
	types    []string
	replaces []int
}

// eachCell calls do for every stored cell.
func (f *footer) eachCell(do func(typ string, lead int, c *cell)) error {
	b := f.Cells
	for ; len(b) >= cellBytes; b = b[cellBytes:] {
		typ := int(binary.LittleEndian.Uint16(b))
		if typ >= len(f.Types) {
			return errors.New("a type without a name")
		}
		last := b[cellBytes-formsBytes:]
		do(f.Types[typ], int(b[2]), &cell{
			ledger.SetSumOf(b[3:]), ledger.SetSumOf(b[3+ledger.SetSumBytes:]),
			forms{binary.LittleEndian.Uint64(last), binary.LittleEndian.Uint64(last[8:])},
		})
	}
	if len(b) > 0 {
		return errors.New("size of the cells")
	}
	return nil
}

// eachFooter calls do with the footer of each run; what do says of a defect is
// said of that run.
func eachFooter(runs []*run, do func(f *footer) error) error {
	for _, r := range runs {
		_, f, err := openRun(r.path)
		if err != nil {
			return err
		}
		switch err := do(f); {
		case err == nil:
		case pipeline.KindOf(err) == pipeline.KindOther:
			return r.damaged(err.Error())
		default:
			return err
		}
	}
	return nil
}

func (r *run) damaged(defect string) error { return damagedRun(r.path, defect) }

func damagedRun(path, defect string) error {
	return &pipeline.Error{
		Op: "read", Object: filepath.Base(path), Kind: pipeline.KindFatal, Err: errors.New("damaged: " + defect),
		Hint: "remove the work directory of the verification and start it over",
	}
}

func otherMarks(name string) error {
	return &pipeline.Error{
		Op: "go on with the verification", Object: name, Kind: pipeline.KindCheckpoint,
		Err:  errors.New("it was begun with other marks of the target"),
		Hint: "remove the work directory of the verification and start it over",
	}
}

// lastNumber returns the highest number. A merged run has a higher one than those
// that it replaces.
func lastNumber(runs []*run) (last int) {
	for _, r := range runs {
		last = max(last, r.number)
	}
	return last
}

func runPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%s%08d", runPrefix, number))
}

// runWriter writes one run: tuples in order, then finish.
type runWriter struct {
	path   string
	buf    []byte
	size   int64
	tuples int64
}

func newRunWriter(dir string, number int) *runWriter {
	return &runWriter{path: runPath(dir, number), buf: make([]byte, 0, writeBuffer)}
}

func (w *runWriter) add(t *tuple) error {
	if len(w.buf)+tupleSize > cap(w.buf) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.buf = t.appendTo(w.buf)
	w.tuples++
	return nil
}

func (w *runWriter) flush() error {
	if err := durable.WriteAt(w.path+temporary, w.size, w.buf); err != nil {
		return err
	}
	w.size += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

// finish makes the run durable and gives it its name.
func (w *runWriter) finish(f *footer) error {
	f.Version = runVersion
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	tail := binary.LittleEndian.AppendUint64(nil, uint64(w.tuples))
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(text)))
	sum := crc32.Update(crc32.Checksum(text, castagnoli), castagnoli, tail)
	tail = binary.LittleEndian.AppendUint32(tail, sum)
	w.buf = append(append(append(w.buf, text...), tail...), runMagic...)
	if err := w.flush(); err != nil {
		return err
	}
	if err := durable.Sync(w.path + temporary); err != nil {
		return err
	}
	if err := durable.RenameNew(w.path+temporary, w.path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(w.path))
}

// openRun reads and checks the footer of a run.
func openRun(path string) (_ *run, _ *footer, err error) {
	r := &run{path: path}
	if _, err := fmt.Sscanf(filepath.Base(path), runPrefix+"%d", &r.number); err != nil {
		return nil, nil, r.damaged("name")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	text, err := r.readFooter(file)
	if err != nil {
		return nil, nil, err
	}
	f := new(footer)
	if json.Unmarshal(text, f) != nil {
		return nil, nil, r.damaged("footer")
	}
	if f.Version != runVersion {
		return nil, nil, r.damaged(fmt.Sprintf("layout %d, this build reads %d", f.Version, runVersion))
	}
	r.marks, r.types, r.replaces = f.Marks, f.Types, f.Replaces
	return r, f, nil
}

// readFooter returns the footer's text, checked, and counts the tuples.
func (r *run) readFooter(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	var tail [runTrailer]byte
	size := info.Size()
	if size < runTrailer {
		return nil, r.damaged("too short")
	}
	if _, err := file.ReadAt(tail[:], size-runTrailer); err != nil {
		return nil, err
	}
	r.tuples = int64(binary.LittleEndian.Uint64(tail[:]))
	length := int64(binary.LittleEndian.Uint32(tail[8:]))
	if string(tail[16:]) != runMagic || length > maxFooter || r.tuples < 0 || r.tuples > size/tupleSize || r.tuples*tupleSize+length+runTrailer != size {
		return nil, r.damaged("size")
	}
	text := make([]byte, length)
	if _, err := file.ReadAt(text, size-runTrailer-length); err != nil {
		return nil, err
	}
	if crc32.Update(crc32.Checksum(text, castagnoli), castagnoli, tail[:12]) != binary.LittleEndian.Uint32(tail[12:]) {
		return nil, r.damaged("footer")
	}
	return text, nil
}

// openRuns opens the runs of a directory, by number, and removes what a kill has
// left: temporaries, and runs that were merged into another.
func openRuns(dir string, marks string) ([]*run, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var runs []*run
	replaced := make(map[int]bool)
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		switch {
		case strings.HasSuffix(name, temporary):
			if err := os.Remove(name); err != nil {
				return nil, err
			}
		case strings.HasPrefix(entry.Name(), runPrefix):
			r, _, err := openRun(name)
			if err != nil {
				return nil, err
			}
			if r.marks != marks {
				return nil, otherMarks(entry.Name())
			}
			runs = append(runs, r)
			for _, number := range r.replaces {
				replaced[number] = true
			}
		}
	}
	kept := runs[:0]
	for _, r := range runs {
		if !replaced[r.number] {
			kept = append(kept, r)
		} else if err := removeRun(r); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(kept, func(a, b *run) int { return cmp.Compare(a.number, b.number) })
	return kept, nil
}

// removeRun removes a run that another one replaces.
func removeRun(r *run) error {
	if err := faultpoint.At("remove run"); err != nil {
		return err
	}
	return os.Remove(r.path)
}

// keyHigh returns the high word of the key of a stored tuple.
func keyHigh(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

var errTooManyTypes = &pipeline.Error{
	Op: "read export", Kind: pipeline.KindFatal, Err: fmt.Errorf("it has more than %d resource types", maxTypes),
	Hint: "look at the export: FHIR has about 150 types",
}

// readTuples fills b with whole tuples from number first on.
func (r *run) readTuples(b []byte, first int64) (err error) {
	file, err := os.Open(r.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.ReadAt(b, first*tupleSize); err != nil {
		if errors.Is(err, io.EOF) {
			return r.damaged("too short")
		}
		return err
	}
	return nil
}

// seek returns the number of the first tuple whose key is not below high.
func (r *run) seek(high uint64) (int64, error) {
	low, above := int64(0), r.tuples
	var b [tupleSize]byte
	for low < above {
		middle := low + (above-low)/2
		if err := r.readTuples(b[:], middle); err != nil {
			return 0, err
		}
		if keyHigh(b[:]) < high {
			low = middle + 1
		} else {
			above = middle
		}
	}
	return low, nil
}
