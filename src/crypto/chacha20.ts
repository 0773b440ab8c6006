/**
 * # ChaCha20: the keystream from which noise is drawn (RFC 8439).
 *
 * Always true: the 32-bit block counter starts at 0; `native/` may install a faster equal at start-up.
 */
import { assert } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';

export type Keystream = (key: Bytes, nonce: Bytes, length: number) => Bytes;

/** What chacha20Keystream uses; `native/` overwrites it with a proven equal. */
export const activeKeystream: { chacha20: Keystream } = { chacha20: chacha20KeystreamReference };

/** The first `length` bytes of the keystream of a 32-byte key and a 12-byte nonce. */
export function chacha20Keystream(key: Bytes, nonce: Bytes, length: number): Bytes {
  return activeKeystream.chacha20(key, nonce, length);
}

/** The plain keystream. */
export function chacha20KeystreamReference(key: Bytes, nonce: Bytes, length: number): Bytes {
  assert(key.length === 32 && nonce.length === 12, 'a key of 32 bytes and a nonce of 12');
  const start = new Uint32Array(16);
  // "expand 32-byte k"
  start.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  for (let i = 0; i < 8; i++) start[4 + i] = word(key, 4 * i);
  for (let i = 0; i < 3; i++) start[13 + i] = word(nonce, 4 * i);
  const out = new Uint8Array(64 * Math.ceil(length / 64));
  const state = new Uint32Array(16);
  for (let at = 0; at < out.length; at += 64) {
    start[12] = at / 64;
    state.set(start);
    for (let round = 0; round < 10; round++) doubleRound(state);
    for (let i = 0; i < 16; i++) {
      const sum = (state[i] as number) + (start[i] as number);
      out[at + 4 * i] = sum;
      out[at + 4 * i + 1] = sum >>> 8;
      out[at + 4 * i + 2] = sum >>> 16;
      out[at + 4 * i + 3] = sum >>> 24;
    }
  }
  return out.slice(0, length);
}

function doubleRound(x: Uint32Array): void {
  quarter(x, 0, 4, 8, 12);
  quarter(x, 1, 5, 9, 13);
  quarter(x, 2, 6, 10, 14);
  quarter(x, 3, 7, 11, 15);
  quarter(x, 0, 5, 10, 15);
  quarter(x, 1, 6, 11, 12);
  quarter(x, 2, 7, 8, 13);
  quarter(x, 3, 4, 9, 14);
}

function quarter(x: Uint32Array, ia: number, ib: number, ic: number, id: number): void {
  let a = x[ia] as number;
  let b = x[ib] as number;
  let c = x[ic] as number;
  let d = x[id] as number;
  a = (a + b) | 0;
  d = rotl(d ^ a, 16);
  c = (c + d) | 0;
  b = rotl(b ^ c, 12);
  a = (a + b) | 0;
  d = rotl(d ^ a, 8);
  c = (c + d) | 0;
  b = rotl(b ^ c, 7);
  x[ia] = a;
  x[ib] = b;
  x[ic] = c;
  x[id] = d;
}

function rotl(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

function word(bytes: Bytes, at: number): number {
  const [a, b, c, d] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]] as [number, number, number, number];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}
