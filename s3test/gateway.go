package s3test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

const (
	accessKey = "s3test"
	secretKey = "s3test-secret"
	region    = "us-east-1"

	childVariable = "FHIRHOSE_S3TEST_GATEWAY" // address and directory of the child's gateway
)

// Main is what TestMain of a package that calls Start must call. It returns the
// exit code.
func Main(m *testing.M) int {
	address, dir, isChild := strings.Cut(os.Getenv(childVariable), "|")
	if !isChild {
		return m.Run()
	}
	if err := serve(address, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serve is the child: a gateway until the parent closes our standard input, by
// its death at the latest.
func serve(address, dir string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	root, side, versions := filepath.Join(dir, "buckets"), filepath.Join(dir, "metadata"), filepath.Join(dir, "versions")
	if err := errors.Join(os.Mkdir(root, 0o700), os.Mkdir(side, 0o700), os.Mkdir(versions, 0o700)); err != nil {
		return err
	}
	metadata, err := meta.NewSideCar(side) // not every disk has extended attributes
	if err != nil {
		return err
	}
	backend, err := posix.New(root, metadata, posix.PosixOpts{SideCarDir: side, VersioningDir: versions, ForceNoTmpFile: true})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess: accessKey, RootUserSecret: secretKey, Region: region,
		Ports: []string{address}, MaxConnections: 1000, MaxRequests: 1000, MultipartMaxParts: 10000,
		KeepAlive: true, Quiet: true,
	})
}

// startGateway returns the address of a new gateway, which ends with the test.
func startGateway(t testing.TB) string {
	t.Helper()
	for range 5 { // a free port may be taken before the child listens on it
		if address, ok := tryGateway(t, freeAddress(t)); ok {
			return address
		}
	}
	t.Fatal("the gateway does not start")
	return ""
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func tryGateway(t testing.TB, address string) (string, bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(context.Background(), self)
	child.Env = append(os.Environ(), childVariable+"="+address+"|"+t.TempDir())
	var said strings.Builder
	child.Stderr = &said
	life, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = child.Wait(); close(ended) }()
	stop := func() {
		_ = life.Close()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = child.Process.Kill()
			<-ended
		}
	}
	if !answers(address, ended) {
		stop()
		t.Logf("gateway on %s: %s", address, said.String())
		return "", false
	}
	t.Cleanup(stop)
	return address, true
}

// answers waits until somebody listens, or the child has ended.
func answers(address string, ended <-chan struct{}) bool {
	for range 600 {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}
