// Keyed BLAKE3 of single 64-byte blocks, four at a time, and the comparison of tickets with their target.

import { high32, high64, low32, low64 } from './pouw-chacha';

/** Byte offsets of the message words, round by round: words 16 bytes apart. */
const ORDER = memory.data<u8>([
  0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240,
  32, 96, 48, 160, 112, 0, 64, 208, 16, 176, 192, 80, 144, 224, 240, 128,
  48, 64, 160, 192, 208, 32, 112, 224, 96, 80, 144, 0, 176, 240, 128, 16,
  160, 112, 192, 144, 224, 48, 208, 240, 64, 0, 176, 32, 80, 128, 16, 96,
  192, 208, 144, 176, 240, 160, 224, 128, 112, 32, 80, 48, 0, 16, 96, 64,
  144, 224, 176, 80, 128, 192, 240, 16, 208, 48, 0, 160, 32, 96, 64, 112,
  176, 240, 80, 0, 16, 144, 128, 96, 224, 160, 32, 192, 48, 64, 112, 208,
]);
/** The 16 message words of four tickets, one vector each. */
const words = memory.data(256, 16);
/** Eight digest words of four tickets, one vector each. */
const digests = memory.data(128, 16);

// @ts-ignore: decorator
@inline
function rotr(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shr_u(x, bits), i32x4.shl(x, 32 - bits));
}

/** a + b + message word i of this round. */
// @ts-ignore: decorator
@inline
function mixed(a: v128, b: v128, order: usize, i: usize): v128 {
  return i32x4.add(i32x4.add(a, b), v128.load(words + load<u8>(order + i)));
}

/** Transposes four 64-byte messages into `words`. */
// @ts-ignore: decorator
@inline
function loadMessages(messages: usize): void {
  for (let at: usize = 0; at < 64; at += 16) {
    const a = v128.load(messages + at, 0);
    const b = v128.load(messages + at, 64);
    const c = v128.load(messages + at, 128);
    const d = v128.load(messages + at, 192);
    const ab = low32(a, b);
    const cd = low32(c, d);
    const ef = high32(a, b);
    const gh = high32(c, d);
    const to = words + (at << 2);
    v128.store(to, low64(ab, cd), 0);
    v128.store(to, high64(ab, cd), 16);
    v128.store(to, low64(ef, gh), 32);
    v128.store(to, high64(ef, gh), 48);
  }
}

/** The keyed hashes of four consecutive 64-byte messages into `digests`. */
function fourDigests(key: usize, messages: usize): void {
  loadMessages(messages);
  let a0 = v128.load32_splat(key, 0);
  let a1 = v128.load32_splat(key, 4);
  let a2 = v128.load32_splat(key, 8);
  let a3 = v128.load32_splat(key, 12);
  let b0 = v128.load32_splat(key, 16);
  let b1 = v128.load32_splat(key, 20);
  let b2 = v128.load32_splat(key, 24);
  let b3 = v128.load32_splat(key, 28);
  let c0 = i32x4.splat(0x6a09e667);
  let c1 = i32x4.splat(0xbb67ae85);
  let c2 = i32x4.splat(0x3c6ef372);
  let c3 = i32x4.splat(0xa54ff53a);
  let d0 = i32x4.splat(0);
  let d1 = i32x4.splat(0);
  let d2 = i32x4.splat(64);
  // CHUNK_START | CHUNK_END | ROOT | KEYED_HASH
  let d3 = i32x4.splat(27);
  for (let order = ORDER; order < ORDER + 112; order += 16) {
    // Columns.
    a0 = mixed(a0, b0, order, 0); a1 = mixed(a1, b1, order, 2);
    a2 = mixed(a2, b2, order, 4); a3 = mixed(a3, b3, order, 6);
    d0 = rotr(v128.xor(d0, a0), 16); d1 = rotr(v128.xor(d1, a1), 16);
    d2 = rotr(v128.xor(d2, a2), 16); d3 = rotr(v128.xor(d3, a3), 16);
    c0 = i32x4.add(c0, d0); c1 = i32x4.add(c1, d1); c2 = i32x4.add(c2, d2); c3 = i32x4.add(c3, d3);
    b0 = rotr(v128.xor(b0, c0), 12); b1 = rotr(v128.xor(b1, c1), 12);
    b2 = rotr(v128.xor(b2, c2), 12); b3 = rotr(v128.xor(b3, c3), 12);
    a0 = mixed(a0, b0, order, 1); a1 = mixed(a1, b1, order, 3);
    a2 = mixed(a2, b2, order, 5); a3 = mixed(a3, b3, order, 7);
    d0 = rotr(v128.xor(d0, a0), 8); d1 = rotr(v128.xor(d1, a1), 8);
    d2 = rotr(v128.xor(d2, a2), 8); d3 = rotr(v128.xor(d3, a3), 8);
    c0 = i32x4.add(c0, d0); c1 = i32x4.add(c1, d1); c2 = i32x4.add(c2, d2); c3 = i32x4.add(c3, d3);
    b0 = rotr(v128.xor(b0, c0), 7); b1 = rotr(v128.xor(b1, c1), 7);
    b2 = rotr(v128.xor(b2, c2), 7); b3 = rotr(v128.xor(b3, c3), 7);
    // Diagonals.
    a0 = mixed(a0, b1, order, 8); a1 = mixed(a1, b2, order, 10);
    a2 = mixed(a2, b3, order, 12); a3 = mixed(a3, b0, order, 14);
    d3 = rotr(v128.xor(d3, a0), 16); d0 = rotr(v128.xor(d0, a1), 16);
    d1 = rotr(v128.xor(d1, a2), 16); d2 = rotr(v128.xor(d2, a3), 16);
    c2 = i32x4.add(c2, d3); c3 = i32x4.add(c3, d0); c0 = i32x4.add(c0, d1); c1 = i32x4.add(c1, d2);
    b1 = rotr(v128.xor(b1, c2), 12); b2 = rotr(v128.xor(b2, c3), 12);
    b3 = rotr(v128.xor(b3, c0), 12); b0 = rotr(v128.xor(b0, c1), 12);
    a0 = mixed(a0, b1, order, 9); a1 = mixed(a1, b2, order, 11);
    a2 = mixed(a2, b3, order, 13); a3 = mixed(a3, b0, order, 15);
    d3 = rotr(v128.xor(d3, a0), 8); d0 = rotr(v128.xor(d0, a1), 8);
    d1 = rotr(v128.xor(d1, a2), 8); d2 = rotr(v128.xor(d2, a3), 8);
    c2 = i32x4.add(c2, d3); c3 = i32x4.add(c3, d0); c0 = i32x4.add(c0, d1); c1 = i32x4.add(c1, d2);
    b1 = rotr(v128.xor(b1, c2), 7); b2 = rotr(v128.xor(b2, c3), 7);
    b3 = rotr(v128.xor(b3, c0), 7); b0 = rotr(v128.xor(b0, c1), 7);
  }
  v128.store(digests, v128.xor(a0, c0), 0);
  v128.store(digests, v128.xor(a1, c1), 16);
  v128.store(digests, v128.xor(a2, c2), 32);
  v128.store(digests, v128.xor(a3, c3), 48);
  v128.store(digests, v128.xor(b0, d0), 64);
  v128.store(digests, v128.xor(b1, d1), 80);
  v128.store(digests, v128.xor(b2, d2), 96);
  v128.store(digests, v128.xor(b3, d3), 112);
}

/** Word i of the digest in `lane`. */
// @ts-ignore: decorator
@inline
function digestWord(lane: u32, i: u32): u32 {
  return load<u32>(digests + i * 16 + lane * 4);
}

/** Whether the 256-bit little-endian ticket in `lane` is at most `bound` (or below it, if `strictly`). */
function atMost(lane: u32, bound: usize, strictly: bool): bool {
  for (let i = 7; i >= 0; i--) {
    const word = digestWord(lane, i);
    const other = load<u32>(bound + i * 4);
    if (word != other) return word < other;
  }
  return !strictly;
}

/** A ticket's place and its 32 bytes. */
function record(to: usize, lane: u32, ti: u32, tj: u32, s: u32): void {
  store<u32>(to, ti, 0);
  store<u32>(to, tj, 4);
  store<u32>(to, s, 8);
  for (let i: u32 = 0; i < 8; i++) store<u32>(to + 16 + i * 4, digestWord(lane, i));
}

/** The one ticket of a 64-byte folded state. */
export function ticketOf(out: usize, key: usize, fold: usize): void {
  fourDigests(key, fold);
  for (let i: u32 = 0; i < 8; i++) store<u32>(out + i * 4, digestWord(0, i));
}

/**
 * Hashes `count` folded states (tile row ti, in order tj, s) and keeps in `result` what is worth keeping:
 * u32 wins, u32 limit, 8 bytes free, then records of 48 bytes: the best ticket, and the first `limit` winners, which
 * are the tickets not above `bound`. A record is ti, tj, s, free, ticket.
 */
export function keepTickets(
  folds: usize, count: u32, key: usize, bound: usize, result: usize, ti: u32, slabs: u32,
): void {
  const best = result + 16;
  for (let from: u32 = 0; from < count; from += 4) {
    fourDigests(key, folds + from * 64);
    // One comparison of the highest words dismisses nearly all: the rest is exact.
    const high = max<u32>(load<u32>(bound + 28), load<u32>(best + 44));
    if (!v128.any_true(i32x4.le_u(v128.load(digests, 112), i32x4.splat(high)))) continue;
    const lanes = min<u32>(4, count - from);
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const tj = (from + lane) / slabs;
      const s = (from + lane) % slabs;
      if (atMost(lane, best + 16, true)) record(best, lane, ti, tj, s);
      if (!atMost(lane, bound, false)) continue;
      const wins = load<u32>(result);
      if (wins < load<u32>(result, 4)) record(best + 48 + wins * 48, lane, ti, tj, s);
      store<u32>(result, wins + 1);
    }
  }
}
