/** # archive_v1_*: blocks and states of the past, branches above the last final block, and what is not kept. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Bytes, fromHex } from '../../src/base/bytes.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { toHex } from '../../src/rpc/hex.ts';
import { MemoryStore } from '../../src/state/level/memory-store.ts';
import type { ChainStore } from '../../src/state/store.ts';
import { type MadeBlock, MINERS, makeBlock, Node, newStore, note, noteIn } from '../consensus/world.ts';
import { type Answer, call, hex, type Port, startPort, until } from './stub.ts';

interface StorageEvent {
  readonly event: string;
  readonly key?: string;
  readonly value?: string;
  readonly hash?: string;
  readonly closestDescendantMerkleValue?: string;
  readonly error?: string;
}

const HEIGHT = 6;
const FINALITY_DEPTH = 2;
const NOTED = note(1, 'kept');
/** More notes than one page of storage items. */
const MANY = Array.from({ length: 600 }, (_, i) => note(1_000 + i, `note ${i}`));

let world: Node;
let blocks: MadeBlock[];
let sibling: MadeBlock;
let port: Port;
let rpc: RpcClient;

const hashOf = (height: number): Bytes => (blocks[height - 1] as MadeBlock).hash;
const ask = async (method: string, ...params: unknown[]): Promise<Answer> => call(port.http, method, params);
const answer = async (method: string, ...params: unknown[]): Promise<unknown> => (await ask(method, ...params)).result;

before(async () => {
  world = new Node({ finality: new DepthFinality(FINALITY_DEPTH) });
  blocks = world.grow(1, undefined, { extrinsics: [NOTED] });
  blocks.push(...world.grow(1, undefined, { extrinsics: MANY }), ...world.grow(HEIGHT - 2));
  sibling = makeBlock(world.store, hashOf(HEIGHT - 1), { miner: MINERS[1] });
  world.give(sibling);
  port = await startPort({}, { store: world.store, finalized: () => world.chain.finalized() });
  rpc = new RpcClient(port.ws);
  await until('connected', () => rpc.connected);
});

after(async () => {
  rpc?.close();
  await port?.stop();
  assert.deepEqual(port.faults, []);
});

/** What `archive_v1_storage` tells until its last event. */
async function storageOf(at: Port, block: string, items: readonly unknown[], child?: string): Promise<StorageEvent[]> {
  const client = new RpcClient(at.ws);
  await until('connected', () => client.connected);
  const told: StorageEvent[] = [];
  client.subscribe('archive_v1_storage', [block, items, child ?? null], (event) => told.push(event as StorageEvent));
  await until('it is over', () => told.at(-1)?.event.match(/Done|Error/) !== null && told.length > 0);
  client.close();
  return told;
}

test('heights lead to hashes: one where it is final, of every branch above, none beyond', async () => {
  assert.equal(await answer('archive_v1_genesisHash'), toHex(world.store.genesis.hash));
  assert.equal(await answer('archive_v1_finalizedHeight'), HEIGHT - FINALITY_DEPTH);
  assert.deepEqual(await answer('archive_v1_hashByHeight', 0), [toHex(world.store.genesis.hash)]);
  assert.deepEqual(await answer('archive_v1_hashByHeight', 2), [toHex(hashOf(2))]);
  const tips = (await answer('archive_v1_hashByHeight', HEIGHT)) as string[];
  assert.deepEqual(new Set(tips), new Set([toHex(hashOf(HEIGHT)), toHex(sibling.hash)]));
  assert.deepEqual(await answer('archive_v1_hashByHeight', HEIGHT + 1), []);
  assert.equal((await ask('archive_v1_hashByHeight', -1)).error?.code, -32602);
});

test('headers and bodies are those of the block, whichever branch it is on; an unknown block is null', async () => {
  for (const block of [...blocks, sibling]) {
    assert.equal(await answer('archive_v1_header', toHex(block.hash)), toHex(block.header));
    assert.deepEqual(await answer('archive_v1_body', toHex(block.hash)), block.extrinsics.map(toHex));
  }
  assert.deepEqual(await answer('archive_v1_body', toHex(world.store.genesis.hash)), []);
  for (const method of ['archive_v1_header', 'archive_v1_body']) assert.equal(await answer(method, hex(32)), null);
  assert.equal(await answer('archive_v1_call', hex(32), 'Core_version', '0x'), null);
  assert.equal((await ask('archive_v1_header', '0x12')).error?.code, -32602);
});

test('a runtime call is answered on the state of its block, and says why where it fails', async () => {
  const at = toHex(hashOf(1));
  const version = (await answer('archive_v1_call', at, 'Core_version', '')) as { success: boolean; value: string };
  assert.ok(version.success);
  assert.match(version.value, /^0x/);
  const failed = (await answer('archive_v1_call', at, 'Nothing_here', '0x')) as { success: boolean; error: string };
  assert.equal(failed.success, false);
  assert.equal(typeof failed.error, 'string');
});

test('storage items of each type agree with the state of their block', async () => {
  const view = world.store.view(hashOf(1));
  assert.ok(view && noteIn(view, 1) === 'kept');
  const keys = view.keys(new Uint8Array(0), undefined, 1_000);
  const [key] = keys as [Bytes];
  const value = view.get(key) as Bytes;
  const told = await storageOf(port, toHex(hashOf(1)), [
    { key: toHex(key), type: 'value' },
    { key: toHex(key), type: 'hash' },
    { key: '0x', type: 'closestDescendantMerkleValue' },
    { key: '0x00', type: 'value' },
    { key: '0x', type: 'descendantsHashes' },
  ]);
  const [first, second, third, ...rest] = told;
  assert.deepEqual(first, { event: 'storage', key: toHex(key), value: toHex(value) });
  assert.deepEqual(second, { event: 'storage', key: toHex(key), hash: toHex(blake2_256(value)) });
  assert.deepEqual(third, { event: 'storage', key: '0x', closestDescendantMerkleValue: toHex(view.root) });
  assert.deepEqual(rest.at(-1), { event: 'storageDone' });
  assert.deepEqual(
    rest.slice(0, -1).map((item) => [item.key, item.hash]),
    keys.map((one) => [toHex(one), toHex(blake2_256(view.get(one) as Bytes))]),
  );
});

test('descendants come in order without a gap, and from after a key where one is given', async () => {
  const view = world.store.view(hashOf(2));
  assert.ok(view);
  const keys = view.keys(new Uint8Array(0), undefined, 10_000).map(toHex);
  assert.ok(keys.length > MANY.length);
  const listed = async (paginationStartKey?: string): Promise<(string | undefined)[]> => {
    const item = { key: '0x', type: 'descendantsValues', ...(paginationStartKey ? { paginationStartKey } : {}) };
    const told = await storageOf(port, toHex(hashOf(2)), [item]);
    assert.deepEqual(told.pop(), { event: 'storageDone' });
    for (const { key, value } of told) assert.equal(value, toHex(view.get(fromHex(key as string)) as Bytes));
    return told.map(({ key }) => key);
  };
  assert.deepEqual(await listed(), keys);
  assert.deepEqual(await listed(keys[300]), keys.slice(301));
  assert.deepEqual(await listed(keys.at(-1)), []);
  assert.deepEqual(await listed(`${keys[9]}00`), keys.slice(10), 'a key that is not there does as well');
});

test('a place to begin means nothing where one item is asked for, and is refused', async () => {
  const item = { key: '0x', type: 'value', paginationStartKey: '0x00' };
  const refused = await rpc.call('archive_v1_storage', [toHex(hashOf(1)), [item]]).catch((error: unknown) => error);
  assert.equal((refused as { code: number }).code, -32602);
});

test('of an unknown block there is no storage, and a child trie has none', async () => {
  const items = [{ key: '0x', type: 'descendantsValues' }];
  assert.deepEqual(await storageOf(port, hex(32), items), [{ event: 'storageError', error: 'Block not found' }]);
  assert.deepEqual(await storageOf(port, toHex(hashOf(1)), items, '0x01'), [{ event: 'storageDone' }]);
});

test('of a block whose state is not kept there are header and body, and an error by name for the rest', async () => {
  // Two states below the last final one are kept.
  const pruned = new Node({ finality: new DepthFinality(1), store: MemoryStore.load(newStore().records, 2) });
  const [old] = pruned.grow(8);
  assert.ok(old);
  const store: ChainStore = pruned.store;
  assert.equal(store.view(old.hash), undefined);
  const other = await startPort({}, { store, finalized: () => pruned.chain.finalized() });
  const at = toHex(old.hash);
  assert.equal((await call(other.http, 'archive_v1_header', [at])).result, toHex(old.header));
  assert.deepEqual((await call(other.http, 'archive_v1_body', [at])).result, old.extrinsics.map(toHex));
  const { result } = await call(other.http, 'archive_v1_call', [at, 'Core_version', '0x']);
  const failed = result as { success: boolean; error: string };
  assert.equal(failed.success, false);
  assert.match(failed.error, /discarded/);
  const [told, ...more] = await storageOf(other, at, [{ key: '0x', type: 'descendantsValues' }]);
  assert.equal(told?.event, 'storageError');
  assert.match(told.error ?? '', /discarded/);
  assert.deepEqual(more, []);
  await other.stop();
});
