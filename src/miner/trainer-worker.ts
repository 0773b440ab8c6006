/**
 * # Trainer worker: a thread that trains one fragment after the other and draws tickets on the way.
 *
 * Always true: every segment's end is on disk before the next segment begins; the newest template is read before every
 * product; whatever the miner sends, at most one fragment is trained at a time.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { type Bytes, fromHex } from '../base/bytes.ts';
import { stateRoot } from '../compute/canonical/state-root.ts';
import type { GemmCall } from '../compute/plan/plan.ts';
import type { Shape } from '../compute/pouw/profile.ts';
import { Transcript } from '../compute/transcript.ts';
import { installFastPaths } from '../crypto/native/install.ts';
import { Header } from '../primitives/header.ts';
import { PowPreRuntime, preHash, withPreRuntime } from '../primitives/pow.ts';
import { FragmentStore, shapeOf } from './fragment-store.ts';
import { JobEngine, type TicketSource } from './job-engine.ts';
import { type Template, TemplateReader } from './template.ts';
import type { FromTrainer, ToTrainer } from './trainer-messages.ts';
import { seedOf } from './wire.ts';

const port = must(parentPort, 'this file runs as a worker');
const { board, dir } = workerData as { board: SharedArrayBuffer; dir: string };
const store = new FragmentStore(dir);
const templates = new TemplateReader(board);
const tell = (message: FromTrainer): void => port.postMessage(message);

/** The engine of the last job: jobs of one graph share it. */
interface Loaded {
  readonly graph: string;
  readonly engine: JobEngine;
}

class Tickets implements TicketSource {
  /** Undefined while steps are only replayed. */
  task: ToTrainer | undefined;
  /** What the last product was mined under. */
  #under: { readonly template: Template; readonly preRuntime: Bytes; readonly preHash: Bytes } | undefined;

  header(step: number, call: GemmCall, { profile, m, n, k }: Shape) {
    const template = templates.read();
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
    tell({ type: 'ticket', templateId: template.id, preRuntime, preHash: hash, place, rootA, rootB, opening });
  };
}

const tickets = new Tickets();
let loaded: Loaded | undefined;
const ready = installFastPaths();

port.on('message', (task: ToTrainer) => {
  ready
    .then(async () => {
      const finished = task.again ? await drawAgain(task) : train(task);
      tell({ type: 'ended', finished, fault: undefined });
    })
    .catch((error: Error) => tell({ type: 'ended', finished: false, fault: error.message }));
});

/** Trains until the fragment is finished (true) or a stop is asked for at a segment's end (false). */
function train(task: ToTrainer): boolean {
  const { job, fragment, theta } = task;
  tickets.task = task;
  const engine = engineOf(task);
  const seed = seedOf(fragment);
  const transcript = resume(task, engine);
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
    save(task, engine, transcript);
  }
  finish(task, engine, transcript, theta);
  return true;
}

/** Draws tickets with the final step under every new template, until a stop is asked for. */
async function drawAgain(task: ToTrainer): Promise<boolean> {
  const { job, fragment, dataset } = task;
  const engine = engineOf(task);
  const seed = seedOf(fragment);
  const saved = must(store.progress(fragment.id), 'a finished fragment is on disk');
  const index = job.steps / job.segment_steps - 1;
  const root = must(saved.states[index], 'a finished fragment has all states');
  tickets.task = undefined;
  engine.load(index === 0 ? engine.firstState(task.theta) : must(store.state(fragment.id, index, root), 'S_(M-1)'));
  for (let t = index * job.segment_steps + 1; t < job.steps; t++) engine.step(seed, t, dataset);
  const before = engine.state().slice();
  tickets.task = task;
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
function resume({ job, fragment, theta }: ToTrainer, engine: JobEngine): Transcript {
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

function save({ job, fragment }: ToTrainer, engine: JobEngine, transcript: Transcript): void {
  transcript.addState(engine.stateRoot());
  store.writeState(fragment.id, transcript.stepsDone / job.segment_steps, engine.state());
  store.writeProgress(fragment.id, { ...unfinished, steps: transcript.stepsDone, ...transcript.save() });
}

const NOTHING = new Uint8Array(32);
const unfinished = { finished: false, transcript: NOTHING, deltaId: NOTHING };

function finish({ fragment }: ToTrainer, engine: JobEngine, transcript: Transcript, theta: Bytes): void {
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

function engineOf({ job, graph }: ToTrainer): JobEngine {
  if (loaded?.graph !== job.step_graph)
    loaded = { graph: job.step_graph, engine: new JobEngine({ job, graph, tickets }) };
  return loaded.engine;
}

function lossOf(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0] as number;
}
