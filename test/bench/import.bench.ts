/**
 * # Import: what a cold block of transfers costs in CPU, over verifying its signatures and over a peer; and on disk.
 *
 * Always true: imported are blocks that this process has not seen: header and extrinsics are decoded, signatures
 * verified, calls dispatched, roots compared, and the block is in LevelDB when the time ends. Left out is the seal, once
 * a block (row C3). The limit is the same number of verifications of messages of that length by the same code.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { littleEndian } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { type Keypair, keypairFromSeed } from '../../src/crypto/keypair.ts';
import { verifySignature } from '../../src/crypto/verify.ts';
import { mortalEra } from '../../src/primitives/era.ts';
import { Header, headerHash } from '../../src/primitives/header.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import type { StateTree } from '../../src/state/tree.ts';
import { orderedRoot } from '../../src/state/trie/root.ts';
import { HOST, TestChain, transferCall, UNIT } from '../runtime/test-chain.ts';
import { type BenchOptions, cpuMs, median, type Row, rounded } from './measure.ts';
import { PeerMissing } from './peers.ts';
import { anvilRate } from './transfers.bench.ts';

const ACCOUNTS = 20_000;
/** Of the block: call, era, nonce, tip, versions and two hashes. */
const MESSAGE_BYTES = 110;

interface BuiltBlock {
  readonly header: Uint8Array;
  readonly extrinsics: readonly Uint8Array[];
}

function account(i: number): Uint8Array {
  const id = new Uint8Array(32).fill(1);
  id.set(littleEndian(BigInt(i), 4));
  return id;
}

/** Blocks for which a transfer is good; by chain the block from which on. */
const ERA_BLOCKS = 64;
const births = new WeakMap<TestChain, Uint8Array>();

/** A block of one transfer per sender, built on the head of `chain`, which moves on to it. */
function build(chain: TestChain, builder: Runtime, senders: readonly Keypair[], round: number): BuiltBlock {
  const { number } = chain.header;
  const era = mortalEra(ERA_BLOCKS, number - (number % ERA_BLOCKS));
  if (number % ERA_BLOCKS === 0) births.set(chain, number === 0 ? chain.genesisHash : headerHash(chain.header));
  const transfers = senders.map((sender, i) => {
    const to = account((i * 7 + round * 1_301) % ACCOUNTS);
    return chain.signed(sender, transferCall('transfer_keep_alive', to, UNIT), { era }, births.get(chain));
  });
  const parent = { header: chain.header, ticket: undefined };
  const block = builder.builder(chain.tree, parent, chain.time(1));
  for (const transfer of transfers) {
    const outcome = block.apply(transfer);
    if (!outcome.applied || outcome.error !== undefined) throw new Error('a transfer failed');
  }
  const { header, extrinsics } = block.finish();
  const executed = builder.execute(chain.tree, { header, extrinsics }, parent);
  if (!executed.ok) throw new Error(executed.detail);
  chain.tree = executed.tree;
  chain.header = header;
  return { header: Header.enc(header), extrinsics };
}

class Importer {
  readonly #runtime: Runtime;
  readonly #store: LevelStore;
  #tree: StateTree;
  #parent: Header;

  constructor(runtime: Runtime, store: LevelStore, tree: StateTree, genesis: Header) {
    this.#runtime = runtime;
    this.#store = store;
    this.#tree = tree;
    this.#parent = genesis;
  }

  async import({ header: bytes, extrinsics }: BuiltBlock): Promise<void> {
    const header = Header.dec(bytes);
    if (orderedRoot(extrinsics).some((byte, i) => byte !== header.extrinsicsRoot[i])) throw new Error('another body');
    const parent = { header: this.#parent, ticket: undefined };
    const executed = this.#runtime.execute(this.#tree, { header, extrinsics }, parent);
    if (!executed.ok) throw new Error(executed.detail);
    const { changes, tree } = executed;
    const hash = blake2_256(bytes);
    const at = { hash, number: header.number, parent: header.parentHash };
    const rest = { header: bytes, body: extrinsics, meta: new Uint8Array(64), stateRoot: header.stateRoot };
    this.#store.append({ ...at, ...rest, changes, tree });
    this.#store.setBest(hash);
    this.#store.settle(hash);
    await this.#store.flush(false);
    this.#tree = tree;
    this.#parent = header;
  }
}

/** What importing costs, in milliseconds of CPU of a block of `count` transfers: medians of the rounds. */
interface ImportTimes {
  readonly imported: number;
  /** Verifying as many signatures of messages of that length. */
  readonly limit: number;
  /** Executing without verifying. */
  readonly rest: number;
}

async function importTimes(scheme: 'sr25519' | 'ed25519', count: number, rounds: number): Promise<ImportTimes> {
  const senders = Array.from({ length: count }, (_, i) =>
    keypairFromSeed(scheme, blake2_256(littleEndian(BigInt(i), 4))),
  );
  const source = new TestChain({ balances: balancesOf(senders) });
  const trusting = new TestChain({ balances: balancesOf(senders), host: TRUSTING });
  const folder = mkdtempSync(join(tmpdir(), 'maitoken-bench-'));
  const { importer, store } = await importerOf(source, folder);
  const message = new Uint8Array(MESSAGE_BYTES).fill(5);
  const signatures = senders.map((pair) => ({ key: pair.publicKey, signature: pair.sign(message) }));
  const times = { imported: [] as number[], limit: [] as number[], rest: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    const [tree, header] = [source.tree, source.header];
    const block = build(source, trusting.runtime, senders, round);
    const imported = await cpuMs(() => importer.import(block));
    const limit = await cpuMs(() => {
      for (const { key, signature } of signatures) {
        if (!verifySignature(scheme, signature, message, key)) throw new Error('a signature is refused');
      }
    });
    const { extrinsics } = block;
    const rest = await cpuMs(() => {
      trusting.runtime.execute(tree, { header: Header.dec(block.header), extrinsics }, { header, ticket: undefined });
    });
    if (round === 0) continue;
    times.imported.push(imported);
    times.limit.push(limit);
    times.rest.push(rest);
  }
  await store.close();
  rmSync(folder, { recursive: true, force: true });
  return { imported: median(times.imported), limit: median(times.limit), rest: median(times.rest) };
}

const TRUSTING = { ...HOST, verify: () => true };

function balancesOf(senders: readonly Keypair[]): (readonly [Uint8Array, bigint])[] {
  return [
    ...Array.from({ length: ACCOUNTS }, (_, i) => [account(i), 1_000n * UNIT] as const),
    ...senders.map(({ accountId }) => [accountId, 1_000n * UNIT] as const),
  ];
}

async function importerOf(source: TestChain, dir: string): Promise<{ importer: Importer; store: LevelStore }> {
  const genesis = { hash: headerHash(source.header), header: Header.enc(source.header), state: source.tree };
  const store = await LevelStore.open({ dir, genesis });
  return { store, importer: new Importer(source.runtime, store, source.tree, source.header) };
}

/** Rows G1 and G2. */
export async function importRows(options: BenchOptions): Promise<Row[]> {
  const count = options.quick ? 150 : 500;
  const rounds = options.quick ? 3 : 7;
  const us = (ms: number) => rounded((ms * 1_000) / count, 1);
  const terms = ({ imported, limit, rest }: ImportTimes) => ({
    transfersPerBlock: count,
    importedUs: us(imported),
    verifyUs: us(limit),
    executedUnverifiedUs: us(rest),
    transfersPerCpuSecond: Math.round((count * 1_000) / imported),
  });
  const sr25519 = await importTimes('sr25519', count, rounds);
  const ed25519 = await importTimes('ed25519', count, rounds);
  const perSecond = (count * 1_000) / ed25519.imported;
  const g2 = { id: 'G2', better: 'more', terms: terms(ed25519) } as const;
  const name = 'cold import of sr25519 transfers / sr25519 verify limit';
  const value = rounded(sr25519.limit / sr25519.imported);
  return [
    { id: 'G1', name, value, unit: 'x', must: 0.45, better: 'more', terms: terms(sr25519) },
    await overAnvil(g2, perSecond, options),
  ];
}

async function overAnvil(row: Pick<Row, 'id' | 'better' | 'terms'>, ours: number, options: BenchOptions): Promise<Row> {
  try {
    const theirs = await anvilRate(options);
    const terms = { ...row.terms, anvilPerCpuSecond: rounded(theirs, 0) };
    const name = 'cold import of ed25519 transfers / anvil end to end';
    return { ...row, name, value: rounded(ours / theirs, 2), unit: 'x', must: 0.8, terms };
  } catch (error) {
    if (!(error instanceof PeerMissing)) throw error;
    const terms = { ...row.terms, missing: error.message };
    const name = 'cold import of ed25519 transfers; anvil is missing';
    return { ...row, name, value: rounded(ours, 0), unit: '/s', must: undefined, terms };
  }
}

/** Row G12: what the database holds at the end, its log and all it did not compact included. */
export async function diskRows({ quick }: BenchOptions): Promise<Row[]> {
  const count = 500;
  const blocks = quick ? 20 : 200;
  const senders = Array.from({ length: count }, (_, i) =>
    keypairFromSeed('ed25519', blake2_256(littleEndian(BigInt(i), 4))),
  );
  const source = new TestChain({ balances: balancesOf(senders), host: TRUSTING });
  const folder = mkdtempSync(join(tmpdir(), 'maitoken-bench-'));
  const { importer, store } = await importerOf(source, folder);
  const before = bytesIn(folder);
  let extrinsics = 0;
  for (let round = 0; round < blocks; round++) {
    const block = build(source, source.runtime, senders, round);
    await importer.import(block);
    extrinsics += block.extrinsics.reduce((sum, { length }) => sum + length, 0);
  }
  await store.flush(true);
  await store.close();
  const after = bytesIn(folder);
  rmSync(folder, { recursive: true, force: true });
  const value = rounded((after - before) / extrinsics, 2);
  const terms = { transfers: count * blocks, extrinsicBytes: extrinsics, genesisBytes: before, databaseBytes: after };
  const name = `database growth of ${count * blocks} transfers / their extrinsics`;
  return [{ id: 'G12', name, value, unit: 'x', must: 6, better: 'less', terms }];
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
