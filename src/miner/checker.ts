/**
 * # Checker: executes drawn segments again with an engine of its own, and merges rounds.
 *
 * Always true: a checker gets states by the blob protocol and verifies them by hash; his receipt is on chain before his
 * verdict, and both stand on what he executed. He trusts no miner and no other checker.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type Bytes, equal, fromHex, toHex } from '../base/bytes.ts';
import { stateRoot } from '../compute/canonical/state-root.ts';
import type { Keypair } from '../crypto/keypair.ts';
import { receiptOf } from '../primitives/fragment.ts';
import type { BlobClient } from './blob-client.ts';
import { JobEngine } from './job-engine.ts';
import { JobList } from './job-list.ts';
import { KeptBlobs } from './kept-blobs.ts';
import { RpcClient, RpcRefused } from './rpc-client.ts';
import { type DutiesJson, type JobJson, type MergeJson, type SegmentJson, seedOf } from './wire.ts';
import { jobsCall } from './work-call.ts';

export type CheckerEvent =
  | {
      readonly type: 'checked';
      readonly fragment: string;
      readonly segment: number;
      readonly accept: boolean;
      readonly ms: number;
    }
  | { readonly type: 'merged'; readonly job: string; readonly r: number; readonly loss: number; readonly ms: number }
  | { readonly type: 'sent'; readonly call: string; readonly outcome: string }
  | { readonly type: 'fault'; readonly detail: string };

export interface CheckerOptions {
  readonly node: string;
  readonly account: Bytes;
  readonly key: Keypair;
  readonly blobs: BlobClient;
  readonly onEvent: (event: CheckerEvent) => void;
}

interface Finding {
  readonly accept: boolean;
  readonly digest: Bytes;
  readonly salt: Bytes;
}

/** Findings and merges that are remembered: more than a checker can owe at once. */
const REMEMBERED = 512;
/** Enough for the weights and the data of eight jobs like the devnet's. */
const KEPT_BYTES = 128 * 1_048_576;

export class Checker {
  readonly #options: CheckerOptions;
  readonly #rpc: RpcClient;
  /** One engine at a time is loaded: jobs of one graph share it. */
  #engine: { readonly graph: string; readonly engine: JobEngine } | undefined;
  readonly #jobs: JobList;
  /** Data sets and the weights that rounds start from. */
  readonly #kept: KeptBlobs;
  /** Roots of first states, by the weights they start from. */
  readonly #origins = new Map<string, Bytes>();
  readonly #findings = new Map<string, Finding>();
  readonly #merges = new Map<string, { theta: Bytes; outer: Bytes; loss: number }>();
  /** What is executed after the segment under way. */
  #next: SegmentJson | undefined;
  /** The state that it starts from, on its way: one at most. */
  #coming: { readonly root: string; readonly state: Promise<Bytes> } | undefined;
  #duties: DutiesJson | undefined;
  #busy = false;
  #stopped = false;

  constructor(options: CheckerOptions) {
    this.#options = options;
    this.#rpc = new RpcClient(options.node);
    this.#jobs = new JobList(this.#rpc);
    this.#kept = new KeptBlobs(options.blobs, KEPT_BYTES);
  }

  start(): void {
    this.#rpc.subscribe('miner_subscribeDuties', [toHex(this.#options.account)], (event) => {
      this.#duties = event as DutiesJson;
      void this.#turn();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#rpc.close();
  }

  async #turn(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let done: DutiesJson | undefined; done !== this.#duties && !this.#stopped; ) {
        done = this.#duties;
        if (done) await this.#attend(done);
      }
    } finally {
      this.#busy = false;
    }
  }

  async #attend(duties: DutiesJson): Promise<void> {
    // What a round waits for comes first: its merge, then its fragments, then those beyond its number.
    const segments = duties.segments.toSorted((a, b) => Number(a.fragment.overflow) - Number(b.fragment.overflow));
    const tasks: readonly (readonly [string, () => Promise<void>])[] = [
      ...duties.merges.map((duty) => [`merge ${duty.r} of ${duty.job}`, () => this.#merge(duties, duty)] as const),
      ...segments.map((duty) => [`segment ${duty.segment} of ${duty.id}`, () => this.#segment(duties, duty)] as const),
    ];
    for (const [i, [name, run]] of tasks.entries()) {
      if (this.#stopped) return;
      this.#next = segments[i + 1 - duties.merges.length];
      try {
        await run();
      } catch (error) {
        // The next head brings the duty again; a blob may have arrived by then.
        this.#options.onEvent({ type: 'fault', detail: `${name}: ${(error as Error).message}` });
      }
    }
  }

  async #segment(duties: DutiesJson, duty: SegmentJson): Promise<void> {
    const name = `${duty.id}/${duty.segment}`;
    const finding = this.#findings.get(name) ?? (await this.#execute(duty));
    remember(this.#findings, name, finding);
    const { account } = this.#options;
    const common = { fragment: fromHex(duty.id), segment: duty.segment };
    if (duty.receiptAt === null) {
      const receipt = receiptOf(account, finding.salt, finding.digest);
      await this.#send(duties, 'receipt', { ...common, receipt });
    } else if (duties.best.number >= duty.receiptAt) {
      const { accept, digest, salt } = finding;
      await this.#send(duties, 'verdict', { ...common, accept, digest, salt });
    }
  }

  /** Begins to fetch the state that the next segment starts from, while this one is executed. */
  #expectNext(): void {
    if (!this.#next) return;
    const { id, segment, startRoot } = this.#next;
    if (segment === 0 || this.#findings.has(`${id}/${segment}`) || this.#coming?.root === startRoot) return;
    const state = this.#options.blobs.getHex(startRoot);
    // Who waits for it hears of the failure.
    state.catch(() => {});
    this.#coming = { root: startRoot, state };
  }

  async #startOf(root: string): Promise<Bytes> {
    const coming = this.#coming;
    if (coming?.root !== root) return this.#options.blobs.getHex(root);
    this.#coming = undefined;
    return coming.state;
  }

  /** Trains the segment again; accepts if it ends where the miner said, on the operands that he won with. */
  async #execute(duty: SegmentJson): Promise<Finding> {
    const started = performance.now();
    const job = await this.#jobs.get(duty.fragment.job);
    const engine = await this.#engineOf(job);
    const dataset = await this.#kept.get(job.dataset);
    const theta = await this.#kept.get(duty.fragment.theta);
    const origin = this.#origins.get(duty.fragment.theta) ?? stateRoot([engine.firstState(theta)]);
    remember(this.#origins, duty.fragment.theta, origin);
    // A later start came under its own hash.
    const start = duty.segment === 0 ? engine.firstState(theta) : await this.#startOf(duty.startRoot);
    let accept = duty.segment > 0 || equal(origin, fromHex(duty.startRoot));
    if (duty.first) accept &&= await this.#checkEnds(duty, engine, theta, origin);
    const digest = createHash('sha256');
    engine.load(start);
    this.#expectNext();
    const seed = seedOf(duty.fragment);
    for (let t = duty.segment * job.segment_steps + 1; t <= (duty.segment + 1) * job.segment_steps; t++) {
      const wins = duty.wins.filter((win) => win.step === t);
      const onOperand = (operand: Bytes): void => void digest.update(operand);
      const step = engine.step(seed, t, dataset, { onOperand, withoutRoots: wins.length === 0 });
      for (const win of wins) {
        const roots = step.operands[win.node];
        accept &&= roots !== undefined && equal(roots[0], fromHex(win.root_a)) && equal(roots[1], fromHex(win.root_b));
      }
      // Lets heads and pings through between steps of a tenth of a second.
      await new Promise((resolve) => setImmediate(resolve));
    }
    accept &&= !engine.isVoid() && equal(engine.stateRoot(), fromHex(duty.endRoot));
    const ms = performance.now() - started;
    this.#options.onEvent({ type: 'checked', fragment: duty.id, segment: duty.segment, accept, ms });
    return { accept, digest: digest.digest(), salt: randomBytes(32) };
  }

  /** The first duty of a fragment also checks S_0 against the round's weights, and the delta against S_M. */
  async #checkEnds(duty: SegmentJson, engine: JobEngine, theta: Bytes, origin: Bytes): Promise<boolean> {
    const { claim } = duty.fragment;
    if (!claim || !equal(origin, fromHex(duty.fragment.origin))) return false;
    const last = await this.#options.blobs.getHex(claim.state_root);
    return equal(stateRoot([engine.deltaOf(theta, last)]), fromHex(claim.delta));
  }

  async #merge(duties: DutiesJson, duty: MergeJson): Promise<void> {
    const name = `${duty.job}/${duty.r}`;
    const merged = this.#merges.get(name) ?? (await this.#computeMerge(duty));
    remember(this.#merges, name, merged);
    const { account } = this.#options;
    await this.#send(duties, 'merge', { job: fromHex(duty.job), r: duty.r, ...merged, account });
  }

  async #computeMerge(duty: MergeJson): Promise<{ theta: Bytes; outer: Bytes; loss: number }> {
    const started = performance.now();
    const { blobs } = this.#options;
    const job = await this.#jobs.get(duty.job);
    const engine = await this.#engineOf(job);
    const theta = await this.#kept.get(duty.theta);
    // The outer momentum before the first merge is zero and has no blob.
    const isFirst = /^0x0+$/.test(duty.outer);
    const outer = isFirst ? new Uint8Array(theta.length) : await blobs.getHex(duty.outer);
    const deltas = await Promise.all(duty.deltas.map(({ delta }) => blobs.getHex(delta)));
    const next = engine.merge(theta, outer, deltas, job);
    const loss = engine.heldOutLoss(next.theta, await this.#kept.get(job.holdout));
    const merged = { theta: await blobs.put(next.theta), outer: await blobs.put(next.outer), loss };
    this.#options.onEvent({ type: 'merged', job: duty.job, r: duty.r, loss, ms: performance.now() - started });
    return merged;
  }

  async #engineOf(job: JobJson): Promise<JobEngine> {
    if (this.#engine?.graph === job.step_graph) return this.#engine.engine;
    const { blobs } = this.#options;
    const [graph, evalGraph] = await Promise.all([blobs.getHex(job.step_graph), blobs.getHex(job.eval_graph)]);
    const engine = new JobEngine({ job, graph, evalGraph });
    this.#engine = { graph: job.step_graph, engine };
    return engine;
  }

  async #send(duties: DutiesJson, call: string, args: Record<string, unknown>): Promise<void> {
    const extrinsic = jobsCall(call, args, this.#options.key, fromHex(duties.genesis));
    try {
      await this.#rpc.call('miner_submitFragment', [toHex(extrinsic)]);
      this.#options.onEvent({ type: 'sent', call, outcome: 'accepted by the node' });
    } catch (error) {
      if (!(error instanceof RpcRefused)) throw error;
      if (error.code !== 1013) this.#options.onEvent({ type: 'sent', call, outcome: error.message });
    }
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value);
  if (map.size > REMEMBERED) map.delete(map.keys().next().value as string);
}
