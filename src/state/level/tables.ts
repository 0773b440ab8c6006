/**
 * # Tables: LevelDB's own block checksums, checked before LevelDB reads the blocks.
 *
 * Always true: a table that passes has every block as it was written. LevelDB computes these
 * checksums (CRC-32C) and, opened from Node, never compares them: a flipped bit in a table gives a wrong value, or
 * trips an assertion that ends the process. Format: leveldb/doc/table_format.md.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Bytes } from '../../base/bytes.ts';
import { StoreError } from '../errors.ts';
import { Cursor, maskedChecksum } from './cursor.ts';
import { diskError } from './database.ts';
import { tablesOf } from './manifest.ts';
import { unsnappy } from './snappy.ts';

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
/** After each block: one byte for its compression, four of checksum. */
const TRAILER_BYTES = 5;
const SNAPPY = 1;

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** Bytes of all tables in use, and whether all of them were checked. */
export interface Checked {
  readonly bytes: number;
  readonly all: boolean;
}

/**
 * Checks the newest tables in use, up to `budget` bytes of them, before LevelDB opens them. Throws StoreError
 * `CorruptDatabase` at the first one that is missing or not as LevelDB wrote it.
 */
export async function checkTables(folder: string, budget: number): Promise<Checked> {
  const names = await inFile('db', readdir(folder));
  let bytes = 0;
  for (const { number, size } of await liveTables(folder)) {
    bytes += size;
    const name = namesOf(number).find((one) => names.includes(one));
    if (name === undefined) throw new StoreError('CorruptDatabase', `table ${number} is missing`);
    if (bytes <= budget) checkTable(name, size, await inFile(name, readFile(join(folder, name))));
  }
  return { bytes, all: bytes <= budget };
}

/**
 * Checks every table in use while LevelDB works on, with a turn for everybody else between two of them (2 MiB, 5 ms
 * each). A table that a compaction has replaced meanwhile is no fault. StoreError as above.
 */
export async function scrubTables(folder: string): Promise<void> {
  for (const { number, size } of await liveTables(folder)) {
    for (const name of namesOf(number)) {
      const table = await ifThere(name, readFile(join(folder, name)));
      if (table !== undefined) checkTable(name, size, table);
    }
    await setImmediate();
  }
}

/** Tables that the manifest lists, newest first. A compaction that was cut off leaves others, which nobody reads. */
async function liveTables(folder: string): Promise<{ number: number; size: number }[]> {
  const pointer = await ifThere('CURRENT', readFile(join(folder, 'CURRENT'), 'latin1'));
  if (pointer === undefined) throw new StoreError('CorruptDatabase', 'CURRENT is missing');
  const current = pointer.trimEnd();
  const manifest = /^MANIFEST-\d+$/.test(current) ? await ifThere(current, readFile(join(folder, current))) : undefined;
  if (manifest === undefined) throw new StoreError('CorruptDatabase', 'CURRENT names no manifest');
  const live = tablesOf(manifest);
  if (live === undefined) throw new StoreError('CorruptDatabase', `${current} is damaged`);
  return [...live].map(([number, size]) => ({ number, size })).sort((a, b) => b.number - a.number);
}

/** What a table's file may be called. */
function namesOf(number: number): string[] {
  return ['ldb', 'sst'].map((end) => `${String(number).padStart(6, '0')}.${end}`);
}

function checkTable(name: string, size: number, table: Bytes): void {
  if (table.length !== size || !isSound(table)) throw new StoreError('CorruptDatabase', `table ${name} is damaged`);
}

/** The content of a file; undefined if there is none. */
async function ifThere<T>(name: string, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw diskError(name, error);
  }
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
    const metaindex = handleAt(footer);
    const index = handleAt(footer);
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

function handleAt(cursor: Cursor): Handle {
  return { offset: cursor.varint(), size: cursor.varint() };
}

/** The stored bytes of a block and its compression, after its checksum was compared. */
function checkBlock(table: Bytes, { offset, size }: Handle): { bytes: Bytes; compression: number } {
  const end = offset + size;
  if (end + TRAILER_BYTES > table.length - FOOTER_BYTES) throw new RangeError('a block lies outside its table');
  const stored = new DataView(table.buffer, table.byteOffset + end + 1).getUint32(0, true);
  if (stored !== maskedChecksum(table.subarray(offset, end + 1))) {
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
    handles.push(handleAt(cursor));
    if (cursor.at !== next) throw new RangeError('an index entry is not a block handle');
  }
  return handles;
}
