// Package report turns a [metrics.Status], and what is known of a job's target,
// verifications and audit log, into what `status` and `report` print: text that a
// tired operator understands at 2 a.m., JSON, and a page for a privacy officer to
// file. [Judge] decides whether a job may be cut over. It reads no file, and asks no
// clock.
package report
