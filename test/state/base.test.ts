/** # Base: a store that begins with a later block than genesis is whole from there on, and says what it lacks. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import type { StoreError } from '../../src/state/errors.ts';
import { bytesOf } from '../../src/state/key.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import { MemoryStore } from '../../src/state/level/memory-store.ts';
import type { Base, DurableStore } from '../../src/state/store.ts';
import { StateTree } from '../../src/state/tree.ts';
import { assertHolds, assertUnknown, childOf, filled, genesisOf, type Truth } from './chains.ts';

const folder = mkdtempSync(join(tmpdir(), 'state-base-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const { genesis, truth: root } = genesisOf(3, 60);
const BASE = 300;

/** Three hundred blocks, and ten above. */
const line: Truth[] = [root];
for (let i = 1; i <= BASE + 10; i++) line.push(childOf(line.at(-1) as Truth, i));
const at = (number: number): Truth => line[number] as Truth;

function baseOf({ hash, number, header, body, meta, values }: Truth): Base {
  const state = StateTree.from([...values].map(([key, value]) => [bytesOf(key), value] as const));
  return { hash, number, header, body, meta, opening: filled(9, 9), justification: filled(30, 1), state };
}

const base = baseOf(at(BASE));

function grow(store: DurableStore, from: number, to: number): void {
  for (let i = from; i <= to; i++) {
    store.append(at(i));
    store.setBest(at(i).hash);
  }
}

/** What is true of a store that began at BASE and has all blocks up to `best`. */
function assertBegun(store: DurableStore, best: number): void {
  assert.equal(store.base, BASE);
  assert.deepEqual(store.genesis.hash, root.hash);
  assert.deepEqual(store.canonical(0), root.hash);
  assert.deepEqual(store.header(root.hash), root.header);
  assert.equal(store.view(root.hash), undefined, 'the state of genesis is not here');
  assert.deepEqual(store.justification(base.hash), base.justification);
  assert.deepEqual(store.opening(base.hash), base.opening);
  for (const number of [1, 255, BASE - 1]) {
    assert.equal(store.canonical(number), undefined);
    assertUnknown(store, at(number).hash);
  }
  for (let number = BASE; number <= best; number++) {
    assert.deepEqual(store.canonical(number), at(number).hash);
    assert.equal(toHex(store.view(at(number).hash)?.root ?? new Uint8Array(0)), toHex(at(number).stateRoot));
    if (number > BASE) assertHolds(store, at(number), true);
  }
  assert.equal(store.canonical(best + 1), undefined);
}

for (const pruning of [3, 'archive'] as const) {
  test(`it grows, settles, is flushed and loaded again like any other (${pruning})`, async () => {
    const store = MemoryStore.create(genesis, pruning, base);
    assertBegun(store, BASE);
    grow(store, BASE + 1, BASE + 4);
    assertBegun(store, BASE + 4);
    store.settle(at(BASE + 2).hash);
    await store.verify();
    const again = MemoryStore.load(store.records, pruning);
    assertBegun(again, BASE + 4);
    grow(again, BASE + 5, BASE + 10);
    again.settle(at(BASE + 10).hash);
    await again.verify();
    assert.equal(again.view(base.hash) !== undefined, pruning === 'archive');
    assert.equal(MemoryStore.load(again.records, pruning).base, BASE);
  });
}

test('on disk likewise: made whole or not at all, closed, opened, verified', async () => {
  const dir = join(folder, 'disk');
  const store = await LevelStore.open({ dir, genesis, base });
  assertBegun(store, BASE);
  grow(store, BASE + 1, BASE + 5);
  store.settle(at(BASE + 3).hash);
  await store.verify();
  await store.close();
  // A base counts only where a store is created.
  const again = await LevelStore.open({ dir, genesis, base: baseOf(at(7)) });
  assertBegun(again, BASE + 5);
  assert.equal(again.settled.number, BASE + 3);
  await again.close();
});

test('a base whose state, hash or height is not that of its header is refused, and nothing is left behind', async () => {
  const other = StateTree.from([[filled(3, 3), filled(3, 3)]]);
  const wrong: Base[] = [
    { ...base, state: other },
    { ...base, hash: at(7).hash },
    { ...base, number: BASE - 1 },
  ];
  for (const [i, one] of wrong.entries()) {
    const dir = join(folder, `wrong-${i}`);
    await assert.rejects(
      LevelStore.open({ dir, genesis, base: one }),
      (error: StoreError) => error.code === 'WrongBlock',
    );
    assert.ok(!existsSync(join(dir, 'db')) && !existsSync(join(dir, 'anchor')));
  }
});

test('a store whose base lost its genesis, or blocks above it, does not pass', async () => {
  const lose = async (letter: string, number: number): Promise<unknown> => {
    const store = MemoryStore.create(genesis, 'archive', base);
    grow(store, BASE + 1, BASE + 3);
    store.settle(at(BASE + 3).hash);
    await store.flush(true);
    const height = String.fromCharCode(0, 0, number >> 8, number & 255);
    for (const key of [...store.records.keys()]) if (key.startsWith(letter + height)) store.records.delete(key);
    return store.verify();
  };
  for (const number of [0, BASE, BASE + 1]) {
    for (const letter of ['h', 'b', 'c']) {
      await assert.rejects(lose(letter, number), (error: StoreError) => error.code === 'CorruptDatabase');
    }
  }
});

test('a store of the first schema is opened, and written in the newest', async () => {
  const store = MemoryStore.create(genesis, 'archive');
  const blocks = line.slice(0, 6);
  for (const block of blocks.slice(1)) {
    store.append(block);
    store.setBest(block.hash);
  }
  await store.flush(true);
  const head = store.records.get('H') as Uint8Array;
  // Schema 1 had no base: the last four bytes.
  const first = head.slice(0, -4);
  first.set([1, 0, 0, 0]);
  store.records.set('H', first);
  const again = MemoryStore.load(store.records, 'archive');
  assert.equal(again.base, 0);
  for (const block of blocks) assertHolds(again, block, true);
  again.putAux('votes', filled(1, 1));
  await again.verify();
  assert.deepEqual(store.records.get('H')?.subarray(0, 4), Uint8Array.of(2, 0, 0, 0));
});
