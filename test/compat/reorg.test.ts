/**
 * # Reorganisation: two nodes over libp2p, a miner each, are cut apart by `system_removeReservedPeer` and joined again;
 * unmodified clients watch what happens on the side that loses. One story, told by the tests of this file in order.
 *
 * Transfers are signed as the clients sign by default: their era begins at a final block, which both branches have.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { createClient, type PolkadotClient, type TxEvent } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import { DevMiner, type DevNode, easySpec, privateNet, startDevNode } from '../rpc/dev-node.ts';

const UNIT = 1_000_000_000_000n;
/** Both sides dial again every 5 s at the latest: four times that shows that nobody does. */
const APART_MS = 20_000;
const BLOCK_MS = 1_000;
/** Blocks of the branch that loses: fewer than become final on it. The other one has many more. */
const FINALITY_DEPTH = 6;
const LOST_BLOCKS = 4;
const PATIENCE = { timeout: 120_000 };

type Provider = NonNullable<NonNullable<Parameters<typeof ApiPromise.create>[0]>['provider']>;

/** A node with a connection of ours, and what it told of its chain. */
interface Side {
  readonly dev: DevNode;
  readonly rpc: RpcClient;
  readonly api: ApiPromise;
  readonly peerId: string;
  readonly address: string;
}

interface HeaderJson {
  readonly number: string;
  readonly parentHash: string;
}

/** A status of a transfer, and the block that it names. */
interface Told {
  readonly type: string;
  readonly block: string | undefined;
}

const typesOf = (told: readonly Told[]): string[] => told.map(({ type }) => type);

/** Alice's side loses, Bob's side wins. */
let alice: Side;
let bob: Side;
let papi: PolkadotClient;
const miners: DevMiner[] = [];

/** What polkadot.js, PAPI and a wallet that signed on the lost branch heard of their transfers. */
const told: Told[] = [];
const toldPapi: TxEvent[] = [];
const toldDoomed: Told[] = [];
/** What Dave was told to hold, by a storage subscription on the side that loses. */
const balances: bigint[] = [];
/** What Alice's node told of its chain. */
const newHeads: HeaderJson[] = [];
const allHeads: HeaderJson[] = [];
const finalHeads: HeaderJson[] = [];
const followed: { readonly event: string; readonly [field: string]: unknown }[] = [];
/** The last block that both branches have, and those of the branch that lost. */
let forkNumber = 0;
const lost: string[] = [];

async function startSide(key: number): Promise<Side> {
  const spec = parseChainSpec(
    easySpec('local', { blockTimeMs: BLOCK_MS, finality: 'depth', finalityDepth: FINALITY_DEPTH }),
    'local with the least difficulty',
  );
  const p2p = privateNet(key);
  const dev = await startDevNode({ unsafe: true }, { spec, specSource: 'local', p2p });
  const rpc = new RpcClient(dev.ws);
  await until('connected', () => rpc.connected);
  const [address = ''] = await rpc.call<string[]>('system_localListenAddresses');
  const provider = new WsProvider(dev.ws) as unknown as Provider;
  const api = await ApiPromise.create({ provider, noInitWarn: true, throwOnConnect: true });
  return { dev, rpc, api, address, peerId: await rpc.call<string>('system_localPeerId') };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, patienceMs = 60_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const heightOf = async ({ rpc }: Side): Promise<number> =>
  Number((await rpc.call<HeaderJson>('chain_getHeader')).number);
const hashAt = ({ rpc }: Side, height: number): Promise<string | null> => rpc.call('chain_getBlockHash', [height]);
const peersOf = async ({ rpc }: Side): Promise<number> => (await rpc.call<unknown[]>('system_peers')).length;

async function join(): Promise<void> {
  await bob.rpc.call('system_addReservedPeer', [alice.peerId]);
  await alice.rpc.call('system_addReservedPeer', [bob.address]);
  await until('they are joined', async () => (await peersOf(alice)) === 1 && (await peersOf(bob)) === 1);
}

async function cut(): Promise<void> {
  await alice.rpc.call('system_removeReservedPeer', [bob.peerId]);
  await bob.rpc.call('system_removeReservedPeer', [alice.peerId]);
  await until('they are apart', async () => (await peersOf(alice)) === 0 && (await peersOf(bob)) === 0);
}

const person = (name: string) => new Keyring({ type: 'sr25519' }).addFromUri(`//${name}`);

interface Account {
  readonly data: { readonly free: { toBigInt(): bigint } };
}

function accounts({ api }: Side) {
  const account = api.query.system?.account;
  assert.ok(account, 'system.account is in the metadata');
  return account;
}

/** What an account holds, as this node sees it. */
async function freeOf(side: Side, name: string): Promise<bigint> {
  const { data } = (await accounts(side)(person(name).address)) as unknown as Account;
  return data.free.toBigInt();
}

before(async () => {
  await cryptoWaitReady();
  [alice, bob] = [await startSide(1), await startSide(2)];
  papi = createClient(getWsProvider(alice.dev.ws));
  const keep = (name: string, kept: HeaderJson[]): void =>
    alice.rpc.subscribe(`chain_subscribe${name}`, [], (header) => kept.push(header as HeaderJson));
  keep('NewHeads', newHeads);
  keep('AllHeads', allHeads);
  keep('FinalizedHeads', finalHeads);
  alice.rpc.subscribe('chainHead_v1_follow', [true], (event) => followed.push(event as (typeof followed)[number]));
});

after(async () => {
  for (const miner of miners) miner.stop();
  papi?.destroy();
  for (const side of [alice, bob]) {
    await side?.api.disconnect();
    side?.rpc.close();
    await side?.dev.stop();
  }
});

/** A transfer of so many units, as polkadot.js makes it. */
function transfer(to: string, units: bigint) {
  const make = alice.api.tx.balances?.transferKeepAlive;
  assert.ok(make);
  return make(person(to).address, units * UNIT);
}

/**
 * Signs a transfer and submits it on the side that loses; `told` grows. Not by `signAndSend`: where two statuses come at
 * once, that leaves out the one for which it still reads a block.
 */
async function send(call: ReturnType<typeof transfer>, from: string, told: Told[], options = {}): Promise<void> {
  const signed = await call.signAsync(person(from), options);
  await alice.api.rpc.author.submitAndWatchExtrinsic(signed, (status) => {
    if (status.isBroadcast) return;
    const block = status.isInBlock ? status.asInBlock : status.isRetracted ? status.asRetracted : undefined;
    told.push({ type: status.type, block: (status.isFinalized ? status.asFinalized : block)?.toHex() });
  });
}

test('what waited on a lonely node is in a block once it has a peer that mines', PATIENCE, async () => {
  const seen: Told[] = [];
  await send(transfer('Ferdie', 1n), 'Alice', seen);
  await join();
  miners.push(new DevMiner(bob.dev.ws, 'Bob', BLOCK_MS));
  await until('it is final', () => seen.at(-1)?.type === 'Finalized');
  assert.deepEqual(typesOf(seen), ['Ready', 'InBlock', 'Finalized']);
});

test('joined, the block of either is the block of both', PATIENCE, async () => {
  await until(
    'three blocks of Bob are on both',
    async () => (await heightOf(alice)) >= 3 && (await heightOf(bob)) >= 3,
  );
  assert.equal(await hashAt(alice, 3), await hashAt(bob, 3));
});

const received = new Map<string, bigint>();

test('apart, a transfer is in a block of its side, and unknown to the other', PATIENCE, async () => {
  for (const name of ['Dave', 'Eve', 'Ferdie']) received.set(name, await freeOf(alice, name));
  await accounts(alice)(person('Dave').address, ({ data }: Account) => balances.push(data.free.toBigInt()));
  await cut();
  const parted = performance.now();
  forkNumber = await heightOf(alice);
  await send(transfer('Dave', 3n), 'Alice', told);
  const charlie = keypairFromSuri('//Charlie', 'sr25519');
  const call = papi.getUnsafeApi().tx.Balances?.transfer_keep_alive;
  assert.ok(call);
  call({ dest: { type: 'Id', value: person('Eve').address }, value: 2n * UNIT })
    .signSubmitAndWatch(getPolkadotSigner(charlie.publicKey, 'Sr25519', (input) => charlie.sign(input)))
    .subscribe({ next: (event) => toldPapi.push(event), error: (error) => assert.fail(error) });
  await until('PAPI has sent it', () => toldPapi.some(({ type }) => type === 'broadcasted'));

  const miner = new DevMiner(alice.dev.ws, 'Alice', BLOCK_MS);
  miners.push(miner);
  await until('Alice has a block', async () => (await heightOf(alice)) > forkNumber);
  await sendDoomed();
  await until('she has enough', async () => (await heightOf(alice)) >= forkNumber + LOST_BLOCKS);
  miner.stop();
  await until('clients see their transfers in a block', () => {
    return (
      told.some(({ type }) => type === 'InBlock') && toldPapi.some(isFound) && typesOf(toldDoomed).includes('InBlock')
    );
  });
  const height = await heightOf(alice);
  assert.ok(height < forkNumber + FINALITY_DEPTH, 'nothing of her branch is final');
  for (let n = forkNumber + 1; n <= height; n++) lost.push((await hashAt(alice, n)) as string);
  assert.ok(lost.includes(told.find(({ type }) => type === 'InBlock')?.block as string));

  await until('they were apart for long', () => performance.now() - parted > APART_MS);
  await until('Bob has more blocks', async () => (await heightOf(bob)) > height + LOST_BLOCKS);
  assert.deepEqual([await peersOf(alice), await peersOf(bob)], [0, 0]);
  assert.equal(await heightOf(alice), height);
  assert.equal(await freeOf(alice, 'Dave'), (received.get('Dave') as bigint) + 3n * UNIT);
  assert.equal(await freeOf(bob, 'Dave'), received.get('Dave'));
});

/** A transfer whose era begins at a block of the branch that will lose: it is valid on no other. */
async function sendDoomed(): Promise<void> {
  const head = await alice.api.rpc.chain.getHeader();
  const era = alice.api.createType('ExtrinsicEra', { current: head.number.toNumber(), period: 64 });
  const options = { era, blockHash: head.hash };
  await send(transfer('Ferdie', 1n), 'Bob', toldDoomed, options);
}

const isFound = (event: TxEvent): boolean => event.type === 'txBestBlocksState' && event.found;

test(
  'joined again, the transfer is retracted and then in a block of the heavier branch, and final',
  PATIENCE,
  async () => {
    await join();
    await until('it is final', () => told.some(({ type }) => type === 'Finalized'));
    assert.deepEqual(typesOf(told), ['Ready', 'InBlock', 'Retracted', 'Ready', 'InBlock', 'Finalized']);
    const blocks = told.flatMap(({ block }) => block ?? []);
    const [first, retracted, again, final] = blocks;
    assert.equal(retracted, first);
    assert.ok(lost.includes(first as string) && !lost.includes(again as string));
    assert.equal(final, again);
  },
);

test('PAPI sees it found, lost while it stays valid, found again and final', PATIENCE, async () => {
  await until('it is final', () => toldPapi.some(({ type }) => type === 'finalized'));
  const states = toldPapi.flatMap((event) => (event.type === 'txBestBlocksState' ? [event] : []));
  const [first, ...later] = states.slice(states.findIndex(isFound));
  assert.ok(first?.found && lost.includes(first.block.hash));
  assert.ok(later.some((event) => !event.found));
  assert.ok(later.every((event) => (event.found ? !lost.includes(event.block.hash) : event.isValid)));
  const last = toldPapi.at(-1);
  assert.ok(last?.type === 'finalized' && last.ok && !lost.includes(last.block.hash));
});

test('a storage subscription tells of the balance that came, went and came again', () => {
  const before = received.get('Dave') as bigint;
  const after = before + 3n * UNIT;
  assert.deepEqual(balances, [before, after, before, after]);
});

test('a transfer whose era began on the lost branch is retracted and told invalid, once and for all', () => {
  assert.deepEqual(typesOf(toldDoomed), ['Ready', 'InBlock', 'Retracted', 'Invalid']);
});

test('both nodes have one head, one history, and every transfer once', PATIENCE, async () => {
  miners.at(0)?.stop();
  const isOne = async (): Promise<boolean> => {
    const hashes = await Promise.all([alice, bob].map(({ rpc }) => rpc.call<string>('chain_getBlockHash')));
    return hashes[0] === hashes[1];
  };
  await until('one head', isOne);
  const height = await heightOf(alice);
  for (let n = 0; n <= height; n++) {
    const hash = await hashAt(alice, n);
    assert.equal(hash, await hashAt(bob, n));
    assert.ok(!lost.includes(hash as string));
  }
  for (const side of [alice, bob]) {
    assert.equal(await freeOf(side, 'Dave'), (received.get('Dave') as bigint) + 3n * UNIT);
    assert.equal(await freeOf(side, 'Eve'), (received.get('Eve') as bigint) + 2n * UNIT);
    assert.equal(await freeOf(side, 'Ferdie'), received.get('Ferdie'));
  }
});

test('new heads jump to the other branch once; all heads tell of both; final heads know no branches', async () => {
  const numbers = newHeads.map(({ number }) => Number(number));
  assert.ok(numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number)));
  const hashes = new Map<string, number>();
  for (const header of allHeads.slice(1)) {
    const hash = alice.api.createType('Header', header).hash.toHex();
    assert.ok(!hashes.has(hash), 'each block is told of once');
    hashes.set(hash, Number(header.number));
  }
  for (const hash of lost) assert.ok(hashes.has(hash));
  for (let n = forkNumber + 1; n <= (await heightOf(alice)); n++)
    assert.ok(hashes.has((await hashAt(alice, n)) as string));
  for (const [i, header] of finalHeads.entries()) {
    if (i === 0) continue;
    assert.equal(header.parentHash, alice.api.createType('Header', finalHeads[i - 1]).hash.toHex());
  }
  assert.ok(Number(finalHeads.at(-1)?.number) > forkNumber);
});

test('a follower of chainHead hears of both branches, moves to the heavier, and prunes the other', async () => {
  const bests = followed.flatMap(({ event, bestBlockHash }) => (event === 'bestBlockChanged' ? [bestBlockHash] : []));
  const lastLost = bests.indexOf(lost.at(-1));
  assert.ok(lastLost > 0 && bests.slice(lastLost + 1).every((hash) => !lost.includes(hash as string)));
  const seen = new Set<unknown>();
  let final: unknown;
  const pruned: unknown[] = [];
  for (const event of followed) {
    if (event.event === 'initialized') {
      for (const hash of event.finalizedBlockHashes as string[]) seen.add(hash);
      final = (event.finalizedBlockHashes as string[]).at(-1);
    } else if (event.event === 'newBlock') {
      assert.ok(seen.has(event.parentBlockHash), 'a parent comes before its child');
      seen.add(event.blockHash);
    } else if (event.event === 'finalized') {
      for (const hash of event.finalizedBlockHashes as string[]) {
        const header = await alice.rpc.call<HeaderJson>('chain_getHeader', [hash]);
        assert.equal(header.parentHash, final);
        final = hash;
      }
      pruned.push(...(event.prunedBlockHashes as string[]));
    }
  }
  assert.deepEqual(pruned, lost);
});
