/**
 * # Proof: what a node says of its state is checked against the state root of a header, by code that knows nothing of
 * this node: the trie decoder of polkadot-api, and a walk over what it decoded.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ApiPromise, HttpProvider } from '@polkadot/api';
import { blake2AsHex } from '@polkadot/util-crypto';
import { Bytes, type TrieNode, trieNodeDec, validateProofs } from '@polkadot-api/substrate-bindings';
import { toHex } from '../../src/base/bytes.ts';
import type { DevNode } from '../rpc/dev-node.ts';
import { known, PATIENCE, person, settled, startWallet, tx, UNIT, type Wallet } from './wallet.ts';

let dev: DevNode;
let api: ApiPromise;
let stop: Wallet['stop'] | undefined;

before(async () => {
  ({ dev, api, stop } = await startWallet());
  // A few blocks, and an account that genesis does not know.
  const alice = person('//Alice');
  await settled(
    tx(api, 'balances', 'transferKeepAlive', person('//proven').address, 5n * UNIT),
    alice,
    {},
    'Finalized',
  );
});

after(async () => {
  await stop?.();
});

const keyOf = (section: string, item: string, ...keys: unknown[]): string =>
  known(api.query[section]?.[item], `${section}.${item}`).key(...keys);
const accountKey = (name: string): string => keyOf('system', 'account', person(name).address);
const finalized = async (): Promise<string> => (await api.rpc.chain.getFinalizedHead()).toHex();
const rootOf = async (block: string): Promise<string> => (await api.rpc.chain.getHeader(block)).stateRoot.toHex();

async function proofOf(keys: string[], at: string): Promise<string[]> {
  const { at: block, proof } = await api.rpc.state.getReadProof(keys, at);
  assert.equal(block.toHex(), at);
  return proof.map((node) => node.toHex());
}

const HASH_DIGITS = 64;

/**
 * What the root says of a key: its value in hex, or undefined where it proves that there is none. It fails where a node
 * that stands on the key's way is not in the proof under its hash.
 */
function provenBy(proof: readonly string[], root: string, key: string): string | undefined {
  const byHash = new Map(proof.map((node): [string, string] => [blake2AsHex(node), node]));
  const fetch = (hash: string): string => {
    const found = byHash.get(hash);
    assert.ok(found !== undefined, `the proof holds no node ${hash}`);
    return found;
  };
  let node: TrieNode = trieNodeDec(fetch(root));
  let left = key.slice(2);
  for (;;) {
    if (node.type === 'Empty' || node.type === 'Reserved' || !left.startsWith(node.partialKey)) return undefined;
    left = left.slice(node.partialKey.length);
    if (left === '') {
      if (!('value' in node)) return undefined;
      const isHashed = node.type === 'LeafWithHash' || node.type === 'BranchWithHash';
      // The decoder leaves the length before a value that stands in its node.
      return isHashed ? fetch(node.value) : toHex(Bytes().dec(node.value));
    }
    if (!('children' in node)) return undefined;
    const child: string | undefined = (node.children as Readonly<Record<string, string>>)[left.charAt(0)];
    if (child === undefined) return undefined;
    left = left.slice(1);
    // A child shorter than a hash stands in its parent.
    node = trieNodeDec(child.length === HASH_DIGITS + 2 ? fetch(child) : child);
  }
}

test('values are proven, short ones and those that stand under their hash', PATIENCE, async () => {
  const at = await finalized();
  const root = await rootOf(at);
  const short = [keyOf('system', 'number'), keyOf('balances', 'totalIssuance'), keyOf('timestamp', 'now')];
  const long = [accountKey('//Alice'), accountKey('//proven'), keyOf('system', 'events')];
  for (const key of [...short, ...long]) {
    const value = String(await api.rpc.state.getStorage.raw(key, at));
    assert.equal(value.length > HASH_DIGITS + 2, long.includes(key), 'which kind of value it is');
    const proof = await proofOf([key], at);
    assert.equal(validateProofs(proof)?.rootHash, root);
    assert.equal(provenBy(proof, root, key), value);
  }
  const proven = provenBy(await proofOf(long, at), root, accountKey('//proven'));
  const { data } = api.createType('FrameSystemAccountInfo', proven).toJSON() as { data: { free: number } };
  assert.equal(BigInt(data.free), 5n * UNIT);
});

test('one proof shows many keys, with each node once', PATIENCE, async () => {
  const at = await finalized();
  const root = await rootOf(at);
  const prefix = known(api.query.system?.account, 'system.account').keyPrefix();
  const keys = (await api.rpc.state.getKeysPaged(prefix, 100, undefined, at)).map((key) => key.toHex());
  assert.ok(keys.length >= 7);
  const proof = await proofOf(keys, at);
  assert.equal(new Set(proof).size, proof.length);
  assert.equal(validateProofs(proof)?.rootHash, root);
  for (const key of keys) assert.equal(provenBy(proof, root, key), String(await api.rpc.state.getStorage.raw(key, at)));
});

test('that there is no value is proven too, of keys near others and far from them', PATIENCE, async () => {
  const at = await finalized();
  const root = await rootOf(at);
  const alice = accountKey('//Alice');
  const near = `${alice.slice(0, -2)}${alice.endsWith('00') ? '01' : '00'}`;
  for (const key of [accountKey('//Nobody'), near, `${alice}00`, alice.slice(0, -2), `0x${'ff'.repeat(48)}`, '0x']) {
    assert.equal(String(await api.rpc.state.getStorage.raw(key, at)), 'null');
    const proof = await proofOf([key], at);
    assert.equal(validateProofs(proof)?.rootHash, root, key);
    assert.equal(provenBy(proof, root, key), undefined, key);
  }
});

test('a proof that was changed or shortened leads to no value under the root', PATIENCE, async () => {
  const at = await finalized();
  const root = await rootOf(at);
  const key = accountKey('//Alice');
  const proof = await proofOf([key], at);
  assert.ok(proof.length >= 3);
  for (const [i, node] of proof.entries()) {
    const last = node.endsWith('0') ? '1' : '0';
    const changed = proof.with(i, `${node.slice(0, -1)}${last}`);
    assert.throws(() => provenBy(changed, root, key), /the proof holds no node/, `node ${i} changed`);
    assert.throws(() => provenBy(proof.toSpliced(i, 1), root, key), /the proof holds no node/, `node ${i} left out`);
    const judged = validateProofs(changed);
    assert.ok(judged === null || judged.rootHash !== root || Object.keys(judged.proofs).length < proof.length);
  }
});

test('each block proves its own state: the genesis block knows no later account', PATIENCE, async () => {
  const key = accountKey('//proven');
  const genesis = api.genesisHash.toHex();
  const root = await rootOf(genesis);
  assert.equal(provenBy(await proofOf([key], genesis), root, key), undefined);
  const later = await finalized();
  assert.notEqual(await rootOf(later), root);
  assert.notEqual(provenBy(await proofOf([key], later), await rootOf(later), key), undefined);
  const alice = accountKey('//Alice');
  const [then, now] = [
    provenBy(await proofOf([alice], genesis), root, alice),
    provenBy(await proofOf([alice], later), await rootOf(later), alice),
  ];
  assert.equal(then, String(await api.rpc.state.getStorage.raw(alice, genesis)));
  assert.notEqual(then, now);
});

test('of a state that is not here nothing is proven', PATIENCE, async () => {
  const unknown = `0x${'12'.repeat(32)}`;
  const http = new HttpProvider(dev.http);
  const asked = http.send('state_getReadProof', [[accountKey('//Alice')], unknown]);
  await assert.rejects(asked, /4003: Client error: UnknownBlock: 0x1212/);
});
