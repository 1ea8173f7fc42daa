package main

import (
	"fmt"
	"io"
	"log/slog"
)

// logger writes to out as the flags say.
func (c *cli) logger(out io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, usageError(fmt.Errorf("--log-level %q is none", c.logLevel), "--log-level=debug, info, warn or error")
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(out, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, options)), nil
	}
	return nil, usageError(fmt.Errorf("--log-format %q is none", c.logFormat), "--log-format=text or json")
}
