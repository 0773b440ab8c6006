/**
 * # Database: LevelDB with a checksum on every record.
 *
 * Always true: a record is returned as it was written under that key, or StoreError `CorruptDatabase` is thrown.
 * LevelDB as reached from Node verifies nothing when it reads: one flipped bit in a table file gives a wrong value
 * without an error. Records of the state column carry no checksum: their root is checked when they are loaded.
 */
import { crc32 } from 'node:zlib';
import { type ChainedBatch, Level } from 'level';
import type { Bytes } from '../../base/bytes.ts';
import { keyHex, STATE_COLUMN } from '../chain/records.ts';
import type { RecordSource, Writes } from '../chain/write-queue.ts';
import { StoreError } from '../errors.ts';
import { bytesOf, keyOf } from '../key.ts';

const CHECKSUM_BYTES = 4;
/** Log and memory table; two of each exist at most. The journal reaches four times as far back. */
export const WRITE_BUFFER_BYTES = 8 * 1024 * 1024;
const PAGE = 1000;
const STATE_LETTER = STATE_COLUMN.charCodeAt(0);
const LOCKED = /LEVEL_LOCKED|\block\b/i;

export interface DatabaseOptions {
  readonly create: boolean;
  /** LevelDB's block cache. */
  readonly cacheBytes: number;
}

type View = Level<Uint8Array, Uint8Array>;

export class Database implements RecordSource {
  private readonly level: View;

  private constructor(level: View) {
    this.level = level;
  }

  /** StoreError `DatabaseLocked`, `CorruptDatabase` or `DiskError`. */
  static async open(path: string, options: DatabaseOptions): Promise<Database> {
    const level: View = new Level(path, {
      keyEncoding: 'view',
      valueEncoding: 'view',
      createIfMissing: options.create,
      errorIfExists: options.create,
      cacheSize: options.cacheBytes,
      writeBufferSize: WRITE_BUFFER_BYTES,
    });
    try {
      await level.open();
    } catch (error) {
      throw openError(error);
    }
    return new Database(level);
  }

  /** Throws StoreError `DatabaseLocked` if another process, or this one, has an existing database open. */
  static async ensureFree(path: string): Promise<void> {
    // LevelDB takes its lock and then, without reading anything, refuses a database that exists.
    const probe: View = new Level(path, { createIfMissing: false, errorIfExists: true });
    try {
      await probe.open();
      await probe.close();
    } catch (error) {
      if (LOCKED.test(reason(error))) throw openError(error);
    }
  }

  get(key: string): Bytes | undefined {
    let record: Bytes | undefined;
    try {
      record = this.level.getSync(bytesOf(key));
    } catch (error) {
      throw readError(error);
    }
    return record === undefined ? undefined : opened(key, record);
  }

  /** All records of a key range, ascending, from one snapshot, in pages: keys in string form. */
  async *range(from: string, to: string): AsyncGenerator<[string, Bytes][]> {
    const iterator = this.level.iterator({ gte: bytesOf(from), lt: bytesOf(to), highWaterMarkBytes: 1 << 20 });
    try {
      for (;;) {
        const page = await iterator.nextv(PAGE);
        if (page.length === 0) return;
        yield page.map(([key, record]): [string, Bytes] => {
          const name = keyOf(key);
          return [name, opened(name, record)];
        });
      }
    } catch (error) {
      throw error instanceof StoreError ? error : readError(error);
    } finally {
      await iterator.close();
    }
  }

  /** Writes a batch, whole or not at all; with `sync` it survives a power cut. Returns its size in bytes. */
  async write(writes: Writes, sync: boolean): Promise<number> {
    const batch = this.level.batch();
    const size = fill(batch, writes);
    try {
      await batch.write({ sync });
    } catch (error) {
      throw diskError('batch', error);
    }
    return size;
  }

  async close(): Promise<void> {
    await this.level.close();
  }
}

/** Checksum of a record as it stands in the database: over the value and then the key. */
export function recordChecksum(key: Bytes, value: Bytes): number {
  return crc32(key, crc32(value));
}

function fill(batch: ChainedBatch<View, Uint8Array, Uint8Array>, { records, state }: Writes): number {
  let keyBytes = 0;
  for (const key of records.keys()) keyBytes += key.length;
  for (const key of state.keys()) keyBytes += STATE_COLUMN.length + key.length;
  // One buffer for all keys: an array of its own for each costs more than the rest of the put.
  const keys = Buffer.allocUnsafeSlow(keyBytes);
  let at = 0;
  let size = keyBytes;
  for (const [name, value] of records) {
    const from = at;
    at += keys.write(name, at, 'latin1');
    const key = keys.subarray(from, at);
    if (value === null) batch.del(key);
    else batch.put(key, sealed(key, value));
    size += value?.length ?? 0;
  }
  for (const [name, value] of state) {
    const from = at;
    keys[at++] = STATE_LETTER;
    at += keys.write(name, at, 'latin1');
    const key = keys.subarray(from, at);
    if (value === null) batch.del(key);
    else batch.put(key, value);
    size += value?.length ?? 0;
  }
  return size;
}

function sealed(key: Bytes, value: Bytes): Bytes {
  const record = Buffer.allocUnsafe(value.length + CHECKSUM_BYTES);
  record.set(value);
  record.writeUInt32LE(recordChecksum(key, value), value.length);
  return record;
}

/** The value of a record, as an array of its own. */
function opened(key: string, record: Bytes): Bytes {
  if (key.startsWith(STATE_COLUMN)) return record;
  const length = record.length - CHECKSUM_BYTES;
  if (length < 0) throw new StoreError('CorruptDatabase', `record ${keyHex(key)} is cut off`);
  const value = new Uint8Array(record.buffer, record.byteOffset, length);
  const sum = new DataView(record.buffer, record.byteOffset + length).getUint32(0, true);
  if (sum !== recordChecksum(bytesOf(key), value)) {
    throw new StoreError('CorruptDatabase', `record ${keyHex(key)} does not match its checksum`);
  }
  return value;
}

function openError(error: unknown): StoreError {
  const text = reason(error);
  if (LOCKED.test(text)) return new StoreError('DatabaseLocked', text, error);
  if (/corrupt|missing files|does not exist|invalid argument|no such file/i.test(text)) {
    return new StoreError('CorruptDatabase', text, error);
  }
  return diskError('open', error);
}

function readError(error: unknown): StoreError {
  const text = reason(error);
  return /corrupt/i.test(text) ? new StoreError('CorruptDatabase', text, error) : diskError('read', error);
}

/** StoreError `DiskError` for a failed operation on files. */
export function diskError(operation: string, error: unknown): StoreError {
  return new StoreError('DiskError', `${operation}: ${reason(error)}`, error);
}

/** What LevelDB said, without the paths of this machine. */
function reason(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at) parts.push(String(at.code));
    parts.push(at.message.replace(/(\/[^\s/:]+)+\/([^\s/:]+)/g, '$2'));
  }
  return parts.join(': ') || String(error);
}
