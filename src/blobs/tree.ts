/**
 * # Blob tree: a blob's name is the Merkle root of its bytes, so the root of a trained state is the name of its blob.
 *
 * Always true: leaves are 4,096 bytes, the last one may be shorter; a chunk is 64 leaves, hence a subtree whose root
 * is a node of the blob's tree, and the list of chunk roots hashes to the id. For a known length only one list does:
 * the length fixes the shape, and leaves and nodes are hashed apart. For an unknown length a liar can pass off nodes of
 * another level as chunk roots; then no chunk of his will ever fit, and that is how he is found.
 * Source: docs/spec/engine.md, Bytes.
 */
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import { LEAF_BYTES, merkleRoot, treeRoot } from '../compute/merkle.ts';
import { BlobError } from './errors.ts';

const CHUNK_LEAVES = 64;
export const CHUNK_BYTES = LEAF_BYTES * CHUNK_LEAVES;
/** 1 GiB: 4,096 chunk roots are 128 KiB, which one answer holds. */
export const MAX_BLOB_BYTES = 2 ** 30;
export const MAX_CHUNKS = MAX_BLOB_BYTES / CHUNK_BYTES;
const ID_BYTES = 32;

/** What a blob is cut into. */
export interface BlobStat {
  readonly length: number;
  /** The subtree root of every chunk, in order. */
  readonly chunkRoots: readonly Bytes[];
}

/** The id of a text: 64 lower-case hex digits, 0x optional, and nothing else. Throws BlobError BadId. */
export function blobId(text: string): Bytes {
  if (!/^(0x)?[0-9a-f]{64}$/.test(text)) throw new BlobError('BadId', JSON.stringify(text.slice(0, 80)));
  return Uint8Array.from(Buffer.from(text.slice(-2 * ID_BYTES), 'hex'));
}

/** The file and map key of an id: 64 hex digits. Throws BlobError BadId. */
export function keyOf(id: Bytes): string {
  if (id.length !== ID_BYTES) throw new BlobError('BadId', `${id.length} bytes`);
  return toHex(id).slice(2);
}

/** Cuts and hashes a blob. Throws BlobError Empty or TooLarge. */
export function statOf(bytes: Bytes): BlobStat {
  if (bytes.length === 0) throw new BlobError('Empty', '0 bytes');
  if (bytes.length > MAX_BLOB_BYTES) throw new BlobError('TooLarge', `${bytes.length} bytes`);
  const chunkRoots: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
    chunkRoots.push(treeRoot(bytes.subarray(at, at + CHUNK_BYTES)));
  return { length: bytes.length, chunkRoots };
}

/** The id of what `stat` describes. */
export function idOf(stat: BlobStat): Bytes {
  return merkleRoot(stat.chunkRoots);
}

export function chunkCount(length: number): number {
  return Math.ceil(length / CHUNK_BYTES);
}

/** Whether `stat` may describe blob `id`: the right number of roots, hashing to the id. */
export function fits(id: Bytes, stat: BlobStat): boolean {
  const { length, chunkRoots } = stat;
  if (!Number.isInteger(length) || length <= 0 || length > MAX_BLOB_BYTES) return false;
  if (chunkRoots.length !== chunkCount(length)) return false;
  return equal(idOf(stat), id);
}

/** Bytes of `count` chunks from `first` on, as far as the blob reaches. */
export function runLength(length: number, first: number, count: number): number {
  if (!Number.isInteger(first) || first < 0) return 0;
  return Math.max(0, Math.min(count * CHUNK_BYTES, length - first * CHUNK_BYTES));
}

/** Whether `bytes` are whole chunks of what `stat` describes, from chunk `first` on. */
export function runFits(stat: BlobStat, first: number, bytes: Bytes): boolean {
  const count = chunkCount(bytes.length);
  if (count === 0 || bytes.length !== runLength(stat.length, first, count)) return false;
  for (let i = 0; i < count; i++) {
    const root = stat.chunkRoots[first + i];
    const chunk = bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
    if (root === undefined || !equal(treeRoot(chunk), root)) return false;
  }
  return true;
}
