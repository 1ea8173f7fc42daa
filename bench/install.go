package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// installLimit bounds the installation of the peers, the S3 server and the tools
// that copy from and to it.
const installLimit = 6 * time.Minute

// install runs the peers' setup.sh unless it has run to its end before. What it
// cannot install is missing in the report; nothing fails here.
func (s *settings) install(ctx context.Context) {
	dir := filepath.Join(s.data, "peers")
	done := filepath.Join(dir, "installed-3") // the number changes with setup.sh
	if _, err := os.Stat(done); err == nil || (s.only == "none" && !wanted(s.scenarios, "s3") && !wanted(s.scenarios, "binaries")) {
		return
	}
	s.say("installing peers (at most %v; only once)", installLimit)
	limited, cancel := context.WithTimeout(ctx, installLimit)
	defer cancel()
	c := exec.CommandContext(limited, filepath.Join(s.peers, "setup.sh"), dir)
	c.Stdout, c.Stderr, c.WaitDelay = os.Stderr, os.Stderr, time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	if err := c.Run(); err != nil {
		s.say("peers: %v", err)
	} else if err := os.WriteFile(done, nil, 0o644); err != nil {
		s.say("peers: %v", err)
	}
}

// installed is the path of a program that setup.sh builds.
func (s *settings) installed(name string) string { return filepath.Join(s.data, "peers", "bin", name) }
