// Package inflate decompresses gzip into the caller's own buffer. It exists for
// speed: package split spends most of its time here, and a decoder that writes
// where its caller reads needs no copy out of a window.
//
// It promises:
//
//   - The bytes, and the defect if there is one, are a function of the compressed
//     bytes alone: neither the chunks of the source nor those of the output shape
//     them. Every byte before a defect is returned before the error.
//   - It accepts what compress/gzip accepts, no more and no less, with two
//     exceptions: no byte at all is an empty file, and a reserved flag in a
//     member's header is refused, as RFC 1952 section 2.3.1.2 wants it.
//   - A Reader holds about 120 KiB, allocates nothing after its first Reset, and
//     starts no goroutine.
//
// The formats: RFC 1951 (deflate), RFC 1952 (gzip). The decoding tables and the
// inner loop follow libdeflate (lib/deflate_decompress.c, lib/decompress_template.h).
// Its one neighbour is package split.
package inflate
