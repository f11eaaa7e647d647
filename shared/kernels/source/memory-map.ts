// Where the kernels keep their tables and state. The first 64 KiB of the memory are theirs, the rest is the caller's.

/** The key of Poly1305 as the caller writes it: r (16 bytes, unmasked), then s (16 bytes). */
export const macKeyOffset: usize = 512;
/** Where `polyFinish` leaves the tag (16 bytes). */
export const tagOffset: usize = 544;
/** r, r^2, r^3 and r^4: each five limbs of eight bytes. */
export const powersOffset: usize = 576;
/** Five vectors, or one padded block, on their way between vector and scalar code. */
export const spillOffset: usize = 768;

/** Chunker: 256 values of 8 bytes. What the byte that leaves the window contributes after the next shift: b * x^512 mod P. */
export const expiryTable: usize = 1024;
/** Chunker: 256 values of 8 bytes. (b * x^53 mod P) | b * x^53: cancels the eight bits that a shift pushes above x^52. */
export const reductionTable: usize = 3072;

/** Where the caller's memory begins. */
export const callerOffset: usize = 65536;
