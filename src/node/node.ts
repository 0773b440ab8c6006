/**
 * # Node: the wiring diagram. Machines in the middle, adapters around them, one loop that drives.
 *
 * Always true: a part is made here and nowhere else, after what it needs. At the end the loop stops first, so that no
 * machine is stepped any more, then whoever asks (threads, ports, peers), and memory closes last, when nobody writes.
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
import { awayTooLong, unprovenStart } from './checkpoint.ts';
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
import { authoritiesIn, type ChainRules, chainMachine, chainRules } from './rules.ts';
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
  const { log } = hooks;
  const warn = (text: string): void => log('warn', text);
  const chainDir = join(config.basePath, 'chains', config.spec.id);
  await mkdir(chainDir, { recursive: true });

  // Rules: pure. The spec says how blocks are made (by work or by turns) and what finalizes them (depth or votes).
  const rules = chainRules(config.spec, warn);
  const verifiers = new Verifiers({ threads: config.verifyWorkers ?? 0, memory: rules.signatures, log });
  installFastTree(warn);
  const ground: Ground = { config, hooks, chainDir, rules, verifiers, warn };

  // What a node is made of, each part from those above it.
  const memory = await openMemory(ground);
  const machines = await makeMachines(ground, memory);
  const loop = makeLoop(ground, memory, machines);
  const edges = await makeEdges(ground, memory, machines, loop);

  // From here on it moves: who asks, who answers, and what drives.
  const { store, network, anchors, blobs } = memory;
  const { drive, meter, tip, fail } = loop;
  const served = meter && (await serveMetrics(loop.seen, meter, log));
  const rpcPort = await edges.rpc.start();
  await network.start();
  drive.start();
  edges.desk.follow(store, drive);
  const quiet = tellProgress(progressOf(memory, machines), (text) => log('info', text));
  tip.start();
  anchors.follow(network, () => tip.isStale);
  const setAuthoring = (may: boolean) => drive.setAuthoring(may, 'disk');
  const watch = new DiskWatch({ path: chainDir, log, onFatal: fail, setAuthoring });
  // Without a database nothing here grows.
  if (!config.tmp) await watch.start();
  if (store instanceof LevelStore) void store.scrub().catch(fail);

  return {
    config,
    runtime: rules.runtime,
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
      await edges.rpc.stop();
      await network.stop();
      await blobs.close();
      await store.close();
    },
  };
}

/** What every part is made with. */
interface Ground {
  readonly config: NodeConfig;
  readonly hooks: NodeHooks;
  readonly chainDir: string;
  readonly rules: ChainRules;
  /** Threads that check signatures; none where the config wants none. */
  readonly verifiers: Verifiers;
  readonly warn: (text: string) => void;
}

/** Blocks and states, then blobs. A new node may begin with what peers prove: hence the network is made first. */
async function openMemory({ config, hooks, chainDir, rules, warn }: Ground) {
  const { log, signal = new AbortController().signal } = hooks;
  const networkDir = join(chainDir, 'network');
  const anchors = await Anchors.open(config.tmp ? undefined : networkDir, hooks);
  const known = { genesisHash: rules.genesis.hash, anchors: anchors.addresses, log };
  const network = await createNetwork({ ...known, ...(await networkOptions(config, networkDir)) });
  const begin = async () => {
    const unproven = unprovenStart(rules);
    if (unproven !== undefined) warn(unproven);
    await network.start();
    return warp({ rules, network, log, signal });
  };
  const store = await openStore(config, rules, chainDir, config.sync === 'warp' ? begin : undefined);
  const away = awayTooLong(rules, config.spec, store, CLOCKS.wall());
  if (away !== undefined) warn(away);
  const blobs = await BlobStore.open({ dir: join(chainDir, 'blobs'), maxBytes: config.blobBytes });
  // Jobs of other chains come as blobs: from who set the chain up, and then from peers.
  if (isShipped(config.spec.id)) provideGenesisBlobs(blobs, genesisJobs(rules.genesis.state), config.data);
  return { network, anchors, store, blobs };
}

type Memory = Awaited<ReturnType<typeof openMemory>>;

/** The machines: which blocks are the chain, what waits for one, who makes them, whom to fetch from. */
async function makeMachines({ config, hooks, chainDir, rules, warn }: Ground, { store }: Memory) {
  const { runtime, genesis, consensus } = rules;
  // What this node votes with, and what it said last: beside the database, so that an old copy of that makes nobody
  // vote twice.
  const marks = config.tmp
    ? Watermarks.inMemory(genesis.hash)
    : await Watermarks.open(join(chainDir, VOTES_FILE), genesis.hash);
  const voters = await voterKeys(config, hooks.keystore, warn);
  const keys = { keys: () => voters.keys(), markOf: (key: Bytes) => marks.markOf(key) };
  const { chain, grandpa } = chainMachine(config.spec, rules, store, keys);
  // Metrics are looked up from machines, so who counts comes after them: counting begins once all that is counted is
  // there.
  const counted: { by?: NodeMetrics | undefined } = {};
  const pool = new Pool({
    validate: (extrinsic) => {
      const validity = validateOnBest(runtime, store, extrinsic);
      counted.by?.validated(validity.ok);
      return validity;
    },
    bestNumber: () => store.best.number,
  });
  const ready = () => pool.ready();
  const author = new Author({ rules: consensus, store, ready });
  const slots = slotsAuthor(config, rules, { store, ready, now: CLOCKS.wall() });
  const sync = new Sync({
    genesis: store.genesis.hash,
    chain,
    checkpoint: consensus.checkpoint,
    pool,
    vet: (_, header, opening) => {
      const start = performance.now();
      const vetting = chain.vet(CLOCKS.wall(), header, opening);
      counted.by?.vetted((performance.now() - start) / 1_000, vetting !== 'refused');
      return vetting;
    },
  });
  const evidence = new Evidence({ runtime, store, accusation: (proof) => accusationOf(runtime, store, proof) });
  return { marks, voters, chain, grandpa, counted, pool, author, slots, sync, evidence };
}

type Machines = Awaited<ReturnType<typeof makeMachines>>;

/** The loop that steps the machines, with what it performs votes by and what it is measured by. */
function makeLoop({ config, hooks, rules, verifiers }: Ground, { store, network }: Memory, machines: Machines) {
  const { log, onFatal } = hooks;
  const { runtime } = rules;
  const { marks, grandpa, counted, chain, pool, author, slots, sync, evidence } = machines;
  // `fail` and `asked` name the loop, which is made last of these: nobody calls them before it runs.
  const fail = (error: unknown): void => {
    drive.stop();
    onFatal(error);
  };
  const asked = { miners: () => drive.miners, clockSkew: () => drive.clockSkew };
  // Where authorities take turns their blocks tell who is there.
  const rollCall = config.spec.consensus.authoring === 'slots' ? undefined : new RollCall({ store, runtime });
  const finality = new FinalityLink({ store, marks, network, rollCall, log, onFatal: fail });
  const voting = () => ({ round: Number(grandpa?.state()?.rounds.at(-1)?.number ?? 0), ...finality.said });
  const tip = tipWatch(config, store, network, log);
  const seen: MeterParts = { config, store, chain, pool, sync, network, tip, author, verifiers, ...asked, voting };
  const meter = config.prometheus === undefined ? undefined : nodeMetrics(seen);
  counted.by = meter;
  const ahead = config.verifyWorkers ? new Ahead({ spec: runtime.spec, store, verifiers }) : undefined;
  const stepped = { chain, author, pool, sync, slots, evidence };
  const drive = new Drive({ ...stepped, store, network, finality, ahead, meter, log, onFatal });
  return { drive, seen, meter, tip, fail };
}

type Loop = ReturnType<typeof makeLoop>;

/** What others reach: the answers to peers, and RPC with the blobs of this node's miners and checkers. */
async function makeEdges(
  ground: Ground,
  { store, network, blobs }: Memory,
  machines: Machines,
  { drive, meter }: Loop,
) {
  const { config, hooks, chainDir, rules, warn } = ground;
  const { chain, author, pool, sync, grandpa, voters } = machines;
  const desk = new BlobDesk(blobs, new BlobTransfer(blobs, network));
  serveSync(network, store, chain);
  serveWarp(network, store, grandpa && new SetEnds(store, () => setIdNow(store)));
  const { runtime } = rules;
  const reached = { chain, author, pool, sync, grandpa, voters, blobs: desk, keystore: hooks.keystore };
  const backend = nodeBackend({ config, runtime, store, network, drive, ...reached });
  const blobToken = await writeBlobToken(chainDir);
  const onFault = (error: unknown): void => warn(`rpc: ${describe(error)}`);
  const rpc = new RpcServer(backend, { ...config.rpc, blobToken, meter, onFault });
  return { desk, rpc };
}

function progressOf({ store, network }: Memory, { sync }: Machines) {
  return {
    best: () => store.best.number,
    target: () => (sync.isSyncing() ? sync.target() : undefined),
    peers: () => network.peers().length,
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
