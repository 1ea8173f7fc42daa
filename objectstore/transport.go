package objectstore

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"golang.org/x/time/rate"
)

// Many transfers to few hosts: HTTP/1.1, a connection for each, kept.
const (
	idleConnections = 128
	dialTimeout     = 10 * time.Second
	bufferSize      = 32 << 10
)

// trustedRoots returns the TLS settings that the chain has made of
// AWS_CA_BUNDLE, or nil.
func trustedRoots(cfg aws.Config) *tls.Config {
	if chain, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		return chain.GetTransport().TLSClientConfig
	}
	return nil
}

func newHTTPClient(o Options, roots *tls.Config) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return &http.Client{
		// S3 answers a wrong region by a redirect; the SDK must see it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return watch(c, o.IdleTimeout, o.Bandwidth), nil
			},
			TLSClientConfig:       roots,
			TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
			TLSHandshakeTimeout:   dialTimeout,
			MaxIdleConns:          idleConnections,
			MaxIdleConnsPerHost:   idleConnections,
			IdleConnTimeout:       90 * time.Second,
			ExpectContinueTimeout: time.Second,
			WriteBufferSize:       bufferSize,
			ReadBufferSize:        bufferSize,
			DisableCompression:    true, // the bytes of an object are what S3 stores
		},
	}
}

// conn is a connection that fails when nothing moves on it for a while, in
// either direction, and that keeps to the bandwidth.
type conn struct {
	net.Conn
	idle   time.Duration
	limit  *rate.Limiter // nil: none
	closed context.Context
	cancel context.CancelFunc
}

func watch(c net.Conn, idle time.Duration, limit *rate.Limiter) *conn {
	closed, cancel := context.WithCancel(context.Background()) // ends with the connection, not with a request
	return &conn{Conn: c, idle: idle, limit: limit, closed: closed, cancel: cancel}
}

func (c *conn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	if c.limit != nil {
		p = p[:min(len(p), c.limit.Burst())]
	}
	n, err := c.Conn.Read(p)
	if c.limit != nil && n > 0 {
		_ = c.limit.WaitN(c.closed, n) // an error only says that the connection is closed
	}
	return n, err
}

// Write extends the deadline of a pending Read too: a connection that still
// sends a request cannot have its answer yet.
func (c *conn) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), c.pieceSize())]
		if c.limit != nil {
			if err := c.SetDeadline(time.Time{}); err != nil {
				return written, err
			}
			if err := c.limit.WaitN(c.closed, len(piece)); err != nil {
				return written, net.ErrClosed
			}
		}
		if err := c.SetDeadline(time.Now().Add(c.idle)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// pieceSize bounds one write, so that a slow connection shows progress.
func (c *conn) pieceSize() int {
	if c.limit != nil {
		return min(bufferSize, c.limit.Burst())
	}
	return bufferSize
}

func (c *conn) Close() error {
	c.cancel()
	return c.Conn.Close()
}
