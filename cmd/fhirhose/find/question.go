package find

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/ledger"
)

// Question asks for a resource, or for all resources of an id.
type Question struct {
	Type string // "" any
	ID   string
}

func (q Question) String() string {
	if q.Type == "" {
		return q.ID
	}
	return q.Type + "/" + q.ID
}

// longestLine bounds a line of questions, spaces included.
const longestLine = 4 << 10

var typeName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)

// Questions reads lines of Type/id, or of an id alone.
type Questions struct {
	lines  *bufio.Scanner
	number int
}

// NewQuestions returns the questions that r holds.
func NewQuestions(r io.Reader) *Questions {
	q := &Questions{lines: bufio.NewScanner(r)}
	q.lines.Buffer(make([]byte, longestLine), longestLine)
	return q
}

// Next returns the next n questions; fewer at the end, and none behind it. A line
// that is no question is KindConfig, and named by its number alone.
func (q *Questions) Next(n int) (next []Question, err error) {
	for len(next) < n && q.lines.Scan() {
		q.number++
		line := strings.TrimSpace(q.lines.Text())
		if line == "" {
			continue
		}
		one, ok := parse(line)
		if !ok {
			return nil, q.refuse(q.number)
		}
		next = append(next, one)
	}
	if errors.Is(q.lines.Err(), bufio.ErrTooLong) {
		return nil, q.refuse(q.number + 1)
	}
	return next, q.lines.Err()
}

func (q *Questions) refuse(line int) error {
	return &pipeline.Error{
		Op: "read ids", Object: fmt.Sprintf("line %d", line), Kind: pipeline.KindConfig,
		Err: errors.New("it is neither Type/id nor an id"), Hint: "write one resource on each line, e.g. Patient/ and its id",
	}
}

// parse reads a line. An id may hold what the source has let it hold, but no space
// and no slash.
func parse(line string) (q Question, ok bool) {
	q.ID = line
	if typ, id, typed := strings.Cut(line, "/"); typed {
		q = Question{typ, id}
		if !typeName.MatchString(typ) {
			return q, false
		}
	}
	return q, q.ID != "" && len(q.ID) <= ledger.MaxNameBytes && !strings.ContainsAny(q.ID, "/ \t")
}
