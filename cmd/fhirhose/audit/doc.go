// Package audit keeps the log of who did what to a job, and proves that no line
// of it was changed: state/audit.ndjson.
//
//	log := audit.New(path)
//	err := log.Append(audit.Entry{Event: audit.EventStart, Verb: "move", Start: &audit.Start{...}})
//
// A line of JSON is an [Entry]. It holds the SHA-256 of the line before it, so
// that a line cannot be changed, put in or taken out without all later ones
// changing too. An entry is durable when Append returns. Several processes may
// append to one log: each call locks the file and goes on from its end.
//
// What a kill or a power cut leaves of a line, at the end of the file, is cut off
// by the next entry, which tells of it. Anything else that does not chain is
// [ErrBroken], and nothing is appended to it.
//
// The log holds no value of a resource and no id (I10), and no secret. The file's
// format and what it proves, and does not, are in docs/audit.md.
package audit
