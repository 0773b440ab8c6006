/** # Bytes: every byte string is a Uint8Array; hex is lower case with 0x. */

export type Bytes = Uint8Array;

const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** Lower-case hex with 0x. */
export function toHex(bytes: Bytes): string {
  let out = '0x';
  for (let i = 0; i < bytes.length; i++) out += DIGITS[bytes[i] as number];
  return out;
}

/** Bytes of a hex string (0x optional, any case). Throws RangeError on an odd length or a foreign character. */
export function fromHex(text: string): Bytes {
  const start = text.startsWith('0x') ? 2 : 0;
  const digits = text.length - start;
  if (digits % 2 !== 0) throw new RangeError('hex of odd length');
  const out = new Uint8Array(digits / 2);
  for (let i = 0; i < out.length; i++) {
    const high = nibble(text.charCodeAt(start + 2 * i));
    const low = nibble(text.charCodeAt(start + 2 * i + 1));
    if (high < 0 || low < 0) throw new RangeError('not hex');
    out[i] = (high << 4) | low;
  }
  return out;
}

/** The parts, one after the other, in a new array. */
export function concat(...parts: readonly Bytes[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Whether both hold the same bytes. Not constant-time: never for secrets. */
export function equal(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lexicographic order: negative, zero or positive. */
export function compare(a: Bytes, b: Bytes): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = (a[i] as number) - (b[i] as number);
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

/** Whether `bytes` begins with `prefix`. */
export function startsWith(bytes: Bytes, prefix: Bytes): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of a string. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** The string of UTF-8 bytes, with its byte order mark if there is one. Throws TypeError on malformed input. */
export function fromUtf8(bytes: Bytes): string {
  return decoder.decode(bytes);
}

/** `value` as `size` little-endian bytes; RangeError when it is negative or does not fit. */
export function littleEndian(value: bigint, size: number): Bytes {
  if (value < 0n || value >> BigInt(8 * size) !== 0n) throw new RangeError(`integer does not fit ${size} bytes`);
  const out = new Uint8Array(size);
  let rest = value;
  for (let i = 0; i < size; i++) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/** The little-endian integer that the bytes spell. */
export function fromLittleEndian(bytes: Bytes): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return value;
}

function nibble(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}
