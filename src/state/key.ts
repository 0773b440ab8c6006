/**
 * # Key: inside the state a byte string is a latin1 string, one character per byte.
 *
 * Always true: `bytesOf(keyOf(b))` equals b, and strings compare as the bytes do. A one-byte string costs its length
 * and 16 bytes on the heap, is a Map key by content and cannot be changed by whoever handed it over; a Uint8Array of
 * 80 bytes costs about 650 bytes of memory and ten times the time to make.
 */
import type { Bytes } from '../base/bytes.ts';

const SLAB_BYTES = 8192;
const SLAB_SHARE = 1024;
const latin1 = Buffer.prototype.toString;

// Byte strings handed out are cut from a slab, never twice the same place: a fresh backing store per value costs
// five times as much. Whoever keeps one value for long keeps at most one slab of 8 KiB with it.
const slab = { bytes: Buffer.allocUnsafeSlow(SLAB_BYTES), used: 0 };

/** The string that stands for these bytes. */
export function keyOf(bytes: Bytes): string {
  return latin1.call(bytes, 'latin1');
}

/** The bytes that a string from `keyOf` stands for, as an array that nobody else holds. */
export function bytesOf(key: string): Bytes {
  const length = key.length;
  if (length > SLAB_SHARE) {
    const own = Buffer.allocUnsafeSlow(length);
    own.write(key, 0, 'latin1');
    return new Uint8Array(own.buffer, own.byteOffset, length);
  }
  if (slab.used + length > SLAB_BYTES) {
    slab.bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
    slab.used = 0;
  }
  const at = slab.used;
  slab.used = at + length;
  slab.bytes.write(key, at, 'latin1');
  return new Uint8Array(slab.bytes.buffer, slab.bytes.byteOffset + at, length);
}
