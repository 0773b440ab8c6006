/**
 * # Grandpa in nodes: four of them over real libp2p in one process, and one miner.
 *
 * Nothing is simulated but the difficulty: each node votes with its own key, persists its votes, and hears the others
 * by gossip alone.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ApiPromise, WsProvider } from '@polkadot/api';
import { must } from '../../src/base/assert.ts';
import { toHex } from '../../src/base/bytes.ts';
import { lastProof } from '../../src/consensus/finality/grandpa.ts';
import { verifyJustification } from '../../src/consensus/finality/justification.ts';
import { GadgetMessage, VoterMemoryCodec } from '../../src/consensus/finality/message.ts';
import { VoterSet } from '../../src/consensus/finality/voter-set.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { verifySignature } from '../../src/crypto/verify.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import type { RunningNode } from '../../src/node/node.ts';
import { FinalityProof, GrandpaJustification, voteMessage } from '../../src/primitives/justification.ts';
import { readStorage } from '../../src/runtime/access.ts';
import { GrandpaDeclared } from '../../src/runtime/pallets/grandpa.ts';
import type { ChainStore } from '../../src/state/store.ts';
import { DevMiner, easySpec, lonelyNode, privateNet } from '../rpc/dev-node.ts';

type Provider = NonNullable<NonNullable<Parameters<typeof ApiPromise.create>[0]>['provider']>;

/** As polkadot.js knows a justification. */
interface Proven {
  readonly commit: {
    readonly targetNumber: { toNumber(): number };
    readonly targetHash: { toHex(): string };
    readonly precommits: { readonly length: number };
  };
}

const NAMES = ['Alice', 'Bob', 'Charlie', 'Dave'];
const BLOCK_MS = 1_000;
const PATIENCE = { timeout: 120_000 };
const keys = NAMES.map((name) => keypairFromSuri(`//${name}//grandpa`, 'ed25519').publicKey);

/** The local chain with the least difficulty, and four who vote. */
function votingSpec(): string {
  const spec = JSON.parse(easySpec('local', { blockTimeMs: BLOCK_MS, finality: 'grandpa' }));
  const { patch } = spec.genesis.runtimeGenesis;
  // Voters by name alone: no session changes them under the tests.
  delete patch.session;
  delete patch.staking;
  patch.grandpa = { authorities: keys.map((key) => [toHex(key), 1]) };
  return JSON.stringify(spec);
}

const spec = parseChainSpec(votingSpec(), 'four voters');
const folders = NAMES.map((name) => mkdtempSync(join(tmpdir(), `maitoken-${name}-`)));
const nodes: RunningNode[] = [];
let miner: DevMiner | undefined;

/** The node of a name, joined to those of the nodes that run. */
function start(index: number): Promise<RunningNode> {
  const others = nodes.filter((node, i) => i !== index && node !== undefined);
  const p2p = privateNet(
    index + 1,
    others.flatMap(({ network }) => network.addresses()),
  );
  const identity = { name: NAMES[index] as string };
  return lonelyNode(folders[index] as string, { spec, specSource: 'four voters', p2p, identity, validator: true });
}

async function until(what: string, isSo: () => boolean, patienceMs = 60_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const viewOf = (store: ChainStore) => must(store.view(store.best.hash), 'the best block has its state');
/** What a node has voted last. */
const votesOf = (store: ChainStore) => {
  const memory = store.aux('grandpa/voter');
  return memory && VoterMemoryCodec.dec(memory);
};
const finals = () => nodes.map(({ store }) => store.settled.number);

before(async () => {
  for (let i = 0; i < NAMES.length; i++) nodes.push(await start(i));
  for (const node of nodes) {
    for (const other of nodes) if (other !== node) node.network.addReserved(other.network.addresses()[0] as string);
  }
  await until('they are joined', () => nodes.every(({ network }) => network.peers().length === NAMES.length - 1));
  miner = new DevMiner(`ws://127.0.0.1:${(nodes[0] as RunningNode).rpcPort}`, 'Alice', BLOCK_MS);
});

after(async () => {
  miner?.stop();
  for (const node of nodes) await node.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const heads = () => nodes.map(({ store }) => store.best.number);
const voters = must(VoterSet.of(keys.map((key) => [key, 1n])), 'four voters');

test('four nodes finalize what one of them mines, with proofs that anybody can check', PATIENCE, async () => {
  await until('five blocks are final everywhere', () => finals().every((number) => number >= 5));
  const [{ store }] = nodes as [RunningNode];
  for (const node of nodes) assert.deepEqual(node.store.canonical(5), store.canonical(5));
  const proof = must(
    lastProof((name) => store.aux(name)),
    'a proof is kept',
  );
  const verify = (signature: Uint8Array, message: Uint8Array, id: Uint8Array) =>
    verifySignature('ed25519', signature, message, id);
  assert.ok(verifyJustification(proof.bytes, { voters, setId: 0n, verify, target: proof.block }).ok);
  assert.deepEqual(store.canonical(proof.block.number), proof.block.hash);
});

test('wallets read rounds, justifications and proofs as a Substrate node tells them', PATIENCE, async () => {
  const [node] = nodes as [RunningNode];
  const provider = new WsProvider(`ws://127.0.0.1:${node.rpcPort}`) as unknown as Provider;
  const plain = new RpcClient(`ws://127.0.0.1:${node.rpcPort}`);
  const api = await ApiPromise.create({ provider, noInitWarn: true, throwOnConnect: true });
  try {
    const state = await api.rpc.grandpa.roundState();
    assert.equal(state.best.totalWeight.toNumber(), 4);
    assert.equal(state.best.thresholdWeight.toNumber(), 3);
    assert.ok(state.best.round.toBigInt() > 1n && state.background.length === 1);
    const told: Uint8Array[] = [];
    const stop = await api.rpc.grandpa.subscribeJustifications((bytes) => {
      told.push(bytes.toU8a(true));
    });
    await until('a proof is told', () => told.length > 0);
    stop();
    const proven = api.createType('GrandpaJustification', told[0]) as unknown as Proven;
    const number = proven.commit.targetNumber.toNumber();
    assert.ok(proven.commit.precommits.length >= 3);
    assert.equal(proven.commit.targetHash.toHex(), (await api.rpc.chain.getBlockHash(number)).toHex());
    const finality = FinalityProof.dec((await api.rpc.grandpa.proveFinality(2)).unwrap().toU8a(true));
    const { commit } = GrandpaJustification.dec(finality.justification);
    assert.deepEqual(commit.target.hash, finality.block);
    assert.deepEqual(finality.unknownHeaders.at(-1)?.number, commit.target.number);
    assert.equal(finality.unknownHeaders.length, commit.target.number - 2);
    await assert.rejects(plain.call('grandpa_proveFinality', [1_000_000]), /Block not yet finalized/);
  } finally {
    plain.close();
    await api.disconnect();
  }
});

test('with two of them gone blocks go on and nothing is final; one is back and all of it is', PATIENCE, async () => {
  for (const gone of nodes.splice(2)) await gone.stop();
  const last = Math.max(...finals());
  await until('blocks go on', () => Math.min(...heads()) >= last + 5);
  assert.ok(Math.max(...finals()) <= last + 1, 'what was voted on before they went');
  const built = Math.max(...heads());
  nodes.push(await start(2));
  for (const node of nodes.slice(0, 2)) {
    node.network.addReserved((nodes[2] as RunningNode).network.addresses()[0] as string);
  }
  await until('three finalize what was built', () => finals().every((number) => number >= built));
});

test('a voter with a forked key is proven on chain by those who saw both votes', PATIENCE, async () => {
  const [{ store, network }] = nodes as [RunningNode];
  const forked = keypairFromSuri('//Dave//grandpa', 'ed25519');
  const isProven = () =>
    readStorage(viewOf(store), GrandpaDeclared.storage.Equivocations, 0n, forked.publicKey) !== undefined;
  assert.equal(isProven(), false);
  // Two votes for each of the rounds to come: whichever is open when they arrive counts.
  const next = must(votesOf(store), 'this node has voted').round + 1n;
  for (let round = next; round < next + 20n; round++) {
    for (const number of [1, 2]) {
      const target = { hash: store.canonical(number) as Uint8Array, number };
      const signature = forked.sign(voteMessage('prevote', target, round, 0n));
      const vote = { stage: 'prevote', target, round, setId: 0n, signature, id: forked.publicKey } as const;
      await network.publish('finality', GadgetMessage.enc({ type: 'Vote', value: { repeat: 0, vote } }));
    }
    if (isProven()) break;
    await until('the round ends', () => isProven() || (votesOf(store)?.round ?? 0n) >= round);
  }
  await until('the report is in a block', isProven);
});
