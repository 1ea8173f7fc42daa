package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sample is what a running move said of itself at one moment: its metrics,
// summed over their labels.
type sample struct {
	at     time.Duration // since the process was started
	values map[string]float64
}

func (s sample) records() float64 { return s.values["fhirhose_records_read_total"] }
func (s sample) cuts() float64    { return s.values["fhirhose_cuts_total"] }

const watchInterval = 10 * time.Millisecond

// watch runs a move, and asks it for its metrics all the time. When enough says
// so the process is killed with SIGKILL.
func (s *settings) watch(ctx context.Context, out string, in input, enough func(sample) bool) (samples []sample, wall time.Duration, killed bool, err error) {
	address, err := freeAddress()
	if err != nil {
		return nil, 0, false, err
	}
	argv, err := s.moveCommand(out, in, moveOptions{listen: address})
	if err != nil {
		return nil, 0, false, err
	}
	log, err := os.Create(out + ".log")
	if err != nil {
		return nil, 0, false, err
	}
	defer func() { _ = log.Close() }()
	ctx, cancel := context.WithTimeout(ctx, s.runLimit)
	defer cancel()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Stdout, c.Stderr = log, log
	start := time.Now()
	if err := c.Start(); err != nil {
		return nil, 0, false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for {
		select {
		case err = <-ended:
			if killed {
				err = nil
			}
			return samples, time.Since(start), killed, err
		case <-time.After(watchInterval):
		}
		if killed {
			continue
		}
		values, err := scrape(ctx, client, "http://"+address+"/metrics")
		if err != nil {
			continue // it has not begun to listen, or has just ended
		}
		one := sample{time.Since(start), values}
		samples = append(samples, one)
		if enough(one) {
			killed = true
			_ = c.Process.Signal(syscall.SIGKILL)
		}
	}
}

func never(sample) bool { return false }

func scrape(ctx context.Context, client *http.Client, url string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	return sumMetrics(answer.Body)
}

// sumMetrics reads the Prometheus text format and sums each metric over its
// labels.
func sumMetrics(r io.Reader) (map[string]float64, error) {
	values := map[string]float64{}
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		line := scan.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || !strings.HasPrefix(line, "fhirhose_") {
			continue
		}
		name, _, _ := strings.Cut(line[:at], "{")
		if v, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			values[name] += v
		}
	}
	return values, scan.Err()
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
