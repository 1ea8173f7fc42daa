// Package tree makes the names in a local directory durable with few syncs.
// Directories count their changes, so that one sync serves every change before
// it: a thousand files marked at a cut cost one. It is how both sinks keep
// their promise I1 for files on the local disk.
package tree
