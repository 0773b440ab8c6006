/**
 * # State: what a changed key costs in the trie and on disk.
 *
 * `rootRows`: microseconds per changed key for a new state root, 1,000 of 10,000 accounts at once, beside
 * @ethereumjs/mpt on the same accounts (hashed keys, its own defaults). `storeRows`: thousand state keys per second
 * through LevelStore, with everything it writes beside them (block, changes, undo record, head, journal), over batches
 * of the same keys and values on bare classic-level, in its array and its chained form: the faster one counts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMPT } from '@ethereumjs/mpt';
import { Level } from 'level';
import { type Bytes, concat } from '../../src/base/bytes.ts';
import { compactU32 } from '../../src/codec/index.ts';
import { activeHashes, blake2_256, referenceHashes } from '../../src/crypto/hash.ts';
import { keyOf } from '../../src/state/key.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import type { BlockRef } from '../../src/state/store.ts';
import { StateTree } from '../../src/state/tree.ts';
import { type BenchOptions, median, type Row, rounded } from './measure.ts';

const ACCOUNTS = 10_000;
const CHANGED = 1_000;
/** Blocks before the code is compiled; not counted for anybody. */
const WARM_UP = 20;
const KEYS_A_BLOCK = 2_000;

let state = 88_172_645;
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
}

function randomBytes(length: number): Bytes {
  return Uint8Array.from({ length }, () => random() >>> 11);
}

/** The prefix of System.Account and blake2_128_concat of an account: 80 bytes, as on a live chain. */
const prefix = randomBytes(32);
const accounts = Array.from({ length: ACCOUNTS }, () => {
  const id = randomBytes(32);
  return concat(prefix, blake2_256(id).subarray(0, 16), id);
});
const value = () => concat(randomBytes(32), new Uint8Array(48));
const draw = (count: number) => {
  const changes = new Map<string, Bytes>();
  while (changes.size < count) changes.set(keyOf(accounts[random() % ACCOUNTS] as Bytes), value());
  return changes;
};

/** Row G10. */
export async function rootRows({ quick }: BenchOptions): Promise<Row[]> {
  const fast = activeHashes.blake2;
  let tree = StateTree.from(accounts.map((key): [Bytes, Bytes] => [key, value()]));
  const mpt = await createMPT({});
  for (const key of accounts) await mpt.put(key.subarray(48), value());
  const times = { fast: [] as number[], reference: [] as number[], mpt: [] as number[] };
  for (let round = 0; round < (quick ? 3 : 7); round++) {
    for (const hashes of ['fast', 'reference'] as const) {
      activeHashes.blake2 = hashes === 'fast' ? fast : referenceHashes.blake2;
      const changes = draw(CHANGED);
      const start = performance.now();
      tree = tree.with(changes);
      times[hashes].push(performance.now() - start);
    }
    activeHashes.blake2 = fast;
    const picks = Array.from({ length: CHANGED }, () => [accounts[random() % ACCOUNTS] as Bytes, value()] as const);
    const start = performance.now();
    for (const [key, v] of picks) await mpt.put(key.subarray(48), v);
    times.mpt.push(performance.now() - start);
  }
  const us = (list: readonly number[]) => rounded((median(list) * 1000) / CHANGED, 2);
  return [
    {
      id: 'G10',
      name: 'state root per changed key / @ethereumjs/mpt',
      value: rounded(median(times.fast) / median(times.mpt), 4),
      unit: 'x',
      must: 0.1,
      better: 'less',
      terms: { ourUs: us(times.fast), withPlainHashUs: us(times.reference), mptUs: us(times.mpt) },
    },
  ];
}

function headerOf(parent: Bytes, number: number, root: Bytes): Bytes {
  return concat(parent, compactU32.enc(number), root, new Uint8Array(32), Uint8Array.of(0));
}

/** Appends and settles a block with these changes; the time that the store took, its state being known already. */
async function storeBlock(store: LevelStore, parent: BlockRef, tree: StateTree, changes: Map<string, Bytes>) {
  const after = tree.with(changes);
  const header = headerOf(parent.hash, parent.number + 1, after.root);
  const hash = blake2_256(header);
  const at = { hash, number: parent.number + 1, parent: parent.hash };
  const block = { ...at, header, body: [], meta: new Uint8Array(64), changes, stateRoot: after.root, tree: after };
  const start = performance.now();
  store.append(block);
  store.setBest(hash);
  store.settle(hash);
  await store.flush(false);
  return { ms: performance.now() - start, tree: after, at };
}

/** Row G13. */
export async function storeRows({ quick }: BenchOptions): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'maitoken-bench-'));
  const blocks = quick ? 20 : 80;
  const header = headerOf(new Uint8Array(32), 0, StateTree.empty().root);
  const genesis = { hash: blake2_256(header), header, state: StateTree.empty() };
  const store = await LevelStore.open({ dir: join(folder, 'store'), genesis });
  const options = { keyEncoding: 'view', valueEncoding: 'view', writeBufferSize: 8 * 1024 * 1024 } as const;
  const array = new Level<Bytes, Bytes>(join(folder, 'array'), options);
  const chained = new Level<Bytes, Bytes>(join(folder, 'chained'), options);
  await Promise.all([array.open(), chained.open()]);
  const times = { store: [] as number[], array: [] as number[], chained: [] as number[] };
  let tree = genesis.state;
  let parent: BlockRef = { hash: genesis.hash, number: 0 };
  for (let round = 0; round < WARM_UP + blocks; round++) {
    if (round === WARM_UP) for (const list of Object.values(times)) list.length = 0;
    const changes = draw(KEYS_A_BLOCK);
    const entries = [...changes].map(([key, v]) => [Uint8Array.from(Buffer.from(key, 'latin1')), v] as const);
    const stored = await storeBlock(store, parent, tree, changes);
    times.store.push(stored.ms);
    tree = stored.tree;
    parent = stored.at;
    let start = performance.now();
    await array.batch(entries.map(([key, v]) => ({ type: 'put' as const, key, value: v })));
    times.array.push(performance.now() - start);
    start = performance.now();
    const batch = chained.batch();
    for (const [key, v] of entries) batch.put(key, v);
    await batch.write();
    times.chained.push(performance.now() - start);
  }
  await Promise.all([store.close(), array.close(), chained.close()]);
  rmSync(folder, { recursive: true, force: true });
  const rate = (list: readonly number[]) => rounded(KEYS_A_BLOCK / median(list), 1);
  return [
    {
      id: 'G13',
      name: 'keys written through our store / raw classic-level batches',
      value: rounded(Math.min(median(times.array), median(times.chained)) / median(times.store)),
      unit: 'x',
      must: 0.7,
      better: 'more',
      terms: {
        ourKiloKeysPerS: rate(times.store),
        arrayBatchKiloKeysPerS: rate(times.array),
        chainedBatchKiloKeysPerS: rate(times.chained),
      },
    },
  ];
}
