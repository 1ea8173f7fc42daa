// Package stub is the form of one Binary row on its way from the record pipeline
// to the binary pipeline (design section 3), in files in `state`. A [Stub] is the
// source line and what finds the row's object without looking into it.
//
// The package knows bytes and an io.Reader: who writes the files, when they are
// durable and how far they are committed is the caller's. Positions are offsets
// behind whole frames; a checkpoint stores them. [Append] writes a frame,
// [Reader] reads one after the other in bounded memory and refuses damage.
//
// A file is a sequence of frames. Integers are little-endian:
//
//	frame      uint32   length of the body, at most MaxBytes
//	           uint32   CRC-32C of those four bytes and the body
//	           body
//
//	body    0  uint32   object: its number in the job's list
//	        4  int64    record number within the object, from 1
//	       12  uint32   version
//	       16  int64    lastUpdated, Unix ms; the least int64 if unreadable
//	       24  uint8    documentStatus \
//	       25  uint8    reason         / numbers as in docs/ledger.md
//	       26  uint8    2, the number of this layout
//	       27  uint8    length of tenant, 0 to 64
//	       28  uint8    length of id, 1 to 64
//	   then tenant, id, and, if the reason is 0, in what is left the source line
//
// pipeline.FormatVersion, which checkpoint and claim carry, covers this layout.
// Frames hold PHI; no error repeats any of it (I10).
package stub
