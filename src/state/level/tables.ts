/**
 * # Tables: LevelDB's own block checksums, checked before LevelDB reads the blocks.
 *
 * Always true: a table that passes has every block as it was written. LevelDB computes these
 * checksums (CRC-32C) and, opened from Node, never compares them: a flipped bit in a table gives a wrong value, or
 * trips an assertion that ends the process. Format: leveldb/doc/table_format.md.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/**
 * Checks the newest tables in use, up to `budget` bytes of them; returns the bytes of all tables in use. Throws
 * StoreError `CorruptDatabase` at the first one that is missing or not as LevelDB wrote it.
 */
export async function checkTables(folder: string, budget: number): Promise<number> {
  let sum = 0;
  for (const { name, size } of await liveTables(folder)) {
    sum += size;
    if (sum > budget) continue;
    const table = await inFile(name, readFile(join(folder, name)));
    if (table.length !== size || !isSound(table)) throw new StoreError('CorruptDatabase', `table ${name} is damaged`);
  }
  return sum;
}

/** Tables that the manifest lists, newest first. A compaction that was cut off leaves others, which nobody reads. */
async function liveTables(folder: string): Promise<{ name: string; size: number }[]> {
  const names = await inFile('db', readdir(folder));
  if (!names.includes('CURRENT')) throw new StoreError('CorruptDatabase', 'CURRENT is missing');
  const current = (await inFile('CURRENT', readFile(join(folder, 'CURRENT'), 'latin1'))).trimEnd();
  if (!names.includes(current)) throw new StoreError('CorruptDatabase', 'CURRENT names no manifest');
  const live = tablesOf(await inFile(current, readFile(join(folder, current))));
  if (live === undefined) throw new StoreError('CorruptDatabase', `${current} is damaged`);
  const newestFirst = [...live].sort(([a], [b]) => b - a);
  return newestFirst.map(([number, size]) => {
    const name = ['ldb', 'sst']
      .map((end) => `${String(number).padStart(6, '0')}.${end}`)
      .find((n) => names.includes(n));
    if (name === undefined) throw new StoreError('CorruptDatabase', `table ${number} is missing`);
    return { name, size };
  });
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
