/**
 * # Partial: a blob on its way, in a file of its final size.
 *
 * Always true: a chunk counts as present only after it was hashed against its root, in this run or when the file was
 * opened again; so a torn write, a hole or a foreign byte is a chunk that is still missing.
 */
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { type Bytes, equal } from '../base/bytes.ts';
import { hash, struct, tryDecode, u64, vec } from '../codec/index.ts';
import { type BlobStat, CHUNK_BYTES, chunkCount, fits, MAX_CHUNKS, runFits, runLength } from './tree.ts';

/** A description, as stored and as sent to peers. */
const StatCodec = struct({ length: u64, chunkRoots: vec(hash, MAX_CHUNKS) });

/** The bytes of a description. */
export function encodeStat(stat: BlobStat): Bytes {
  return StatCodec.enc({ length: BigInt(stat.length), chunkRoots: [...stat.chunkRoots] });
}

/** The description of blob `id` that the bytes spell, or undefined. */
export function decodeStat(id: Bytes, bytes: Bytes): BlobStat | undefined {
  const read = tryDecode(StatCodec, bytes);
  if (read === undefined) return undefined;
  const stat = { length: Number(read.length), chunkRoots: read.chunkRoots };
  return fits(id, stat) ? stat : undefined;
}

export class Partial {
  readonly stat: BlobStat;
  /** When a chunk last arrived, in milliseconds of the wall clock. */
  touchedAt = Date.now();
  private readonly path: string;
  private readonly file: FileHandle;
  private readonly present: Uint8Array;
  private left: number;

  private constructor(path: string, file: FileHandle, stat: BlobStat) {
    this.path = path;
    this.file = file;
    this.stat = stat;
    this.left = stat.chunkRoots.length;
    this.present = new Uint8Array(this.left);
  }

  /** Starts a download. `path` is the blob's path without an ending. */
  static async begin(path: string, stat: BlobStat): Promise<Partial> {
    await writeFile(`${path}.roots`, encodeStat(stat));
    const file = await open(`${path}.part`, 'w+');
    await file.truncate(stat.length);
    return new Partial(path, file, stat);
  }

  /** Goes on with a download of an earlier run, or undefined when its files are no use. */
  static async resume(path: string, id: Bytes): Promise<Partial | undefined> {
    let stat: BlobStat | undefined;
    let file: FileHandle;
    try {
      stat = decodeStat(id, await readFile(`${path}.roots`));
      if (stat === undefined) return undefined;
      file = await open(`${path}.part`, 'r+');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    await file.truncate(stat.length);
    const partial = new Partial(path, file, stat);
    for (let index = 0; index < stat.chunkRoots.length; index++) {
      if ((await partial.read(index)) !== undefined) partial.mark(index);
    }
    return partial;
  }

  get complete(): boolean {
    return this.left === 0;
  }

  has(index: number): boolean {
    return this.present[index] === 1;
  }

  /** Stores whole chunks that were checked against `stat`. */
  async write(first: number, bytes: Bytes): Promise<void> {
    await this.file.write(bytes, 0, bytes.length, first * CHUNK_BYTES);
    this.touchedAt = Date.now();
    for (let i = 0; i < chunkCount(bytes.length); i++) this.mark(first + i);
  }

  /** Chunk `index` if the file holds it. */
  async read(index: number): Promise<Bytes | undefined> {
    const bytes = new Uint8Array(runLength(this.stat.length, index, 1));
    await this.file.read(bytes, 0, bytes.length, index * CHUNK_BYTES);
    return runFits(this.stat, index, bytes) ? bytes : undefined;
  }

  /** Gives the complete file its name. */
  async finish(): Promise<void> {
    await this.file.close();
    await rename(`${this.path}.part`, `${this.path}.blob`);
    await rm(`${this.path}.roots`, { force: true });
  }

  /** Leaves the files for a later run. */
  close(): Promise<void> {
    return this.file.close();
  }

  sameAs(stat: BlobStat): boolean {
    return (
      stat.length === this.stat.length &&
      stat.chunkRoots.every((root, i) => equal(root, this.stat.chunkRoots[i] ?? new Uint8Array(0)))
    );
  }

  private mark(index: number): void {
    if (this.present[index] === 1) return;
    this.present[index] = 1;
    this.left--;
  }
}

/** Removes what a download left. */
export async function discard(path: string): Promise<void> {
  await rm(`${path}.part`, { force: true });
  await rm(`${path}.roots`, { force: true });
}

/** Whether a file operation failed because there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
