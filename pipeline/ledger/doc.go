// Package ledger knows what became of every record that was read: one compact
// [Entry] each, in segments of up to [SegmentEntries] entries.
//
// It owns two forms and is pure: it sees bytes, an io.Writer and a [File],
// never a sink or a path.
//
//   - The open form: workers encode entries into [Row]s ([AppendRow]) in
//     parallel, the merge fills in where each record was written
//     ([Row.SetPlace]), and the record pipeline appends the rows to a local file.
//   - The sealed form: [Seal] sorts the rows of one segment by the SHA-256 of
//     the id, packs them and adds a fan-out and checksums. Its bytes are a pure
//     function of the rows in merge order (I3).
//
// [Open] reads sealed segments, any number of them, and answers in bounded
// memory (I7): [Ledger.Summarize], [Ledger.Resources], [Ledger.Find].
//
// Both byte layouts, and what "deleted", "unsettled" and "ambiguous" mean, are
// in docs/ledger.md. Rows and segments hold ids: they are PHI (I10), and no
// error of this package repeats their content.
package ledger
