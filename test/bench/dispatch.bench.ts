/**
 * # Dispatch: what a transfer costs besides its signature.
 *
 * Prints one JSON line per row: microseconds per transfer for decoding, checks, fees, dispatch and events (`apply`), for
 * the block's end (`finish`: events, trie, roots), and for importing the same block. Signatures are taken as valid.
 * Run: `node test/bench/dispatch.bench.ts`.
 */
import { littleEndian } from '../../src/base/bytes.ts';
import type { Keypair } from '../../src/crypto/keypair.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { mortalEra } from '../../src/primitives/era.ts';
import { HOST, TestChain, transferCall, UNIT } from '../runtime/test-chain.ts';

const TRANSFERS = 1_500;
const ACCOUNTS = 20_000;
const ROUNDS = 7;

const fast = await installFastPaths();
const account = (i: number) => {
  const id = new Uint8Array(32).fill(1);
  id.set(littleEndian(BigInt(i), 4));
  return id;
};
const pair = (i: number): Keypair => ({
  scheme: 'sr25519',
  publicKey: account(i),
  accountId: account(i),
  sign: () => new Uint8Array(64),
});
const balances = Array.from({ length: ACCOUNTS }, (_, i) => [account(i), 1_000n * UNIT] as const);
const chain = new TestChain({ host: { ...HOST, verify: () => true }, balances });
const era = mortalEra(64, 0);

const rows: { apply: number; finish: number; execute: number }[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const xts = Array.from({ length: TRANSFERS }, (_, i) => {
    const from = (round * TRANSFERS + i) % ACCOUNTS;
    const to = account((from * 7 + 1) % ACCOUNTS);
    return chain.signed(pair(from), transferCall('transfer_keep_alive', to, UNIT), { era });
  });
  const parent = { header: chain.header, ticket: undefined };
  const builder = chain.runtime.builder(chain.tree, parent, chain.time(1));
  const start = performance.now();
  for (const xt of xts) {
    const outcome = builder.apply(xt);
    if (!outcome.applied || outcome.error !== undefined) throw new Error('a transfer failed');
  }
  const applied = performance.now();
  const { header, extrinsics } = builder.finish();
  const finished = performance.now();
  const executed = chain.runtime.execute(chain.tree, { header, extrinsics }, parent);
  const end = performance.now();
  if (!executed.ok) throw new Error(executed.detail);
  chain.tree = executed.tree;
  chain.header = header;
  const per = (ms: number) => (ms * 1_000) / TRANSFERS;
  rows.push({ apply: per(applied - start), finish: per(finished - applied), execute: per(end - finished) });
}

const median = (phase: 'apply' | 'finish' | 'execute') =>
  rows.map((row) => row[phase]).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
const hashes = fast.find(({ name }) => name.startsWith('blake2'))?.active;
for (const phase of ['apply', 'finish', 'execute'] as const) {
  const us = Number(median(phase).toFixed(1));
  process.stdout.write(
    `${JSON.stringify({ bench: `dispatch/${phase}`, us_per_transfer: us, transfers: TRANSFERS, hashes })}\n`,
  );
}
