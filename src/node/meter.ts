/**
 * # Meter: what the metrics of a node are looked up from, and where its peers are counted.
 *
 * Always true: a lookup reads what the machines show anyway; the state is read once per head, however often the port
 * is scraped.
 */
import { toHex } from '../base/bytes.ts';
import type { Author, AuthorEffect } from '../consensus/author.ts';
import type { Chain } from '../consensus/chain.ts';
import { metaOf } from '../consensus/meta.ts';
import { NodeMetrics, type Sample, type TicketResult } from '../metrics/node-metrics.ts';
import { type Health, MetricsFailed, MetricsServer } from '../metrics/server.ts';
import type { Network } from '../p2p/network.ts';
import type { Pool } from '../pool/pool.ts';
import { allJobs, certificates, roundRecord } from '../runtime/compute-view.ts';
import type { DurableStore } from '../state/store.ts';
import type { Sync } from '../sync/sync.ts';
import type { NodeConfig } from './config.ts';
import type { Verifiers } from './verifiers.ts';
import { NODE_NAME, NODE_VERSION } from './version.ts';

export interface MeterParts {
  readonly config: NodeConfig;
  readonly store: DurableStore;
  readonly chain: Chain;
  readonly pool: Pool;
  readonly sync: Sync;
  readonly network: Network;
  readonly author: Author;
  /** Miners that listen. */
  miners(): number;
  /** How far peers' clocks are ahead, in milliseconds, where enough are known. */
  clockSkew(): number | undefined;
  readonly verifiers: Pick<Verifiers, 'waiting' | 'verified'>;
  /** The gadget's round, and votes of this node since the start. */
  voting(): Sample['grandpa'];
}

type OfState = Pick<Sample, 'difficulty' | 'certificates' | 'jobs'>;

/** What became of a ticket, as it is counted. */
export function ticketResult(outcome: Extract<AuthorEffect, { type: 'answer' }>['outcome']): TicketResult {
  if (!('error' in outcome)) return 'accepted';
  return outcome.error.code === 'BadTicket' ? 'refused' : 'stale';
}

/** The metrics of a node; peers are counted from now on. */
export function nodeMetrics(parts: MeterParts): NodeMetrics {
  const { config, network } = parts;
  let known: { readonly head: string; readonly of: OfState } | undefined;
  const ofState = (): OfState => {
    const head = toHex(parts.store.best.hash);
    if (known?.head !== head) known = { head, of: readState(parts.store) };
    return known.of;
  };
  const about = {
    chain: config.spec.id,
    name: config.name,
    version: `${NODE_NAME} ${NODE_VERSION}`,
    isAuthority: config.validator,
    startedAt: Math.floor(Date.now() / 1_000 - process.uptime()),
  };
  const metrics = new NodeMetrics(about, () => ({ ...ofMachines(parts), ...ofState() }));
  // At most as many entries as there are slots for peers.
  const directions = new Map<string, 'inbound' | 'outbound'>();
  network.onPeer(({ type, peer }) => {
    if (type === 'connected') {
      const direction = network.peers().find(({ id }) => id === peer)?.direction ?? 'inbound';
      directions.set(peer, direction);
      metrics.peerConnected(direction);
    } else {
      metrics.peerDisconnected(directions.get(peer) ?? 'inbound');
      directions.delete(peer);
    }
  });
  return metrics;
}

/** Serves metrics where the config says; undefined where it says nowhere, or where the default port is taken. */
export async function serveMetrics(
  parts: MeterParts,
  metrics: NodeMetrics,
  log: (level: 'info' | 'warn', text: string) => void,
): Promise<{ readonly server: MetricsServer; readonly port: number } | undefined> {
  const { prometheus } = parts.config;
  if (prometheus === undefined) return undefined;
  const health = (): Health => ({
    peers: parts.network.peers().length,
    isSyncing: parts.sync.isSyncing(),
    best: parts.store.best.number,
  });
  const onFault = (error: unknown): void => log('warn', `metrics: ${String(error)}`);
  const server = new MetricsServer({ ...prometheus, metrics, health, onFault });
  try {
    return { server, port: await server.start() };
  } catch (error) {
    if (!(error instanceof MetricsFailed) || prometheus.required) throw error;
    log('warn', `metrics: not served: ${error.message}`);
    return undefined;
  }
}

function ofMachines({
  config,
  store,
  chain,
  pool,
  sync,
  network,
  miners,
  clockSkew,
  verifiers,
  voting,
}: MeterParts): Omit<Sample, keyof OfState> {
  const peers = network.peers();
  const best = store.best.number;
  const skew = clockSkew();
  return {
    best,
    finalized: chain.finalized().number,
    syncTarget: Math.max(best, sync.target() ?? 0),
    isSyncing: sync.isSyncing(),
    peers: peers.length,
    ...network.traffic(),
    syncPeers: peers.filter(({ id }) => sync.statusOf(id) !== undefined).length,
    clockSkew: skew === undefined ? undefined : skew / 1_000,
    queuedBlocks: chain.waitingCount,
    readyTransactions: pool.counts.ready,
    leaves: store.leaves().length,
    databaseCacheBytes: config.tmp ? 0 : (config.dbCacheBytes ?? 0),
    miners: miners(),
    signatures: { waiting: verifiers.waiting, verified: verifiers.verified },
    grandpa: voting(),
  };
}

function readState(store: DurableStore): OfState {
  const view = store.view(store.best.hash);
  // D exceeds 2^53 on no chain that is near: a gauge is a double, and its last digits do not matter.
  const difficulty = Number(metaOf(store, store.best.hash).difficulty);
  if (view === undefined) return { difficulty, certificates: 0, jobs: [] };
  const [newest] = certificates(view, undefined, 1);
  const jobs = allJobs(view).map(({ id, job, round }) => {
    const bits = round.r === 0 ? job.init_loss : (roundRecord(view, id, round.r - 1)?.loss ?? 0);
    return { job: toHex(id), round: round.r, heldOutLoss: bits === 0 ? undefined : f32(bits) };
  });
  return { difficulty, certificates: newest === undefined ? 0 : Number(newest.id) + 1, jobs };
}

/** The number whose f32 bits these are. */
function f32(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0] as number;
}
