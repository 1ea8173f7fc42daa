package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/fhirhose/fhirhose/pipeline"
)

// build describes this binary, as the linker and the version control know it.
type build struct {
	Version  string `json:"version"`
	Format   int    `json:"format_version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Revision string `json:"revision"`
	Time     string `json:"revision_time,omitempty"`
	Modified bool   `json:"modified"`
}

func thisBuild() build {
	b := build{
		Version: "(devel)", Format: pipeline.FormatVersion, Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Revision: "unknown",
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func newVersion(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which release this is",
		Long: `Says which release this is, and its format version: a job that one binary has
started can be finished by any other with the same format version.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if c.json {
				return json.NewEncoder(c.stdout).Encode(b)
			}
			modified := ""
			if b.Modified {
				modified = " (modified)"
			}
			_, err := fmt.Fprintf(c.stdout, "fhirhose %s\n  format version  %d\n  revision        %s%s\n  built with      %s for %s\n",
				b.Version, b.Format, b.Revision, modified, b.Go, b.Platform)
			return err
		},
	}
}
