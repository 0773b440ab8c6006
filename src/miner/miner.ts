/**
 * # Miner: takes work from a node, trains it, wins blocks with it, and sees each fragment through to its verdict.
 *
 * Always true: one explicit state is shown at any time; nothing that was trained is lost by a restart of this process
 * or of the node but the segment under way; what the chain asks for (claim, reveal, open_wins) is sent again with every
 * head until the chain has it.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Bytes, fromHex, toHex } from '../base/bytes.ts';
import type { Keypair } from '../crypto/keypair.ts';
import { openingHash, PowSeal, sealMessage } from '../primitives/pow.ts';
import type { BlobClient } from './blob-client.ts';
import type { FragmentProgress, FragmentStore } from './fragment-store.ts';
import { JobList } from './job-list.ts';
import { RpcClient, RpcRefused } from './rpc-client.ts';
import { TemplateBoard } from './template.ts';
import type { FromTrainer, ToTrainer } from './trainer-messages.ts';
import type { BestJson, FragmentJson, TemplateJson, WinJson, WorkJson } from './wire.ts';
import { jobsCall } from './work-call.ts';

/** Beside this file's own form: `.ts` in a checkout, `.js` once compiled. */
const WORKER = new URL(`./trainer-worker${extname(import.meta.url)}`, import.meta.url);

export type MinerState = 'CONNECTING' | 'SYNCING' | 'UNREGISTERED' | 'WAITING_JOB' | 'WORKING';

/** What a miner tells of itself; a reporter prints it. */
export type MinerEvent =
  | { readonly type: 'state'; readonly state: MinerState; readonly why: string }
  | { readonly type: 'best'; readonly best: BestJson }
  | { readonly type: 'training'; readonly thread: number; readonly fragment: FragmentJson; readonly from: number }
  | {
      readonly type: 'step';
      readonly thread: number;
      readonly fragment: string;
      readonly step: number;
      readonly loss: number;
      readonly macs: number;
      readonly tickets: number;
      readonly ms: number;
    }
  | { readonly type: 'ticket'; readonly outcome: 'block' | 'refused'; readonly detail: string }
  | { readonly type: 'sent'; readonly call: string; readonly fragment: string; readonly outcome: string }
  | { readonly type: 'verdict'; readonly fragment: FragmentJson }
  | { readonly type: 'fault'; readonly detail: string };

export interface MinerOptions {
  readonly node: string;
  readonly account: Bytes;
  readonly key: Keypair;
  readonly threads: number;
  readonly blobs: BlobClient;
  readonly store: FragmentStore;
  readonly onEvent: (event: MinerEvent) => void;
  /** Another module for the training threads; tests let a cheat train. */
  readonly trainer?: URL;
}

interface Trainer {
  readonly index: number;
  worker: Worker;
  readonly board: TemplateBoard;
  /** What it trains; undefined while idle. */
  fragment: FragmentJson | undefined;
  /** For the watchdog: when it last finished a step. */
  aliveMs: number;
}

/** A thread that finishes no step for this long is ended and started again. */
const WATCHDOG_MS = 120_000;

export class Miner {
  readonly #options: MinerOptions;
  readonly #rpc: RpcClient;
  readonly #trainers: Trainer[];
  readonly #jobs: JobList;
  #work: WorkJson | undefined;
  #template: TemplateJson | undefined;
  #state: MinerState = 'CONNECTING';
  /** Fragments whose verdict was told; bounded by the fragments that the node lists. */
  #told = new Set<string>();
  /** Claimed fragments whose won segments' states are with the node; as many as the chain lists for this miner. */
  readonly #handedIn = new Set<string>();
  #busy = false;
  #again = false;
  #watchdog: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: MinerOptions) {
    this.#options = options;
    this.#rpc = new RpcClient(options.node, (connected) => {
      if (!connected) this.#enter('CONNECTING', options.node);
    });
    this.#jobs = new JobList(this.#rpc);
    this.#trainers = Array.from({ length: options.threads }, (_, index) => this.#spawn(index));
  }

  start(): void {
    this.#options.onEvent({ type: 'state', state: this.#state, why: this.#options.node });
    this.#rpc.subscribe('miner_subscribeWork', [toHex(this.#options.account)], (event) => this.#hear(event));
    this.#watchdog = setInterval(() => this.#watch(), 10_000);
  }

  /** Ends training at once; what is on disk resumes at the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#watchdog);
    this.#rpc.close();
    await Promise.all(this.#trainers.map((trainer) => trainer.worker.terminate()));
  }

  get rpc(): RpcClient {
    return this.#rpc;
  }

  #hear(event: unknown): void {
    const said = event as WorkJson | TemplateJson;
    if (said.type === 'template') {
      this.#template = said;
      const { id, boostPpm } = said;
      const template = { id, header: fromHex(said.header), difficulty: BigInt(said.difficulty), boostPpm };
      for (const { board } of this.#trainers) board.publish(template);
      return;
    }
    this.#work = said;
    this.#options.onEvent({ type: 'best', best: said.best });
    void this.#turn();
  }

  /** One look at the work, never two at a time; a head that comes meanwhile is looked at afterwards. */
  async #turn(): Promise<void> {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      do {
        this.#again = false;
        const work = this.#work;
        if (work) await this.#attend(work);
      } while (this.#again && !this.#stopped);
    } catch (error) {
      this.#options.onEvent({ type: 'fault', detail: (error as Error).message });
    } finally {
      this.#busy = false;
    }
  }

  async #attend(work: WorkJson): Promise<void> {
    if (!work.registered) {
      this.#enter('UNREGISTERED', 'the account is no author yet');
      return;
    }
    if (work.syncing) this.#enter('SYNCING', `block ${work.best.number}`);
    this.#tellVerdicts(work);
    await this.#claimFinished(work);
    // Before what hands in states: a thread without a fragment would wait for seconds.
    await this.#assignThreads(work);
    for (const { fragment, states } of work.reveals) await this.#reveal(work, fragment, states);
    for (const { fragment, wins } of work.openWins) await this.#openWins(work, fragment, wins);
    await this.#handInWon(work);
  }

  #tellVerdicts(work: WorkJson): void {
    const listed = new Set(work.fragments.map((fragment) => fragment.id));
    for (const fragment of work.fragments) {
      const ended = fragment.status === 'Accepted' || fragment.status === 'Rejected' || fragment.status === 'Expired';
      if (!ended) continue;
      // Wins may still be opened after the last verdict; their paths are on disk.
      if (!work.openWins.some((open) => open.fragment === fragment.id)) this.#options.store.remove(fragment.id);
      if (!this.#told.has(fragment.id)) this.#options.onEvent({ type: 'verdict', fragment });
      this.#told.add(fragment.id);
    }
    for (const id of this.#told) if (!listed.has(id)) this.#told.delete(id);
  }

  /** What was sent before is refused as known, which is fine; so it is with all that the chain waits for. */
  async #claimFinished(work: WorkJson): Promise<void> {
    for (const fragment of work.fragments) {
      if (fragment.status !== 'Assigned') continue;
      const progress = this.#options.store.progress(fragment.id);
      if (progress?.finished) await this.#claim(work, fragment, progress);
    }
  }

  /**
   * Between claim and draw, hands in the states before won segments, which are drawn in any case, and the last one: the
   * reveal then waits for those of the three drawn by lot only.
   */
  async #handInWon(work: WorkJson): Promise<void> {
    for (const { id, job: jobId, status } of work.fragments) {
      const progress = status === 'Claimed' && !this.#handedIn.has(id) && this.#options.store.progress(id);
      if (!progress) continue;
      this.#handedIn.add(id);
      const job = await this.#jobs.get(jobId);
      const { wins } = await this.#rpc.call<{ wins: readonly WinJson[] }>('compute_fragment', [id]);
      const starts = wins.map(({ step }) => Math.floor((step - 1) / job.segment_steps));
      await this.#handIn(id, progress, [...starts, job.steps / job.segment_steps]);
    }
    const listed = new Set(work.fragments.map(({ id }) => id));
    for (const id of this.#handedIn) if (!listed.has(id)) this.#handedIn.delete(id);
  }

  /** States of these indices, once each; S_0 nobody fetches: it follows from the round's weights. */
  async #handIn(id: string, progress: FragmentProgress, indices: readonly number[]): Promise<void> {
    for (const index of new Set(indices)) {
      if (index === 0) continue;
      await this.#upload(progress.states[index] as Bytes, () => this.#options.store.uncheckedState(id, index));
    }
  }

  async #claim(work: WorkJson, fragment: FragmentJson, progress: FragmentProgress): Promise<void> {
    await this.#upload(progress.deltaId, () => this.#options.store.uncheckedDelta(fragment.id));
    const args = {
      fragment: fromHex(fragment.id),
      transcript: progress.transcript,
      state_root: progress.states.at(-1),
      delta: progress.deltaId,
    };
    await this.#send(work, 'claim', fragment.id, args);
  }

  async #reveal(work: WorkJson, id: string, wanted: readonly number[]): Promise<void> {
    const open = await this.#openings(work, id);
    if (!open) return;
    const { progress, transcript, job } = open;
    const last = job.steps / job.segment_steps;
    const fragment = work.fragments.find((f) => f.id === id);
    // Starts of drawn segments and the last state are what checkers fetch.
    await this.#handIn(id, progress, [...(fragment?.drawn ?? []).map((d) => d.segment), last]);
    const { states: rs, losses: rl, operands: rg } = transcript.roots();
    const states = wanted.map((index) => ({
      index,
      root: progress.states[index] as Bytes,
      path: transcript.openState(index),
    }));
    await this.#send(work, 'reveal', id, { fragment: fromHex(id), rs, rl, rg, states });
  }

  /** Hands a blob to the node unless it has it; the node checks that the bytes hash to `id`. */
  async #upload(id: Bytes, read: () => Bytes | undefined): Promise<void> {
    const { blobs } = this.#options;
    if (await blobs.has(id)) return;
    const bytes = read();
    if (bytes) await blobs.put(bytes, id);
  }

  async #openWins(work: WorkJson, id: string, wins: readonly WinJson[]): Promise<void> {
    const open = await this.#openings(work, id);
    if (!open) return;
    const opened = wins.map((win) => ({
      step: win.step,
      node: win.node,
      root_a: fromHex(win.root_a),
      root_b: fromHex(win.root_b),
      path: open.transcript.openOperands(win.step, win.node),
    }));
    await this.#send(work, 'open_wins', id, { fragment: fromHex(id), wins: opened });
  }

  async #openings(work: WorkJson, id: string) {
    const fragment = work.fragments.find((f) => f.id === id);
    const progress = this.#options.store.progress(id);
    if (!fragment || !progress?.finished) return undefined;
    const job = await this.#jobs.get(fragment.job);
    return { progress, job, transcript: this.#options.store.transcript(progress, job) };
  }

  async #send(work: WorkJson, call: string, id: string, args: Record<string, unknown>): Promise<void> {
    const extrinsic = jobsCall(call, args, this.#options.key, fromHex(work.genesis));
    try {
      await this.#rpc.call('miner_submitFragment', [toHex(extrinsic)]);
      this.#options.onEvent({ type: 'sent', call, fragment: id, outcome: 'accepted by the node' });
    } catch (error) {
      if (!(error instanceof RpcRefused)) throw error;
      // 1013: the pool has it already; 1012: it was refused a moment ago and the next head may change that.
      if (error.code !== 1013) this.#options.onEvent({ type: 'sent', call, fragment: id, outcome: error.message });
    }
  }

  async #assignThreads(work: WorkJson): Promise<void> {
    for (const trainer of this.#trainers) {
      const current = trainer.fragment;
      if (current && !this.#shouldLeave(work, current)) continue;
      if (current) {
        trainer.board.requestStop(true);
        continue;
      }
      const next = this.#candidates(work)[0];
      const finished = next ?? this.#finished(work);
      if (finished) await this.#train(trainer, finished, next === undefined);
      else this.#enter('WAITING_JOB', 'no assigned fragment is left to train');
    }
  }

  /** A fragment is left when the chain ended it, or for a real one when it is overflow. */
  #shouldLeave(work: WorkJson, current: FragmentJson): boolean {
    const now = work.fragments.find((f) => f.id === current.id);
    if (now?.status !== 'Assigned') return true;
    const others = this.#candidates(work);
    if (this.#options.store.progress(now.id)?.finished) return others.length > 0;
    return now.overflow && others.some((f) => !f.overflow);
  }

  #candidates(work: WorkJson): FragmentJson[] {
    const taken = new Set(this.#trainers.map((t) => t.fragment?.id));
    return work.fragments
      .filter((f) => f.status === 'Assigned' && !taken.has(f.id) && !this.#options.store.progress(f.id)?.finished)
      .sort((a, b) => Number(a.overflow) - Number(b.overflow) || a.deadline - b.deadline || (a.id < b.id ? -1 : 1));
  }

  /** A fragment whose claim waits for a block; no other thread has it. */
  #finished(work: WorkJson): FragmentJson | undefined {
    const taken = new Set(this.#trainers.map((t) => t.fragment?.id));
    return work.fragments.find(
      (f) => f.status === 'Assigned' && !taken.has(f.id) && this.#options.store.progress(f.id)?.finished,
    );
  }

  async #train(trainer: Trainer, fragment: FragmentJson, again: boolean): Promise<void> {
    trainer.fragment = fragment;
    trainer.aliveMs = Date.now();
    try {
      const job = await this.#jobs.get(fragment.job);
      const { blobs } = this.#options;
      const [graph, dataset, theta] = await Promise.all([
        blobs.getHex(job.step_graph),
        blobs.getHex(job.dataset),
        blobs.getHex(fragment.theta),
      ]);
      this.#options.store.makeRoom(new Set(this.#work?.fragments.map((f) => f.id)));
      trainer.board.requestStop(false);
      const { account } = this.#options;
      const message: ToTrainer = { job, fragment, graph, dataset, theta, account, again };
      trainer.worker.postMessage(message);
      this.#enter('WORKING', '');
    } catch (error) {
      trainer.fragment = undefined;
      this.#enter('WAITING_JOB', `cannot fetch its blobs: ${(error as Error).message}`);
    }
  }

  #spawn(index: number): Trainer {
    const board = new TemplateBoard();
    const trainer: Trainer = { index, board, fragment: undefined, aliveMs: Date.now(), worker: undefined as never };
    trainer.worker = this.#startWorker(trainer);
    return trainer;
  }

  #startWorker(trainer: Trainer): Worker {
    const worker = new Worker(this.#options.trainer ?? WORKER, {
      workerData: { board: trainer.board.memory, dir: this.#options.store.dir },
    });
    worker.on('message', (message: FromTrainer) => this.#fromTrainer(trainer, message));
    worker.on('error', (error) => this.#restart(trainer, error.message));
    return worker;
  }

  #fromTrainer(trainer: Trainer, message: FromTrainer): void {
    trainer.aliveMs = Date.now();
    switch (message.type) {
      case 'started': {
        const { fragment } = trainer;
        if (fragment) this.#options.onEvent({ type: 'training', thread: trainer.index, fragment, from: message.from });
        return;
      }
      case 'step':
        this.#options.onEvent({ ...message, thread: trainer.index, fragment: trainer.fragment?.id ?? '' });
        return;
      case 'ticket':
        void this.#submitTicket(message);
        return;
      case 'ended':
        trainer.fragment = undefined;
        if (message.fault) this.#options.onEvent({ type: 'fault', detail: message.fault });
        void this.#turn();
        return;
    }
  }

  async #submitTicket(found: FromTrainer & { type: 'ticket' }): Promise<void> {
    const hash = openingHash(found.opening);
    const signature = this.#options.key.sign(sealMessage(hash, found.preHash));
    const seal = PowSeal.enc({ ...found.place, rootA: found.rootA, rootB: found.rootB, openingHash: hash, signature });
    const ticket = {
      templateId: found.templateId,
      preRuntime: toHex(found.preRuntime),
      seal: toHex(seal),
      opening: toHex(found.opening),
    };
    try {
      const block = await this.#rpc.call<{ number: number }>('miner_submitTicket', [ticket]);
      this.#options.onEvent({ type: 'ticket', outcome: 'block', detail: `#${block.number}` });
    } catch (error) {
      this.#options.onEvent({ type: 'ticket', outcome: 'refused', detail: (error as Error).message });
    }
  }

  #watch(): void {
    for (const trainer of this.#trainers) {
      if (!trainer.fragment || Date.now() - trainer.aliveMs < WATCHDOG_MS) continue;
      void trainer.worker.terminate();
      this.#restart(trainer, `no step for ${WATCHDOG_MS / 1000} s`);
    }
  }

  #restart(trainer: Trainer, why: string): void {
    if (this.#stopped) return;
    this.#options.onEvent({ type: 'fault', detail: `training thread ${trainer.index} restarts: ${why}` });
    trainer.fragment = undefined;
    trainer.worker = this.#startWorker(trainer);
    const template = this.#template;
    if (template) this.#hear(template);
  }

  #enter(state: MinerState, why: string): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onEvent({ type: 'state', state, why });
  }
}
