/**
 * # Tables: LevelDB's own block checksums, checked before LevelDB reads the blocks.
 *
 * Always true: a table that passes has every block as it was written. LevelDB computes these
 * checksums (CRC-32C) and, opened from Node, never compares them: a flipped bit in a table gives a wrong value, or
 * trips an assertion that ends the process. Format: leveldb/doc/table_format.md; compression: snappy's format text.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bytes } from '../../base/bytes.ts';
import { StoreError } from '../errors.ts';
import { diskError } from './database.ts';

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
/** After each block: one byte for its compression, four of checksum. */
const TRAILER_BYTES = 5;
const SNAPPY = 1;

const CRC32C_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** Bytes of all tables in a database folder. */
export async function tableBytes(folder: string): Promise<number> {
  let sum = 0;
  for (const name of await tablesOf(folder)) sum += (await inFile(name, stat(join(folder, name)))).size;
  return sum;
}

/** Throws StoreError `CorruptDatabase` at the first table that is not as LevelDB wrote it. */
export async function checkTables(folder: string): Promise<void> {
  for (const name of await tablesOf(folder)) {
    const table = await inFile(name, readFile(join(folder, name)));
    if (!isSound(table)) throw new StoreError('CorruptDatabase', `table ${name} is damaged`);
  }
}

async function tablesOf(folder: string): Promise<string[]> {
  const names = await inFile('db', readdir(folder));
  return names.filter((name) => /^\d+\.(ldb|sst)$/.test(name)).sort();
}

async function inFile<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw diskError(name, error);
  }
}

/** Whether every block that the table's footer and index lead to matches its checksum. */
export function isSound(table: Bytes): boolean {
  try {
    const footer = new Cursor(table, table.length - FOOTER_BYTES, table.length);
    const metaindex = footer.handle();
    const index = footer.handle();
    if (new DataView(table.buffer, table.byteOffset + table.length - 8).getBigUint64(0, true) !== MAGIC) return false;
    // The metaindex leads to the filter: a flipped bit there hides a record that exists.
    for (const root of [metaindex, index]) {
      for (const handle of handlesOf(readBlock(table, root))) checkBlock(table, handle);
    }
    return true;
  } catch (error) {
    // What the readers below throw on bytes that make no sense.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** CRC-32C (Castagnoli). */
export function crc32c(bytes: Bytes): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) {
    crc = (CRC32C_TABLE[(crc ^ (bytes[i] as number)) & 255] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/** The stored bytes of a block and its compression, after its checksum was compared. */
function checkBlock(table: Bytes, { offset, size }: Handle): { bytes: Bytes; compression: number } {
  const end = offset + size;
  if (end + TRAILER_BYTES > table.length - FOOTER_BYTES) throw new RangeError('a block lies outside its table');
  const crc = crc32c(table.subarray(offset, end + 1));
  // LevelDB masks checksums, because it also checksums data that holds checksums.
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  if (new DataView(table.buffer, table.byteOffset + end + 1).getUint32(0, true) !== masked) {
    throw new RangeError('a block does not match its checksum');
  }
  return { bytes: table.subarray(offset, end), compression: table[end] as number };
}

function readBlock(table: Bytes, handle: Handle): Bytes {
  const { bytes, compression } = checkBlock(table, handle);
  return compression === SNAPPY ? unsnappy(bytes) : bytes;
}

/** Values of an index block: entries of shared, unshared and value length, then key and value, then restarts. */
function handlesOf(block: Bytes): Handle[] {
  const restarts = new DataView(block.buffer, block.byteOffset + block.length - 4).getUint32(0, true);
  const cursor = new Cursor(block, 0, block.length - 4 * restarts - 4);
  const handles: Handle[] = [];
  while (cursor.at < cursor.end) {
    cursor.varint();
    const unshared = cursor.varint();
    const length = cursor.varint();
    cursor.skip(unshared);
    const next = cursor.at + length;
    handles.push(cursor.handle());
    if (cursor.at !== next) throw new RangeError('an index entry is not a block handle');
  }
  return handles;
}

/** Reads within a range; RangeError beyond it. */
class Cursor {
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

  handle(): Handle {
    return { offset: this.varint(), size: this.varint() };
  }
}

/** Content of a snappy block: literals, and copies of what was written before. */
function unsnappy(bytes: Bytes): Bytes {
  const from = new Cursor(bytes, 0, bytes.length);
  const out = new Uint8Array(boundedLength(from.varint(), bytes.length));
  let at = 0;
  while (from.at < from.end) {
    const tag = from.byte();
    const { length, offset } = element(tag, from);
    if (at + length > out.length || offset > at) throw new RangeError('a snappy element leaves its block');
    if (offset === 0) {
      from.skip(length);
      out.set(bytes.subarray(from.at - length, from.at), at);
    } else {
      // A copy may overlap what it writes: byte by byte.
      for (let i = 0; i < length; i++) out[at + i] = out[at + i - offset] as number;
    }
    at += length;
  }
  if (at !== out.length) throw new RangeError('a snappy block is cut off');
  return out;
}

/** Snappy gains at most a factor of 64: a larger promise is not allocated. */
function boundedLength(length: number, stored: number): number {
  if (length > 64 * stored) throw new RangeError('a snappy block promises too much');
  return length;
}

/** Length and distance of the next element; distance 0 is a literal. */
function element(tag: number, from: Cursor): { length: number; offset: number } {
  const kind = tag & 3;
  if (kind === 0) {
    const extra = (tag >> 2) - 59;
    return { length: (extra <= 0 ? tag >> 2 : little(from, extra)) + 1, offset: 0 };
  }
  if (kind === 1) return { length: ((tag >> 2) & 7) + 4, offset: ((tag >> 5) << 8) | from.byte() || invalid() };
  return { length: (tag >> 2) + 1, offset: little(from, kind === 2 ? 2 : 4) || invalid() };
}

function little(from: Cursor, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value += from.byte() * 256 ** i;
  return value;
}

function invalid(): never {
  throw new RangeError('a snappy copy of nothing');
}
