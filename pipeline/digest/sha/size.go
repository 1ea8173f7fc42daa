package sha

// BlockSize is what SHA-256 takes at once, in bytes: who resumes a sum brings the
// last size%BlockSize of them.
const BlockSize = block
