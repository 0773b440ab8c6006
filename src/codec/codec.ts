/**
 * # Codec: a value said three ways: value, bytes, portable type.
 *
 * Always true: `dec(enc(v))` is `v`, and every byte string that `dec` accepts is the one that `enc` gives back
 * (SCALE, read strictly). What a reader returns is a copy: it never aliases the input.
 */
import type { Bytes } from '../base/bytes.ts';
import type { Shape } from './shape.ts';

export interface Codec<T> {
  readonly shape: Shape;
  write(out: Writer, value: T): void;
  read(from: Reader): T;
  /** The bytes of a value; CodecError `range`, `length` or `utf8` when the type cannot hold it. */
  enc(value: T): Bytes;
  /** The value of exactly these bytes; CodecError otherwise. */
  dec(bytes: Bytes): T;
}

/** The value type of a codec. */
export type Of<C> = C extends Codec<infer T> ? T : never;

export const CODEC_FAULTS = {
  end: 'the input ends before the value does',
  trailing: 'bytes are left after the value',
  bool: 'a bool is neither 0 nor 1',
  compact: 'a compact integer is not in its shortest form, or too large for its type',
  option: 'an option tag is neither 0 nor 1',
  variant: 'no case of the variant has this index or name',
  utf8: 'a string is not well-formed Unicode',
  length: 'a length is beyond the input or beyond its bound',
  range: 'a value does not fit its type',
  depth: 'values are nested too deeply',
  value: 'bytes are well-formed, but mean nothing here',
} as const;

export type CodecFault = keyof typeof CODEC_FAULTS;

/** Bytes that are no value, or a value that has no bytes. `at` is the offset in the input, when reading. */
export class CodecError extends Error {
  override readonly name = 'CodecError';
  readonly code: CodecFault;
  readonly at: number | undefined;

  constructor(code: CodecFault, at?: number) {
    super(at === undefined ? CODEC_FAULTS[code] : `${CODEC_FAULTS[code]} (byte ${at})`);
    this.code = code;
    this.at = at;
  }
}

const MAX_U64 = (1n << 64n) - 1n;
const MAX_U128 = (1n << 128n) - 1n;
// A view over the input would cost more than the few integers most inputs hold (285 against 104 ns); copying eight
// bytes under a standing view takes 30.
const SCRATCH = new Uint8Array(8);
const SCRATCH_VIEW = new DataView(SCRATCH.buffer);
// Calls nest calls (batch, proxy, multisig). sp_runtime::MAX_EXTRINSIC_DEPTH is 256.
const MAX_DEPTH = 256;

/** Reads a byte string from front to back, never beyond it (CodecError `end`). After an error a reader is spent. */
export class Reader {
  readonly bytes: Bytes;
  at = 0;
  end: number;
  private depth = 0;

  constructor(bytes: Bytes) {
    // A Buffer is seen as the plain array that it is: its slices would be Buffers.
    this.bytes =
      bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.end = bytes.length;
  }

  get left(): number {
    return this.end - this.at;
  }

  fail(code: CodecFault): never {
    throw new CodecError(code, this.at);
  }

  u8(): number {
    const at = this.at;
    if (at >= this.end) this.fail('end');
    this.at = at + 1;
    return this.bytes[at] as number;
  }

  u16(): number {
    const { bytes, at } = this;
    if (this.end - at < 2) this.fail('end');
    this.at = at + 2;
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  }

  u32(): number {
    return this.i32() >>> 0;
  }

  i32(): number {
    const { bytes, at } = this;
    if (this.end - at < 4) this.fail('end');
    this.at = at + 4;
    return (
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    );
  }

  u64(): bigint {
    const { bytes, at } = this;
    if (this.end - at < 8) this.fail('end');
    this.at = at + 8;
    for (let i = 0; i < 8; i++) SCRATCH[i] = bytes[at + i] as number;
    return SCRATCH_VIEW.getBigUint64(0, true);
  }

  u128(): bigint {
    const low = this.u64();
    const high = this.u64();
    return high === 0n ? low : (high << 64n) | low;
  }

  u256(): bigint {
    const low = this.u128();
    const high = this.u128();
    return high === 0n ? low : (high << 128n) | low;
  }

  /** A copy of the next `size` bytes. */
  take(size: number): Bytes {
    const at = this.at;
    if (size > this.end - at) this.fail('end');
    this.at = at + size;
    return this.bytes.slice(at, at + size);
  }

  /** A canonical compact integer below 2^32. */
  compactU32(): number {
    const first = this.u8();
    const mode = first & 3;
    if (mode === 0) return first >>> 2;
    if (mode === 1) {
      const value = (first >>> 2) | (this.u8() << 6);
      return value < 64 ? this.fail('compact') : value;
    }
    if (mode === 2) {
      this.at--;
      const value = this.u32() >>> 2;
      return value < 0x4000 ? this.fail('compact') : value;
    }
    if (first !== 3) this.fail('compact');
    const value = this.u32();
    return value < 0x4000_0000 ? this.fail('compact') : value;
  }

  /** A canonical compact integer of at most `size` bytes. */
  compact(size: number): bigint {
    const first = this.at < this.end ? (this.bytes[this.at] as number) : 0;
    if ((first & 3) !== 3 || first === 3) return BigInt(this.compactU32());
    this.at++;
    const length = (first >>> 2) + 4;
    if (length > size) this.fail('compact');
    if (length > this.left) this.fail('end');
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[this.at + i] as number);
    this.at += length;
    return this.bytes[this.at - 1] === 0 ? this.fail('compact') : value;
  }

  /** A length prefix, refused before anything is allocated when so many items of `least` bytes cannot follow. */
  length(least: number): number {
    const length = this.compactU32();
    if (length * least > this.left) this.fail('length');
    return length;
  }

  /** Runs `read` one level deeper; at most MAX_DEPTH levels, so hostile nesting cannot exhaust the stack. */
  deeper<T>(read: () => T): T {
    if (++this.depth > MAX_DEPTH) this.fail('depth');
    const value = read();
    this.depth--;
    return value;
  }

  /** Runs `read` on the next `size` bytes only; it must use all of them. */
  within<T>(size: number, read: () => T): T {
    if (size > this.left) this.fail('end');
    const outer = this.end;
    this.end = this.at + size;
    const value = read();
    this.close();
    this.end = outer;
    return value;
  }

  /** Throws CodecError `trailing` unless everything was read. */
  close(): void {
    if (this.at !== this.end) this.fail('trailing');
  }
}

/** Collects bytes in a buffer that doubles; every method throws CodecError `range` rather than truncate a value. */
export class Writer {
  private buffer: Bytes;
  private view: DataView;
  private at = 0;

  constructor(capacity = 256) {
    this.buffer = new Uint8Array(capacity);
    this.view = new DataView(this.buffer.buffer);
  }

  get length(): number {
    return this.at;
  }

  u8(value: number): void {
    if (value >>> 0 !== value || value > 0xff) throw new CodecError('range');
    const at = this.grow(1);
    this.buffer[at] = value;
  }

  u16(value: number): void {
    if (value >>> 0 !== value || value > 0xffff) throw new CodecError('range');
    const at = this.grow(2);
    this.buffer[at] = value;
    this.buffer[at + 1] = value >>> 8;
  }

  u32(value: number): void {
    if (value >>> 0 !== value) throw new CodecError('range');
    this.word(value);
  }

  i32(value: number): void {
    if ((value | 0) !== value) throw new CodecError('range');
    this.word(value);
  }

  u64(value: bigint): void {
    if (value < 0n || value > MAX_U64) throw new CodecError('range');
    const at = this.grow(8);
    this.view.setBigUint64(at, value, true);
  }

  u128(value: bigint): void {
    if (value < 0n || value > MAX_U128) throw new CodecError('range');
    const at = this.grow(16);
    const fits = value <= MAX_U64;
    this.view.setBigUint64(at, fits ? value : BigInt.asUintN(64, value), true);
    this.view.setBigUint64(at + 8, fits ? 0n : value >> 64n, true);
  }

  u256(value: bigint): void {
    if (value < 0n || value >> 256n !== 0n) throw new CodecError('range');
    this.u128(BigInt.asUintN(128, value));
    this.u128(value >> 128n);
  }

  raw(bytes: Bytes): void {
    const at = this.grow(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** The shortest compact form of an integer below 2^32. */
  compactU32(value: number): void {
    if (value >>> 0 !== value) throw new CodecError('range');
    if (value < 0x40) {
      this.u8(value << 2);
    } else if (value < 0x4000) {
      this.u16((value << 2) | 1);
    } else if (value < 0x4000_0000) {
      this.word((value << 2) | 2);
    } else {
      this.u8(3);
      this.word(value);
    }
  }

  /** The shortest compact form of an integer that fits `size` bytes. */
  compact(value: bigint, size: number): void {
    if (value >= 0n && value <= 0xffff_ffffn) {
      this.compactU32(Number(value));
      return;
    }
    if (value < 0n || value >> BigInt(8 * size) !== 0n) throw new CodecError('range');
    const prefix = this.grow(1);
    for (let rest = value; rest !== 0n; rest >>= 8n) this.u8(Number(rest & 0xffn));
    this.buffer[prefix] = ((this.at - prefix - 5) << 2) | 3;
  }

  /** What was written, as an array of its own. */
  finish(): Bytes {
    return this.buffer.slice(0, this.at);
  }

  /** Forgets what was written, keeps the buffer. */
  clear(): void {
    this.at = 0;
  }

  get capacity(): number {
    return this.buffer.length;
  }

  private word(value: number): void {
    const at = this.grow(4);
    const { buffer } = this;
    buffer[at] = value;
    buffer[at + 1] = value >>> 8;
    buffer[at + 2] = value >>> 16;
    buffer[at + 3] = value >>> 24;
  }

  /** Room for `size` more bytes; returns where they begin. */
  private grow(size: number): number {
    const at = this.at;
    const end = at + size;
    if (end > this.buffer.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.buffer.length));
      larger.set(this.buffer.subarray(0, at));
      this.buffer = larger;
      this.view = new DataView(larger.buffer);
    }
    this.at = end;
    return at;
  }
}

// Idle writers are reused: a fresh buffer costs more than most values do. At most 4, of at most 64 KiB each.
const IDLE_WRITERS: Writer[] = [];
const MAX_IDLE_WRITERS = 4;
const MAX_IDLE_CAPACITY = 65_536;

/** A codec of its two directions and its shape. */
export function codec<T>(shape: Shape, write: Codec<T>['write'], read: Codec<T>['read']): Codec<T> {
  return {
    shape,
    write,
    read,
    enc(value: T): Bytes {
      const out = IDLE_WRITERS.pop() ?? new Writer();
      out.clear();
      write(out, value);
      const bytes = out.finish();
      if (IDLE_WRITERS.length < MAX_IDLE_WRITERS && out.capacity <= MAX_IDLE_CAPACITY) IDLE_WRITERS.push(out);
      return bytes;
    },
    dec(bytes: Bytes): T {
      const from = new Reader(bytes);
      const value = read(from);
      from.close();
      return value;
    },
  };
}

/** The value that bytes from outside spell; undefined where they spell none, which is a result and no fault of ours. */
export function tryDecode<T>(codec: Codec<T>, bytes: Bytes): T | undefined {
  try {
    return codec.dec(bytes);
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
