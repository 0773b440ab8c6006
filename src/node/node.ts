/**
 * # Node: the wiring diagram. Machines in the middle, adapters around them, one loop that drives.
 *
 * Always true: a part is made here and nowhere else, after what it needs; they stop in the reverse order.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { must } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { BlobStore } from '../blobs/store.ts';
import { BlobTransfer } from '../blobs/transfer.ts';
import { installFastTree } from '../compute/engine/fast-tree.ts';
import { Author } from '../consensus/author.ts';
import type { Keystore } from '../keystore/keystore.ts';
import { VOTES_FILE, Watermarks } from '../keystore/watermarks.ts';
import type { NodeMetrics } from '../metrics/node-metrics.ts';
import { createNetwork, type NetworkOptions } from '../p2p/host.ts';
import type { Network } from '../p2p/network.ts';
import { Pool } from '../pool/pool.ts';
import type { SlotEquivocation } from '../primitives/slots.ts';
import { RpcServer } from '../rpc/server.ts';
import type { Runtime, Validity } from '../runtime/runtime.ts';
import { LevelStore } from '../state/level/level-store.ts';
import { MemoryStore } from '../state/level/memory-store.ts';
import type { DurableStore } from '../state/store.ts';
import { Sync } from '../sync/sync.ts';
import { nodeBackend } from './backend.ts';
import { BlobDesk } from './blob-desk.ts';
import type { NodeConfig } from './config.ts';
import { DiskWatch } from './disk-watch.ts';
import { Drive } from './drive.ts';
import { FinalityLink } from './finality-link.ts';
import { genesisJobs, isShipped, provideGenesisBlobs } from './genesis-blobs.ts';
import { nodeKey, writeBlobToken } from './identity.ts';
import { type MeterParts, nodeMetrics, serveMetrics } from './meter.ts';
import { chainMachine, chainRules } from './rules.ts';
import { accusation, slotsAuthor } from './slots.ts';
import { serveSync } from './sync-link.ts';
import { NODE_VERSION } from './version.ts';
import { voterKeys } from './voter-keys.ts';

export interface RunningNode {
  readonly config: NodeConfig;
  readonly runtime: Runtime;
  readonly store: DurableStore;
  readonly network: Network;
  readonly rpcPort: number;
  /** Where metrics are served; undefined if they are not. */
  readonly metricsPort: number | undefined;
  readonly meter: NodeMetrics | undefined;
  stop(): Promise<void>;
}

export interface NodeHooks {
  readonly log: (level: 'info' | 'warn', text: string) => void;
  readonly onFatal: (error: unknown) => void;
  /** Where the keys of this node are; a node without one keeps none. */
  readonly keystore?: Keystore;
}

/** Starts a node; rejects with a typed error of the part that could not be started. */
export async function startNode(config: NodeConfig, hooks: NodeHooks): Promise<RunningNode> {
  const { spec } = config;
  const { log, onFatal, keystore } = hooks;
  const chainDir = join(config.basePath, 'chains', spec.id);
  await mkdir(chainDir, { recursive: true });

  // Rules: pure.
  const rules = chainRules(spec, (text) => log('warn', text));
  const { runtime, genesis } = rules;

  installFastTree((text) => log('warn', text));

  // Memory: blocks and states, then blobs.
  const { pruning } = config;
  const store = config.tmp
    ? MemoryStore.create(genesis, pruning)
    : await LevelStore.open({ dir: chainDir, genesis, pruning, ...cacheOf(config) });
  const blobs = await BlobStore.open({ dir: join(chainDir, 'blobs'), maxBytes: config.blobBytes });
  // Jobs of other chains come as blobs: from who set the chain up, and then from peers.
  if (isShipped(spec.id)) provideGenesisBlobs(blobs, genesisJobs(genesis.state), config.data);

  // Machines.
  const marks = config.tmp
    ? Watermarks.inMemory(genesis.hash)
    : await Watermarks.open(join(chainDir, VOTES_FILE), genesis.hash);
  const voters = await voterKeys(config, keystore, (text) => log('warn', text));
  const keys = { keys: () => voters.keys(), markOf: (key: Bytes) => marks.markOf(key) };
  const { chain, grandpa } = chainMachine(spec, rules, store, keys);
  // Counting begins once all that is counted is there.
  let meter: NodeMetrics | undefined;
  const pool = new Pool({
    validate: (extrinsic) => {
      const validity = validateOnBest(runtime, store, extrinsic);
      meter?.validated(validity.ok);
      return validity;
    },
    bestNumber: () => store.best.number,
  });
  const ready = () => pool.ready();
  const author = new Author({ rules: rules.consensus, store, ready });
  const slots = slotsAuthor(config, rules, { store, ready, now: Date.now() });
  const sync = new Sync({
    genesis: store.genesis.hash,
    chain,
    pool,
    vet: (now, header, opening) => {
      const start = performance.now();
      const vetting = chain.vet(now, header, opening);
      meter?.vetted((performance.now() - start) / 1_000, vetting !== 'refused');
      return vetting;
    },
  });

  // Network, the loop, and the port.
  const network = await createNetwork(await networkOptions(config, genesis.hash, log));
  const voting = () => ({ round: Number(grandpa?.state()?.rounds.at(-1)?.number ?? 0), ...finality.said });
  const seen: MeterParts = { config, store, chain, pool, sync, network, author, miners: () => drive.miners, voting };
  if (config.prometheus !== undefined) meter = nodeMetrics(seen);
  const fail = (error: unknown): void => {
    drive.stop();
    onFatal(error);
  };
  const finality = new FinalityLink({ store, runtime, marks, network, log, onFatal: fail });
  const accuse = (proof: SlotEquivocation) => accusation(runtime, proof);
  const machines = { chain, author, pool, sync };
  const parts = { ...machines, slots, store, network, finality, meter, log, onFatal, accusation: accuse };
  const drive = new Drive(parts);
  const transfer = new BlobTransfer(blobs, network);
  const desk = new BlobDesk(blobs, transfer);
  serveSync(network, store, chain);
  const given = { config, runtime, store, network, drive, ...machines, grandpa, blobs: desk, keystore, voters };
  const backend = nodeBackend(given);
  const blobToken = await writeBlobToken(chainDir);
  const rpc = new RpcServer(backend, {
    ...config.rpc,
    blobToken,
    meter,
    onFault: (error) => log('warn', `rpc: ${describe(error)}`),
  });
  const served = meter && (await serveMetrics(seen, meter, log));
  const rpcPort = await rpc.start();
  await network.start();
  drive.start();
  desk.follow(store, drive);
  const watch = new DiskWatch({ path: chainDir, log, onFatal: fail, setAuthoring: (may) => drive.setAuthoring(may) });
  // Without a database nothing here grows.
  if (!config.tmp) await watch.start();
  if (store instanceof LevelStore) void store.scrub().catch(fail);

  return {
    config,
    runtime,
    store,
    network,
    rpcPort,
    metricsPort: served?.port,
    meter,
    async stop() {
      watch.stop();
      drive.stop();
      await served?.server.stop();
      await rpc.stop();
      await network.stop();
      await blobs.close();
      await store.close();
    },
  };
}

function cacheOf({ dbCacheBytes }: NodeConfig): { cacheBytes?: number } {
  return dbCacheBytes === undefined ? {} : { cacheBytes: dbCacheBytes };
}

function validateOnBest(runtime: Runtime, store: DurableStore, extrinsic: Bytes): Validity {
  const { best } = store;
  const view = must(store.view(best.hash), 'the best block has its state');
  return runtime.validate(view, extrinsic, best);
}

async function networkOptions(config: NodeConfig, genesisHash: Bytes, log: NodeHooks['log']): Promise<NetworkOptions> {
  const { nodeKey: key, ...p2p } = config.p2p;
  const seed = key ?? (await nodeKey(join(config.basePath, 'chains', config.spec.id, 'network')));
  return { ...p2p, nodeKey: seed, genesisHash, agent: `maitoken/${NODE_VERSION}`, log };
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
