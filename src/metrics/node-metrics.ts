/**
 * # Node metrics: what a node tells Prometheus, under Substrate's names, so that public dashboards read it unmodified.
 *
 * Always true: every number is counted where it happens or looked up when it is asked for; what this node does not
 * have (a Kademlia table, a count of the bytes of states) is not served rather than invented. Labels take values from
 * fixed lists only, `rpc` methods included: nobody can make the registry grow. Names: docs/spec/metrics.md.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What is looked up at each scrape. */
export interface Sample {
  readonly best: number;
  readonly finalized: number;
  readonly syncTarget: number;
  readonly isSyncing: boolean;
  readonly peers: number;
  /** Bytes since the start. */
  readonly received: number;
  readonly sent: number;
  readonly syncPeers: number;
  /** How far peers' clocks are ahead of ours, in seconds; undefined where too few are known. */
  readonly clockSkew: number | undefined;
  readonly queuedBlocks: number;
  readonly readyTransactions: number;
  readonly leaves: number;
  readonly databaseCacheBytes: number;
  /** Of other threads: signatures that wait for them, and those that they found valid since the start. */
  readonly signatures: { readonly waiting: number; readonly verified: number };
  readonly difficulty: number;
  readonly certificates: number;
  readonly miners: number;
  /** Of the gadget: its round, and what this node has said; all 0 where depth finalizes. */
  readonly grandpa: { readonly round: number; readonly prevotes: number; readonly precommits: number };
  readonly jobs: readonly { readonly job: string; readonly round: number; readonly heldOutLoss: number | undefined }[];
}

export interface About {
  readonly chain: string;
  readonly name: string;
  readonly version: string;
  readonly isAuthority: boolean;
  /** Unix seconds. */
  readonly startedAt: number;
}

const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const MICROS = [25, 100, 500, 1_000, 2_500, 10_000, 25_000, 100_000, 1_000_000];

export type ImportResult = 'success' | 'known' | 'refused';
export type TicketResult = 'accepted' | 'stale' | 'refused';

interface Call {
  readonly started: Counter.Internal;
  readonly finished: Counter.Internal;
  readonly time: Histogram.Internal<string>;
}

export class NodeMetrics {
  readonly #registry = new Registry();
  readonly #sample: () => Sample;
  readonly #gauges = new Map<string, Gauge>();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();
  /** What counters were last set to. */
  readonly #totals = new Map<string, number>();
  /** At most two for each method that there is. */
  readonly #calls = new Map<string, Call>();

  constructor(about: About, sample: () => Sample) {
    this.#sample = sample;
    this.#registry.setDefaultLabels({ chain: about.chain });
    this.#declareGauges();
    this.#declareCounters();
    this.#declareHistograms();
    this.#gauge('substrate_build_info').set({ name: about.name, version: about.version }, 1);
    this.#gauge('substrate_node_roles').set(about.isAuthority ? 4 : 1);
    this.#gauge('substrate_process_start_time_seconds').set(about.startedAt);
  }

  /** The text that Prometheus scrapes. */
  async text(): Promise<string> {
    this.#look(this.#sample());
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** A peer came. Two connections to one peer are reduced to one at once: peers and connections are one count. */
  peerConnected(direction: 'inbound' | 'outbound'): void {
    this.#counter('substrate_sub_libp2p_connections_opened_total').inc({ direction: wayOf(direction) });
    if (direction === 'inbound') this.#counter('substrate_sub_libp2p_incoming_connections_total').inc();
    this.#counter('substrate_sub_libp2p_distinct_peers_connections_opened_total').inc();
  }

  peerDisconnected(direction: 'inbound' | 'outbound'): void {
    this.#counter('substrate_sub_libp2p_connections_closed_total').inc({ direction: wayOf(direction) });
    this.#counter('substrate_sub_libp2p_distinct_peers_connections_closed_total').inc();
  }

  submitted(count: number): void {
    this.#counter('substrate_sub_txpool_submitted_transactions').inc(count);
  }

  validated(isValid: boolean): void {
    this.#counter('substrate_sub_txpool_validations_scheduled').inc();
    this.#counter('substrate_sub_txpool_validations_finished').inc();
    if (!isValid) this.#counter('substrate_sub_txpool_validations_invalid').inc();
  }

  pruned(count: number): void {
    this.#counter('substrate_sub_txpool_block_transactions_pruned').inc(count);
  }

  /** A template was built: a block but for its author. */
  proposed(seconds: number, transactions: number): void {
    this.#histogram('substrate_proposer_block_constructed').observe(seconds);
    this.#gauge('substrate_proposer_number_of_transactions').set(transactions);
  }

  /** A header and its seal were judged before the body was asked for. */
  vetted(seconds: number, isGood: boolean): void {
    const result = isGood ? 'success' : 'failure';
    this.#histogram('substrate_block_verification_time').observe({ result }, seconds);
  }

  blockReceived(): void {
    this.#counter('substrate_unbounded_channel_len').inc({ entity: 'import_queue', action: 'send' });
  }

  blockAnswered(result: ImportResult): void {
    this.#counter('substrate_unbounded_channel_len').inc({ entity: 'import_queue', action: 'received' });
    this.#counter('substrate_import_queue_processed_total').inc({ result });
  }

  imported(seconds: number): void {
    this.#histogram('substrate_block_verification_and_import_time').observe(seconds);
  }

  taskSpawned(name: 'miner' | 'checker'): void {
    this.#counter('substrate_tasks_spawned_total').inc({ task_name: name });
  }

  ticket(result: TicketResult): void {
    this.#counter('compute_tickets_submitted_total').inc({ result });
  }

  rpcSession(isOpen: boolean): void {
    this.#counter(isOpen ? 'substrate_rpc_sessions_opened' : 'substrate_rpc_sessions_closed').inc();
  }

  rpcRequest(isStart: boolean): void {
    this.#counter(isStart ? 'substrate_rpc_requests_started' : 'substrate_rpc_requests_finished').inc();
  }

  /** `method` is one of the registry's names, or `unknown`. */
  rpcCall(method: string, isError: boolean, micros: number): void {
    // Labels are hashed once per method and outcome: a light read takes a few microseconds altogether.
    const key = isError ? `${method}!` : method;
    let call = this.#calls.get(key);
    if (call === undefined) {
      const started = this.#counter('substrate_rpc_calls_started').labels({ method });
      const finished = this.#counter('substrate_rpc_calls_finished').labels({ method, is_error: String(isError) });
      call = { started, finished, time: this.#histogram('substrate_rpc_calls_time').labels({ method }) };
      this.#calls.set(key, call);
    }
    call.started.inc();
    call.finished.inc();
    call.time.observe(micros);
  }

  #look(sample: Sample): void {
    const set = (name: string, value: number): void => this.#gauge(name).set(value);
    const height = this.#gauge('substrate_block_height');
    height.set({ status: 'best' }, sample.best);
    height.set({ status: 'finalized' }, sample.finalized);
    height.set({ status: 'sync_target' }, sample.syncTarget);
    set('substrate_sub_libp2p_peers_count', sample.peers);
    this.#countTo('substrate_sub_libp2p_network_bytes_total', { direction: 'in' }, sample.received);
    this.#countTo('substrate_sub_libp2p_network_bytes_total', { direction: 'out' }, sample.sent);
    set('substrate_sub_libp2p_is_major_syncing', sample.isSyncing ? 1 : 0);
    set('substrate_sync_peers', sample.syncPeers);
    set('substrate_sync_queued_blocks', sample.queuedBlocks);
    this.#gauge('clock_skew_seconds').reset();
    if (sample.clockSkew !== undefined) set('clock_skew_seconds', sample.clockSkew);
    set('substrate_ready_transactions_number', sample.readyTransactions);
    set('substrate_number_leaves', sample.leaves);
    set('substrate_database_cache_bytes', sample.databaseCacheBytes);
    set('substrate_finality_grandpa_round', sample.grandpa.round);
    this.#countTo('substrate_finality_grandpa_prevotes_total', {}, sample.grandpa.prevotes);
    this.#countTo('substrate_finality_grandpa_precommits_total', {}, sample.grandpa.precommits);
    set('verify_signatures_waiting', sample.signatures.waiting);
    this.#countTo('verify_signatures_valid_total', {}, sample.signatures.verified);
    set('compute_difficulty', sample.difficulty);
    set('compute_certificates', sample.certificates);
    set('compute_miners', sample.miners);
    this.#gauge('compute_round').reset();
    this.#gauge('compute_held_out_loss').reset();
    for (const { job, round, heldOutLoss } of sample.jobs) {
      this.#gauge('compute_round').set({ job }, round);
      if (heldOutLoss !== undefined) this.#gauge('compute_held_out_loss').set({ job }, heldOutLoss);
    }
  }

  /** Sets a counter to a total that somebody else counts. */
  #countTo(name: string, labels: Record<string, string>, total: number): void {
    const key = `${name}${JSON.stringify(labels)}`;
    this.#counter(name).inc(labels, total - (this.#totals.get(key) ?? 0));
    this.#totals.set(key, total);
  }

  #declareGauges(): void {
    this.#addGauge('substrate_block_height', 'Height of the best, the final and the sought block.', 'status');
    this.#addGauge('substrate_sub_libp2p_peers_count', 'Peers of this chain.');
    this.#addGauge('substrate_sub_libp2p_is_major_syncing', '1 while blocks are fetched.');
    this.#addGauge('substrate_sync_peers', 'Peers whose chain is known.');
    this.#addGauge(
      'clock_skew_seconds',
      'How far the clocks of peers are ahead of this one; absent below three peers.',
    );
    this.#addGauge('substrate_sync_queued_blocks', 'Blocks that wait for their turn, parent or time.');
    this.#addGauge('substrate_ready_transactions_number', 'Extrinsics that could go into the next block.');
    this.#addGauge('substrate_proposer_number_of_transactions', 'Extrinsics of the newest template.');
    this.#addGauge('substrate_node_roles', 'Full 1, authority 4.');
    this.#addGauge('substrate_number_leaves', 'Blocks without children.');
    this.#addGauge('substrate_build_info', 'Name and version of the node.', 'name', 'version');
    this.#addGauge('substrate_process_start_time_seconds', 'Unix time of the start.');
    this.#addGauge('substrate_database_cache_bytes', 'Block cache of the database.');
    this.#addGauge('substrate_finality_grandpa_round', 'Round of the gadget; 0 where depth finalizes.');
    this.#addGauge('verify_signatures_waiting', 'Signatures that wait for threads to verify them ahead of import.');
    this.#addGauge('compute_difficulty', 'D of the best block.');
    this.#addGauge('compute_certificates', 'Certificates ever minted.');
    this.#addGauge('compute_miners', 'Miners that listen to this node.');
    this.#addGauge('compute_round', 'Current round of a job.', 'job');
    this.#addGauge('compute_held_out_loss', 'Held-out loss of the weights of the current round, nats per byte.', 'job');
  }

  #declareCounters(): void {
    const p2p = 'substrate_sub_libp2p_';
    this.#addCounter(`${p2p}incoming_connections_total`, 'Connections that peers opened.');
    this.#addCounter(`${p2p}network_bytes_total`, 'Bytes over the sockets of peers.', 'direction');
    this.#addCounter(`${p2p}connections_opened_total`, 'Connections opened.', 'direction');
    this.#addCounter(`${p2p}connections_closed_total`, 'Connections closed.', 'direction');
    this.#addCounter(`${p2p}distinct_peers_connections_opened_total`, 'Peers that came.');
    this.#addCounter(`${p2p}distinct_peers_connections_closed_total`, 'Peers that left.');
    const pool = 'substrate_sub_txpool_';
    this.#addCounter(`${pool}submitted_transactions`, 'Extrinsics given to the pool.');
    this.#addCounter(`${pool}validations_scheduled`, 'Validations begun.');
    this.#addCounter(`${pool}validations_finished`, 'Validations ended.');
    this.#addCounter(`${pool}validations_invalid`, 'Validations that refused.');
    this.#addCounter(`${pool}block_transactions_pruned`, 'Extrinsics that a new head took out of the pool.');
    this.#addCounter('substrate_import_queue_processed_total', 'Blocks judged.', 'result');
    this.#addCounter('substrate_unbounded_channel_len', 'What went into and out of a queue.', 'entity', 'action');
    this.#addCounter('substrate_tasks_spawned_total', 'Child processes started.', 'task_name');
    this.#addCounter('substrate_finality_grandpa_prevotes_total', 'Prevotes cast; 0 where depth finalizes.');
    this.#addCounter('substrate_finality_grandpa_precommits_total', 'Precommits cast; 0 where depth finalizes.');
    this.#addCounter('verify_signatures_valid_total', 'Signatures that threads found valid ahead of import.');
    this.#addCounter('substrate_rpc_sessions_opened', 'WebSockets opened.');
    this.#addCounter('substrate_rpc_sessions_closed', 'WebSockets closed.');
    this.#addCounter('substrate_rpc_requests_started', 'Requests read.');
    this.#addCounter('substrate_rpc_requests_finished', 'Requests answered.');
    this.#addCounter('substrate_rpc_calls_started', 'Calls begun.', 'method');
    this.#addCounter('substrate_rpc_calls_finished', 'Calls ended.', 'method', 'is_error');
    this.#addCounter('compute_tickets_submitted_total', 'Tickets that miners handed in.', 'result');
  }

  #declareHistograms(): void {
    const seconds = (name: string, help: string, ...labelNames: string[]): void =>
      this.#addHistogram(name, help, SECONDS, labelNames);
    seconds('substrate_proposer_block_constructed', 'Seconds to build a template.');
    seconds('substrate_block_verification_time', 'Seconds to judge a header and its seal.', 'result');
    seconds('substrate_block_verification_and_import_time', 'Seconds to check, execute and keep a block.');
    this.#addHistogram('substrate_rpc_calls_time', 'Microseconds of a call.', MICROS, ['method']);
  }

  #addGauge(name: string, help: string, ...labelNames: string[]): void {
    this.#gauges.set(name, new Gauge({ name, help, labelNames, registers: [this.#registry] }));
  }

  #addCounter(name: string, help: string, ...labelNames: string[]): void {
    this.#counters.set(name, new Counter({ name, help, labelNames, registers: [this.#registry] }));
  }

  #addHistogram(name: string, help: string, buckets: number[], labelNames: string[]): void {
    this.#histograms.set(name, new Histogram({ name, help, buckets, labelNames, registers: [this.#registry] }));
  }

  #gauge(name: string): Gauge {
    return declared(this.#gauges, name);
  }

  #counter(name: string): Counter {
    return declared(this.#counters, name);
  }

  #histogram(name: string): Histogram {
    return declared(this.#histograms, name);
  }
}

function declared<T>(map: ReadonlyMap<string, T>, name: string): T {
  const metric = map.get(name);
  if (metric === undefined) throw new Error(`metric ${name} is not declared`);
  return metric;
}

function wayOf(direction: 'inbound' | 'outbound'): 'in' | 'out' {
  return direction === 'inbound' ? 'in' : 'out';
}
