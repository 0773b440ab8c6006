/** # Scalars: integers, bools, strings and byte strings; a number below 2^32 is a number, beyond it a bigint. */
import { assert } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { type Codec, CodecError, codec } from './codec.ts';
import { type PrimitiveName, primitive, type Shape } from './shape.ts';

const U8 = primitive('u8');

export const u8: Codec<number> = codec(
  U8,
  (out, value) => out.u8(value),
  (from) => from.u8(),
);
export const u16: Codec<number> = codec(
  primitive('u16'),
  (out, value) => out.u16(value),
  (from) => from.u16(),
);
export const u32: Codec<number> = codec(
  primitive('u32'),
  (out, value) => out.u32(value),
  (from) => from.u32(),
);
export const i32: Codec<number> = codec(
  primitive('i32'),
  (out, value) => out.i32(value),
  (from) => from.i32(),
);
export const u64: Codec<bigint> = codec(
  primitive('u64'),
  (out, value) => out.u64(value),
  (from) => from.u64(),
);
export const u128: Codec<bigint> = codec(
  primitive('u128'),
  (out, value) => out.u128(value),
  (from) => from.u128(),
);
export const u256: Codec<bigint> = codec(
  primitive('u256'),
  (out, value) => out.u256(value),
  (from) => from.u256(),
);

/** 0 or 1; any other byte is refused. */
export const bool: Codec<boolean> = codec(
  primitive('bool'),
  (out, value) => out.u8(value ? 1 : 0),
  (from) => {
    const byte = from.u8();
    return byte > 1 ? from.fail('bool') : byte === 1;
  },
);

const encoder = new TextEncoder();
// ignoreBOM keeps a leading U+FEFF: dropping it would give two byte strings to one value.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A length-prefixed UTF-8 string; malformed UTF-8 and lone surrogates are refused, never replaced. */
export const str: Codec<string> = codec(
  primitive('str'),
  (out, value) => {
    if (!value.isWellFormed()) throw new CodecError('utf8');
    const text = encoder.encode(value);
    out.compactU32(text.length);
    out.raw(text);
  },
  (from) => {
    const at = from.at;
    const text = from.take(from.length(1));
    try {
      return decoder.decode(text);
    } catch {
      throw new CodecError('utf8', at);
    }
  },
);

/** Vec<u8>: a length-prefixed byte string, of at most `max` bytes where a bound is given. */
export function boundedBytes(max: number): Codec<Bytes> {
  return codec<Bytes>(
    { kind: 'sequence', of: U8 },
    (out, value) => {
      if (value.length > max) throw new CodecError('length');
      out.compactU32(value.length);
      out.raw(value);
    },
    (from) => {
      const length = from.length(1);
      return length > max ? from.fail('length') : from.take(length);
    },
  );
}

/** Vec<u8>, bounded by the input alone. */
export const bytes: Codec<Bytes> = boundedBytes(0xffff_ffff);

/** [u8; size]. */
export function fixed(size: number): Codec<Bytes> {
  assert(Number.isSafeInteger(size) && size >= 0, 'size of a fixed byte string');
  return codec<Bytes>(
    { kind: 'array', of: U8, length: size },
    (out, value) => {
      if (value.length !== size) throw new CodecError('length');
      out.raw(value);
    },
    (from) => from.take(size),
  );
}

/** (): no bytes at all. */
export const unit: Codec<undefined> = codec<undefined>(
  { kind: 'tuple', of: [] },
  () => undefined,
  () => undefined,
);

function compactShape(name: PrimitiveName): Shape {
  return { kind: 'compact', of: primitive(name) };
}

/** Compact<u8> */
export const compactU8: Codec<number> = boundedCompact('u8', 0xff);
/** Compact<u16> */
export const compactU16: Codec<number> = boundedCompact('u16', 0xffff);
/** Compact<u32> as a number. */
export const compactU32: Codec<number> = boundedCompact('u32', 0xffff_ffff);
/** Compact<u64> as a bigint. */
export const compactU64: Codec<bigint> = codec(
  compactShape('u64'),
  (out, value) => out.compact(value, 8),
  (from) => from.compact(8),
);
/** Compact<u128> as a bigint: balances and amounts. */
export const compact: Codec<bigint> = codec(
  compactShape('u128'),
  (out, value) => out.compact(value, 16),
  (from) => from.compact(16),
);

function boundedCompact(name: PrimitiveName, max: number): Codec<number> {
  return codec<number>(
    compactShape(name),
    (out, value) => {
      if (value > max) throw new CodecError('range');
      out.compactU32(value);
    },
    (from) => {
      const value = from.compactU32();
      return value > max ? from.fail('compact') : value;
    },
  );
}
