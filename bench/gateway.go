package main

import (
	"context"
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
	life        io.Closer // the shell ends the server when this is closed, by our death at the latest
	process     *exec.Cmd
}

const gatewayScript = `"$@" & server=$!; cat >/dev/null; kill $server; wait $server`

func (s *settings) startGateway(ctx context.Context) (*gateway, error) {
	program := s.installed("versitygw")
	if _, err := os.Stat(program); err != nil {
		return nil, errNoGateway
	}
	dir := filepath.Join(s.work, "gateway")
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

// upload puts the files of a folder below a prefix.
func (g *gateway) upload(ctx context.Context, dir, bucket, prefix string) error {
	return filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		key := path.Join(prefix, filepath.ToSlash(relative))
		_, err = g.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: file})
		return err
	})
}
