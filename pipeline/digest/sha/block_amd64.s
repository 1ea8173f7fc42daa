#include "textflag.h"

// SHA-256 with the instructions made for it (Intel SHA extensions), after the
// method of S. Gulley et al., "Intel SHA Extensions", Intel, July 2013; written
// for this package.
//
// SHA256RNDS2 does two of the 64 rounds and waits for the one before it: four
// cycles, in which the processor could begin another. So niBlocks2 goes through
// two messages side by side, neither of which waits for the other. They share X0,
// the operand that SHA256RNDS2 does not name; the processor renames it.
//
// AX constants, SI and BX the two messages, CX blocks left, DI and DX the two
// chaining values, X15 the order of bytes. Of a lane:
//
//	abef, cdgh     the working variables, as SHA256RNDS2 wants them
//	w0 w1 w2 w3    the last 16 words of the message schedule, four each

// The words of a message are big-endian.
DATA swap<>+0(SB)/8, $0x0405060700010203
DATA swap<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL swap<>(SB), RODATA|NOPTR, $16

// The constants of the rounds (FIPS 180-4, 4.2.2).
DATA constants<>+0(SB)/8, $0x71374491428a2f98
DATA constants<>+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA constants<>+16(SB)/8, $0x59f111f13956c25b
DATA constants<>+24(SB)/8, $0xab1c5ed5923f82a4
DATA constants<>+32(SB)/8, $0x12835b01d807aa98
DATA constants<>+40(SB)/8, $0x550c7dc3243185be
DATA constants<>+48(SB)/8, $0x80deb1fe72be5d74
DATA constants<>+56(SB)/8, $0xc19bf1749bdc06a7
DATA constants<>+64(SB)/8, $0xefbe4786e49b69c1
DATA constants<>+72(SB)/8, $0x240ca1cc0fc19dc6
DATA constants<>+80(SB)/8, $0x4a7484aa2de92c6f
DATA constants<>+88(SB)/8, $0x76f988da5cb0a9dc
DATA constants<>+96(SB)/8, $0xa831c66d983e5152
DATA constants<>+104(SB)/8, $0xbf597fc7b00327c8
DATA constants<>+112(SB)/8, $0xd5a79147c6e00bf3
DATA constants<>+120(SB)/8, $0x1429296706ca6351
DATA constants<>+128(SB)/8, $0x2e1b213827b70a85
DATA constants<>+136(SB)/8, $0x53380d134d2c6dfc
DATA constants<>+144(SB)/8, $0x766a0abb650a7354
DATA constants<>+152(SB)/8, $0x92722c8581c2c92e
DATA constants<>+160(SB)/8, $0xa81a664ba2bfe8a1
DATA constants<>+168(SB)/8, $0xc76c51a3c24b8b70
DATA constants<>+176(SB)/8, $0xd6990624d192e819
DATA constants<>+184(SB)/8, $0x106aa070f40e3585
DATA constants<>+192(SB)/8, $0x1e376c0819a4c116
DATA constants<>+200(SB)/8, $0x34b0bcb52748774c
DATA constants<>+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA constants<>+216(SB)/8, $0x682e6ff35b9cca4f
DATA constants<>+224(SB)/8, $0x78a5636f748f82ee
DATA constants<>+232(SB)/8, $0x8cc7020884c87814
DATA constants<>+240(SB)/8, $0xa4506ceb90befffa
DATA constants<>+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL constants<>(SB), RODATA|NOPTR, $256

// Chaining value to and from working variables. The linker gives tables of 16
// bytes and more their alignment, the stack has none.
#define LOAD(chain, abef, cdgh, t) \
	MOVOU   (chain), t; \
	MOVOU   16(chain), cdgh; \
	PSHUFD  $0xb1, t, t; \
	PSHUFD  $0x1b, cdgh, cdgh; \
	MOVO    t, abef; \
	PALIGNR $8, cdgh, abef; \
	PBLENDW $0xf0, t, cdgh

#define STORE(chain, abef, cdgh, t) \
	PSHUFD  $0x1b, abef, t; \
	PSHUFD  $0xb1, cdgh, cdgh; \
	MOVO    t, abef; \
	PBLENDW $0xf0, cdgh, abef; \
	PALIGNR $8, t, cdgh; \
	MOVOU   abef, (chain); \
	MOVOU   cdgh, 16(chain)

#define SAVE(at, abef, cdgh) \
	MOVOU abef, at+0(SP); \
	MOVOU cdgh, at+16(SP)

#define ADDSAVED(at, abef, cdgh, t) \
	MOVOU at+0(SP), t; \
	PADDD t, abef; \
	MOVOU at+16(SP), t; \
	PADDD t, cdgh

// READ takes the words of rounds 4*n to 4*n+3, n < 4, from the block.
#define READ(n, message, w) \
	MOVOU  (16*n)(message), w; \
	PSHUFB X15, w

// TWO does rounds 4*n and 4*n+1, w being the words of four rounds, and leaves
// what the next two rounds add in t. NEXT does these.
#define TWO(n, w, abef, cdgh, t) \
	MOVO        w, X0; \
	PADDD       (16*n)(AX), X0; \
	PSHUFD      $0x0e, X0, t; \
	SHA256RNDS2 X0, abef, cdgh

#define NEXT(abef, cdgh, t) \
	MOVO        t, X0; \
	SHA256RNDS2 X0, cdgh, abef

// SCHEDULE ends the words of the next four rounds, which SHA256MSG1 began in the
// register of those that are 16 rounds old.
#define SCHEDULE(w, before, next, t) \
	MOVO       w, t; \
	PALIGNR    $4, before, t; \
	PADDD      t, next; \
	SHA256MSG2 w, next

// Four rounds of one lane: FOUR those in the middle of a block. Those at both
// ends do less.
#define FOUR(n, w, before, next) \
	TWO(n, w, X1, X2, X13); \
	NEXT(X1, X2, X13); \
	SCHEDULE(w, before, next, X13); \
	SHA256MSG1 w, before

// func niBlocks(chain *[8]uint32, p *byte, n int)
// Requires: SHA, SSE4.1, SSSE3
TEXT ·niBlocks(SB), NOSPLIT, $32-24
	MOVQ chain+0(FP), DI
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	LEAQ constants<>(SB), AX
	MOVO swap<>(SB), X15
	LOAD(DI, X1, X2, X13)

loop:
	SAVE(0, X1, X2)
	READ(0, SI, X3)
	TWO(0, X3, X1, X2, X13)
	NEXT(X1, X2, X13)
	READ(1, SI, X4)
	TWO(1, X4, X1, X2, X13)
	NEXT(X1, X2, X13)
	SHA256MSG1 X4, X3
	READ(2, SI, X5)
	TWO(2, X5, X1, X2, X13)
	NEXT(X1, X2, X13)
	SHA256MSG1 X5, X4
	READ(3, SI, X6)
	FOUR(3, X6, X5, X3)
	FOUR(4, X3, X6, X4)
	FOUR(5, X4, X3, X5)
	FOUR(6, X5, X4, X6)
	FOUR(7, X6, X5, X3)
	FOUR(8, X3, X6, X4)
	FOUR(9, X4, X3, X5)
	FOUR(10, X5, X4, X6)
	FOUR(11, X6, X5, X3)
	FOUR(12, X3, X6, X4)
	TWO(13, X4, X1, X2, X13)
	NEXT(X1, X2, X13)
	SCHEDULE(X4, X3, X5, X13)
	TWO(14, X5, X1, X2, X13)
	NEXT(X1, X2, X13)
	SCHEDULE(X5, X4, X6, X13)
	TWO(15, X6, X1, X2, X13)
	NEXT(X1, X2, X13)
	ADDSAVED(0, X1, X2, X13)
	ADDQ $64, SI
	DECQ CX
	JNZ  loop
	STORE(DI, X1, X2, X13)
	RET

// Four rounds of either lane, and what these leave to do between rounds 12 and
// 51. In this order the processor finds both chains soonest: 37 ns for a block of
// each on Zen 5, 44 if the four rounds of a lane stand together, 34 for one lane.
#define EIGHT(n, w, before, next, v, vbefore, vnext) \
	TWO(n, w, X1, X2, X13); \
	TWO(n, v, X7, X8, X14); \
	REST(w, before, next, v, vbefore, vnext)

#define REST(w, before, next, v, vbefore, vnext) \
	NEXT(X1, X2, X13); \
	SCHEDULE(w, before, next, X13); \
	SHA256MSG1 w, before; \
	NEXT(X7, X8, X14); \
	SCHEDULE(v, vbefore, vnext, X14); \
	SHA256MSG1 v, vbefore

// func niBlocks2(a, b *[8]uint32, p, q *byte, n int)
// Requires: SHA, SSE4.1, SSSE3
TEXT ·niBlocks2(SB), NOSPLIT, $64-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), DX
	MOVQ p+16(FP), SI
	MOVQ q+24(FP), BX
	MOVQ n+32(FP), CX
	LEAQ constants<>(SB), AX
	MOVO swap<>(SB), X15
	LOAD(DI, X1, X2, X13)
	LOAD(DX, X7, X8, X14)

loop:
	SAVE(0, X1, X2)
	SAVE(32, X7, X8)
	READ(0, SI, X3)
	TWO(0, X3, X1, X2, X13)
	READ(0, BX, X9)
	TWO(0, X9, X7, X8, X14)
	NEXT(X1, X2, X13)
	NEXT(X7, X8, X14)
	READ(1, SI, X4)
	TWO(1, X4, X1, X2, X13)
	READ(1, BX, X10)
	TWO(1, X10, X7, X8, X14)
	NEXT(X1, X2, X13)
	SHA256MSG1 X4, X3
	NEXT(X7, X8, X14)
	SHA256MSG1 X10, X9
	READ(2, SI, X5)
	TWO(2, X5, X1, X2, X13)
	READ(2, BX, X11)
	TWO(2, X11, X7, X8, X14)
	NEXT(X1, X2, X13)
	SHA256MSG1 X5, X4
	NEXT(X7, X8, X14)
	SHA256MSG1 X11, X10
	READ(3, SI, X6)
	TWO(3, X6, X1, X2, X13)
	READ(3, BX, X12)
	TWO(3, X12, X7, X8, X14)
	REST(X6, X5, X3, X12, X11, X9)
	EIGHT(4, X3, X6, X4, X9, X12, X10)
	EIGHT(5, X4, X3, X5, X10, X9, X11)
	EIGHT(6, X5, X4, X6, X11, X10, X12)
	EIGHT(7, X6, X5, X3, X12, X11, X9)
	EIGHT(8, X3, X6, X4, X9, X12, X10)
	EIGHT(9, X4, X3, X5, X10, X9, X11)
	EIGHT(10, X5, X4, X6, X11, X10, X12)
	EIGHT(11, X6, X5, X3, X12, X11, X9)
	EIGHT(12, X3, X6, X4, X9, X12, X10)
	TWO(13, X4, X1, X2, X13)
	TWO(13, X10, X7, X8, X14)
	NEXT(X1, X2, X13)
	SCHEDULE(X4, X3, X5, X13)
	NEXT(X7, X8, X14)
	SCHEDULE(X10, X9, X11, X14)
	TWO(14, X5, X1, X2, X13)
	TWO(14, X11, X7, X8, X14)
	NEXT(X1, X2, X13)
	SCHEDULE(X5, X4, X6, X13)
	NEXT(X7, X8, X14)
	SCHEDULE(X11, X10, X12, X14)
	TWO(15, X6, X1, X2, X13)
	TWO(15, X12, X7, X8, X14)
	NEXT(X1, X2, X13)
	NEXT(X7, X8, X14)
	ADDSAVED(0, X1, X2, X13)
	ADDSAVED(32, X7, X8, X14)
	ADDQ $64, SI
	ADDQ $64, BX
	DECQ CX
	JNZ  loop
	STORE(DI, X1, X2, X13)
	STORE(DX, X7, X8, X14)
	RET

// func cpuid(leaf, sub uint32) (a, b, c, d uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, a+8(FP)
	MOVL BX, b+12(FP)
	MOVL CX, c+16(FP)
	MOVL DX, d+20(FP)
	RET
