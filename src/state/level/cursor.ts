/** # Cursor: reading LevelDB's files: bounds that are never passed, its integers, its checksums. */
import type { Bytes } from '../../base/bytes.ts';

/** For a byte and each of seven zero bytes after it: eight bytes in one step (slicing-by-8). */
const CRC32C_TABLES = slices();

function slices(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256] as number;
    tables[i] = (tables[before & 255] as number) ^ (before >>> 8);
  }
  return tables;
}

/** CRC-32C (Castagnoli) as LevelDB stores it: masked, because it also checksums data that holds checksums. */
export function maskedChecksum(bytes: Bytes): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C (Castagnoli). */
function crc32c(bytes: Bytes): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = bytes.length - (bytes.length % 8);
  let crc = -1;
  for (let i = 0; i < whole; i += 8) {
    const low = crc ^ view.getInt32(i, true);
    const high = view.getInt32(i + 4, true);
    crc =
      sliced(7, low) ^
      sliced(6, low >>> 8) ^
      sliced(5, low >>> 16) ^
      sliced(4, low >>> 24) ^
      sliced(3, high) ^
      sliced(2, high >>> 8) ^
      sliced(1, high >>> 16) ^
      sliced(0, high >>> 24);
  }
  for (let i = whole; i < bytes.length; i++) crc = sliced(0, crc ^ (bytes[i] as number)) ^ (crc >>> 8);
  return ~crc >>> 0;
}

function sliced(zeros: number, byte: number): number {
  return CRC32C_TABLES[zeros * 256 + (byte & 255)] as number;
}

/** Reads within a range; RangeError beyond it. */
export class Cursor {
  readonly bytes: Bytes;
  at: number;
  readonly end: number;

  constructor(bytes: Bytes, at: number, end: number) {
    if (at < 0 || end > bytes.length || at > end) throw new RangeError('a range lies outside its bytes');
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  skip(count: number): void {
    this.at += count;
    if (this.at > this.end) throw new RangeError('the range ends before its content');
  }

  byte(): number {
    this.skip(1);
    return this.bytes[this.at - 1] as number;
  }

  /** An integer of at most 2^53, seven bits a byte, low ones first. */
  varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new RangeError('an integer is too long');
  }

  /** The next `length` bytes, not copied. */
  take(length: number): Bytes {
    this.skip(length);
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** Bytes behind their length. */
  string(): Bytes {
    return this.take(this.varint());
  }
}
