/**
 * # Silence in nodes: three of four validators run, over libp2p in one process, on a chain by work of short eras.
 *
 * Nothing tells the chain who is there but what the nodes show it of themselves.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { must } from '../../src/base/assert.ts';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import type { RunningNode } from '../../src/node/node.ts';
import { decodeExtrinsic } from '../../src/primitives/extrinsic.ts';
import { reader } from '../../src/runtime/access.ts';
import { GrandpaDeclared } from '../../src/runtime/pallets/grandpa.ts';
import { SessionDeclared } from '../../src/runtime/pallets/session.ts';
import { StakingDeclared } from '../../src/runtime/pallets/staking.ts';
import { until } from '../devnet/network.ts';
import { withDave } from '../long/validators.ts';
import { DevMiner, easySpec, lonelyNode, privateNet } from '../rpc/dev-node.ts';

const BLOCK_MS = 500;
const SESSION = 5;
const ERA = 2 * SESSION;
const PRESENT = ['Alice', 'Bob', 'Charlie'];
const PATIENCE_MS = 120_000;

function shortSpec(): string {
  const text = easySpec('local', { blockTimeMs: BLOCK_MS, finality: 'grandpa', settleDepth: 2 });
  return withDave(text, { sessionBlocks: SESSION, sessionsPerEra: ERA / SESSION });
}

const spec = parseChainSpec(shortSpec(), 'short eras');
const folders = PRESENT.map(() => mkdtempSync(join(tmpdir(), 'maitoken-silence-')));
const nodes: RunningNode[] = [];
let miner: DevMiner | undefined;

/** The node of a name, joined to those before it. */
function start(index: number): Promise<RunningNode> {
  const p2p = privateNet(
    index + 1,
    nodes.flatMap(({ network }) => network.addresses()),
  );
  const identity = { name: must(PRESENT[index], 'a name') };
  const folder = must(folders[index], 'a folder');
  return lonelyNode(folder, { spec, specSource: 'short eras', p2p, identity, validator: true });
}

before(async () => {
  for (const index of PRESENT.keys()) nodes.push(await start(index));
  for (const node of nodes) {
    for (const { network } of nodes)
      if (network !== node.network) node.network.addReserved(network.addresses()[0] ?? '');
  }
  const joined = () => nodes.every(({ network }) => network.peers().length === PRESENT.length - 1);
  await until(joined, PATIENCE_MS, 'they are joined');
  miner = new DevMiner(`ws://127.0.0.1:${must(nodes[0], 'a node').rpcPort}`, 'Alice', BLOCK_MS);
});

after(async () => {
  miner?.stop();
  for (const node of nodes) await node.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** What the first node knows to be final. */
function final() {
  const { store } = must(nodes[0], 'a node');
  const view = must(store.view(store.settled.hash), 'the last final block has its state');
  const named = (account: Uint8Array): string => {
    const names = [...PRESENT, 'Dave'];
    return names.find((name) => toHex(keypairFromSuri(`//${name}`, 'sr25519').accountId) === toHex(account)) ?? '?';
  };
  const staking = reader(StakingDeclared, view);
  return {
    number: store.settled.number,
    validators: reader(SessionDeclared, view).Validators.get().map(named).sort(),
    standing: [...staking.Validators.keys()].map(named).sort(),
    heard: (era: number) => [...staking.ErasActive.keys(era)].map(([, who]) => named(who)).sort(),
    setId: reader(GrandpaDeclared, view).CurrentSetId.get(),
  };
}

test('who is down for an era has no seat in the next, and who votes keeps its own', {
  timeout: PATIENCE_MS,
}, async () => {
  assert.deepEqual(final().validators, ['Alice', 'Bob', 'Charlie', 'Dave']);
  await until(() => final().number > ERA, PATIENCE_MS, 'the first block of the next era is final');
  const next = final();
  assert.deepEqual(next.heard(0), PRESENT);
  assert.deepEqual(next.validators, PRESENT);
  assert.deepEqual(next.standing, PRESENT);
  assert.equal(next.setId, 1n);
  // Nobody of the three may be missing now.
  await until(() => final().number > 2 * ERA, PATIENCE_MS, 'they finalize without him');
  const last = final();
  assert.deepEqual(last.heard(1), PRESENT);
  assert.deepEqual(last.validators, PRESENT);
});

test('each of them is shown to the chain once an era, and nobody else is', () => {
  const { runtime, store } = must(nodes[0], 'a node');
  for (const era of [0, 1]) {
    const shown: string[] = [];
    for (let number = era * ERA + 1; number <= (era + 1) * ERA; number++) {
      const body = must(store.body(must(store.canonical(number), 'a block of the chain')), 'its body');
      const calls = body.map((extrinsic) => runtime.Call.dec(decodeExtrinsic(extrinsic).call));
      for (const { value } of calls) if (value.type === 'note_vote') shown.push(toHex(value.value.authority as Bytes));
    }
    const keys = PRESENT.map((name) => toHex(keypairFromSuri(`//${name}//grandpa`, 'ed25519').publicKey));
    assert.deepEqual(shown.sort(), keys.sort());
  }
});
