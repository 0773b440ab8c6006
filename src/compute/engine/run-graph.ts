/**
 * # Run graph: one run of a compiled graph from named arrays, on either canonical executor or on ONNX Runtime.
 *
 * Always true: the three executors are given the same values: moments that are not named are +0, uniforms come from
 * the seed, bias corrections from the step; so their outputs may be compared word by word or by tolerance.
 */
import { must } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Kernels } from '../canonical/kernels.ts';
import { PURPOSE, uniformAt } from '../canonical/philox.ts';
import { referenceKernels } from '../canonical/reference.ts';
import { biasCorrection } from '../canonical/schedule.ts';
import { type CompiledGraph, dataInputs } from '../graph/compile.ts';
import { type Graph, type Node, numberOf, type Tensor, tensorOf } from '../graph/ir.ts';
import { elements } from '../graph/onnx.ts';
import { STATE_INPUTS } from '../graph/optimiser.ts';
import { writeStepGraph } from '../graph/step-graph.ts';
import { PlanRunner, type StepScalars } from '../plan/executor.ts';
import { plainGemm } from '../plan/gemm-backend.ts';
import { planStep } from '../plan/planner.ts';
import { loadKernels } from './kernels-file.ts';
import type { RuntimeTensor } from './onnx-messages.ts';
import { type RuntimeLimits, runOnnx } from './onnx-runtime.ts';

export type ExecutorName = 'wasm' | 'js' | 'onnxruntime';

/** Arrays by input name, and the scalars of the step. */
export interface GraphRun {
  readonly inputs: Readonly<Record<string, RuntimeTensor>>;
  readonly scalars: StepScalars;
  readonly limits?: RuntimeLimits;
}

/** An input is missing, unknown, or of another type or shape than the graph declares. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** The graph's outputs by name. Rejects with InputError, ExecutionError or RuntimeError. */
export async function runGraph(
  executor: ExecutorName,
  compiled: CompiledGraph,
  run: GraphRun,
): Promise<Readonly<Record<string, RuntimeTensor>>> {
  checkInputs(compiled, run.inputs);
  if (executor === 'onnxruntime') return runNative(compiled, run);
  const plan = planStep(compiled);
  return runCanonical(executor === 'wasm' ? loadKernels() : referenceKernels(plan.bytes), compiled, run);
}

function checkInputs(compiled: CompiledGraph, inputs: GraphRun['inputs']): void {
  const state = stateInputs(compiled.graph);
  const known = [...state, ...dataInputs(compiled)];
  const list = known.map(({ name, type, dims }) => `${name} ${type} ${dims.join('x')}`).join(', ');
  for (const [name, given] of Object.entries(inputs)) {
    const tensor = known.find((each) => each.name === name);
    if (tensor === undefined) throw new InputError(`no input ${name}; there are ${list}`);
    const integers = tensor.type === 'i64' || tensor.type === 'i32';
    const typed = given.type === tensor.type || (integers && (given.type === 'i64' || given.type === 'i32'));
    if (!typed || given.dims.join() !== tensor.dims.join()) {
      throw new InputError(
        `input ${name} is ${given.type} ${given.dims.join('x')}, wanted ${tensor.type} ${tensor.dims.join('x')}`,
      );
    }
  }
  const missing = known.find(({ name }) => name !== 'm' && name !== 'v' && !Object.hasOwn(inputs, name));
  if (missing !== undefined) throw new InputError(`input ${missing.name} is missing; wanted are ${list}`);
}

function stateInputs(graph: Graph): Tensor[] {
  return STATE_INPUTS.flatMap((name) => graph.inputs.find((input) => input.name === name) ?? []);
}

function runCanonical(
  kernels: Kernels,
  compiled: CompiledGraph,
  { inputs, scalars }: GraphRun,
): Record<string, RuntimeTensor> {
  const plan = planStep(compiled);
  const runner = new PlanRunner(kernels, plan, plainGemm(kernels));
  const bytes = 4 * plan.state.count;
  const state = new Uint8Array(bytes * plan.state.parts);
  stateInputs(compiled.graph).forEach(({ name }, i) => {
    const given = inputs[name]?.data;
    if (given !== undefined) state.set(bytesOf(given), i * bytes);
  });
  runner.load(state);
  for (const { name } of plan.inputs) {
    const { data } = must(inputs[name], 'a checked input');
    runner.setInput(name, data instanceof BigInt64Array ? Array.from(data, Number) : data);
  }
  runner.run(scalars);
  return Object.fromEntries(
    plan.outputs.map(({ name, type, dims }, i) => [name, { type, dims, data: typed(type, runner.output(i)) }]),
  );
}

/** The words of an output as its declared type. */
function typed(type: Tensor['type'], words: Int32Array<ArrayBuffer>): RuntimeTensor['data'] {
  if (type === 'f32') return new Float32Array(words.buffer);
  if (type === 'i32') return words;
  if (type === 'i64') return BigInt64Array.from(words, BigInt);
  return Uint8Array.from(new Float32Array(words.buffer));
}

async function runNative(compiled: CompiledGraph, run: GraphRun): Promise<Readonly<Record<string, RuntimeTensor>>> {
  const feeds = nativeInputs(compiled, run);
  const { outputs } = await runOnnx(writeStepGraph(compiled), [feeds], run.limits);
  return must(outputs[0], 'one run');
}

/** Every input of the file: what a plan derives by itself, ONNX Runtime is told. */
function nativeInputs(compiled: CompiledGraph, { inputs, scalars }: GraphRun): Readonly<Record<string, RuntimeTensor>> {
  const { graph } = compiled;
  const rates = stepRates(graph, scalars);
  const drawn = uniforms(graph, scalars);
  return Object.fromEntries(
    graph.inputs.map(({ name, type, dims }) => {
      const given = inputs[name]?.data ?? rates.get(name) ?? drawn.get(name) ?? new Float32Array(elements(dims));
      if (type === 'i64') return [name, { type, dims, data: BigInt64Array.from(given as Int32Array, BigInt) }];
      if (type === 'i32') return [name, { type, dims, data: Int32Array.from(given as Int32Array, Number) }];
      return [name, { type, dims, data: given }];
    }),
  );
}

/** lr, c1 and c2 of a step; the corrections follow from the constants of the graph's AdamW nodes. */
function stepRates(graph: Graph, { lr, t }: StepScalars): ReadonlyMap<string, Float32Array> {
  const rates = new Map([['lr', Float32Array.of(lr)]]);
  const adamw = graph.nodes.find(({ op }) => op === 'AdamW');
  if (adamw !== undefined) {
    rates.set('c1', Float32Array.of(biasCorrection(numberOf(adamw, 'b1'), t)));
    rates.set('c2', Float32Array.of(biasCorrection(numberOf(adamw, 'b2'), t)));
  }
  return rates;
}

/** The uniforms that a plan would draw, by input name. */
function uniforms(graph: Graph, { key }: StepScalars): ReadonlyMap<string, Float32Array> {
  const out = new Map<string, Float32Array>();
  const mined = graph.nodes.filter(({ op }) => op.startsWith('CPowGemm'));
  mined.forEach((node: Node, index) => {
    const name = node.inputs[2];
    if (name === undefined) return;
    const purpose = node.op === 'CPowGemmSRA' ? PURPOSE.operandA : PURPOSE.operandB;
    const values = new Float32Array(elements(tensorOf(graph, name).dims));
    out.set(
      name,
      values.map((_, e) => uniformAt(e, key, index, purpose) / 65_536),
    );
  });
  return out;
}

function bytesOf(data: RuntimeTensor['data']): Bytes {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
