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
import { accusationOf } from '../consensus/accusation.ts';
import { Author } from '../consensus/author.ts';
import { Evidence } from '../consensus/evidence.ts';
import { SetEnds } from '../consensus/finality/set-ends.ts';
import type { Keystore } from '../keystore/keystore.ts';
import { VOTES_FILE, Watermarks } from '../keystore/watermarks.ts';
import type { NodeMetrics } from '../metrics/node-metrics.ts';
import { createNetwork, type NetworkOptions } from '../p2p/host.ts';
import type { Network } from '../p2p/network.ts';
import { Pool } from '../pool/pool.ts';
import { RpcServer } from '../rpc/server.ts';
import type { Runtime, Validity } from '../runtime/runtime.ts';
import { LevelStore } from '../state/level/level-store.ts';
import type { DurableStore } from '../state/store.ts';
import { Sync } from '../sync/sync.ts';
import { Ahead } from './ahead.ts';
import { Anchors } from './anchors.ts';
import { nodeBackend } from './backend.ts';
import { BlobDesk } from './blob-desk.ts';
import { CLOCKS } from './clocks.ts';
import type { NodeConfig } from './config.ts';
import { DiskWatch } from './disk-watch.ts';
import { Drive } from './drive.ts';
import { FinalityLink } from './finality-link.ts';
import { genesisJobs, isShipped, provideGenesisBlobs } from './genesis-blobs.ts';
import { nodeKey, writeBlobToken } from './identity.ts';
import { type MeterParts, nodeMetrics, serveMetrics } from './meter.ts';
import { openStore } from './open-store.ts';
import { tellProgress } from './progress.ts';
import { RollCall } from './roll-call.ts';
import { authoritiesIn, chainMachine, chainRules } from './rules.ts';
import { slotsAuthor } from './slots.ts';
import { serveSync, serveWarp } from './sync-link.ts';
import { tipWatch } from './tip-watch.ts';
import { Verifiers } from './verifiers.ts';
import { NODE_VERSION } from './version.ts';
import { voterKeys } from './voter-keys.ts';
import { warp } from './warp.ts';

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
  /** Ends a warp: the node then begins with what it has. */
  readonly signal?: AbortSignal;
}

/** Starts a node; rejects with a typed error of the part that could not be started. */
export async function startNode(config: NodeConfig, hooks: NodeHooks): Promise<RunningNode> {
  const { spec } = config;
  const { log, onFatal, keystore } = hooks;
  const chainDir = join(config.basePath, 'chains', spec.id);
  await mkdir(chainDir, { recursive: true });

  // Rules: pure. The spec says how blocks are made (by work or by turns) and what finalizes them (depth or votes).
  const rules = chainRules(spec, (text) => log('warn', text));
  const { runtime, genesis } = rules;
  const verifiers = new Verifiers({ threads: config.verifyWorkers ?? 0, memory: rules.signatures, log });

  installFastTree((text) => log('warn', text));

  // Memory: blocks and states, then blobs. A new node may begin with what peers prove: hence the network comes first.
  const networkDir = join(chainDir, 'network');
  const anchors = await Anchors.open(config.tmp ? undefined : networkDir, { log, onFatal: (error) => fail(error) });
  const known = { genesisHash: genesis.hash, anchors: anchors.addresses, log };
  const network = await createNetwork({ ...known, ...(await networkOptions(config, networkDir)) });
  const begin = async () => {
    await network.start();
    return warp({ rules, network, log, signal: hooks.signal ?? new AbortController().signal });
  };
  const store = await openStore(config, rules, chainDir, config.sync === 'warp' ? begin : undefined);
  const blobs = await BlobStore.open({ dir: join(chainDir, 'blobs'), maxBytes: config.blobBytes });
  // Jobs of other chains come as blobs: from who set the chain up, and then from peers.
  if (isShipped(spec.id)) provideGenesisBlobs(blobs, genesisJobs(genesis.state), config.data);

  // Machines. First with what this node votes, and what it said last: beside the database, so that an old copy of that
  // makes nobody vote twice. Then: which blocks are the chain, what waits for one, who makes them, whom to fetch from.
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
  const slots = slotsAuthor(config, rules, { store, ready, now: CLOCKS.wall() });
  const sync = new Sync({
    genesis: store.genesis.hash,
    chain,
    checkpoint: rules.consensus.checkpoint,
    pool,
    vet: (_, header, opening) => {
      const start = performance.now();
      const vetting = chain.vet(CLOCKS.wall(), header, opening);
      meter?.vetted((performance.now() - start) / 1_000, vetting !== 'refused');
      return vetting;
    },
  });

  // The loop, and the port.
  const voting = () => ({ round: Number(grandpa?.state()?.rounds.at(-1)?.number ?? 0), ...finality.said });
  // Asked when metrics are read: `finality` and `drive`, made below, are there by then.
  const asked = { miners: () => drive.miners, clockSkew: () => drive.clockSkew };
  const tip = tipWatch(config, store, network, log);
  const seen: MeterParts = { config, store, chain, pool, sync, network, tip, author, verifiers, ...asked, voting };
  if (config.prometheus !== undefined) meter = nodeMetrics(seen);
  const fail = (error: unknown): void => {
    drive.stop();
    onFatal(error);
  };
  // Where authorities take turns their blocks tell who is there.
  const rollCall = spec.consensus.authoring === 'slots' ? undefined : new RollCall({ store, runtime });
  const finality = new FinalityLink({ store, marks, network, rollCall, log, onFatal: fail });
  const evidence = new Evidence({ runtime, store, accusation: (proof) => accusationOf(runtime, store, proof) });
  const machines = { chain, author, pool, sync };
  const ahead = config.verifyWorkers ? new Ahead({ spec: runtime.spec, store, verifiers }) : undefined;
  const parts = { ...machines, slots, store, network, finality, ahead, meter, log, onFatal, evidence };
  const drive = new Drive(parts);
  const transfer = new BlobTransfer(blobs, network);
  const desk = new BlobDesk(blobs, transfer);
  serveSync(network, store, chain);
  serveWarp(network, store, grandpa && new SetEnds(store, () => setIdNow(store)));
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
  const behind = {
    best: () => store.best.number,
    target: () => (sync.isSyncing() ? sync.target() : undefined),
    peers: () => network.peers().length,
  };
  const quiet = tellProgress(behind, (text) => log('info', text));
  tip.start();
  anchors.follow(network, () => tip.isStale);
  const watch = new DiskWatch({
    path: chainDir,
    log,
    onFatal: fail,
    setAuthoring: (may) => drive.setAuthoring(may, 'disk'),
  });
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
      quiet();
      watch.stop();
      tip.stop();
      await anchors.stop();
      drive.stop();
      await verifiers.stop();
      await served?.server.stop();
      await rpc.stop();
      await network.stop();
      await blobs.close();
      await store.close();
    },
  };
}

function setIdNow(store: DurableStore): bigint {
  return authoritiesIn(must(store.view(store.settled.hash), 'the last final block has its state')).setId;
}

function validateOnBest(runtime: Runtime, store: DurableStore, extrinsic: Bytes): Validity {
  const { best } = store;
  const view = must(store.view(best.hash), 'the best block has its state');
  return runtime.validate(view, extrinsic, best);
}

async function networkOptions(config: NodeConfig, dir: string): Promise<Omit<NetworkOptions, 'genesisHash'>> {
  const { nodeKey: key, ...p2p } = config.p2p;
  return { ...p2p, nodeKey: key ?? (await nodeKey(dir)), agent: `maitoken/${NODE_VERSION}` };
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
