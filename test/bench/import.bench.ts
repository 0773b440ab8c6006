/**
 * # Import: what a cold block of sr25519 transfers costs over the verification of its signatures.
 *
 * Always true: imported are blocks that this process has not seen: header and extrinsics are decoded, signatures
 * verified, calls dispatched, roots compared, and the block is in LevelDB when the time ends. Left out is the seal, once
 * a block (row C3). The limit is the same number of verifications of messages of that length by the same code.
 */
import { mkdtempSync, rmSync } from 'node:fs';
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

/** A block of one transfer per sender, built on the head of `chain`, which moves on to it. */
function build(chain: TestChain, builder: Runtime, senders: readonly Keypair[], round: number): BuiltBlock {
  const era = mortalEra(64, 0);
  const transfers = senders.map((sender, i) => {
    const to = account((i * 7 + round * 1_301) % ACCOUNTS);
    return chain.signed(sender, transferCall('transfer_keep_alive', to, UNIT), { era });
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

/** Row G1. */
export async function importRows({ quick }: BenchOptions): Promise<Row[]> {
  const count = quick ? 150 : 500;
  const rounds = quick ? 3 : 7;
  const senders = Array.from({ length: count }, (_, i) =>
    keypairFromSeed('sr25519', blake2_256(littleEndian(BigInt(i), 4))),
  );
  const balances = [
    ...Array.from({ length: ACCOUNTS }, (_, i) => [account(i), 1_000n * UNIT] as const),
    ...senders.map(({ accountId }) => [accountId, 1_000n * UNIT] as const),
  ];
  const source = new TestChain({ balances });
  const trusting = new TestChain({ balances, host: { ...HOST, verify: () => true } });
  const folder = mkdtempSync(join(tmpdir(), 'maitoken-bench-'));
  const genesis = { hash: headerHash(source.header), header: Header.enc(source.header), state: source.tree };
  const store = await LevelStore.open({ dir: folder, genesis });
  const importer = new Importer(source.runtime, store, source.tree, source.header);
  const message = new Uint8Array(MESSAGE_BYTES).fill(5);
  const signatures = senders.map((pair) => ({ key: pair.publicKey, signature: pair.sign(message) }));
  const times = { imported: [] as number[], limit: [] as number[], rest: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    const [tree, header] = [source.tree, source.header];
    const block = build(source, trusting.runtime, senders, round);
    const imported = await cpuMs(() => importer.import(block));
    const limit = await cpuMs(() => {
      for (const { key, signature } of signatures) {
        if (!verifySignature('sr25519', signature, message, key)) throw new Error('a signature is refused');
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
  const us = (list: readonly number[]) => rounded((median(list) * 1_000) / count, 1);
  return [
    {
      id: 'G1',
      name: 'cold import of sr25519 transfers / sr25519 verify limit',
      value: rounded(median(times.limit) / median(times.imported)),
      unit: 'x',
      must: 0.45,
      better: 'more',
      terms: {
        transfersPerBlock: count,
        importedUs: us(times.imported),
        verifyUs: us(times.limit),
        executedUnverifiedUs: us(times.rest),
        transfersPerCpuSecond: Math.round((count * 1_000) / median(times.imported)),
      },
    },
  ];
}
