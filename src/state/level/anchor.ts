/**
 * # Anchor: what the database must at least hold, written outside of it.
 *
 * Always true: the file is whole (written beside, synced, renamed) and tells of a batch that was synced before it. A
 * database that lost synced writes, or belongs to another chain, is therefore noticed however it opens.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type Bytes, fromHex, toHex } from '../../base/bytes.ts';
import { StoreError } from '../errors.ts';
import type { BlockRef } from '../store.ts';
import { diskError } from './database.ts';

export interface Anchor {
  /** Layout of the database (records.ts, SCHEMA). */
  readonly schema: number;
  readonly genesis: Bytes;
  /** The highest settled block known to be on disk. */
  readonly settled: BlockRef;
  /** Sequence number of the last batch known to be on disk. */
  readonly batch: number;
  /** Whether the database was closed after that batch and not opened since. */
  readonly closed: boolean;
}

/** Writes the anchor so that a crash leaves the old one or the new one; `beforeRename` is told that it lies beside. */
export async function writeAnchor(path: string, anchor: Anchor, beforeRename = (): void => {}): Promise<void> {
  const text = JSON.stringify({
    schema: anchor.schema,
    genesis: toHex(anchor.genesis),
    number: anchor.settled.number,
    hash: toHex(anchor.settled.hash),
    batch: anchor.batch,
    closed: anchor.closed,
  });
  const beside = `${path}.new`;
  try {
    const file = await open(beside, 'w', 0o644);
    try {
      await file.writeFile(`${text}\n${checksum(text)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    beforeRename();
    await rename(beside, path);
  } catch (error) {
    throw diskError('anchor', error);
  }
}

/** The anchor at a path; undefined if there is no file. StoreError `CorruptDatabase` when it is not as written. */
export async function readAnchor(path: string): Promise<Anchor | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw diskError('anchor', error);
  }
  const [line = '', sum = '', ...rest] = text.split('\n');
  if (checksum(line) !== sum || rest.join('') !== '') throw damaged();
  return parse(line);
}

function parse(line: string): Anchor {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch (error) {
    throw damaged(error);
  }
  if (typeof fields !== 'object' || fields === null) throw damaged();
  const { schema, genesis, number, hash, batch, closed } = fields as Record<string, unknown>;
  if (!isHeight(schema) || !isHeight(number) || !isHeight(batch) || !isHash(genesis) || !isHash(hash)) throw damaged();
  if (typeof closed !== 'boolean') throw damaged();
  return { schema, genesis: fromHex(genesis), settled: { number, hash: fromHex(hash) }, batch, closed };
}

function isHeight(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value);
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

function damaged(cause?: unknown): StoreError {
  return new StoreError('CorruptDatabase', 'the anchor file is damaged', cause);
}
