// Package durable writes local files so that they survive a power cut: every
// step that a promise depends on is done in order, checked, and stands behind a
// fault point. Files are 0600 and directories 0700, because what is stored is
// PHI (I10). No function keeps a descriptor open.
package durable
