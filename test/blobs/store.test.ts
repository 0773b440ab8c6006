import assert from 'node:assert/strict';
import { access, mkdir, open, readdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { BlobStore } from '../../src/blobs/store.ts';
import { CHUNK_BYTES, idOf, keyOf, statOf } from '../../src/blobs/tree.ts';
import { blob, directory, emptyStore } from './bytes.ts';

const MB = 1_000_000;

const chunkOf = (bytes: Bytes, i: number): Bytes => bytes.slice(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);

/** Flips a bit of a file. */
async function rot(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = new Uint8Array(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 4;
  await file.write(byte, 0, 1, at);
  await file.close();
}

test('what is put is got back, whole and by chunks, also after a restart', async (t) => {
  const dir = await directory(t);
  const bytes = blob(2 * CHUNK_BYTES + 777, 1);
  const first = await emptyStore(t, { dir });
  const id = await first.put(bytes);
  assert.deepEqual(id, idOf(statOf(bytes)));
  assert.deepEqual(await readdir(dir), [`${keyOf(id)}.blob`]);
  const again = await emptyStore(t, { dir });
  for (const store of [first, again]) {
    assert.equal(store.has(id), true);
    assert.equal(store.size(id), bytes.length);
    assert.deepEqual(await store.get(id), bytes);
    assert.deepEqual(await store.stat(id), statOf(bytes));
    assert.deepEqual(await store.chunk(id, 2), bytes.slice(2 * CHUNK_BYTES));
    assert.equal(await store.chunk(id, 3), undefined);
    const run = await store.chunks(id, { first: 1, count: 4, room: 3 });
    assert.deepEqual(run, Uint8Array.from([0, 0, 0, ...bytes.slice(CHUNK_BYTES)]));
    assert.equal(store.usedBytes, bytes.length);
  }
  await again.delete(id);
  assert.equal(again.has(id), false);
  assert.equal(again.usedBytes, 0);
  assert.deepEqual(await readdir(dir), []);
});

test('what nobody stored is not there, and what is no blob is refused', async (t) => {
  const store = await emptyStore(t);
  const id = new Uint8Array(32).fill(3);
  assert.equal(await store.get(id), undefined);
  assert.equal(await store.stat(id), undefined);
  assert.equal(await store.chunk(id, 0), undefined);
  assert.equal(store.size(id), undefined);
  await store.delete(id);
  await assert.rejects(store.put(new Uint8Array(0)), { code: 'Empty' });
  await assert.rejects(store.get(new Uint8Array(33)), { code: 'BadId' });
  assert.throws(() => store.has(new Uint8Array(0)), { code: 'BadId' });
});

test('a file that rotted, was cut or vanished is reported and dropped, never returned', async (t) => {
  const dir = await directory(t);
  const bytes = blob(3 * CHUNK_BYTES, 1);
  const key = keyOf(idOf(statOf(bytes)));
  const path = join(dir, `${key}.blob`);
  const damages: [string, () => Promise<unknown>][] = [
    ['a flipped bit', () => rot(path, CHUNK_BYTES + 5)],
    ['a cut', () => truncate(path, bytes.length - 1)],
    ['nothing left', () => truncate(path, 0)],
  ];
  for (const [what, damage] of damages) {
    for (const reader of ['get', 'chunk', 'stat'] as const) {
      const lost: string[] = [];
      const fresh = await emptyStore(t, { dir, onCorrupt: (id) => lost.push(keyOf(id)) });
      const id = await fresh.put(bytes);
      if (reader === 'chunk') await fresh.stat(id);
      const cold = reader === 'chunk' ? fresh : await emptyStore(t, { dir, onCorrupt: (bad) => lost.push(keyOf(bad)) });
      await damage();
      const read = reader === 'chunk' ? await cold.chunk(id, 1) : await cold[reader](id);
      if (what === 'a cut' && reader === 'chunk') {
        assert.deepEqual(read, chunkOf(bytes, 1), 'this chunk is whole');
        await cold.delete(id);
        continue;
      }
      assert.equal(read, undefined, `${what}, ${reader}`);
      assert.deepEqual(lost, [key]);
      assert.equal(cold.has(id), false);
      await assert.rejects(access(path), { code: 'ENOENT' });
    }
  }
});

test('the oldest blob that is not pinned makes room', async (t) => {
  const store = await emptyStore(t, { maxBytes: 3 * MB });
  const ids: Bytes[] = [];
  for (let i = 0; i < 3; i++) ids.push(await store.put(blob(MB, i)));
  store.pin(ids[0] as Bytes);
  ids.push(await store.put(blob(MB, 3)));
  assert.deepEqual(
    ids.map((id) => store.has(id)),
    [true, false, true, true],
  );
  assert.equal(store.usedBytes, 3 * MB);
  for (const id of ids) store.pin(id);
  await assert.rejects(store.put(blob(MB, 4)), { code: 'Full' });
  await assert.rejects(store.put(blob(4 * MB, 4)), { code: 'TooLarge' });
  store.unpin(ids[2] as Bytes);
  await store.put(blob(MB, 4));
  assert.deepEqual(
    store.list().map(({ length, pinned, complete }) => [length, pinned, complete]),
    [
      [MB, true, true],
      [MB, true, true],
      [MB, false, true],
    ],
  );
});

test('after a restart the age of a blob is that of its file, and small ones cost a block', async (t) => {
  const dir = await directory(t);
  const first = await emptyStore(t, { dir });
  const ids: Bytes[] = [];
  for (let i = 0; i < 4; i++) ids.push(await first.put(blob(100, i)));
  assert.equal(first.usedBytes, 4 * 4_096);
  for (const [i, age] of [3, 1, 4, 2].entries()) {
    await utimes(join(dir, `${keyOf(ids[i] as Bytes)}.blob`), 1_000 - age, 1_000 - age);
  }
  const small = await emptyStore(t, { dir, maxBytes: 2 * 4_096 });
  assert.deepEqual(
    ids.map((id) => small.has(id)),
    [false, true, false, true],
  );
});

test('a download goes on where it stopped, and shows its name only when it is complete', async (t) => {
  const dir = await directory(t);
  const bytes = blob(5 * CHUNK_BYTES + 9, 1);
  const stat = statOf(bytes);
  const id = idOf(stat);
  const first = await emptyStore(t, { dir });
  assert.equal(await first.putChunks(id, stat, 1, bytes.slice(CHUNK_BYTES, 3 * CHUNK_BYTES)), false);
  assert.equal(await first.putChunks(id, stat, 5, chunkOf(bytes, 5)), false);
  await assert.rejects(first.putChunks(id, stat, 0, chunkOf(bytes, 1)), { code: 'Mismatch' });
  assert.equal(first.has(id), false);
  assert.equal(await first.get(id), undefined);
  assert.equal(first.usedBytes, bytes.length);
  await first.close();
  // One chunk is torn while nobody looks: it counts as missing.
  await rot(join(dir, `${keyOf(id)}.part`), 2 * CHUNK_BYTES + 1);

  const again = await emptyStore(t, { dir });
  const before = await again.resume(id);
  assert.deepEqual(before?.stat, stat);
  const present = await Promise.all(stat.chunkRoots.map((_, i) => before?.chunk(i)));
  assert.deepEqual(
    present.map((chunk) => chunk?.length),
    [undefined, CHUNK_BYTES, undefined, undefined, undefined, 9],
  );
  for (const i of [0, 2, 3]) assert.equal(await again.putChunks(id, stat, i, chunkOf(bytes, i)), false);
  assert.equal(await again.putChunks(id, stat, 3, chunkOf(bytes, 3)), false, 'twice is as good as once');
  assert.equal(await again.putChunks(id, stat, 4, chunkOf(bytes, 4)), true);
  assert.deepEqual(await again.get(id), bytes);
  assert.deepEqual(await readdir(dir), [`${keyOf(id)}.blob`]);
  assert.equal(again.usedBytes, bytes.length);
});

test('a download under another description starts anew', async (t) => {
  const store = await emptyStore(t);
  const bytes = blob(2 * CHUNK_BYTES, 1);
  const stat = statOf(bytes);
  const id = idOf(stat);
  await store.putChunks(id, stat, 0, chunkOf(bytes, 0));
  const other = blob(CHUNK_BYTES + 1, 9);
  await store.putChunks(id, statOf(other), 0, chunkOf(other, 0));
  assert.equal((await store.resume(id))?.stat.length, CHUNK_BYTES + 1);
  assert.equal(store.usedBytes, CHUNK_BYTES + 1);
  assert.deepEqual(await store.put(bytes), id, 'the whole blob replaces any download');
  assert.equal(store.usedBytes, bytes.length);
  assert.equal(await store.resume(id), undefined);
});

test('files of others are left alone, unfinished writes and nonsense are not', async (t) => {
  const dir = await directory(t);
  const key = 'ab'.repeat(32);
  const kept = ['README', `${key}.txt`, `${key.toUpperCase()}.blob`, 'x.blob'];
  for (const name of kept) await writeFile(join(dir, name), 'mine');
  await writeFile(join(dir, `${key}.tmp7`), 'half');
  await writeFile(join(dir, `${key}.blob`), '');
  await writeFile(join(dir, `${key}.roots`), 'roots without part');
  await writeFile(join(dir, `${'cd'.repeat(32)}.part`), 'part without roots');
  const store = await emptyStore(t, { dir });
  assert.deepEqual(
    store.list().map(({ complete }) => complete),
    [false],
  );
  assert.equal(await store.resume(new Uint8Array(32).fill(0xcd)), undefined);
  assert.deepEqual((await readdir(dir)).sort(), kept.sort());
  assert.equal(store.usedBytes, 0);
});

test('a blob that the node can compute is made when it is first read, once, and again after an eviction', async (t) => {
  const store = await emptyStore(t, { maxBytes: 2 * MB });
  const bytes = blob(MB, 5);
  const id = idOf(statOf(bytes));
  let made = 0;
  store.provide(id, async () => {
    made++;
    return bytes;
  });
  assert.equal(store.has(id), true);
  assert.equal(made, 0);
  const reads = await Promise.all([store.get(id), store.chunk(id, 0), store.stat(id)]);
  assert.deepEqual(reads[0], bytes);
  assert.equal(made, 1);
  await store.put(blob(MB, 6));
  await store.put(blob(MB, 7));
  assert.deepEqual(await store.get(id), bytes);
  assert.equal(made, 2);

  const wrong = new Uint8Array(32).fill(1);
  store.provide(wrong, () => bytes);
  await assert.rejects(store.get(wrong), { code: 'Mismatch' });
});

test('many writers of few blobs leave each blob once and the account right', async (t) => {
  const dir = await directory(t);
  const store = await BlobStore.open({ dir, maxBytes: 10 * MB });
  const blobs = Array.from({ length: 4 }, (_, i) => blob(600_000, i));
  await Promise.all(
    Array.from({ length: 24 }, async (_, i) => {
      const bytes = blobs[i % 4] as Bytes;
      const stat = statOf(bytes);
      if (i % 3 === 0) await store.put(bytes);
      else for (const c of [2, 0, 1]) await store.putChunks(idOf(stat), stat, c, chunkOf(bytes, c));
      if (i % 7 === 0) await store.get(idOf(stat));
    }),
  );
  for (const bytes of blobs) assert.deepEqual(await store.get(idOf(statOf(bytes))), bytes);
  assert.equal(store.usedBytes, 4 * 600_000);
  const names = blobs.map((bytes) => `${toHex(idOf(statOf(bytes))).slice(2)}.blob`);
  assert.deepEqual((await readdir(dir)).sort(), names.sort());
  await store.close();
});

test('a write that failed leaves nothing behind', async (t) => {
  const dir = await directory(t);
  const store = await emptyStore(t, { dir });
  const bytes = blob(5_000, 1);
  // Where the blob belongs stands something that a rename does not replace: it fails when all is written.
  await mkdir(join(dir, `${keyOf(idOf(statOf(bytes)))}.blob`, 'inside'), { recursive: true });
  await assert.rejects(store.put(bytes));
  assert.equal(store.usedBytes, 0);
  assert.deepEqual(
    (await readdir(dir)).filter((name) => name.includes('tmp')),
    [],
  );
});
