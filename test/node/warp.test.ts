/** # Warp over the network: a new node begins with the newest final block, and is a node like any other from there. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { must } from '../../src/base/assert.ts';
import { concat, fromHex, fromLittleEndian, toHex, utf8 } from '../../src/base/bytes.ts';
import { verifyJustification } from '../../src/consensus/finality/justification.ts';
import { SetEnds } from '../../src/consensus/finality/set-ends.ts';
import { VoterSet } from '../../src/consensus/finality/voter-set.ts';
import { LightClient, readProven } from '../../src/consensus/light/light.ts';
import { blake2_128, twox } from '../../src/crypto/hash.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import type { RunningNode } from '../../src/node/node.ts';
import { authoritiesIn, chainRules } from '../../src/node/rules.ts';
import { snapshotRecords } from '../../src/node/snapshot-file.ts';
import { Header } from '../../src/primitives/header.ts';
import { WarpProof } from '../../src/primitives/warp.ts';
import { readStorage } from '../../src/runtime/access.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import { SnapshotIntake } from '../../src/sync/snapshot.ts';
import { verify } from '../consensus/finality/sets.ts';
import { SlotsChain, Validator } from '../consensus/slots-chain.ts';
import { lonelyNode } from '../rpc/dev-node.ts';
import { grandpaSlotsSpec, growVoted } from './grandpa-slots.ts';

const BLOCKS = 39;
const SESSION = 10;
const PATIENCE = { timeout: 60_000 };
const dir = mkdtempSync(join(tmpdir(), 'maitoken-warp-'));
const spec = grandpaSlotsSpec({ finalityDepth: 8, blockTimeMs: 500 });
const running: RunningNode[] = [];

/** A node with its own folder, joined to those that run. */
async function start(name: string, more: Partial<NodeConfig> = {}): Promise<RunningNode> {
  const p2p: NodeConfig['p2p'] = {
    listen: ['/ip4/127.0.0.1/tcp/0'],
    publicAddresses: [],
    bootnodes: [],
    reservedNodes: running.flatMap(({ network }) => network.addresses()),
    reservedOnly: false,
    inPeers: 8,
    outPeers: 8,
    mdns: false,
    nodeKey: undefined,
  };
  const node = await lonelyNode(join(dir, name), { spec, specSource: 'slots', name, p2p, ...more });
  running.push(node);
  return node;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((done) => setTimeout(done, 20));
}

before(async () => {
  await installFastPaths();
  const chain = new SlotsChain(spec);
  const store = await LevelStore.open({ dir: join(dir, 'old', 'chains', spec.id), genesis: chain.rules.genesis });
  Object.assign(chain, { store });
  growVoted(chain, BLOCKS, SESSION, 2);
  await store.close();
  await start('old');
}, PATIENCE);

after(async () => {
  for (const node of running) await node.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('it begins at the newest final block, with its state, and fetches what came after', PATIENCE, async () => {
  const [old] = running as [RunningNode];
  const node = await start('new', { sync: 'warp' });
  await until(() => node.store.best.number === BLOCKS);
  const { store } = node;
  const base = BLOCKS - 8;
  assert.equal(store.base, base);
  assert.equal(store.settled.number, base);
  assert.equal(toHex(store.best.hash), toHex(old.store.best.hash));
  assert.deepEqual(store.canonical(base), old.store.canonical(base));
  assert.deepEqual(store.body(store.settled.hash), old.store.body(store.settled.hash));
  assert.deepEqual(store.meta(store.settled.hash)?.slice(0, 64), old.store.meta(store.settled.hash)?.slice(0, 64));
  assert.equal(store.canonical(base - 1), undefined);
  const view = must(store.view(store.best.hash), 'the best block has its state');
  assert.equal(authoritiesIn(view).setId, 3n);
});

test('stopped and started again it goes on from there, whatever --sync says', PATIENCE, async () => {
  const node = must(running.pop(), 'the new node');
  await node.stop();
  const again = await start('new', { sync: 'warp' });
  assert.equal(again.store.base, BLOCKS - 8);
  assert.equal(again.store.best.number, BLOCKS);
});

test('a third node can warp with the help of both, though one of them has no past', PATIENCE, async () => {
  const node = await start('third', { sync: 'warp', tmp: true });
  await until(() => node.store.best.number === BLOCKS);
  assert.equal(node.store.base, BLOCKS - 8);
});

test('without peers nothing is made, and a stop is heeded', PATIENCE, async () => {
  const alone = join(dir, 'alone');
  const ending = new AbortController();
  const { startNode } = await import('../../src/node/node.ts');
  const config = { ...(running[0] as RunningNode).config, basePath: alone, sync: 'warp' as const };
  const p2p = { ...config.p2p, reservedNodes: [], nodeKey: new Uint8Array(32).fill(99) };
  const said: string[] = [];
  const log = (_: string, text: string): void => void said.push(text);
  const starting = startNode(
    { ...config, p2p },
    { log, onFatal: (error) => assert.fail(String(error)), signal: ending.signal },
  );
  assert.ok(!existsSync(join(alone, 'chains', spec.id, 'db')));
  ending.abort();
  const node = await starting;
  assert.equal(node.store.best.number, 0);
  await node.stop();
});

test('a light client reads a balance from what the node answers over RPC, knowing only genesis', PATIENCE, async () => {
  const [old] = running as [RunningNode];
  const ask = async (method: string, ...params: unknown[]): Promise<never> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`http://127.0.0.1:${old.rpcPort}`, { method: 'POST', headers, body });
    const answer = (await response.json()) as { error?: unknown; result: unknown };
    assert.equal(answer.error, undefined, JSON.stringify(answer.error));
    return answer.result as never;
  };
  // The sets, from a peer; the newest final block, its proof and an account, from RPC.
  const ends = new SetEnds(old.store, () => 3n);
  assert.ok(ends.advance(1_000));
  const client = new LightClient({ ...authoritiesIn(chainRules(spec, () => {}).genesis.state), number: 0 });
  const proof = must(ends.proofFrom(0n), 'a proof');
  assert.ok(client.follow(WarpProof.enc({ ...proof, fragments: proof.fragments.slice(0, 3), finished: false })).ok);
  const head: string = await ask('chain_getFinalizedHead');
  const header = must(old.store.header(fromHex(head)), 'the finalized header');
  const verdict = client.prove(header, fromHex(await ask('grandpa_proveFinality', Header.dec(header).number)));
  assert.ok(verdict.ok, JSON.stringify(verdict));
  const account = new Validator('Alice').purse.accountId;
  const key = concat(twox(utf8('System'), 16), twox(utf8('Account'), 16), blake2_128(account), account);
  const { proof: parts } = (await ask('state_getReadProof', [toHex(key)], head)) as { proof: string[] };
  const read = readProven(
    verdict.header,
    parts.map((part) => fromHex(part)),
    key,
  );
  assert.ok(read.ok && read.value !== undefined);
  // nonce, consumers, providers, sufficients, and then what is free.
  const free = fromLittleEndian(read.value.subarray(16, 32));
  const view = must(old.store.view(fromHex(head)), 'its state');
  assert.equal(free, readStorage(view, System.declared.storage.Account, account).data.free);
  assert.ok(free > 0n);
});

test('a node without a past says that it has no proof of it, and lives on', PATIENCE, async () => {
  const third = must(running.at(-1), 'a node that warped');
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'grandpa_proveFinality', params: [5] });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`http://127.0.0.1:${third.rpcPort}`, { method: 'POST', headers, body });
  assert.equal(((await answer.json()) as { result: unknown }).result, null);
});

test('a snapshot of it carries the proof of its block', PATIENCE, async () => {
  const [old] = running as [RunningNode];
  const intake = new SnapshotIntake(old.store.genesis.hash);
  for (const record of snapshotRecords(old.store)) intake.take(record);
  const { hash, number, justification } = intake.base();
  const [set] = [authoritiesIn(must(old.store.view(hash), 'its state'))];
  const voters = must(VoterSet.of(set.authorities), 'voters');
  const rules = { voters, setId: set.setId, verify, target: { hash, number } };
  assert.ok(verifyJustification(must(justification, 'a proof'), rules).ok);
});

test('a validator that warped in takes its turns, and the others follow', PATIENCE, async () => {
  const [old] = running as [RunningNode];
  const author = await start('author', { sync: 'warp', validator: true, identity: { name: 'Alice' } });
  await until(() => old.store.best.number > BLOCKS);
  const [hash, number] = [old.store.canonical(BLOCKS + 1), BLOCKS + 1];
  await until(() => author.store.best.number >= number);
  assert.equal(author.store.base, BLOCKS - 8);
  assert.deepEqual(author.store.canonical(number), hash);
});
