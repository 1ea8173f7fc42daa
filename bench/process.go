package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a contender needed.
type usage struct {
	CPU  time.Duration // user + system, of all its processes
	Wall time.Duration
	RSS  int64 // peak resident bytes, summed over its processes
	Exit int
}

// measure runs commands at the same time as one contender.
func measure(ctx context.Context, commands [][]string, log string) (usage, error) {
	output, err := os.Create(log)
	if err != nil {
		return usage{}, err
	}
	defer func() { _ = output.Close() }()
	var running []*exec.Cmd
	start := time.Now()
	for _, argv := range commands {
		c := exec.CommandContext(ctx, argv[0], argv[1:]...)
		c.Stderr = output
		c.Stdout = output
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its orphans are known
		c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
		if err := c.Start(); err != nil {
			return usage{}, err
		}
		running = append(running, c)
	}
	watch := watchMemory(running)
	var u usage
	var failed error
	for _, c := range running {
		if err := c.Wait(); err != nil {
			failed = fmt.Errorf("%s: %w%s", strings.Join(c.Args[:min(3, len(c.Args))], " "), err, lastLine(log))
		}
		u.CPU += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		u.Exit = max(u.Exit, c.ProcessState.ExitCode())
	}
	for _, c := range running {
		u.CPU += reapOrphans(c.Process.Pid)
	}
	u.Wall = time.Since(start)
	u.RSS = watch.stop(running)
	return u, failed
}

func lastLine(log string) string {
	content, _ := os.ReadFile(log)
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return ": " + lines[len(lines)-1]
}

// memoryWatch finds a contender's peak memory: the sum of its processes' own
// high-water marks, or the largest sum of what its whole tree held at one
// moment, whichever is more. Pages that processes share count for each.
//
// The kernel's ru_maxrss of a child also covers what its parent held when it
// forked, so it is exact only if it exceeds that; VmHWM belongs to the program
// alone, but has to be read while it lives.
type memoryWatch struct {
	done  chan struct{}
	ended chan struct{}
	marks map[int]int64 // VmHWM of the processes that we started
	tree  int64         // largest sum of VmRSS
}

const memoryInterval = 20 * time.Millisecond

func watchMemory(running []*exec.Cmd) *memoryWatch {
	w := &memoryWatch{done: make(chan struct{}), ended: make(chan struct{}), marks: map[int]int64{}}
	go func() {
		defer close(w.ended)
		tick := time.NewTicker(memoryInterval)
		defer tick.Stop()
		for {
			w.look(running)
			select {
			case <-w.done:
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

func (w *memoryWatch) look(running []*exec.Cmd) {
	var sum int64
	for _, c := range running {
		pid := c.Process.Pid
		w.marks[pid] = max(w.marks[pid], memoryOf(pid, "VmHWM:"))
		sum += treeMemory(pid)
	}
	w.tree = max(w.tree, sum)
}

// treeMemory sums what a process and its descendants hold now.
func treeMemory(pid int) int64 {
	sum := memoryOf(pid, "VmRSS:")
	for _, child := range childrenOf(pid) {
		sum += treeMemory(child)
	}
	return sum
}

func childrenOf(pid int) (all []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		children, _ := os.ReadFile(path)
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

// cpuTicks is the user and system time of a process in hundredths of a second,
// fields 14 and 15 of /proc/<pid>/stat; 0 if it is gone.
func cpuTicks(pid int) time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold spaces; field 3 follows
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user + system)
}

// memoryOf reads a line of /proc/<pid>/status; 0 if the process is gone.
func memoryOf(pid int, name string) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), name)
	var kilobytes int64
	_, _ = fmt.Sscan(rest, &kilobytes)
	return kilobytes << 10
}

func (w *memoryWatch) stop(ended []*exec.Cmd) int64 {
	close(w.done)
	<-w.ended
	own := memoryOf(os.Getpid(), "VmHWM:")
	var sum int64
	for _, c := range ended {
		pid := c.Process.Pid
		if r, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok && r.Maxrss<<10 > own {
			w.marks[pid] = max(w.marks[pid], r.Maxrss<<10)
		}
		sum += w.marks[pid]
	}
	return max(sum, w.tree)
}
