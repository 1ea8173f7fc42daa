// Package listing stores what a bucket held when it was listed: a file of
// [pipeline.Content] in the order of their keys, and a tree of first keys above
// it, so that a key is found by a few small reads among a hundred million.
//
// It promises:
//
//   - A listing has its name only when it is whole and durable ([Sorter.Commit]).
//   - Memory does not depend on how many objects are listed: a [Sorter]
//     holds 16 MiB of them, a [Listing] none.
//   - What is read is checked by CRC. Damage is an error that is [ErrDamaged],
//     never a panic, never an object that is silently not found.
//
// Keys are PHI: files are 0600, and no error holds one (I10). The layout is
// documented in docs/binary-index.md. The only neighbour is sources/binarybucket.
package listing
