/**
 * # Reads: how long a reader waits while the node imports full blocks, beside how long he waits when it is idle.
 *
 * Row G16. One node holds a chain of full blocks; another, with an empty database, is read at a steady pace, first
 * alone, then from the moment that it is told of the first until it has all of its blocks. A read's time begins when
 * its turn has come, whether or not earlier ones were answered. Nobody told the second node of the transfers before.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../src/base/bytes.ts';
import type { RpcClient } from '../../src/miner/rpc-client.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { storageKey } from '../../src/runtime/storage.ts';
import { bob } from '../runtime/test-chain.ts';
import { allIncluded, connected, type OurNode, ours, sendAll } from './contestants.ts';
import { type BenchOptions, median, type Row, rounded } from './measure.ts';
import { startNode, stopServer } from './server.ts';

const SENDERS = 200;
/** Of each sender: what the pool takes at once fills two blocks. */
const EACH = 20;
const READ_EVERY_MS = 5;
const LIMIT_MS = 120_000;
const KEY = toHex(storageKey(System.storage.Account, [bob.accountId]));

interface Waits {
  readonly p50: number;
  readonly p99: number;
  readonly seconds: number;
}

interface HeaderJson {
  readonly number: string;
}

async function height(rpc: RpcClient): Promise<number> {
  return Number((await rpc.call<HeaderJson>('chain_getHeader')).number);
}

/** Reads at a steady pace until `isOver`; milliseconds until the answers. */
async function readUntil(rpc: RpcClient, isOver: () => boolean | Promise<boolean>): Promise<Waits> {
  const waits: number[] = [];
  const pending: Promise<void>[] = [];
  const start = performance.now();
  let due = start;
  let over = false;
  const watch = async (): Promise<void> => {
    while (!(await isOver())) await new Promise((resolve) => setTimeout(resolve, READ_EVERY_MS));
    over = true;
  };
  const watched = watch();
  while (!over) {
    // Timers come late: what was due meanwhile is asked at once.
    for (; due <= performance.now(); due += READ_EVERY_MS) {
      const asked = due;
      const answered = rpc.call('state_getStorage', [KEY]).then(() => {
        waits.push(performance.now() - asked);
      });
      pending.push(answered);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all([watched, ...pending]);
  waits.sort((a, b) => a - b);
  const at = (share: number): number => waits[Math.floor(waits.length * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), seconds: (performance.now() - start) / 1_000 };
}

/** Fills `batches` pools of the node and has them mined; transfers of the fullest block. */
async function fill(node: OurNode, batches: number): Promise<number> {
  const batch = async (from: number): Promise<string[]> => {
    const signed: string[] = [];
    for (let i = 0; i < EACH * SENDERS; i++) {
      signed.push(node.sign(i % SENDERS, from + Math.floor(i / SENDERS)));
      // On a busy machine signing takes minutes: the node hangs up on who answers no ping for so long.
      if (i % SENDERS === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return signed;
  };
  for (let done = 0; done < batches; done++) {
    await sendAll(node, await batch(done * EACH));
    node.mine();
    await allIncluded(node, SENDERS, (done + 1) * EACH, LIMIT_MS);
  }
  node.rest();
  let fullest = 0;
  for (let number = await height(node.rpc); number > 0; number--) {
    const hash = await node.rpc.call<string>('chain_getBlockHash', [number]);
    const { block } = await node.rpc.call<{ block: { extrinsics: unknown[] } }>('chain_getBlock', [hash]);
    fullest = Math.max(fullest, block.extrinsics.length - 1);
  }
  return fullest;
}

/** A new node, read while idle and while it imports what the other has. */
async function round(source: OurNode, idleMs: number): Promise<{ readonly idle: Waits; readonly busy: Waits }> {
  const folder = mkdtempSync(join(tmpdir(), 'maitoken-bench-'));
  const roles = ['--no-miner', '--no-checker', '--rpc-methods', 'unsafe'];
  const server = await startNode(['--chain', source.specFile, '--base-path', folder, ...roles]);
  const rpc = await connected(server.port);
  try {
    const [address] = await source.rpc.call<string[]>('system_localListenAddresses');
    const goal = await height(source.rpc);
    const warm = performance.now() + idleMs / 2;
    await readUntil(rpc, () => performance.now() > warm);
    const end = performance.now() + idleMs;
    const idle = await readUntil(rpc, () => performance.now() > end);
    await rpc.call('system_addReservedPeer', [address]);
    const deadline = performance.now() + LIMIT_MS;
    const busy = await readUntil(rpc, async () => {
      if (performance.now() > deadline) throw new Error('the blocks are not imported in time');
      return (await height(rpc)) >= goal;
    });
    return { idle, busy };
  } finally {
    rpc.close();
    await stopServer(server);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Row G16. */
export async function readRows({ quick }: BenchOptions): Promise<Row[]> {
  const source = await ours(SENDERS);
  try {
    const transfersPerBlock = await fill(source, quick ? 1 : 3);
    const rounds: { readonly idle: Waits; readonly busy: Waits }[] = [];
    for (let i = 0; i < (quick ? 2 : 5); i++) rounds.push(await round(source, quick ? 3_000 : 8_000));
    const ms = (of: (round: { idle: Waits; busy: Waits }) => number) => rounded(median(rounds.map(of)), 1);
    return [
      {
        id: 'G16',
        name: 'read p99 while importing full blocks / idle p99',
        value: rounded(median(rounds.map(({ idle, busy }) => busy.p99 / idle.p99)), 1),
        unit: 'x',
        must: 5,
        better: 'less',
        terms: {
          transfersPerBlock,
          rounds: rounds.length,
          idleP50Ms: ms(({ idle }) => idle.p50),
          idleP99Ms: ms(({ idle }) => idle.p99),
          importP50Ms: ms(({ busy }) => busy.p50),
          importP99Ms: ms(({ busy }) => busy.p99),
          importSeconds: ms(({ busy }) => busy.seconds),
        },
      },
    ];
  } finally {
    await source.stop();
  }
}
