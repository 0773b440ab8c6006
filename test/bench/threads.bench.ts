/**
 * # Threads: what a second verifying thread adds to one, and what is left to do for the thread that imports.
 *
 * Row G8. Times of the ratio are of the clock, so it means something on an idle machine only; those of the import are
 * CPU of this thread alone, and say how fast a chain is fetched once cores are free for the others. Imported are blocks of
 * sr25519 transfers, handed over all at once as sync does, through the node's own loop.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { must } from '../../src/base/assert.ts';
import { littleEndian } from '../../src/base/bytes.ts';
import type { ReceivedBlock } from '../../src/consensus/import.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { type Keypair, keypairFromSeed } from '../../src/crypto/keypair.ts';
import { Ahead } from '../../src/node/ahead.ts';
import type { ChainSpec } from '../../src/node/chain-spec.ts';
import { Drive, type DriveParts } from '../../src/node/drive.ts';
import { chainMachine, chainRules } from '../../src/node/rules.ts';
import { type Claim, SignatureMemory } from '../../src/node/signatures.ts';
import { Verifiers } from '../../src/node/verifiers.ts';
import { multiSign, verifyMultiSignature } from '../../src/primitives/account.ts';
import { signExtrinsic } from '../../src/primitives/extrinsic.ts';
import { MemoryStore } from '../../src/state/level/memory-store.ts';
import { type SlotBlock, SlotsChain, slotsSpec } from '../consensus/slots-chain.ts';
import { transferCall, UNIT } from '../runtime/test-chain.ts';
import { type BenchOptions, median, type Row, rounded } from './measure.ts';

/** Of a transfer's payload. */
const MESSAGE_BYTES = 110;

/** CPU of this thread, of the thread of this process that took most, and time of the clock, in milliseconds. */
interface Spent {
  readonly cpu: number;
  readonly longest: number;
  readonly clock: number;
}

async function spent(run: () => unknown): Promise<Spent> {
  const tasks = taskMs();
  const [before, start] = [process.threadCpuUsage(), performance.now()];
  await run();
  const clock = performance.now() - start;
  const { user, system } = process.threadCpuUsage(before);
  const longest = Math.max(...[...taskMs()].map(([task, ms]) => ms - (tasks.get(task) ?? 0)));
  return { cpu: (user + system) / 1_000, longest, clock };
}

/** Milliseconds of CPU of each thread of this process, as the kernel counts its run time; Linux alone says it. */
function taskMs(): Map<string, number> {
  if (process.platform !== 'linux') return new Map();
  const folder = '/proc/self/task';
  return new Map(
    readdirSync(folder).map((task) => [
      task,
      Number(readFileSync(`${folder}/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6,
    ]),
  );
}

/** Row G8. */
export async function threadRows({ quick }: BenchOptions): Promise<Row[]> {
  const [count, rounds] = quick ? [1_000, 3] : [2_000, 5];
  const claims = claimsOf(count);
  // Nothing is remembered, so that each round verifies all of them.
  const parts = { memory: new SignatureMemory(0), log: (_: string, text: string) => process.stderr.write(`${text}\n`) };
  const [one, two] = [new Verifiers({ ...parts, threads: 1 }), new Verifiers({ ...parts, threads: 2 })];
  const times = { inline: [] as Spent[], one: [] as Spent[], two: [] as Spent[] };
  // The first round starts the threads and compiles.
  for (let round = 0; round <= rounds; round++) {
    const inline = await spent(() => verifyAll(claims));
    const alone = await spent(() => one.offer(claims));
    const both = await spent(() => two.offer(claims));
    if (round === 0) continue;
    times.inline.push(inline);
    times.one.push(alone);
    times.two.push(both);
  }
  await Promise.all([one.stop(), two.stop()]);
  const clock = (of: readonly Spent[]): number => median(of.map((time) => time.clock));
  const longest = (of: readonly Spent[]): number => median(of.map((time) => time.longest));
  const us = (of: readonly Spent[]): number => rounded((median(of.map((time) => time.cpu)) * 1_000) / count, 1);
  const terms = {
    cores: availableParallelism(),
    signatures: count,
    rounds,
    onePerSecond: rounded((count * 1_000) / clock(times.one), 0),
    twoPerSecond: rounded((count * 1_000) / clock(times.two), 0),
    // What the clock would say if every thread had a core of its own.
    ...(process.platform === 'linux' ? { ratioByCpu: rounded(longest(times.one) / longest(times.two), 2) } : {}),
    inlineUs: us(times.inline),
    handedOverUs: us(times.one),
    ...(await importTerms(quick)),
  };
  const value = rounded(clock(times.one) / clock(times.two), 2);
  const name = 'signatures verified by two threads / by one';
  return [{ id: 'G8', name, value, unit: 'x', must: 1.7, better: 'more', terms }];
}

function claimsOf(count: number): Claim[] {
  const signer = keypairFromSeed('sr25519', blake2_256(Uint8Array.of(8)));
  return Array.from({ length: count }, (_, i) => {
    const message = new Uint8Array(MESSAGE_BYTES);
    message.set(littleEndian(BigInt(i), 4));
    return { signature: multiSign(signer, message), message, account: signer.accountId };
  });
}

function verifyAll(claims: readonly Claim[]): void {
  for (const { signature, message, account } of claims) {
    if (!verifyMultiSignature(signature, message, account)) throw new Error('a signature is refused');
  }
}

/** What a transfer costs the thread that imports it, with as many threads beside it. */
async function importTerms(quick: boolean): Promise<Record<string, number>> {
  const [count, each, rounds] = quick ? [4, 100, 1] : [8, 250, 3];
  const spec = slotsSpec({ finalityDepth: 4 });
  const blocks = blocksOf(new SlotsChain(spec), count, each);
  const terms: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const threads of [0, 1, 2]) {
      const { cpu, clock } = await imported(spec, blocks, threads);
      if (round === 0) continue;
      const us = (ms: number): number => (ms * 1_000) / (count * each);
      terms[`import${threads}CpuUs`] = [...(terms[`import${threads}CpuUs`] ?? []), us(cpu)];
      terms[`import${threads}ClockUs`] = [...(terms[`import${threads}ClockUs`] ?? []), us(clock)];
    }
  }
  return Object.fromEntries(Object.entries(terms).map(([name, values]) => [name, rounded(median(values), 1)]));
}

/** Blocks of one sr25519 transfer per sender; before them, one that gives the senders what they send. */
function blocksOf(chain: SlotsChain, count: number, each: number): ReceivedBlock[] {
  const { runtime, genesis } = chain.rules;
  const { specVersion, transactionVersion } = runtime.spec;
  const implicit = { specVersion, transactionVersion, genesisHash: genesis.hash, birthHash: genesis.hash };
  const funder = must(chain.validators[0], 'an author').purse;
  const senders = Array.from({ length: each }, (_, i) =>
    keypairFromSeed('sr25519', blake2_256(littleEndian(BigInt(i), 4))),
  );
  const transfer = (from: Keypair, nonce: number, to: Keypair, amount: bigint) => {
    const call = runtime.Call.enc(transferCall('transfer_keep_alive', to.accountId, amount));
    return signExtrinsic(call, { era: { type: 'Immortal' }, nonce, tip: 0n }, implicit, from).bytes;
  };
  const made: SlotBlock[] = [];
  const keep = (extrinsics: readonly Uint8Array[]): void => {
    const block = chain.make({ extrinsics });
    chain.keep(block);
    made.push(block);
  };
  keep(senders.map((sender, nonce) => transfer(funder, nonce, sender, UNIT)));
  for (let nonce = 0; nonce < count; nonce++) {
    keep(senders.map((sender) => transfer(sender, nonce, funder, UNIT / 1_000n)));
  }
  return made;
}

/** Imports blocks into a new chain, by the node's loop, after the first of them. */
async function imported(spec: ChainSpec, blocks: readonly ReceivedBlock[], threads: number): Promise<Spent> {
  const rules = chainRules(spec, () => {});
  const store = MemoryStore.create(rules.genesis, 256);
  const { chain } = chainMachine(spec, rules, store);
  const verifiers = new Verifiers({ threads, memory: rules.signatures, log: () => {} });
  const ahead = threads === 0 ? undefined : new Ahead({ spec: rules.runtime.spec, store, verifiers });
  // Threads prove their fast paths for a second: a node that syncs waits for that once.
  await verifiers.offer(claimsOf(threads * 64));
  const left = blocks.map((block) => ({ type: 'import', block: { ...block, from: 'peer' } }));
  const [first, ...rest] = left.splice(0);
  const reached = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const given = [[first], rest];
  let done = 0;
  const nothing = { step: () => [], wakeAt: () => undefined };
  const sync = {
    step: (_: number, { type }: { type: string }) => {
      if (type === 'refused') throw new Error('a block is refused');
      if (type === 'imported') {
        done++;
        if (done === 1) reached[0].resolve();
        if (done === blocks.length) reached[1].resolve();
        return [];
      }
      return given.shift() ?? [];
    },
    wakeAt: () => undefined,
    isSyncing: () => true,
  };
  const network = { onGossip() {}, onPeer() {}, handle() {}, peers: () => [] };
  const fail = (error: unknown): void => reached[1].reject(error);
  const parts = { chain, store, sync, network, ahead, author: nothing, pool: nothing, log: () => {}, onFatal: fail };
  const drive = new Drive(parts as unknown as DriveParts);
  drive.start();
  await reached[0].promise;
  const time = await spent(async () => {
    drive.start();
    await reached[1].promise;
  });
  drive.stop();
  await verifiers.stop();
  return time;
}
