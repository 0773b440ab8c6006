/**
 * # Trainer: one fragment after the other, with tickets drawn on the way.
 *
 * Always true: every segment's end is on disk before the next segment begins; the newest template is read before every
 * product; whatever the miner sends, at most one fragment is trained at a time.
 */
import { must } from '../base/assert.ts';
import { type Bytes, fromHex } from '../base/bytes.ts';
import { stateRoot } from '../compute/canonical/state-root.ts';
import type { GemmCall } from '../compute/plan/plan.ts';
import type { Shape } from '../compute/pouw/profile.ts';
import { Transcript } from '../compute/transcript.ts';
import { Header } from '../primitives/header.ts';
import { PowPreRuntime, preHash, withPreRuntime } from '../primitives/pow.ts';
import { type FragmentStore, shapeOf } from './fragment-store.ts';
import type { EngineParts, JobEngine, TicketSource } from './job-engine.ts';
import type { Template, TemplateReader } from './template.ts';
import type { FromTrainer, ToTrainer } from './trainer-messages.ts';
import { seedOf } from './wire.ts';

export interface TrainerParts {
  readonly store: FragmentStore;
  readonly templates: TemplateReader;
  readonly tell: (message: FromTrainer) => void;
  readonly makeEngine: (parts: EngineParts) => JobEngine;
}

const NOTHING = new Uint8Array(32);

export class Trainer {
  readonly #parts: TrainerParts;
  readonly #tickets: Tickets;
  /** The engine of the last job: jobs of one graph share it. */
  #loaded: { readonly graph: string; readonly engine: JobEngine } | undefined;

  constructor(parts: TrainerParts) {
    this.#parts = parts;
    this.#tickets = new Tickets(parts.templates, parts.tell);
  }

  /** Trains until the fragment is finished or a stop is asked for, and tells how it ended. */
  async run(task: ToTrainer): Promise<void> {
    const { tell } = this.#parts;
    try {
      const finished = task.again ? await this.#drawAgain(task) : this.#train(task);
      tell({ type: 'ended', finished, fault: undefined });
    } catch (error) {
      tell({ type: 'ended', finished: false, fault: (error as Error).message });
    }
  }

  /** Trains until the fragment is finished (true) or a stop is asked for at a segment's end (false). */
  #train(task: ToTrainer): boolean {
    const { templates, tell } = this.#parts;
    const { job, fragment } = task;
    this.#tickets.task = task;
    const engine = this.#engineOf(task);
    const seed = seedOf(fragment);
    const transcript = this.#resume(task, engine);
    const macs = job.mined_nodes.reduce((sum, { m, n, k }) => sum + m * n * k, 0);
    tell({ type: 'started', from: transcript.stepsDone });
    while (transcript.stepsDone < job.steps) {
      if (templates.stopRequested) return false;
      for (let i = 0; i < job.segment_steps; i++) {
        const started = performance.now();
        const step = transcript.stepsDone + 1;
        const { lossBits, operands, tickets: drawn } = engine.step(seed, step, task.dataset);
        transcript.addStep(lossBits, operands);
        tell({ type: 'step', step, loss: lossOf(lossBits), macs, tickets: drawn, ms: performance.now() - started });
      }
      if (engine.isVoid()) throw new Error('the state is not finite: the fragment is void');
      this.#save(task, engine, transcript);
    }
    this.#finish(task, engine, transcript);
    return true;
  }

  /** Draws tickets with the final step under every new template, until a stop is asked for. */
  async #drawAgain(task: ToTrainer): Promise<boolean> {
    const { store, templates, tell } = this.#parts;
    const { job, fragment, dataset } = task;
    const engine = this.#engineOf(task);
    const seed = seedOf(fragment);
    const saved = must(store.progress(fragment.id), 'a finished fragment is on disk');
    const index = job.steps / job.segment_steps - 1;
    const root = must(saved.states[index], 'a finished fragment has all states');
    this.#tickets.task = undefined;
    engine.load(index === 0 ? engine.firstState(task.theta) : must(store.state(fragment.id, index, root), 'S_(M-1)'));
    for (let t = index * job.segment_steps + 1; t < job.steps; t++) engine.step(seed, t, dataset);
    const before = engine.state().slice();
    this.#tickets.task = task;
    tell({ type: 'started', from: job.steps });
    let drawn: string | undefined;
    while (!templates.stopRequested) {
      const template = templates.read();
      // The same header would give the same tickets.
      if (template && template.id !== drawn) {
        drawn = template.id;
        engine.load(before);
        engine.step(seed, job.steps, dataset);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return true;
  }

  /** Loads the last state on disk that its transcript vouches for, or S_0; returns the transcript up to there. */
  #resume({ job, fragment, theta }: ToTrainer, engine: JobEngine): Transcript {
    const { store } = this.#parts;
    const saved = store.progress(fragment.id);
    if (saved && saved.steps > 0) {
      const transcript = store.transcript(saved, job);
      const index = saved.steps / job.segment_steps;
      const state = store.state(fragment.id, index, transcript.stateRoot(index));
      if (state) {
        engine.load(state);
        return transcript;
      }
    }
    const transcript = new Transcript(shapeOf(job));
    engine.load(engine.firstState(theta));
    transcript.addState(engine.stateRoot());
    return transcript;
  }

  #save({ job, fragment }: ToTrainer, engine: JobEngine, transcript: Transcript): void {
    const { store } = this.#parts;
    transcript.addState(engine.stateRoot());
    store.writeState(fragment.id, transcript.stepsDone / job.segment_steps, engine.state());
    const unfinished = { finished: false, transcript: NOTHING, deltaId: NOTHING };
    store.writeProgress(fragment.id, { ...unfinished, steps: transcript.stepsDone, ...transcript.save() });
  }

  #finish({ fragment, theta }: ToTrainer, engine: JobEngine, transcript: Transcript): void {
    const { store } = this.#parts;
    const delta = engine.deltaOf(theta, engine.state());
    store.writeDelta(fragment.id, delta);
    store.writeProgress(fragment.id, {
      steps: transcript.stepsDone,
      ...transcript.save(),
      finished: true,
      transcript: transcript.root(),
      deltaId: stateRoot([delta]),
    });
  }

  #engineOf({ job, graph }: ToTrainer): JobEngine {
    if (this.#loaded?.graph !== job.step_graph) {
      const engine = this.#parts.makeEngine({ job, graph, tickets: this.#tickets });
      this.#loaded = { graph: job.step_graph, engine };
    }
    return this.#loaded.engine;
  }
}

/** Draws for the newest template and tells of what wins. */
class Tickets implements TicketSource {
  /** Undefined while steps are only replayed. */
  task: ToTrainer | undefined;
  readonly #templates: TemplateReader;
  readonly #tell: (message: FromTrainer) => void;
  /** What the last product was mined under. */
  #under: { readonly template: Template; readonly preRuntime: Bytes; readonly preHash: Bytes } | undefined;

  constructor(templates: TemplateReader, tell: (message: FromTrainer) => void) {
    this.#templates = templates;
    this.#tell = tell;
  }

  header(step: number, call: GemmCall, { profile, m, n, k }: Shape) {
    const template = this.#templates.read();
    if (!template || !this.task) return undefined;
    const { account, fragment } = this.task;
    const id = fromHex(fragment.id);
    const pre: PowPreRuntime = { author: account, fragment: id, step, node: call.node, profile: profile.id, m, n, k };
    const hash = preHash(withPreRuntime(Header.dec(template.header), pre));
    this.#under = { template, preRuntime: PowPreRuntime.enc(pre), preHash: hash };
    const target = { difficulty: template.difficulty, slab: profile.slab, boostPpm: BigInt(template.boostPpm) };
    return { header: { preHash: hash, author: account, fragment: id, step, node: call.node }, target };
  }

  found: TicketSource['found'] = (_step, _call, { ti, tj, s }, { rootA, rootB }, opening) => {
    const { template, preRuntime, preHash: hash } = must(this.#under, 'a ticket has a header');
    const place = { ti, tj, s };
    this.#tell({ type: 'ticket', templateId: template.id, preRuntime, preHash: hash, place, rootA, rootB, opening });
  };
}

function lossOf(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0] as number;
}
