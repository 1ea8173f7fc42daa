// Package bucket is the sink on S3: the job's folder is a prefix of a bucket.
//
// Part k of a file is its bytes [k*PartSize, (k+1)*PartSize), whatever the
// timing, so that ETags are a function of the content (I3). A file that ends
// within one part is one conditional PUT. A longer one is a multipart upload,
// begun when its second part begins, and completed on condition that the name
// is free (I2, I8).
//
//	<tails>/v1-0/Patient-v1-00000.ndjson.3     bytes of part 3 that have come so far
//
// The part that grows is in memory if it is not the first and there is room for it
// (Options.Hot), else in a local file, a tail. A cut has the tail hold what only
// memory had. When
// the next part begins, one of a bounded number of transfers sends the one before. A tail into which a checkpoint may
// point stays until a later checkpoint is committed; any other goes as soon as
// S3 has acknowledged the part. What Mark's function returns names the upload
// and its acknowledged parts; with the tail it is all that Resume needs.
//
// Whether a file that is there is ours is decided by size and checksum: SHA-256
// of a PUT, CRC-64/NVME of an upload, or by reading it where S3 keeps neither.
//
// Uploads that a killed process left are aborted by Sweep; one that S3 began
// after that, executing a call of the dead process late, when its file is
// sealed. Only then, and on Sweep, uploads are listed.
//
// Neighbours: objectstore talks to S3, sinks/tree makes local names durable,
// sinks/sinktest holds this package to its contract.
package bucket
