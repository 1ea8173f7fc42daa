package statedir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fhirhose/fhirhose/pipeline"
	"github.com/fhirhose/fhirhose/pipeline/durable"
)

// LockFile is the name of the file whose flock says who works here. It holds
// the pid of its last owner; its presence alone means nothing.
const LockFile = "lock"

// Lock is the right to work in a state directory. The kernel takes it back when
// the process ends, however it ends.
type Lock struct{ file *os.File }

const (
	lockTries = 5
	lockPause = 50 * time.Millisecond
)

// Take makes the directory if needed and locks it. If another process holds it,
// the error is KindClaimed and names its pid.
func Take(dir string) (*Lock, error) {
	if err := durable.MkdirAll(dir); err != nil {
		return nil, durable.Failure("make state directory", dir, err)
	}
	file, err := os.OpenFile(filepath.Join(dir, LockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, durable.Failure("open lock of", dir, err)
	}
	if err := take(file); err != nil {
		pid := owner(dir)
		_ = file.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, durable.Failure("lock", dir, err)
		}
		return nil, &pipeline.Error{
			Op: "lock", Object: dir, Kind: pipeline.KindClaimed,
			Err:  fmt.Errorf("process %s works here", pid),
			Hint: "wait for it, or stop it; `fhirhose status` shows how far it is",
		}
	}
	if err := write(file); err != nil {
		_ = file.Close()
		return nil, durable.Failure("write lock of", dir, err)
	}
	return &Lock{file}, nil
}

// take tries a few times: Holder takes the lock for a moment.
func take(file *os.File) (err error) {
	for range lockTries {
		if err = flock(file, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		time.Sleep(lockPause)
	}
	return err
}

func flock(file *os.File, how int) error {
	return unix.Flock(int(file.Fd()), how)
}

func write(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// owner reads the pid, "?" if it is not there yet.
func owner(dir string) string {
	data, _ := os.ReadFile(filepath.Join(dir, LockFile))
	if pid := bytes.TrimSpace(data); len(pid) > 0 {
		return string(pid)
	}
	return "?"
}

// Release gives the directory back.
func (l *Lock) Release() error { return l.file.Close() }

// Holder tells whether a process works in dir, and its pid as it wrote it ("?"
// if unknown). A directory that does not exist has no holder.
func Holder(dir string) (pid string, held bool) {
	file, err := os.Open(filepath.Join(dir, LockFile))
	if err != nil {
		return "", false
	}
	defer func() { _ = file.Close() }()
	if errors.Is(flock(file, unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK) {
		return owner(dir), true
	}
	return "", false
}
