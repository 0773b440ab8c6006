/**
 * # Sync: how fast a node comes to a chain of slots that another process has, beside its own import of the same blocks.
 *
 * Two nodes over loopback, each with its store on disk. The ratio is of CPU time of the syncing process, since import and
 * network share it with whatever else runs; the seconds are of the clock, and say what a person waits on this machine.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must } from '../../src/base/assert.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import { chainMachine, chainRules } from '../../src/node/rules.ts';
import { LevelStore } from '../../src/state/level/level-store.ts';
import type { DurableStore } from '../../src/state/store.ts';
import { PEER, SlotsChain } from '../consensus/slots-chain.ts';
import { grandpaSlotsSpec, growVoted } from '../node/grandpa-slots.ts';
import { lonelyNode } from '../rpc/dev-node.ts';
import { type BenchOptions, cpuMs, type Row, rounded } from './measure.ts';

const TRANSFERS = 2;
const PRUNING = 256;

export function openPorts(reservedNodes: readonly string[]): NodeConfig['p2p'] {
  return {
    listen: ['/ip4/127.0.0.1/tcp/0'],
    publicAddresses: [],
    bootnodes: [],
    reservedNodes,
    reservedOnly: false,
    inPeers: 8,
    outPeers: 8,
    mdns: false,
    nodeKey: undefined,
  };
}

/** G22, and how long a warp to the same chain takes. */
export async function syncRows({ quick }: BenchOptions): Promise<Row[]> {
  const blocks = quick ? 500 : 20_000;
  const dir = mkdtempSync(join(tmpdir(), 'maitoken-bench-sync-'));
  let server: ChildProcess | undefined;
  try {
    await build(join(dir, 'old'), blocks);
    const imported = await measured(() => importAll(join(dir, 'old'), join(dir, 'own')));
    server = fork(join(import.meta.dirname, 'sync-server.ts'), [join(dir, 'old')]);
    const [{ addresses }] = (await once(server, 'message')) as [{ addresses: string[] }];
    const full = await measured(() => fetched(join(dir, 'full'), addresses, blocks, 'full'));
    const warped = await measured(() => fetched(join(dir, 'warp'), addresses, blocks, 'warp'));
    const terms = {
      blocks,
      transfers: TRANSFERS,
      importPerCpuSecond: rounded((blocks * 1_000) / imported.cpu, 0),
      syncPerCpuSecond: rounded((blocks * 1_000) / full.cpu, 0),
      syncPerSecond: rounded((blocks * 1_000) / full.ms, 0),
    };
    return [
      {
        id: 'G22',
        name: 'sync from genesis over own import rate',
        value: rounded(imported.cpu / full.cpu),
        unit: 'x',
        must: 0.8,
        better: 'more',
        terms,
      },
      {
        id: 'G22',
        name: `warp to a usable node, chain of ${blocks} blocks`,
        value: rounded(warped.ms / 1_000),
        unit: 's',
        must: 30,
        better: 'less',
        terms: { blocks, cpuMs: rounded(warped.cpu, 0) },
      },
    ];
  } finally {
    server?.disconnect();
    if (server !== undefined) await once(server, 'exit');
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measured(run: () => Promise<void>): Promise<{ readonly ms: number; readonly cpu: number }> {
  const start = performance.now();
  const cpu = await cpuMs(run);
  return { ms: performance.now() - start, cpu };
}

function folderOf(basePath: string): string {
  return join(basePath, 'chains', grandpaSlotsSpec().id);
}

/** A stored chain of slots, as its voters left it. */
async function build(basePath: string, blocks: number): Promise<void> {
  const chain = new SlotsChain(grandpaSlotsSpec());
  const store = await LevelStore.open({ dir: folderOf(basePath), genesis: chain.rules.genesis });
  Object.assign(chain, { store });
  for (let left = blocks; left > 0; left -= 500) {
    growVoted(chain, Math.min(left, 500), Number.MAX_SAFE_INTEGER, TRANSFERS);
    await store.flush(false);
  }
  await store.close();
}

/** The same blocks through the same machine into the same kind of store, without a network. */
async function importAll(from: string, to: string): Promise<void> {
  const spec = grandpaSlotsSpec();
  const rules = chainRules(spec, () => {});
  const source = await LevelStore.open({ dir: folderOf(from), genesis: rules.genesis });
  const store = await LevelStore.open({ dir: folderOf(to), genesis: rules.genesis, pruning: PRUNING });
  const { chain } = chainMachine(spec, rules, store);
  for (let number = 1; number <= source.best.number; number++) {
    const hash = must(source.canonical(number), 'a block');
    const header = must(source.header(hash), 'its header');
    const extrinsics = must(source.body(hash), 'its body');
    const justification = source.justification(hash);
    const opening = source.opening(hash) ?? new Uint8Array(0);
    const block = { header, opening, extrinsics, origin: PEER, ...(justification ? { justification } : {}) };
    const effects = [...chain.step(Date.now(), { type: 'block', block })];
    while (chain.wakeAt() === 0) effects.push(...chain.step(Date.now(), { type: 'tick' }));
    for (const effect of effects) {
      if (effect.type === 'flush') await store.flush(effect.sync);
      if (effect.type === 'refused') throw new Error(`${effect.error.code} ${effect.error.data}`);
    }
  }
  await source.close();
  await store.close();
}

/** A new node until it has the whole chain. */
async function fetched(basePath: string, reserved: string[], blocks: number, sync: 'full' | 'warp'): Promise<void> {
  const spec = grandpaSlotsSpec();
  const p2p = openPorts(reserved);
  const node = await lonelyNode(basePath, { spec, specSource: 'slots', sync, p2p, pruning: PRUNING });
  await reached(node.store, blocks);
  await node.stop();
}

async function reached(store: DurableStore, blocks: number): Promise<void> {
  while (store.best.number < blocks) await new Promise((done) => setTimeout(done, 20));
}
