/** # What was flushed is found again; what was lost or changed behind our back is noticed. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/state/errors.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import { assertHolds, assertUnknown, childOf, filled, genesisOf, type Truth } from './chains.ts';

const folder = mkdtempSync(join(tmpdir(), 'state-level-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const { genesis, truth: root } = genesisOf(1, 60);

function dirOf(name: string): string {
  return join(folder, name);
}

/** Appends `count` blocks on a block and makes the last one best. */
function grow(store: LevelStore, from: Truth, count: number, salt = 0): Truth[] {
  const blocks: Truth[] = [];
  for (let i = 1; i <= count; i++) {
    const block = childOf(blocks[blocks.length - 1] ?? from, salt + i);
    store.append(block);
    store.setBest(block.hash);
    blocks.push(block);
  }
  return blocks;
}

async function faultOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    assert.ok(!error.message.includes(folder), 'an error does not tell paths');
    return error.code;
  }
}

/** Changes the anchor as someone would who knows its checksum. */
function editAnchor(dir: string, edit: (fields: Record<string, unknown>) => void): void {
  const [line = ''] = readFileSync(join(dir, 'anchor'), 'utf8').split('\n');
  const fields = JSON.parse(line) as Record<string, unknown>;
  edit(fields);
  const text = JSON.stringify(fields);
  writeFileSync(join(dir, 'anchor'), `${text}\n${crc32(text).toString(16).padStart(8, '0')}\n`);
}

test('a chain is the same after it was closed and opened, with its forks, its states and its order of arrival', async () => {
  const dir = dirOf('reopen');
  const store = await LevelStore.open({ dir, genesis, pruning: 5 });
  const line = [root, ...grow(store, root, 20)];
  const fork = childOf(line[18] as Truth, 900);
  store.append(fork);
  store.settle((line[15] as Truth).hash);
  store.putJustification((line[15] as Truth).hash, filled(80, 1));
  store.putAux('votes', filled(40, 2));
  await store.close();

  const again = await LevelStore.open({ dir, genesis, pruning: 5 });
  assert.equal(toHex(again.best.hash), toHex((line[20] as Truth).hash));
  assert.equal(again.settled.number, 15);
  line.forEach((block) => {
    assertHolds(again, block, block.number >= 10);
    assert.deepEqual(again.canonical(block.number), block.hash);
  });
  assertHolds(again, fork, true);
  assert.equal(again.arrival(fork.hash), 21);
  assert.deepEqual(again.children((line[18] as Truth).hash), [(line[19] as Truth).hash, fork.hash]);
  assert.deepEqual(again.justification((line[15] as Truth).hash), filled(80, 1));
  assert.deepEqual(again.aux('votes'), filled(40, 2));
  again.settle((line[19] as Truth).hash);
  assertUnknown(again, fork.hash);
  await again.verify();
  await again.close();
});

test('reads see at once what is written, before, while and after it reaches the disk', async () => {
  const store = await LevelStore.open({ dir: dirOf('reads'), genesis });
  const [first, second] = grow(store, root, 2) as [Truth, Truth];
  const flying = store.flush(true);
  assertHolds(store, first, true);
  const [third] = grow(store, second, 1, 50) as [Truth];
  store.settle(first.hash);
  assertHolds(store, third, true);
  await flying;
  assertHolds(store, first, true);
  assertHolds(store, third, true);
  await store.flush(false);
  assertHolds(store, second, true);
  await store.close();
});

test('a folder of another chain, of a newer version, or in use elsewhere is refused by name', async () => {
  const dir = dirOf('refused');
  const store = await LevelStore.open({ dir, genesis });
  assert.equal(await faultOf(LevelStore.open({ dir, genesis })), 'DatabaseLocked');
  await store.close();
  assert.equal(await faultOf(LevelStore.open({ dir, genesis: genesisOf(9).genesis })), 'WrongGenesis');
  editAnchor(dir, (fields) => {
    fields.schema = 3;
  });
  assert.equal(await faultOf(LevelStore.open({ dir, genesis })), 'NewerSchema');
  editAnchor(dir, (fields) => {
    fields.schema = 2;
  });
  assert.equal(await faultOf(LevelStore.open({ dir, genesis })), 'none');
});

test('a lost anchor, a lost database and a database that lost synced batches are refused', async () => {
  const dir = dirOf('lost');
  const store = await LevelStore.open({ dir, genesis });
  const [block] = grow(store, root, 1) as [Truth];
  await store.flush(true);
  const anchor = readFileSync(join(dir, 'anchor'));
  store.settle(block.hash);
  await store.close();
  const closed = readFileSync(join(dir, 'anchor'));

  rmSync(join(dir, 'anchor'));
  assert.equal(await faultOf(LevelStore.open({ dir, genesis })), 'CorruptDatabase');
  writeFileSync(join(dir, 'anchor'), closed);
  editAnchor(dir, (fields) => {
    fields.batch = Number(fields.batch) + 1;
  });
  assert.equal(await faultOf(LevelStore.open({ dir, genesis })), 'CorruptDatabase');
  // An older anchor than the database is what a crash between the two leaves: nothing is lost.
  writeFileSync(join(dir, 'anchor'), anchor);
  const opened = await LevelStore.open({ dir, genesis });
  assert.equal(opened.settled.number, 1);
  await opened.close();
  rmSync(join(dir, 'db'), { recursive: true });
  assert.equal(await faultOf(LevelStore.open({ dir, genesis })), 'CorruptDatabase');
});

test('a first start that was cut off is started again', async () => {
  const dir = dirOf('first');
  await (await LevelStore.open({ dir, genesis })).close();
  rmSync(join(dir, 'anchor'));
  assert.equal((await openAndClose(dir)).settled.number, 0);
  rmSync(dir, { recursive: true });
  await (await LevelStore.open({ dir: dirOf('other'), genesis })).close();
  cpSync(join(dirOf('other'), 'db'), join(dir, 'db.new'), { recursive: true });
  for (const file of readdirSync(join(dir, 'db.new')).slice(0, 2)) rmSync(join(dir, 'db.new', file));
  assert.equal((await openAndClose(dir)).settled.number, 0);
});

async function openAndClose(dir: string): Promise<LevelStore> {
  const store = await LevelStore.open({ dir, genesis });
  await store.verify();
  await store.close();
  return store;
}

test('an archive on disk opens with its spans', async () => {
  const dir = dirOf('archive');
  const store = await LevelStore.open({ dir, genesis, pruning: 'archive' });
  const line = [root, ...grow(store, root, 70)];
  store.settle((line[66] as Truth).hash);
  await store.close();
  const again = await LevelStore.open({ dir, genesis, pruning: 'archive' });
  for (const i of [0, 1, 64, 70]) assertHolds(again, line[i] as Truth, true);
  await again.verify();
  await again.close();
  // Pruned afterwards, undo records go with their spans.
  const pruned = await LevelStore.open({ dir, genesis, pruning: 1 });
  pruned.settle((line[67] as Truth).hash);
  pruned.settle((line[70] as Truth).hash);
  await pruned.verify();
  await pruned.close();
});

test('a smaller window drops older states, a larger one keeps more from now on', async () => {
  const dir = dirOf('window');
  const store = await LevelStore.open({ dir, genesis, pruning: 'archive' });
  const line = [root, ...grow(store, root, 30)];
  store.settle((line[20] as Truth).hash);
  await store.close();
  const smaller = await LevelStore.open({ dir, genesis, pruning: 4 });
  smaller.settle((line[21] as Truth).hash);
  assertHolds(smaller, line[17] as Truth, true);
  assertHolds(smaller, line[16] as Truth, false);
  await smaller.verify();
  await smaller.close();
  const larger = await LevelStore.open({ dir, genesis, pruning: 10 });
  larger.settle((line[25] as Truth).hash);
  assertHolds(larger, line[17] as Truth, true);
  assertHolds(larger, line[16] as Truth, false);
  await larger.verify();
  await larger.close();
});
