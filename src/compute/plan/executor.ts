/**
 * # Executor: runs plans over the kernels, the same bits on every implementation of them.
 *
 * Always true: a run reads the state, one batch and the scalars of its step, and nothing else; after an error the
 * state is not to be used. Memory is touched through fresh views only, since a backend may grow it.
 */
import { assert, must } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { KernelCalls, Kernels } from '../canonical/kernels.ts';
import { STATUS } from '../canonical/kernels.ts';
import type { PhiloxKey } from '../canonical/philox.ts';
import { biasCorrection, clipGradient } from '../canonical/schedule.ts';
import { elements } from '../graph/onnx.ts';
import { FIELD_BYTES, type RecordField } from '../graph/record.ts';
import type { GemmBackend } from './gemm-backend.ts';
import type { PlacedTensor, Plan, UpdateStep } from './plan.ts';

/** Why a run ended without a result. */
export const EXECUTION_ERRORS = {
  InadmissibleBatch: 'a token or label lies outside its table',
  WrongLength: 'a state or batch has another length than the plan',
  NoRecordLayout: 'the graph does not say how records fill its inputs',
} as const;

export class ExecutionError extends Error {
  override readonly name = 'ExecutionError';
  readonly code: keyof typeof EXECUTION_ERRORS;

  constructor(code: keyof typeof EXECUTION_ERRORS, detail: string) {
    super(`${code}: ${EXECUTION_ERRORS[code]} (${detail})`);
    this.code = code;
  }
}

/** What a step knows besides the state and the batch. */
export interface StepScalars {
  readonly key: PhiloxKey;
  readonly lr: number;
  /** 1 for the first step of a fragment. */
  readonly t: number;
}

/** The Philox key of a step seed: its first 8 bytes as two little-endian words. */
export function stepKey(seed: Bytes): PhiloxKey {
  const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength);
  return [view.getUint32(0, true), view.getUint32(4, true)];
}

/** The f32 value of these bits. */
export function floatOfBits(bits: number): number {
  return must(new Float32Array(Uint32Array.of(bits).buffer)[0], 'one word');
}

/** Runs one plan. Several runners may share kernels when their plans do not overlap. */
export class PlanRunner {
  readonly plan: Plan;
  readonly #kernels: Kernels;
  readonly #gemm: GemmBackend;

  constructor(kernels: Kernels, plan: Plan, gemm: GemmBackend) {
    this.#kernels = kernels;
    this.#gemm = gemm;
    this.plan = plan;
    kernels.grow(plan.bytes);
    for (const { offset, words } of plan.tables) kernels.i32.set(words, offset / 4);
  }

  /** Bytes of the state's parts, one after the other. A view, valid until the next run. */
  state(): Bytes {
    const { offset, parts, count } = this.plan.state;
    return this.#kernels.u8.subarray(offset, offset + 4 * parts * count);
  }

  /** Sets the state, or its leading parts; the others become +0. Throws ExecutionError WrongLength. */
  load(state: Bytes): void {
    const { parts, count } = this.plan.state;
    const whole = state.length % (4 * count) === 0 && state.length > 0 && state.length <= 4 * parts * count;
    if (!whole) throw new ExecutionError('WrongLength', `a state of ${state.length} bytes`);
    const memory = this.state();
    memory.set(state);
    memory.fill(0, state.length);
  }

  /** Whether no value of the state has exponent field 255. */
  isFinite(): boolean {
    const { offset, parts, count } = this.plan.state;
    return this.#kernels.nonFinite(offset, parts * count) === 0;
  }

  /** Fills every input from the records of a batch. Throws ExecutionError. */
  fill(batch: Bytes): void {
    const { record } = this.plan.compiled;
    if (record === undefined) throw new ExecutionError('NoRecordLayout', this.plan.compiled.graph.name);
    const records = batch.length / record.bytes;
    for (const input of this.plan.inputs) {
      if (input.dims[0] !== records) throw new ExecutionError('WrongLength', `a batch of ${batch.length} bytes`);
      const field = must(
        record.fields.find((each) => each.input === input.name),
        'a checked layout',
      );
      this.#fillInput(input, field, batch, record.bytes);
    }
  }

  #fillInput(input: PlacedTensor, field: RecordField, batch: Bytes, stride: number): void {
    const records = input.dims[0] as number;
    const each = elements(input.dims) / records;
    const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
    const size = FIELD_BYTES[field.type];
    let to = input.offset / 4;
    const { i32, f32 } = this.#kernels;
    for (let r = 0; r < records; r++) {
      let from = r * stride + field.offset;
      for (let i = 0; i < each; i++, from += size, to++) {
        if (field.type === 'u8') i32[to] = view.getUint8(from);
        else if (field.type === 'u16') i32[to] = view.getUint16(from, true);
        else if (field.type === 'i32') i32[to] = view.getInt32(from, true);
        else f32[to] = view.getFloat32(from, true);
      }
    }
  }

  /** Sets one input from f32 values or integers. Throws ExecutionError WrongLength. */
  setInput(name: string, values: ArrayLike<number>): void {
    const input = must(
      this.plan.inputs.find((each) => each.name === name),
      `no input ${name}`,
    );
    if (values.length !== elements(input.dims)) throw new ExecutionError('WrongLength', `input ${name}`);
    const memory = input.type === 'f32' || input.type === 'bool' ? this.#kernels.f32 : this.#kernels.i32;
    memory.set(values, input.offset / 4);
  }

  /** Bits of output i after a run. A copy. */
  output(i: number): Int32Array<ArrayBuffer> {
    const { offset, dims } = must(this.plan.outputs[i], `no output ${i}`);
    return this.#kernels.i32.slice(offset / 4, offset / 4 + elements(dims));
  }

  /** Bits of the loss after a run. */
  lossBits(): number {
    const { offset } = must(this.plan.outputs.at(-1), 'a loss');
    return this.#kernels.u32[offset / 4] as number;
  }

  /** Executes the plan. Throws ExecutionError InadmissibleBatch. */
  run(scalars: StepScalars): void {
    const kernels = this.#kernels;
    const calls = kernels as unknown as Record<keyof KernelCalls, (...args: readonly number[]) => number | undefined>;
    for (const step of this.plan.steps) {
      switch (step.kind) {
        case 'kernel':
          if (calls[step.name](...step.args) === STATUS.outOfRange && READS_INDICES.has(step.name)) {
            throw new ExecutionError('InadmissibleBatch', step.name);
          }
          break;
        case 'gemm':
          this.#gemm.multiply(step.call);
          break;
        case 'uniform':
          kernels.uniform16(step.out, step.count, scalars.key[0], scalars.key[1], step.node, step.purpose);
          break;
        case 'clip':
          clipGradient(kernels, step);
          break;
        case 'update':
          update(kernels, step, scalars);
          break;
      }
    }
  }
}

const READS_INDICES: ReadonlySet<string> = new Set(['gather', 'scatterAdd', 'crossEntropy']);

function update(kernels: Kernels, { rule, theta, m, v, g, n }: UpdateStep, { lr, t }: StepScalars): void {
  if (rule.kind === 'sgd') kernels.sgd(theta, m, g, n, lr, rule.mu, rule.wd, rule.nesterov ? 1 : 0);
  else {
    const { b1, b2, eps, wd } = rule;
    kernels.adamw(theta, m, v, g, n, lr, b1, b2, eps, wd, biasCorrection(b1, t), biasCorrection(b2, t));
  }
}

/** Training steps of one fragment. */
export class StepExecutor {
  readonly #runner: PlanRunner;

  /** `plan` is of a step graph. */
  constructor(kernels: Kernels, plan: Plan, gemm: GemmBackend) {
    assert(plan.compiled.kind === 'step', 'a step executor runs step graphs');
    this.#runner = new PlanRunner(kernels, plan, gemm);
  }

  /** Sets theta || m || v, or theta alone: then the moments are +0. Throws ExecutionError WrongLength. */
  load(state: Bytes): void {
    this.#runner.load(state);
  }

  /**
   * Step t >= 1: `batch` is the records' bytes, one after the other, `lrBits` the learning rate as f32 bits. The
   * fragment is void if `finite` is false. Throws ExecutionError.
   */
  run(t: number, seed: Bytes, batch: Bytes, lrBits: number): { readonly lossBits: number; readonly finite: boolean } {
    this.#runner.fill(batch);
    this.#runner.run({ key: stepKey(seed), lr: floatOfBits(lrBits), t });
    const lossBits = this.#runner.lossBits();
    return { lossBits, finite: (lossBits & 0x7f800000) !== 0x7f800000 };
  }

  /** theta || m || v. A view, valid until the next run. */
  state(): Bytes {
    return this.#runner.state();
  }

  /** theta. A view, valid until the next run. */
  theta(): Bytes {
    return this.#runner.state().subarray(0, 4 * this.#runner.plan.state.count);
  }

  /** Whether the state may be hashed: no value of it has exponent field 255. */
  isFinite(): boolean {
    return this.#runner.isFinite();
  }
}

/** The mean loss of held-out records under an evaluation graph. */
export class Evaluator {
  readonly #runner: PlanRunner;

  /** `plan` is of an evaluation graph. */
  constructor(kernels: Kernels, plan: Plan, gemm: GemmBackend) {
    assert(plan.compiled.kind === 'evaluation', 'an evaluator runs evaluation graphs');
    this.#runner = new PlanRunner(kernels, plan, gemm);
  }

  /** Loss of one batch under `theta`, as f32 bits. Throws ExecutionError. */
  batchLoss(theta: Bytes, batch: Bytes): number {
    this.#runner.load(theta);
    this.#runner.fill(batch);
    return this.#loss();
  }

  /**
   * f32 bits of the mean over whole batches: the losses added in order from +0 in f32, divided by f32(batches). Throws
   * ExecutionError when `records` are not whole batches.
   */
  meanLoss(theta: Bytes, records: Bytes): number {
    const { record } = this.#runner.plan.compiled;
    if (record === undefined) throw new ExecutionError('NoRecordLayout', this.#runner.plan.compiled.graph.name);
    const size = record.bytes * (this.#runner.plan.inputs[0]?.dims[0] ?? 1);
    const batches = records.length / size;
    const whole = Number.isInteger(batches) && batches > 0;
    if (!whole) throw new ExecutionError('WrongLength', `${records.length} bytes of held-out records`);
    this.#runner.load(theta);
    let sum = 0;
    for (let i = 0; i < batches; i++) {
      this.#runner.fill(records.subarray(i * size, (i + 1) * size));
      sum = Math.fround(sum + floatOfBits(this.#loss()));
    }
    return new Uint32Array(Float32Array.of(sum / Math.fround(batches)).buffer)[0] as number;
  }

  #loss(): number {
    // An evaluation graph draws no bits and takes no step.
    this.#runner.run({ key: [0, 0], lr: 0, t: 1 });
    return this.#runner.lossBits();
  }
}
