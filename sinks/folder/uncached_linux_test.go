package folder

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// onDiskAndInMemory runs a test with a new file of a disk, and with one of shared
// memory, which does not know the flag.
func onDiskAndInMemory(t *testing.T, f func(t *testing.T, file *os.File)) {
	t.Run("disk", func(t *testing.T) {
		file, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		_, err = unix.Pwritev2(int(file.Fd()), [][]byte{nil}, 0, unix.RWF_DONTCACHE)
		t.Logf("the flag: %v", err) // of this kernel and its file system
		f(t, file)
	})
	t.Run("memory", func(t *testing.T) {
		fd, err := unix.MemfdCreate("f", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(fd), "f")
		defer func() { _ = file.Close() }()
		if _, err := unix.Pwritev2(fd, [][]byte{{1}}, 0, unix.RWF_DONTCACHE); !errors.Is(err, unix.EOPNOTSUPP) {
			t.Fatalf("it knows the flag: %v", err)
		}
		f(t, file)
	})
}

// content is the whole file.
func content(t *testing.T, file *os.File) []byte {
	t.Helper()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(io.NewSectionReader(file, 0, info.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestUncachedWrites: what was written stands where it was written, whatever its
// length and offset.
func TestUncachedWrites(t *testing.T) {
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(noise)
	lengths := []int{0, 1, 511, 4096, leastUncached - 1, leastUncached, leastUncached + 1, 2*leastUncached + 4095, 256 << 10, 300_001}
	offsets := []int64{0, 1, 4095, 4096, leastUncached - 1, leastUncached + 1, 1<<20 + 7}
	onDiskAndInMemory(t, func(t *testing.T, file *os.File) {
		for _, n := range lengths {
			for _, offset := range offsets {
				if err := file.Truncate(0); err != nil {
					t.Fatal(err)
				}
				if written, err := writeAtUncached(file, noise[:n], offset); written != n || err != nil {
					t.Fatalf("%d bytes at %d: %d written, %v", n, offset, written, err)
				}
				var want []byte
				if n > 0 {
					want = append(make([]byte, offset), noise[:n]...)
				}
				if !bytes.Equal(content(t, file), want) {
					t.Errorf("%d bytes at %d: other content", n, offset)
				}
			}
		}
		random := rand.New(rand.NewPCG(1, 2))
		model := content(t, file)
		for range 200 { // one behind the other, and over each other
			n, from := random.IntN(160_000), random.IntN(700_000)
			offset := len(model)
			if random.IntN(4) == 0 {
				offset = random.IntN(len(model) + 1)
			}
			if _, err := writeAtUncached(file, noise[from:from+n], int64(offset)); err != nil {
				t.Fatal(err)
			}
			model = append(model[:offset], append(noise[from:from+n:from+n], model[min(offset+n, len(model)):]...)...)
		}
		if !bytes.Equal(content(t, file), model) {
			t.Error("other content after many writes")
		}
	})
}

// TestUncachedWriteThatFails: a write of which only a part fits goes on, and then
// says what is wrong.
func TestUncachedWriteThatFails(t *testing.T) {
	const room = 200_000
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	onDiskAndInMemory(t, func(t *testing.T, file *os.File) {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		low := limit
		low.Cur = room
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &low); err != nil {
			t.Fatal(err)
		}
		n, err := writeAtUncached(file, bytes.Repeat([]byte("x"), 2*leastUncached), room-leastUncached-1)
		if restoring := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); restoring != nil {
			t.Fatal(restoring)
		}
		if n >= 2*leastUncached || !errors.Is(err, unix.EFBIG) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if size := len(content(t, file)); size != room {
			t.Errorf("%d bytes, want %d", size, room)
		}
	})
	readOnly, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = readOnly.Close() }()
	if n, err := writeAtUncached(readOnly, make([]byte, leastUncached), 0); n != 0 || !errors.Is(err, unix.EBADF) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
