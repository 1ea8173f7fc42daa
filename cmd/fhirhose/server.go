package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
	"github.com/fhirhose/fhirhose/metrics"
	"github.com/fhirhose/fhirhose/pipeline"
)

// server answers /metrics, /healthz and /readyz.
type server struct {
	http    *http.Server
	address string     // with the port that ":0" became
	served  chan error // how serving ended
}

// serve answers on address until close; a second process there is noticed at
// once, before any work. An empty address means no server: nil.
func serve(ctx context.Context, address string, status func() metrics.Status, registry *prometheus.Registry) (*server, error) {
	if address == "" {
		return nil, nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, listenError(ctx, address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "the process works")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, status(), time.Now()) })
	s := &server{&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, listener.Addr().String(), make(chan error, 1)}
	go func() { s.served <- s.http.Serve(listener) }()
	return s, nil
}

// close stops answering, and returns the error that ended it earlier, if any.
func (s *server) close() error {
	if s == nil {
		return nil
	}
	_ = s.http.Close() // what a client still reads is cut off
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

// ready says whether the job gets on, and if not since when and why.
func ready(w http.ResponseWriter, s metrics.Status, now time.Time) {
	if s.Ready(now) {
		_, _ = fmt.Fprintln(w, "the job gets on")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	since := "nothing has happened yet"
	if !s.LastProgress.IsZero() {
		since = "no progress for " + human.Duration(now.Sub(s.LastProgress))
	}
	if s.WaitingFor != "" {
		since += "; waits for " + s.WaitingFor
	}
	_, _ = fmt.Fprintln(w, since)
}

func listenError(ctx context.Context, address string, err error) error {
	hint := "give another address with --http.listen, or none with --http.listen="
	if errors.Is(err, syscall.EADDRINUSE) {
		err = errors.New("the address is in use, maybe by another fhirhose")
		if free := freeAddress(ctx, address); free != "" {
			hint = "--http.listen=" + free + ", which is free now, or none with --http.listen="
		}
	}
	return &pipeline.Error{Op: "listen on", Object: address, Kind: pipeline.KindConfig, Err: err, Hint: hint}
}

// freeAddress returns the same host with a port that nobody uses now.
func freeAddress(ctx context.Context, address string) string {
	var config net.ListenConfig
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return ""
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return net.JoinHostPort(host, port)
}
