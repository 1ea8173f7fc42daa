package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

const (
	gatewayVersion = "1.8.0" // as in peers/setup.sh
	gatewayRegion  = "us-east-1"
	gatewayAccess  = "bench"
	gatewaySecret  = "bench-secret" // of a server that lives as long as the measurement
)

// gateway is a local S3 server in front of a folder.
type gateway struct {
	endpoint    string
	environment []string // with which a process speaks to it
	client      *s3.Client
	dir         string    // of the server
	life        io.Closer // the shell ends the server when this is closed, by our death at the latest
	process     *exec.Cmd
}

const gatewayScript = `"$@" & server=$!; cat >/dev/null; kill $server; wait $server`

// startGateway starts a server with no bucket in a new folder of that name.
func (s *settings) startGateway(ctx context.Context, name string) (*gateway, error) {
	program := s.installed("versitygw")
	if _, err := os.Stat(program); err != nil {
		return nil, errNoGateway
	}
	dir := filepath.Join(s.work, name)
	for _, sub := range []string{"buckets", "metadata"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	g := newGateway(address)
	g.dir = dir
	g.process = exec.Command("sh", "-c", gatewayScript, "sh", program, "--access", gatewayAccess, "--secret", gatewaySecret,
		"--port", address, "--keep-alive", "--quiet", "posix", "--sidecar", filepath.Join(dir, "metadata"), filepath.Join(dir, "buckets"))
	g.process.Stdout, g.process.Stderr = log, log
	g.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if g.life, err = g.process.StdinPipe(); err != nil {
		return nil, err
	}
	if err := g.process.Start(); err != nil {
		return nil, err
	}
	if err := waitForServer(ctx, address); err != nil {
		g.stop()
		return nil, fmt.Errorf("%w%s", err, lastLine(log.Name()))
	}
	return g, nil
}

func newGateway(address string) *gateway {
	g := &gateway{endpoint: "http://" + address}
	g.environment = []string{
		"AWS_ACCESS_KEY_ID=" + gatewayAccess, "AWS_SECRET_ACCESS_KEY=" + gatewaySecret, "AWS_REGION=" + gatewayRegion,
		"AWS_ENDPOINT_URL_S3=" + g.endpoint, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
	g.client = s3.New(s3.Options{
		BaseEndpoint: &g.endpoint, Region: gatewayRegion, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(gatewayAccess, gatewaySecret, ""),
	})
	return g
}

func waitForServer(ctx context.Context, address string) (err error) {
	for range 300 {
		var c net.Conn
		if c, err = (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
			return c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// stop ends the server and waits for its end.
func (g *gateway) stop() {
	_ = g.life.Close()
	ended := make(chan struct{})
	go func() { _ = g.process.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(15 * time.Second):
		_ = syscall.Kill(-g.process.Process.Pid, syscall.SIGKILL)
		<-ended
	}
}

func (g *gateway) makeBuckets(ctx context.Context, names ...string) error {
	for _, name := range names {
		if _, err := g.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
			return err
		}
	}
	return nil
}

// cpu is what the server has used so far, to a hundredth of a second.
func (g *gateway) cpu() (sum time.Duration) {
	for _, pid := range childrenOf(g.process.Process.Pid) {
		sum += cpuTicks(pid) * (time.Second / 100)
	}
	return sum
}

// folder is where the server keeps the objects below a prefix, as files.
func (g *gateway) folder(bucket, prefix string) string {
	return filepath.Join(g.dir, "buckets", bucket, filepath.FromSlash(prefix))
}

// uploads is how many files are sent at a time before something is measured.
const uploads = 8

// upload puts the files of a folder below a prefix.
func (g *gateway) upload(ctx context.Context, dir, bucket, prefix string) error {
	several, ctx := errgroup.WithContext(ctx)
	several.SetLimit(uploads)
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		several.Go(func() error { return g.put(ctx, name, bucket, path.Join(prefix, filepath.ToSlash(relative))) })
		return ctx.Err()
	})
	return errors.Join(several.Wait(), err)
}

func (g *gateway) put(ctx context.Context, name, bucket, key string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, err = g.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: file})
	return err
}
