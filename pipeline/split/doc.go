// Package split turns the stored bytes of one object into [Batch]es of whole
// lines. It is shared by all sources and knows nothing of what a line means.
//
// It promises:
//
//   - The batches are a function of the decompressed bytes alone: neither the
//     chunks of the underlying reader nor the cuts between gzip members shape
//     them (I3). A batch ends after the line that brings it to
//     [pipeline.BatchBytes], or at the object's end.
//   - [Reader.Skip] to the end of a batch, then [Reader.Next], gives the batches
//     that reading through would have given (I2).
//   - Memory is bounded whatever the input (I7): a batch buffer holds at most
//     512 KiB unless the caller says that it may be big, then about 16.5 MiB. A
//     line longer than [pipeline.MaxRecordBytes] is discarded as a stream.
//   - Every line counts, also an empty one, so that records read can be compared
//     with the manifest (I4). Only the final LF makes no further line.
//   - With Options.Plain an object is no gzip, its bytes are copied nowhere else,
//     and blank lines are no records; a [Counter] counts the same records.
//   - Broken gzip is an [ErrCorrupt] that says how it is broken.
//
// Neighbours: a source hands in the reader, package convert takes the lines.
package split
