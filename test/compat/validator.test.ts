/**
 * # Validator: an outsider becomes one, votes on finality, and leaves again, by an unmodified client and nothing else.
 *
 * Three nodes over libp2p in one process on a chain of short eras: two that validate from genesis on, and the
 * newcomer's, whose keystore is empty until its port is asked for keys. With what its nominator adds it weighs more
 * than a third, so that nothing is final without its vote.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ApiPromise, WsProvider } from '@polkadot/api';
import { ed25519Verify } from '@polkadot/util-crypto';
import { toHex } from '../../src/base/bytes.ts';
import { Keystore } from '../../src/keystore/keystore.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import type { RunningNode } from '../../src/node/node.ts';
import { FinalityProof } from '../../src/primitives/justification.ts';
import { DevMiner, easySpec, lonelyNode, privateNet, RPC } from '../rpc/dev-node.ts';
import { accountOf, connectJs, type Extrinsic, only, type Person, person, query, settled, tx, UNIT } from './wallet.ts';

const BLOCK_MS = 400;
const SESSION = 4;
const ERA = 2 * SESSION;
const BONDING_ERAS = 3;
const PATIENCE = { timeout: 240_000 };

const newcomer = person('//Newcomer//stash');
const nominator = person('//Nominator//stash');
const MONEY = 20_000n * UNIT;
const OWN = 8_000n * UNIT;
const BACKED = 4_000n * UNIT;

/** The local chain with the least difficulty, short eras, two of its validators, and two people with money. */
function shortSpec(): string {
  const spec = JSON.parse(easySpec('local', { blockTimeMs: BLOCK_MS, finality: 'grandpa', settleDepth: 2 }));
  const { patch } = spec.genesis.runtimeGenesis;
  patch.session.keys.length = 2;
  patch.staking.stakers.length = 2;
  for (const { address } of [newcomer, nominator]) patch.balances.balances.push([address, String(MONEY)]);
  const staking = { sessionBlocks: SESSION, sessionsPerEra: ERA / SESSION, bondingEras: BONDING_ERAS, seats: 3 };
  return JSON.stringify({ ...spec, staking: { ...spec.staking, ...staking } });
}

const spec = parseChainSpec(shortSpec(), 'short eras');
const NAMES = ['Alice', 'Bob', undefined] as const;
const folders = NAMES.map(() => mkdtempSync(join(tmpdir(), 'maitoken-validator-')));
const nodes: RunningNode[] = [];
let miner: DevMiner | undefined;
/** On the newcomer's own node: it trusts nobody else's. */
let api: ApiPromise;
let provider: WsProvider;

function start(index: number): Promise<RunningNode> {
  const name = NAMES[index];
  const p2p = privateNet(
    index + 1,
    nodes.flatMap(({ network }) => network.addresses()),
  );
  const basePath = folders[index] as string;
  const identity = name && { name };
  const own = { spec, specSource: 'short eras', p2p, identity, validator: true };
  if (identity) return lonelyNode(basePath, own);
  const keystore = new Keystore({ dir: join(basePath, 'keys'), passphrase: undefined, dev: true });
  return lonelyNode(basePath, { ...own, rpc: { ...RPC, unsafe: true } }, { keystore });
}

before(async () => {
  for (let i = 0; i < NAMES.length; i++) nodes.push(await start(i));
  for (const node of nodes) {
    for (const other of nodes) if (other !== node) node.network.addReserved(other.network.addresses()[0] as string);
  }
  provider = new WsProvider(urlOf(2));
  api = await connectJs(provider);
  miner = new DevMiner(urlOf(0), 'Alice', BLOCK_MS);
});

after(async () => {
  await api?.disconnect();
  miner?.stop();
  for (const node of nodes) await node.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const urlOf = (index: number): string => `ws://127.0.0.1:${nodes[index]?.rpcPort}`;

interface Text {
  toString(): string;
}
interface Authority extends Iterable<unknown> {
  readonly 0: { toHex(): string };
}
/** As staking_electionTrace answers. */
interface Trace {
  readonly era: number;
  readonly source: number;
  readonly rounds: readonly {
    readonly who: string;
    readonly approval: string;
    readonly score: string;
    readonly runnerUp: { readonly who: string; readonly score: string } | null;
  }[];
  readonly seats: readonly { readonly who: string; readonly kind: string; readonly stake: string }[];
}

/** What @polkadot/api decodes of a proof of finality. */
interface Proven {
  readonly round: { toBigInt(): bigint };
  readonly commit: {
    readonly targetNumber: { toNumber(): number };
    readonly precommits: readonly {
      readonly id: { toU8a(): Uint8Array; toHex(): string };
      readonly signature: { toU8a(): Uint8Array };
      readonly precommit: { toU8a(): Uint8Array };
    }[];
  };
}

const validators = async (): Promise<string[]> => (await query<Text[]>(api, 'session', 'validators')).map(String);
const authorities = async (): Promise<string[]> =>
  (await query<Authority[]>(api, 'grandpa', 'authorities')).map((one) => one[0].toHex());
const setId = async (): Promise<bigint> => BigInt(String(await query<Text>(api, 'grandpa', 'currentSetId')));
const era = async (): Promise<number> => Number(await query<Text>(api, 'staking', 'currentEra'));

const hex = toHex(newcomer.publicKey);
const traceOf = (of?: number): Promise<Trace> =>
  provider.send<Trace>('staking_electionTrace', of === undefined ? [] : [of]);
/** The newcomer's seat in an era, the present one if none is named. */
const seat = async (of?: number): Promise<Trace['seats'][number] | undefined> =>
  (await traceOf(of)).seats.find(({ who }) => who === hex);

/** Waits for heads until something is so; each head is asked about once. */
async function untilHead(what: string, isSo: () => Promise<boolean>, blocks: number): Promise<void> {
  let stop: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      let seen = 0;
      api.rpc.chain
        .subscribeNewHeads(() => {
          if (++seen > blocks) reject(new Error(`not within ${blocks} blocks: ${what}`));
          isSo().then((so) => so && resolve(), reject);
        })
        .then((unsubscribe) => {
          stop = unsubscribe;
        }, reject);
    });
  } finally {
    stop?.();
  }
}

/** Proofs as the node tells them, until one satisfies. */
async function provenUntil(isEnough: (proven: Proven) => boolean): Promise<Proven> {
  let stop: (() => void) | undefined;
  try {
    return await new Promise<Proven>((resolve, reject) => {
      api.rpc.grandpa
        .subscribeJustifications((bytes) => {
          const proven = api.createType('GrandpaJustification', bytes.toU8a(true)) as unknown as Proven;
          if (isEnough(proven)) resolve(proven);
        })
        .then((unsubscribe) => {
          stop = unsubscribe;
        }, reject);
    });
  } finally {
    stop?.();
  }
}

const call = (section: string, method: string, ...args: unknown[]): Extrinsic => tx(api, section, method, ...args);

/** Several calls of one account, all or none. */
async function together(by: Person, ...calls: Extrinsic[]): Promise<void> {
  const { error, events } = await settled(call('utility', 'batchAll', calls), by);
  assert.equal(error, undefined);
  only(events, 'utility.BatchCompleted');
}

/** A proof of this set: nobody else's signatures hold for it. */
const isOfSet = (proven: Proven, set: bigint): boolean =>
  proven.commit.precommits.every(({ id, signature, precommit }) => {
    const message = new Uint8Array(1 + 36 + 16);
    message[0] = 1;
    message.set(precommit.toU8a(), 1);
    const numbers = new DataView(message.buffer);
    numbers.setBigUint64(37, proven.round.toBigInt(), true);
    numbers.setBigUint64(45, set, true);
    return ed25519Verify(message, signature.toU8a(), id.toU8a());
  });

let made: { readonly keys: string; readonly proof: string };
let seatedEra = 0;
const votingKey = (): string => made.keys.slice(0, 66);
const signers = ({ commit }: Proven): string[] => commit.precommits.map(({ id }) => id.toHex());

test('an outsider bonds, proves the keys of its node, stands, is nominated, and is elected', PATIENCE, async () => {
  const first = await setId();
  // The owner as Substrate's documentation names it: its account in hex.
  made = await provider.send('author_rotateKeysWithOwner', [hex]);
  const stolen = await settled(call('session', 'setKeys', made.keys, made.proof), nominator);
  assert.equal(stolen.error, 'session.InvalidProof', 'nobody else can name these keys his own');
  await together(
    newcomer,
    call('staking', 'bond', OWN, 'Stash'),
    call('session', 'setKeys', made.keys, made.proof),
    call('staking', 'validate', { commission: 0, blocked: false }),
  );
  const vote = call('staking', 'nominate', [newcomer.address]);
  await together(nominator, call('staking', 'bond', BACKED, 'Stash'), vote);
  assert.ok(!(await validators()).includes(newcomer.address), 'seats change where an era begins');
  // The vote may have come a block too late for the election that it stood in first.
  const isBacked = async () => (await seat())?.stake === String(OWN + BACKED);
  await untilHead('it has a seat, with its voter', isBacked, 4 * ERA);
  seatedEra = await era();
  assert.ok((await validators()).includes(newcomer.address));
  assert.ok((await authorities()).includes(votingKey()));
  assert.equal((await authorities()).length, 3);
  assert.ok((await setId()) > first, 'another set of voters has another number');
});

test('nothing is final without its vote, and the proof bears it', PATIENCE, async () => {
  const set = await setId();
  const proven = await provenUntil((one) => isOfSet(one, set));
  assert.ok(signers(proven).includes(votingKey()));
  assert.equal(isOfSet(proven, set - 1n), false);
  const number = proven.commit.targetNumber.toNumber();
  const answer = (await api.rpc.grandpa.proveFinality(number)).unwrap().toU8a(true);
  const { justification } = FinalityProof.dec(answer);
  const again = api.createType('GrandpaJustification', justification) as unknown as Proven;
  assert.ok(again.commit.targetNumber.toNumber() >= number && signers(again).includes(votingKey()));
  // The others have heard it: they hold the same block final.
  await untilHead('all follow', async () => nodes.every(({ store }) => store.settled.number >= number), ERA);
});

test('the trace of the election says why it has its seat', PATIENCE, async () => {
  const trace = await traceOf(seatedEra);
  const [won, second] = trace.rounds;
  assert.deepEqual([trace.era, trace.source, trace.rounds.length], [seatedEra, seatedEra, 3]);
  assert.deepEqual([won?.who, BigInt(won?.approval ?? 0)], [hex, OWN + BACKED], 'nobody has more behind him');
  assert.equal(won?.runnerUp?.who, second?.who, 'who was next had the next seat');
  assert.ok(BigInt(won?.score ?? 0) < BigInt(won?.runnerUp?.score ?? 0));
  assert.equal((await seat(seatedEra))?.kind, 'Voted');
});

test('it chills and unbonds: the others go on, and the bond is free when its time is over', PATIENCE, async () => {
  await together(nominator, call('staking', 'chill'));
  await together(newcomer, call('staking', 'chill'), call('staking', 'unbond', OWN));
  const unbondedIn = await era();
  const early = await settled(call('staking', 'withdrawUnbonded', 0), newcomer);
  assert.equal(early.error, undefined);
  assert.equal((await accountOf(api, newcomer.address)).data.reserved.toBigInt() >= OWN, true, 'nothing is free yet');
  await untilHead('it has no seat', async () => !(await validators()).includes(newcomer.address), 3 * ERA);
  assert.equal((await authorities()).length, 2);
  const set = await setId();
  const proven = await provenUntil((one) => isOfSet(one, set));
  assert.ok(!signers(proven).includes(votingKey()));
  await untilHead('the time is over', async () => (await era()) >= unbondedIn + BONDING_ERAS, 5 * ERA);
  const { error, events } = await settled(call('staking', 'withdrawUnbonded', 0), newcomer);
  assert.equal(error, undefined);
  assert.equal(BigInt(String(only(events, 'staking.Withdrawn').amount)), OWN);
  assert.equal((await settled(call('session', 'purgeKeys'), newcomer)).error, undefined);
  const { free, reserved } = (await accountOf(api, newcomer.address)).data;
  assert.equal(reserved.toBigInt(), 0n);
  assert.ok(free.toBigInt() > MONEY - UNIT, 'it has its money but for fees');
});
