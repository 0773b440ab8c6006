/**
 * # Snapshot file: a snapshot's records in a file, and the hash that names it.
 *
 * Always true: a file is magic, records (length u32 LE, bytes), and the SHA-256 of all before, which is the snapshot's
 * hash; nothing follows. Memory is one record, whatever the size; a file that was cut off is refused.
 */
import { createHash, type Hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import { CodecError } from '../codec/index.ts';
import { lastProof } from '../consensus/finality/grandpa.ts';
import { BlockMeta } from '../consensus/meta.ts';
import { LevelStore } from '../state/level/level-store.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import { MAX_RECORD_BYTES, SNAPSHOT_MAGIC, SnapshotIntake, snapshotOf } from '../sync/snapshot.ts';
import { OfflineError, type OfflineOptions } from './offline.ts';
import { chainRules } from './rules.ts';

const HASH_BYTES = 32;
const LENGTH_BYTES = 4;

/** The snapshot of a store: the newest proof is kept beside the blocks until the next one comes. */
export function snapshotRecords(store: ChainStore): Iterable<Bytes> {
  const { hash } = store.settled;
  const last = lastProof((name) => store.aux(name));
  const newest = last && equal(last.block.hash, hash) ? last.bytes : undefined;
  return snapshotOf(store, newest ?? store.justification(hash));
}

/** Writes a new file; its hash. Throws OfflineError when there is such a file, or it cannot be written. */
export async function writeSnapshot(path: string, records: Iterable<Bytes>): Promise<Bytes> {
  return inFile(path, async () => {
    const file = await open(path, 'wx', 0o644);
    try {
      const sum = createHash('sha256');
      await put(file, sum, SNAPSHOT_MAGIC);
      for (const record of records) {
        const length = Buffer.alloc(LENGTH_BYTES);
        length.writeUInt32LE(record.length);
        await put(file, sum, length);
        await put(file, sum, record);
      }
      const hash = new Uint8Array(sum.digest());
      await file.writeFile(hash);
      await file.sync();
      return hash;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  });
}

/** Gives a file's records to an intake; the file's hash. Throws OfflineError or SnapshotError. */
async function readSnapshot(path: string, intake: SnapshotIntake): Promise<Bytes> {
  return inFile(path, async () => {
    const file = await open(path, 'r');
    try {
      const sum = createHash('sha256');
      const magic = await take(file, sum, SNAPSHOT_MAGIC.length);
      if (!equal(magic, SNAPSHOT_MAGIC)) throw new OfflineError(`${path}: not a snapshot, or of another version`);
      while (!intake.isComplete) {
        const length = (await take(file, sum, LENGTH_BYTES)).readUInt32LE();
        if (length > MAX_RECORD_BYTES) throw damaged(path, 'a record is too long');
        intake.take(new Uint8Array(await take(file, sum, length)));
      }
      const found = new Uint8Array(sum.digest());
      const named = await take(file, undefined, HASH_BYTES);
      if (!equal(found, new Uint8Array(named))) throw damaged(path, `its hash is ${toHex(found)}`);
      const { bytesRead } = await file.read(Buffer.alloc(1), 0, 1);
      if (bytesRead > 0) throw damaged(path, 'bytes follow its end');
      return found;
    } finally {
      await file.close();
    }
  });

  async function take(file: FileHandle, sum: Hash | undefined, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await file.read(bytes, at, length - at);
      if (bytesRead === 0) throw damaged(path, 'it ends too early');
      at += bytesRead;
    }
    sum?.update(bytes);
    return bytes;
  }
}

export interface SnapshotOptions extends Omit<OfflineOptions, 'create'> {
  readonly path: string;
  /** The snapshot's hash, from somebody whom the operator trusts. */
  readonly hash: Bytes | undefined;
}

/**
 * Makes a chain that begins with the block of a snapshot. Throws OfflineError when there is a chain already, when the
 * snapshot is not the named one or nothing but its name could prove it, and StoreError or SnapshotError.
 */
export async function importSnapshot(options: SnapshotOptions): Promise<BlockRef & { readonly keys: number }> {
  const { spec, basePath, pruning, path, hash, warn } = options;
  const dir = join(basePath, 'chains', spec.id);
  if (existsSync(join(dir, 'db'))) {
    throw new OfflineError(`--base-path ${basePath}: there is a chain already; purge-chain removes it`);
  }
  const { genesis } = chainRules(spec, warn);
  const intake = new SnapshotIntake(genesis.hash);
  const found = await readSnapshot(path, intake);
  if (hash === undefined) throw new OfflineError(`${path}: say --hash ${toHex(found)} if its source is trusted`);
  if (!equal(found, hash)) throw new OfflineError(`${path}: its hash is ${toHex(found)}, not ${toHex(hash)}`);
  const base = intake.base();
  if (!isMeta(base.meta)) throw new OfflineError(`${path}: damaged: what consensus keeps with the block is missing`);
  await mkdir(dir, { recursive: true });
  await (await LevelStore.open({ dir, genesis, pruning, base })).close();
  return { number: base.number, hash: base.hash, keys: intake.keys };
}

function isMeta(bytes: Bytes): boolean {
  try {
    BlockMeta.dec(bytes);
    return true;
  } catch (error) {
    if (error instanceof CodecError) return false;
    throw error;
  }
}

async function put(file: FileHandle, sum: Hash, bytes: Bytes): Promise<void> {
  sum.update(bytes);
  await file.writeFile(bytes);
}

function damaged(path: string, what: string): OfflineError {
  return new OfflineError(`${path}: damaged: ${what}`);
}

async function inFile<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    throw new OfflineError(`${path}: ${code === 'EEXIST' ? 'there is such a file already' : code}`);
  }
}
