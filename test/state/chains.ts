/** # Chains: small chains of made-up blocks, with the truth about each of them kept beside. */
import assert from 'node:assert/strict';
import { type Bytes, compare, concat, toHex } from '../../src/base/bytes.ts';
import { compactU32 } from '../../src/codec/index.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import type { Genesis } from '../../src/state/chain/load.ts';
import { bytesOf, keyOf } from '../../src/state/key.ts';
import type { ChainStore, NewBlock } from '../../src/state/store.ts';
import { StateTree } from '../../src/state/tree.ts';

export type Values = ReadonlyMap<string, Bytes>;

/** A block and everything that must be found again. */
export interface Truth extends NewBlock {
  readonly values: Values;
  readonly height: number;
}

/** Fills a byte string from a number: the same number, the same bytes. */
export function filled(length: number, seed: number): Bytes {
  return Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7 + (seed >> 3)) & 255);
}

function headerOf(parent: Bytes, number: number, stateRoot: Bytes, salt: number): Bytes {
  const digest = concat(Uint8Array.of(4, 0, 16), filled(4, salt));
  return concat(parent, compactU32.enc(number), stateRoot, blake2_256(filled(8, salt)), digest);
}

/** Keys of an imaginary pallet: a few hot ones, and accounts under a common prefix. */
function keyNamed(index: number): Bytes {
  return index < 4 ? filled(32, index) : concat(filled(32, 200), blake2_256(filled(4, index)).subarray(0, 16));
}

export function genesisOf(salt: number, accounts = 10): { genesis: Genesis; truth: Truth } {
  const entries = Array.from({ length: accounts }, (_, i): [Bytes, Bytes] => [keyNamed(i), filled(40, i + salt)]);
  const state = StateTree.from(entries);
  const header = headerOf(new Uint8Array(32), 0, state.root, salt);
  const hash = blake2_256(header);
  const values = new Map(entries.map(([k, v]) => [keyOf(k), v]));
  const block = { hash, number: 0, header, body: [], meta: new Uint8Array(0), stateRoot: state.root };
  const truth: Truth = { ...block, parent: new Uint8Array(32), changes: new Map(), values, height: 0 };
  return { genesis: { hash, header, state }, truth };
}

/** A child of a block; `salt` makes it different from its siblings and decides what it changes. */
export function childOf(parent: Truth, salt: number, size = 6): Truth {
  const changes = new Map<string, Bytes | null>([[keyOf(keyNamed(0)), filled(8, salt)]]);
  for (let i = 0; i < size; i++) {
    const key = keyOf(keyNamed((salt * 13 + i * 5) % 40));
    changes.set(key, (salt + i) % 5 === 0 ? null : filled(20 + ((salt + i) % 30), salt + i));
  }
  const values = new Map(parent.values);
  for (const [key, value] of changes) {
    if (value === null) values.delete(key);
    else values.set(key, value);
  }
  const state = StateTree.from([...values].map(([k, v]): [Bytes, Bytes] => [bytesOf(k), v]));
  const number = parent.number + 1;
  const header = headerOf(parent.hash, number, state.root, salt);
  const body = Array.from({ length: salt % 4 }, (_, i) => filled(10 + ((salt * 7 + i) % 100), salt + i));
  const hash = blake2_256(header);
  const opening = salt % 2 === 0 ? filled(100, salt) : undefined;
  const block = { hash, number, parent: parent.hash, header, body, meta: filled(12, salt), opening };
  return { ...block, changes, stateRoot: state.root, values, height: number };
}

/** Everything that a store says about a block is the truth. */
export function assertHolds(store: ChainStore, truth: Truth, withState: boolean): void {
  assert.equal(store.number(truth.hash), truth.number);
  assert.deepEqual(store.header(truth.hash), truth.header);
  assert.deepEqual(store.body(truth.hash), truth.body);
  assert.deepEqual(store.meta(truth.hash), truth.meta);
  assert.deepEqual(store.opening(truth.hash), truth.opening);
  assert.deepEqual(store.parent(truth.hash), truth.parent);
  assert.deepEqual(store.stateRoot(truth.hash), truth.stateRoot);
  const view = store.view(truth.hash);
  assert.equal(view === undefined ? 'pruned' : toHex(view.root), withState ? toHex(truth.stateRoot) : 'pruned');
  if (view === undefined) return;
  const expected = [...truth.values].map(([k, v]): [Bytes, Bytes] => [bytesOf(k), v]);
  assert.deepEqual(
    [...view.entries()],
    expected.sort(([a], [b]) => compare(a, b)),
  );
}

/** A store that knows nothing of a block. */
export function assertUnknown(store: ChainStore, hash: Bytes): void {
  assert.equal(store.number(hash), undefined);
  assert.equal(store.header(hash), undefined);
  assert.equal(store.body(hash), undefined);
  assert.equal(store.view(hash), undefined);
  assert.equal(store.opening(hash), undefined);
  assert.deepEqual(store.children(hash), []);
}
