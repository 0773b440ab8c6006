/**
 * # Node: how soon a node answers, and what memory it holds; the program that operators start, as a process of its own.
 *
 * G17 starts it on the devnet genesis with an empty base path, several times. G18 runs it on that genesis with 500 more
 * accounts and quick blocks, mines for it from here, has 100,000 transfers included through its port, and reads its
 * resident memory from the kernel, so only on Linux.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must } from '../../src/base/assert.ts';
import { fromHex, littleEndian, toHex } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { type Keypair, keypairFromSeed } from '../../src/crypto/keypair.ts';
import { parseChainSpec, runtimeSpec } from '../../src/node/chain-spec.ts';
import { signExtrinsic } from '../../src/primitives/extrinsic.ts';
import { PALLETS } from '../../src/runtime/pallets/index.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { createRuntime } from '../../src/runtime/runtime.ts';
import { storageKey } from '../../src/runtime/storage.ts';
import { AccountInfo } from '../../src/runtime/types.ts';
import { DevMiner } from '../rpc/dev-node.ts';
import { bob, HOST, transferCall, UNIT } from '../runtime/test-chain.ts';
import { connected } from './contestants.ts';
import { type BenchOptions, median, type Row, rounded } from './measure.ts';
import { residentMb, specWith, startNode, stopServer } from './server.ts';

const SENDERS = 500;
const TRANSFERS = 100_000;
const QUICK_TRANSFERS = 5_000;
/** Transfers on their way at once; the pool holds more. */
const WINDOW = 2_000;
/** Calls on one connection at once. */
const PIPELINED = 20;
const IDLE_MS = 5_000;
const LIMIT_MS = 480_000;
const BLOCK_MS = 1_000;

/** Rows G17 and G18. */
export async function nodeRows({ quick }: BenchOptions): Promise<Row[]> {
  const rows = [await coldStart(quick ? 3 : 5)];
  if (process.platform === 'linux') rows.push(...(await memory(quick ? QUICK_TRANSFERS : TRANSFERS)));
  return rows;
}

async function coldStart(rounds: number): Promise<Row> {
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const basePath = mkdtempSync(join(tmpdir(), 'maitoken-bench-'));
    const node = await startNode(['--dev', '--no-miner', '--no-checker', '--base-path', basePath]);
    seconds.push(node.seconds);
    await stopServer(node);
    rmSync(basePath, { recursive: true, force: true });
  }
  const name = 'cold start to the first RPC answer, devnet genesis';
  const terms = { best: rounded(Math.min(...seconds), 2), rounds };
  return { id: 'G17', name, value: rounded(median(seconds), 2), unit: 's', must: 1.5, better: 'less', terms };
}

async function memory(transfers: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'maitoken-bench-'));
  const senders = Array.from({ length: SENDERS }, (_, i) =>
    keypairFromSeed('ed25519', blake2_256(littleEndian(BigInt(i), 4))),
  );
  const specFile = join(folder, 'spec.json');
  writeFileSync(
    specFile,
    specWith(
      senders.map(({ accountId }) => accountId),
      BLOCK_MS,
    ),
  );
  const node = await startNode(['--chain', specFile, '--alice', '--no-miner', '--no-checker', '--base-path', folder]);
  const miner = new DevMiner(`ws://127.0.0.1:${node.port}`);
  try {
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const idle = residentMb(node);
    const started = performance.now();
    const blocks = await include(node.port, readFileSync(specFile, 'utf8'), senders, transfers / SENDERS);
    const seconds = (performance.now() - started) / 1_000;
    const row = { id: 'G18', unit: 'MB', better: 'less' } as const;
    const terms = { transfers, blocks, perSecond: Math.round(transfers / seconds) };
    return [
      { ...row, name: 'resident memory, idle', value: idle, must: 250, terms: {} },
      { ...row, name: `resident memory after ${transfers} transfers`, value: residentMb(node), must: 500, terms },
    ];
  } finally {
    miner.stop();
    await stopServer(node);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Has `each` transfers of every sender included; the number of blocks that it took. */
async function include(port: number, specText: string, senders: readonly Keypair[], each: number): Promise<number> {
  const rpc = await connected(port);
  const runtime = createRuntime({ pallets: PALLETS, spec: runtimeSpec(parseChainSpec(specText, 'bench')), host: HOST });
  const { specVersion, transactionVersion } = runtime.spec;
  const genesisHash = fromHex(await rpc.call<string>('chain_getBlockHash', [0]));
  const implicit = { specVersion, transactionVersion, genesisHash, birthHash: genesisHash };
  const call = runtime.Call.enc(transferCall('transfer_keep_alive', bob.accountId, UNIT / 1_000n));
  const deadline = performance.now() + LIMIT_MS;
  const key = toHex(storageKey(System.storage.Account, [must(senders.at(-1), 'a sender').accountId]));
  const included = async (least: number): Promise<void> => {
    for (;;) {
      const account = await rpc.call<string>('state_getStorage', [key]);
      if (AccountInfo.dec(fromHex(account)).nonce >= least) return;
      if (performance.now() > deadline) throw new Error(`fewer than ${least} transfers of a sender in time`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  for (let nonce = 0; nonce < each; nonce++) {
    const extra = { era: { type: 'Immortal' }, nonce, tip: 0n } as const;
    for (let from = 0; from < senders.length; from += PIPELINED) {
      const some = senders.slice(from, from + PIPELINED);
      const extrinsics = some.map((pair) => toHex(signExtrinsic(call, extra, implicit, pair).bytes));
      await Promise.all(extrinsics.map((extrinsic) => rpc.call('author_submitExtrinsic', [extrinsic])));
    }
    await included(nonce + 1 - WINDOW / SENDERS);
  }
  await included(each);
  const { number } = await rpc.call<{ number: string }>('chain_getHeader', []);
  rpc.close();
  return Number(number);
}
