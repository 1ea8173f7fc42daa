package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is a tool that a user would run instead of fhirhose.
type peer struct {
	name     string
	complete bool     // does the whole conversion, so its output must be equal
	whole    bool     // one process uses all cores by itself
	version  []string // prints its version; fails if it is missing
	command  []string // the output folder and the files follow
	missing  string   // why it cannot run
	found    string   // its version
}

// allPeers lists the peers, and says of each whether it is installed.
func (s *settings) allPeers(ctx context.Context) []peer {
	installed := filepath.Join(s.data, "peers")
	script := func(name string) string { return filepath.Join(s.peers, name) }
	gojq := filepath.Join(installed, "bin", "gojq")
	python := filepath.Join(installed, "venv", "bin", "python")
	node := "require(require('path').resolve('" + installed + "','package.json').replace('package.json','node_modules/@aws-sdk/util-dynamodb/package.json')).version+' on '+process.version"
	module := func(name string) []string {
		return []string{python, "-c", "import platform, " + name + "; print(" + name + ".__version__, 'on Python', platform.python_version())"}
	}
	peers := []peer{
		{name: "jq", complete: true, version: []string{"jq", "--version"}, command: []string{script("jq.sh"), "jq"}},
		{name: "gojq", complete: true, version: []string{gojq, "--version"}, command: []string{script("jq.sh"), gojq}},
		{name: "node", complete: true, version: []string{"node", "-p", node}, command: []string{"node", script("convert.mjs"), installed}},
		{name: "python", complete: true, version: []string{"python3", "--version"}, command: []string{"python3", script("convert.py")}},
		{name: "pyspark", complete: true, whole: true, version: module("pyspark"), command: []string{python, script("convert_spark.py")}},
		{name: "duckdb", whole: true, version: module("duckdb"), command: []string{python, script("convert_duckdb.py")}},
	}
	for i := range peers {
		p := &peers[i]
		if !wanted(s.only, p.name) {
			p.missing = "not asked for"
			continue
		}
		output, err := exec.CommandContext(ctx, p.version[0], p.version[1:]...).Output()
		if err != nil {
			p.missing = "not installed (bench/peers/setup.sh)"
			continue
		}
		p.found = strings.TrimSpace(string(output))
	}
	return peers
}

// commands returns one command per core over its share of the files.
func (p peer) commands(out string, files []string, cores int) ([][]string, error) {
	if p.whole {
		cores = 1
	}
	var commands [][]string
	for core := range min(cores, len(files)) {
		dir := filepath.Join(out, fmt.Sprintf("process-%d", core))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		argv := append(append([]string(nil), p.command...), dir)
		for i := core; i < len(files); i += cores {
			argv = append(argv, files[i])
		}
		commands = append(commands, argv)
	}
	return commands, nil
}
