package replaying

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fhirhose/fhirhose/pipeline/durable"
	"github.com/fhirhose/fhirhose/pipeline/importing"
)

// Journal is the file of the failures that a target has taken after all: a line of
// JSON for each, with file, line (as the target counts), sum (SHA-256 of its words)
// and at. It is PHI, as all that lies beside it.
func Journal(state, tenant string) string {
	return filepath.Join(filepath.Dir(importing.Failures(state, tenant, "")), "replayed.ndjson")
}

type journalLine struct {
	File string    `json:"file"`
	Line int64     `json:"line"`
	Sum  string    `json:"sum"`
	At   time.Time `json:"at"`
}

// journal remembers what the target has taken: durable before anything else is sent.
type journal struct {
	path string
	size int64
	sums map[[32]byte]bool
	last time.Time // when the last was taken
}

// sumOf tells one failure from another.
func sumOf(k *importing.Kept) [32]byte {
	return sha256.Sum256(append([]byte(k.Folder+"\n"+k.File+"\n"), k.Raw...))
}

// openJournal reads the journal. What a kill has left of its last line is cut off.
func openJournal(state, tenant string) (*journal, error) {
	j := &journal{path: Journal(state, tenant), sums: map[[32]byte]bool{}}
	text, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, durable.Failure("read", j.path, err)
	}
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n') + 1
		var line journalLine
		if end == 0 || json.Unmarshal(text[:end], &line) != nil {
			break // it was being written
		}
		sum, err := hex.DecodeString(line.Sum)
		if err != nil || len(sum) != 32 {
			break
		}
		j.sums[[32]byte(sum)] = true
		if line.At.After(j.last) {
			j.last = line.At
		}
		j.size += int64(end)
		text = text[end:]
	}
	if len(text) > 0 {
		if err := os.Truncate(j.path, j.size); err != nil {
			return nil, durable.Failure("cut off", j.path, err)
		}
	}
	return j, nil
}

func (j *journal) has(k importing.Kept) bool { return j.sums[sumOf(&k)] }

// add makes durable what the target has taken.
func (j *journal) add(taken []*line, at time.Time) error {
	if len(taken) == 0 {
		return nil
	}
	if at.IsZero() {
		at = time.Now()
	}
	at = at.UTC()
	var text []byte
	for _, l := range taken {
		one, err := json.Marshal(journalLine{l.file, l.told, hex.EncodeToString(l.sum[:]), at})
		if err != nil {
			return err
		}
		text = append(append(text, one...), '\n')
	}
	err := durable.WriteAt(j.path, j.size, text)
	if err == nil {
		err = durable.Sync(j.path)
	}
	if err == nil && j.size == 0 {
		err = durable.SyncDir(filepath.Dir(j.path))
	}
	if err != nil {
		return durable.Failure("write", j.path, err)
	}
	j.size += int64(len(text))
	for _, l := range taken {
		j.sums[l.sum] = true
	}
	if at.After(j.last) {
		j.last = at
	}
	return nil
}
