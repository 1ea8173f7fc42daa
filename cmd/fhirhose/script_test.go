package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fhirhose/fhirhose/bench/generate"
	"github.com/fhirhose/fhirhose/cmd/fhirhose/statedir"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"fhirhose": func() { os.Exit(mainCode()) },
	})
}

// TestScripts runs testdata/script/*.txtar: the command line as a user sees it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("FHIRHOSE_HTTP_LISTEN", "127.0.0.1:0") // scripts run side by side
			env.Setenv("FHIRHOSE_LIMITS_MEMORY", "128MiB")
			env.Setenv("FHIRHOSE_SOURCE_BINARIES", "none") // exports are made without contents
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "tmpfs" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return statedir.Volatile("/dev/shm") != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"export":   export,
			"contents": makeContents,
			"damage":   damage,
			"same":     same,
			"tree":     treeOf,
		},
	})
}

// exits CODE COMMAND...: the command must end with this code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// export DIR [tenants=a,b] [bad=0.1] [resources=N] [objects=N]: write an export.
func export(ts *testscript.TestScript, _ bool, args []string) {
	options := generate.Options{Dir: ts.MkAbs(args[0]), Resources: 300, Objects: 3, EmptyObjects: 1, Versions: 3}
	for _, arg := range args[1:] {
		name, text, _ := strings.Cut(arg, "=")
		var err error
		switch name {
		case "tenants":
			options.Tenants = strings.Split(text, ",")
		case "bad":
			options.Bad, err = strconv.ParseFloat(text, 64)
		case "resources":
			options.Resources, err = strconv.Atoi(text)
		case "objects":
			options.Objects, err = strconv.Atoi(text)
		default:
			err = fmt.Errorf("unknown option %s", name)
		}
		ts.Check(err)
	}
	_, err := generate.Write(context.Background(), options)
	ts.Check(err)
}

// damage FILE...: flip one bit in the middle; again undoes it. The pattern of
// each argument must match exactly one file.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("no file %s", args[0])
	}
	data, err := os.ReadFile(found[0])
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.WriteFile(found[0], data, 0o600))
}

// treeOf is the command tree DIR FILE: write names, sizes, modes and modification times below DIR.
func treeOf(ts *testscript.TestScript, _ bool, args []string) {
	var b strings.Builder
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(&b, path, info.Size(), info.Mode(), info.ModTime().UnixNano())
		return err
	}))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o600))
}

// same DIR DIR: both hold the same names and bytes, claims apart.
func same(ts *testscript.TestScript, neg bool, args []string) {
	a, b := contents(ts, args[0]), contents(ts, args[1])
	for name, content := range a {
		if b[name] != content {
			ts.Fatalf("%s differs", name)
		}
	}
	if len(a) != len(b) || len(a) == 0 {
		ts.Fatalf("%d and %d files", len(a), len(b))
	}
}

func contents(ts *testscript.TestScript, dir string) map[string]string {
	root, all := ts.MkAbs(dir), map[string]string{}
	ts.Check(filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "claim.json" {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		all[name] = string(data)
		return err
	}))
	return all
}
