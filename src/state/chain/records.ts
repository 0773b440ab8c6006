/**
 * # Records: the columns of the store and what stands in them (docs/spec/storage.md, "Columns").
 *
 * A key is a column's letter and then bytes; heights are four bytes, big-endian, so that blocks lie in order.
 */
import type { Bytes } from '../../base/bytes.ts';
import {
  array,
  boundedBytes,
  bytes,
  type Codec,
  codec,
  compactU32,
  hash,
  type Of,
  Reader,
  str,
  struct,
  tuple,
  u8,
  u32,
  vec,
} from '../../codec/index.ts';
import { StoreError } from '../errors.ts';
import { keyOf } from '../key.ts';

/** Version of this layout: an older one is converted, a newer one is refused. 2 added `base` to the head. */
export const SCHEMA = 2;

/** Columns whose records are counted in the head, so that a record that vanished is noticed. */
export const COUNTED = {
  /** number, hash -> BlockRecord */
  block: 'h',
  /** number, hash -> extrinsics */
  body: 'b',
  /** number, hash -> opening of the seal */
  opening: 'o',
  /** number, hash -> justification */
  justification: 'j',
  /** number, hash -> what an unsettled block changed */
  diff: 'd',
  /** number -> what settling the block at this height overwrote */
  undo: 'r',
  /** number of blocks, number -> several undo records as one (spans.ts) */
  span: 'u',
  /** hash -> number */
  number: 'n',
  /** number -> hash of the canonical chain */
  canonical: 'c',
} as const;

export type Counted = keyof typeof COUNTED;

/** Key and value of the settled state; their root is checked when they are loaded. */
export const STATE_COLUMN = 's';
export const HEAD_KEY = 'H';
export const AUX_KEY = 'a';

export const MAX_AUX_NAMES = 64;
export const MAX_AUX_BYTES = 1024 * 1024;

/** What is kept of a block beside its body. */
export const BlockRecord = struct({ arrival: compactU32, header: bytes, meta: bytes });
export type BlockRecord = Of<typeof BlockRecord>;

export const Body = vec(bytes);

const Ref = struct({ hash, number: u32 });
const COLUMN_NAMES = Object.keys(COUNTED) as Counted[];

const Stand = struct({
  schema: u32,
  stateVersion: u8,
  genesis: hash,
  best: Ref,
  settled: Ref,
  /** Blocks ever stored. */
  arrivals: compactU32,
  /** The lowest height whose undo record is kept. */
  undoFrom: u32,
  /** Records in each counted column, in the order of COUNTED. */
  counts: array(compactU32, COLUMN_NAMES.length),
});

/** Where the chain stands; written with every batch. */
export type Head = Omit<Of<typeof Stand>, 'schema'> & {
  /** Height of the block that the store began with: blocks between genesis and it are not here. */
  readonly base: number;
};

/** Always written in the newest schema; in schema 1 every chain began with genesis. */
export const Head: Codec<Head> = codec<Head>(
  Stand.shape,
  (out, head) => {
    Stand.write(out, { ...head, schema: SCHEMA });
    u32.write(out, head.base);
  },
  (from) => {
    const { schema, ...stand } = Stand.read(from);
    return { ...stand, base: schema === 1 ? 0 : from.u32() };
  },
);

export const Aux = vec(tuple(str, boundedBytes(MAX_AUX_BYTES)), MAX_AUX_NAMES);

/** Numbers of records by column. */
export type Counts = Record<Counted, number>;

export function countsOf(list: readonly number[]): Counts {
  return Object.fromEntries(COLUMN_NAMES.map((name, i) => [name, list[i] ?? 0])) as Counts;
}

export function listOf(counts: Counts): number[] {
  return COLUMN_NAMES.map((name) => counts[name]);
}

/** Four bytes, big-endian, as a key string. */
export function heightKey(number: number): string {
  return String.fromCharCode(number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255);
}

/** The height that four characters of a key stand for. */
export function heightAt(key: string, at: number): number {
  const [a, b, c, d] = [0, 1, 2, 3].map((i) => key.charCodeAt(at + i)) as [number, number, number, number];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** Key of what belongs to one block. */
export function blockKey(column: Counted, number: number, name: string): string {
  return COUNTED[column] + heightKey(number) + name;
}

/** What the store reads of a header: SCALE puts the parent, the compact number and the state root first. */
export interface HeaderFields {
  readonly parent: Bytes;
  readonly number: number;
  readonly stateRoot: Bytes;
}

/** CodecError when the bytes cannot begin a header. */
export function headerFields(header: Bytes): HeaderFields {
  const from = new Reader(header);
  return { parent: from.take(32), number: from.compactU32(), stateRoot: from.take(32) };
}

/** Decodes a record that was written by this program; what does not decode was damaged. */
export function decoded<T>(what: string, key: string, record: Bytes, decode: (bytes: Bytes) => T): T {
  try {
    return decode(record);
  } catch (error) {
    throw new StoreError('CorruptDatabase', `${what} ${keyHex(key)} does not decode`, error);
  }
}

/** The record that must exist. */
export function present<T>(what: string, key: string, record: T | undefined): T {
  if (record === undefined) throw new StoreError('CorruptDatabase', `${what} ${keyHex(key)} is missing`);
  return record;
}

/** A key as the operator sees it: the column's letter and hex. */
export function keyHex(key: string): string {
  return `${key.slice(0, 1)}:${Buffer.from(key.slice(1), 'latin1').toString('hex')}`;
}

/** A hash as it stands in keys. */
export const nameOf = keyOf;
