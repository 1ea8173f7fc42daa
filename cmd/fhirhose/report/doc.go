// Package report turns a [metrics.Status] into what `status` and `report`
// print: text that a tired operator understands at 2 a.m., and JSON. It reads
// no file but the status that it is given, and asks no clock.
package report
