/** # Test bytes: blobs that look random and are the same in every run, and directories that end with the test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Bytes } from '../../src/base/bytes.ts';
import { BlobStore, type BlobStoreOptions } from '../../src/blobs/store.ts';

/** `length` bytes that no other seed gives. */
export function blob(length: number, seed: number): Bytes {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    // Marsaglia's xorshift32: cheap, and no leaf repeats.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

export async function directory(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'maitoken-blobs-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A store in a directory of its own. */
export async function emptyStore(t: TestContext, options: Partial<BlobStoreOptions> = {}): Promise<BlobStore> {
  const store = await BlobStore.open({ dir: await directory(t), maxBytes: 200_000_000, ...options });
  t.after(() => store.close());
  return store;
}
