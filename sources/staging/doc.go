// Package staging makes the files of a source locally readable and proves that what
// is read is what was looked at. Sources share it; each has a room of its own for
// what tells which files belong to it.
//
// It promises:
//
//   - Find looks every file up before the first is read, and names one that is not
//     there.
//   - Stage reads a file once before anything of it is converted (I9). If the source
//     promises an MD5, it must be that; if it promises none, the lines are counted,
//     and the file's CRC-64/NVME compared where S3 tells it. A directory's files are
//     read where they lie, a bucket's are copied to `state`/in first, in the version
//     that was found. A marker beside the copy lets the next process skip both.
//   - Closing what Staged.Open returned proves that the bytes read were the bytes
//     that were looked at: size, mtime and inode are still the same.
//
// Neighbours: objectstore speaks S3; pipeline/split takes what is staged.
package staging
