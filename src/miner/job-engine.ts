/**
 * # Job engine: a job's step graph on the canonical kernels, with the products done plainly or mined.
 *
 * Always true: the state after a step depends on the fragment, the step and the data alone, whichever way the products
 * were computed; a mined step draws every ticket of its products on the way.
 */
import type { Bytes } from '../base/bytes.ts';
import { decodeDelta, encodeDelta, mergeRound, quantiseDelta } from '../compute/canonical/delta.ts';
import type { Kernels } from '../compute/canonical/kernels.ts';
import { recordIndices } from '../compute/canonical/philox.ts';
import { type Knot, learningRate } from '../compute/canonical/schedule.ts';
import { stateRoot } from '../compute/canonical/state-root.ts';
import type { WasmKernels } from '../compute/canonical/wasm.ts';
import { evaluatorOf } from '../compute/engine/held-out-loss.ts';
import { loadKernels } from '../compute/engine/kernels-file.ts';
import { readStepGraph } from '../compute/graph/step-graph.ts';
import { type Evaluator, floatOfBits, StepExecutor, stepKey } from '../compute/plan/executor.ts';
import { type GemmBackend, plainGemm } from '../compute/plan/gemm-backend.ts';
import type { GemmCall, Plan } from '../compute/plan/plan.ts';
import { planStep } from '../compute/plan/planner.ts';
import { proveKernels } from '../compute/plan/self-test.ts';
import { operandRoot } from '../compute/pouw/commitment.ts';
import { fasterLeafHash } from '../compute/pouw/leaf-hash.ts';
import { type Mined, MinedGemm, type OperandRoots } from '../compute/pouw/miner-gemm.ts';
import type { NoiseHeader } from '../compute/pouw/noise.ts';
import { encodeOpening } from '../compute/pouw/opening.ts';
import { checkShape, type Place, type Shape } from '../compute/pouw/profile.ts';
import { proveMining } from '../compute/pouw/self-test.ts';
import type { Target } from '../compute/pouw/ticket.ts';
import { TreeHasher } from '../compute/pouw/tree-hasher.ts';
import { sha256 } from '../crypto/hash.ts';
import { type FragmentSeed, stepSeed } from '../primitives/fragment.ts';
import type { JobJson } from './wire.ts';

/** The block that a product's tickets are drawn for, asked before every product. */
export interface TicketSource {
  /** Undefined while there is no template: the product is then computed plainly. */
  header(
    step: number,
    call: GemmCall,
    shape: Shape,
  ): { readonly header: NoiseHeader; readonly target: Target } | undefined;
  /** A ticket of the product under that header reached the target; `opening` shows it. */
  found(step: number, call: GemmCall, place: Place, mined: Mined, opening: Bytes): void;
}

export interface StepResult {
  /** f32 bits of the loss. */
  readonly lossBits: number;
  /** (rootA, rootB) of every mined node in graph order, unless they were not asked for. */
  readonly operands: readonly (readonly [Bytes, Bytes])[];
  readonly tickets: number;
}

export interface StepListener {
  /** Hears qA and qB^T of every mined node, in order. */
  readonly onOperand?: (bytes: Bytes) => void;
  /** Leaves `operands` of the result empty: an eighth of a checker's step is hashing them. */
  readonly withoutRoots?: boolean;
}

export interface EngineParts {
  readonly job: JobJson;
  readonly graph: Bytes;
  /** Only checkers evaluate. */
  readonly evalGraph?: Bytes;
  readonly tickets?: TicketSource;
  /** Other kernels than the production ones: the plain reference, to referee a step. They draw no tickets. */
  readonly kernels?: Kernels;
}

const FLOAT_BYTES = 4;

export class JobEngine {
  readonly #job: JobJson;
  readonly #plan: Plan;
  readonly #executor: StepExecutor;
  readonly #gemm: Products;
  readonly #evaluator: Evaluator | undefined;
  readonly #knots: readonly Knot[];
  /** Where the kernels hash faster than the host: then a state is hashed where it lies. */
  readonly #hasher: TreeHasher | undefined;

  constructor({ job, graph, evalGraph, tickets, kernels = loadKernels() }: EngineParts) {
    this.#job = job;
    proveKernels(kernels);
    this.#plan = planStep(readStepGraph(graph));
    const fast = isModule(kernels) ? kernels : undefined;
    const scratch = this.#plan.bytes;
    const hash = fast && fasterLeafHash(fast, scratch, sha256, () => performance.now());
    if (fast) proveMining(fast, job.profile, scratch);
    const mined = fast && new MinedGemm(fast, scratch, hash);
    // The two take turns with one scratch: nothing is multiplied while a state is hashed.
    this.#hasher = fast && !hash ? new TreeHasher(fast, scratch) : undefined;
    this.#gemm = new Products(kernels, mined, job.profile, tickets);
    this.#executor = new StepExecutor(kernels, this.#plan, this.#gemm);
    this.#evaluator = evalGraph && evaluatorOf(evalGraph);
    this.#knots = job.lr_knots.map(({ step, bits }) => [step, floatOfBits(bits)]);
  }

  /** S_0 of a fragment: the round's weights and zero optimiser state. */
  firstState(theta: Bytes): Bytes {
    const { parts, count } = this.#plan.state;
    const state = new Uint8Array(parts * count * FLOAT_BYTES);
    state.set(theta);
    return state;
  }

  load(state: Bytes): void {
    this.#executor.load(state);
  }

  /** The state after the last step: a view, valid until the next one. */
  state(): Bytes {
    return this.#executor.state();
  }

  /** The root of the state after the last step. */
  stateRoot(): Bytes {
    const { offset, parts, count } = this.#plan.state;
    return this.#hasher?.rootAt(offset, parts * count * FLOAT_BYTES) ?? stateRoot([this.state()]);
  }

  /** Whether a value of the state is not finite: then the fragment is void (ENGINE.md section 10). */
  isVoid(): boolean {
    return !this.#executor.isFinite();
  }

  /** Trains step t of a fragment. */
  step(seed: FragmentSeed, t: number, dataset: Bytes, listener: StepListener = {}): StepResult {
    const job = this.#job;
    const key = stepSeed(seed, t);
    const batch = batchOf(dataset, recordIndices(job.n_records, job.batch, stepKey(key)), job.record_bytes);
    this.#gemm.begin(t, listener);
    const lr = learningRate(this.#knots, seed.r * job.steps + (t - 1));
    const { lossBits } = this.#executor.run(t, key, batch, bitsOf(lr));
    return { lossBits, operands: this.#gemm.roots, tickets: this.#gemm.tickets };
  }

  /** The blob of the delta from the round's weights to those of a state. */
  deltaOf(theta: Bytes, state: Bytes): Bytes {
    const after = floats(state.slice(0, theta.length));
    return encodeDelta(quantiseDelta(floats(theta), after));
  }

  /** The next weights and outer momentum; a delta that does not decode is a fault of whoever accepted it. */
  merge(theta: Bytes, outer: Bytes, blobs: readonly Bytes[], job: JobJson): { theta: Bytes; outer: Bytes } {
    const next = floats(theta);
    const u = floats(outer);
    const deltas = blobs.map((blob) => {
      const delta = decodeDelta(blob, next.length);
      if (!delta) throw new Error('an accepted delta does not decode');
      return delta;
    });
    mergeRound(next, u, deltas, { lr: floatOfBits(job.outer_lr), mu: floatOfBits(job.outer_momentum) });
    return { theta: bytesOf(next), outer: bytesOf(u) };
  }

  /** f32 bits of the mean held-out loss. */
  heldOutLoss(theta: Bytes, holdout: Bytes): number {
    if (!this.#evaluator) throw new Error('this engine was made without an evaluation graph');
    return this.#evaluator.meanLoss(theta, holdout);
  }
}

/** Multiplies for the executor: every product is committed to, and mined where there is a template and it fits. */
class Products implements GemmBackend {
  readonly #kernels: Kernels;
  readonly #plain: GemmBackend;
  /** Absent over the plain reference, which commits by plain JavaScript. */
  readonly #mined: MinedGemm | undefined;
  readonly #profile: number;
  readonly #source: TicketSource | undefined;
  readonly #shapes = new Map<number, Shape | undefined>();
  #step = 0;
  #listener: StepListener = {};
  roots: (readonly [Bytes, Bytes])[] = [];
  tickets = 0;

  constructor(kernels: Kernels, mined: MinedGemm | undefined, profile: number, source: TicketSource | undefined) {
    this.#kernels = kernels;
    this.#plain = plainGemm(kernels);
    this.#mined = mined;
    this.#profile = profile;
    this.#source = source;
  }

  begin(step: number, listener: StepListener): void {
    this.#step = step;
    this.#listener = listener;
    this.roots = [];
    this.tickets = 0;
  }

  multiply(call: GemmCall): void {
    const { qA, qBT, m, n, k } = call;
    const { onOperand, withoutRoots } = this.#listener;
    if (onOperand) {
      const { u8 } = this.#kernels;
      onOperand(u8.subarray(qA, qA + m * k));
      onOperand(u8.subarray(qBT, qBT + n * k));
    }
    const shape = this.#shapeOf(call);
    if (!shape) {
      this.#plain.multiply(call);
      this.roots.push([NOTHING, NOTHING]);
      return;
    }
    const miner = this.#mined;
    const drawn = miner && this.#source?.header(this.#step, call, shape);
    if (!drawn) {
      this.#plain.multiply(call);
      if (!withoutRoots) this.roots.push(miner ? pairOf(miner.roots(call, shape)) : this.#plainRoots(call, shape));
      return;
    }
    const { sA, sB, out } = call;
    const mined = miner.run({ shape, qA, qBT, sA, sB, out, ...drawn });
    this.roots.push([mined.rootA, mined.rootB]);
    this.tickets += mined.tickets;
    for (const place of mined.winners) {
      const opening = encodeOpening(miner.opening(call, shape, place));
      this.#source?.found(this.#step, call, place, mined, opening);
    }
  }

  #plainRoots({ qA, qBT, m, n, k }: GemmCall, { profile }: Shape): readonly [Bytes, Bytes] {
    const operand = (at: number, lines: number) => ({ data: this.#kernels.i8.slice(at, at + lines * k), lines, k });
    return [operandRoot(operand(qA, m), profile.slab), operandRoot(operand(qBT, n), profile.slab)];
  }

  #shapeOf(call: GemmCall): Shape | undefined {
    if (!this.#shapes.has(call.node)) {
      const checked = checkShape(this.#profile, call);
      this.#shapes.set(call.node, checked.ok ? checked.shape : undefined);
    }
    return this.#shapes.get(call.node);
  }
}

const NOTHING = new Uint8Array(32);

function isModule(kernels: Kernels): kernels is WasmKernels {
  return 'exports' in kernels;
}

function pairOf({ rootA, rootB }: OperandRoots): readonly [Bytes, Bytes] {
  return [rootA, rootB];
}

/** The records of a batch, one after the other. */
function batchOf(dataset: Bytes, indices: Uint32Array, recordBytes: number): Bytes {
  const out = new Uint8Array(indices.length * recordBytes);
  indices.forEach((record, i) => {
    out.set(dataset.subarray(record * recordBytes, (record + 1) * recordBytes), i * recordBytes);
  });
  return out;
}

function floats(bytes: Bytes): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

function bytesOf(values: Float32Array): Bytes {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0] as number;
}
