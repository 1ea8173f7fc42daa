package staging

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// markerVersion changes with the meaning of a marker's fields. A marker of
// another version only costs hashing once more.
const markerVersion = 1

// identity tells whether a local file is still the one that was looked at.
type identity struct {
	Size    int64  `json:"size"`
	ModTime int64  `json:"mtime_ns"`
	Inode   uint64 `json:"inode"`
}

func identityOf(info os.FileInfo) identity {
	return identity{Size: info.Size(), ModTime: info.ModTime().UnixNano(), Inode: inode(info)}
}

// marker says that the local file with this identity had this MD5 or, where none is
// promised, is the file with this mark, and held so many records. It lies in
// state/in/<number>.json and names neither object nor table.
type marker struct {
	Version int    `json:"version"`
	MD5     string `json:"md5"` // hex
	Records int64  `json:"records,omitempty"`
	identity
}

func newMarker(sum [16]byte, id identity) marker {
	return marker{Version: markerVersion, MD5: hex.EncodeToString(sum[:]), identity: id}
}

// inbox is state/in, where markers and the copies of a bucket's objects lie.
type inbox struct {
	dir       string
	extension string // of a copy: .gz
}

func (in inbox) markerPath(number int) string {
	return filepath.Join(in.dir, fmt.Sprintf("%06d.json", number))
}

// copied is where the copy of a bucket's object lies.
func (in inbox) copied(number int) string {
	return filepath.Join(in.dir, fmt.Sprintf("%06d%s", number, in.extension))
}

// verified tells whether an earlier run has proved that the file is the wanted one,
// and how many records it counted.
func (in inbox) verified(number int, want marker) (records int64, ok bool) {
	data, err := os.ReadFile(in.markerPath(number))
	if err != nil {
		return 0, false
	}
	var m marker
	if json.Unmarshal(data, &m) != nil {
		return 0, false
	}
	want.Records = m.Records
	return m.Records, m == want
}

func (in inbox) mark(number int, m marker) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return durable.WriteFile(in.markerPath(number), append(data, '\n'))
}

func (in inbox) unmark(number int) error { return remove(in.markerPath(number)) }

// remove deletes a file; an absent one is no error.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
