package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

const (
	// metaBytes are the two pages at a file's beginning, of up to 64 KiB, that say
	// which of the others are in force.
	metaBytes = 2 * 64 << 10
	// copyTries is how often a copy is made into which a commit falls.
	copyTries = 5
)

// OpenCopy opens a copy of a checkpoint that another process may hold, as it was at
// its last commit. It lies among the temporary files, holds no PHI, and goes with
// Close; what is committed to it is lost. Where commits come too fast it is
// KindClaimed; all other errors are those of Reopen.
//
// A commit of bbolt writes its pages where nothing of the commit before lies, and then
// one of the two first pages. So a copy between two readings of these that are the same is
// the last commit, whole.
func OpenCopy(path string) (*Store, error) {
	dir, err := os.MkdirTemp("", "fhirhose-")
	if err != nil {
		return nil, durable.Failure("copy checkpoint", path, err)
	}
	s, err := openCopy(path, filepath.Join(dir, "checkpoint.db"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.copied = dir
	return s, nil
}

func openCopy(path, to string) (*Store, error) {
	for range copyTries {
		whole, err := copyBetweenCommits(path, to)
		if err != nil {
			return nil, durable.Failure("copy checkpoint", path, err)
		}
		if whole {
			return Reopen(to)
		}
	}
	return nil, &pipeline.Error{
		Op: "copy checkpoint", Object: path, Kind: pipeline.KindClaimed, Err: errors.New("another process commits to it all the time"),
		Hint: "again in a while",
	}
}

// copyBetweenCommits tells whether no commit fell into the copy.
func copyBetweenCommits(path, to string) (whole bool, err error) {
	from, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = from.Close() }() // it was only read
	meta := func() ([]byte, error) { return io.ReadAll(io.NewSectionReader(from, 0, metaBytes)) }
	before, err := meta()
	if err != nil {
		return false, err
	}
	info, err := from.Stat()
	if err != nil {
		return false, err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return false, err
	}
	rest := io.NewSectionReader(from, int64(len(before)), max(0, info.Size()-int64(len(before))))
	_, err = io.Copy(out, io.MultiReader(bytes.NewReader(before), rest))
	if err = errors.Join(err, out.Close()); err != nil {
		return false, err
	}
	after, err := meta()
	return bytes.Equal(before, after), err
}
