package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// machine describes where the numbers come from.
type machine struct {
	CPU    string
	Flags  []string // those that matter: SHA and vector instructions
	Cores  int
	Memory string
	Kernel string
	Go     string
	Gzip   string
	Load   string // how busy it was before: numbers of a busy machine prove little
}

var flagsOfInterest = []string{"sha_ni", "avx2", "avx512f", "avx512bw", "bmi2", "pclmulqdq", "vpclmulqdq", "sha1", "sha2", "asimd", "sve"}

func thisMachine() machine {
	m := machine{CPU: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
		case "model name":
			m.CPU = value
		case "flags", "Features":
			m.Flags = slices.DeleteFunc(slices.Clone(flagsOfInterest), func(f string) bool {
				return !slices.Contains(strings.Fields(value), f)
			})
		}
	}
	if total, _ := os.ReadFile("/proc/meminfo"); len(total) > 0 {
		var kilobytes int64
		_, _ = fmt.Sscanf(string(total), "MemTotal: %d", &kilobytes)
		m.Memory = fmt.Sprintf("%.0f GiB", float64(kilobytes)/(1<<20))
	}
	load, _ := os.ReadFile("/proc/loadavg")
	m.Load, _, _ = strings.Cut(string(load), " ")
	m.Kernel = firstLine("uname", "-sr")
	m.Gzip = firstLine("gzip", "--version")
	return m
}

func firstLine(name string, args ...string) string {
	output, err := exec.Command(name, args...).Output()
	if err != nil {
		return "missing"
	}
	line, _, _ := strings.Cut(string(output), "\n")
	return line
}

var notInAName = regexp.MustCompile(`[^a-z0-9]+`)

// fileName is the name of this machine's results.
func (m machine) fileName() string {
	name := fmt.Sprintf("%s %d cores", strings.ToLower(m.CPU), m.Cores)
	return strings.Trim(notInAName.ReplaceAllString(name, "-"), "-") + ".md"
}
