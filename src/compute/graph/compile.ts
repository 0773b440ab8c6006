/**
 * # Compile: a forward model, a loss and an optimiser become a step graph and an evaluation graph.
 *
 * Always true: equal models and options give equal graphs, node for node; initial weights do not enter them. The step
 * graph takes the state, a batch and the scalars of a step and gives the new state and the loss; the evaluation graph
 * is its forward part, all roundings nearest.
 */

import type { Bytes } from '../../base/bytes.ts';
import { type AdmissionOptions, admit, type ForwardModel, type Parameter } from './admission.ts';
import { gradients } from './autodiff.ts';
import { type Cost, checkCost, DEFAULT_LIMITS } from './cost.ts';
import { ensure, GraphError } from './graph-error.ts';
import { crossEntropy } from './import.ts';
import { type Graph, GraphBuilder, int, ints, type Tensor } from './ir.ts';
import { lower, type Precision } from './lower.ts';
import { elements, type OnnxModel } from './onnx.ts';
import { checkOptimiser, type Optimiser, optimise, STATE_INPUTS, STEP_INPUTS } from './optimiser.ts';
import { checkLayout, type RecordLayout } from './record.ts';

/** cross-entropy: the model's output are logits, `labels` are integers. mse: targets of the output's shape. output: the
 * model's output is the scalar loss itself. */
export type Loss = 'cross-entropy' | 'mse' | 'output';

export interface CompileOptions extends AdmissionOptions {
  readonly loss: Loss;
  readonly optimiser: Optimiser;
  /** Name of the input that the loss adds. Default `labels` or `targets`. */
  readonly target?: string;
  readonly record?: RecordLayout;
  readonly precision?: Precision;
}

/**
 * A compiled graph. `graph.outputs`: of a step graph the new state parts, then the loss; of an evaluation graph the
 * loss; of an inference graph the model's outputs.
 */
export interface CompiledGraph {
  readonly kind: 'step' | 'evaluation' | 'inference';
  readonly precision: Precision;
  readonly graph: Graph;
  readonly parameters: readonly Parameter[];
  readonly record: RecordLayout | undefined;
}

export interface Compiled {
  readonly step: CompiledGraph;
  readonly evaluation: CompiledGraph;
  /** The initial parameters that the model holds: f32 little-endian, in their order. */
  readonly theta: Bytes;
  readonly cost: Cost;
}

/** Inputs with a meaning of their own: no data may have these names. */
const RESERVED: readonly string[] = [...STATE_INPUTS, ...STEP_INPUTS];

/** Compiles an ONNX model. Throws GraphError. */
export function compile(model: OnnxModel, options: CompileOptions): Compiled {
  const forward = admit(model, options);
  ensure(forward.parameters.length > 0, 'NoGradient', 'the model has no parameters');
  checkOptimiser(options.optimiser, forward.parameters);
  const precision = options.precision ?? 'i7';
  const b = new GraphBuilder(model.name);
  for (const name of RESERVED) b.reserve(name);
  const values = declare(b, forward, options);
  const names = new Set(forward.parameters.map(({ name }) => name));
  const targets = values.target === undefined ? [] : [values.target];
  lower(b, forward.graph, values.map, { precision, parameters: names });
  const loss = lossOf(b, forward, options.loss, values.map, values.target);
  const data = [...forward.inputs.map(({ name }) => values.map.get(name) as string), ...targets];
  const common = { precision, parameters: forward.parameters, record: options.record };
  const evaluation: CompiledGraph = { kind: 'evaluation', graph: b.finish([loss], ['theta', ...data]), ...common };
  const found = gradients(
    b,
    loss,
    forward.parameters.map(({ name }) => values.map.get(name) as string),
  );
  const flat = forward.parameters.map(({ name, dims }) => {
    const gradient = found.get(values.map.get(name) as string);
    if (gradient === undefined) throw new GraphError('NoGradient', `parameter ${name}`);
    return b.reshape(gradient, [elements(dims)], `grad/${name}`);
  });
  const g = flat.length === 1 ? (flat[0] as string) : b.emit('Concat', flat, { axis: int(0) }, 'grad');
  const state = optimise(b, options.optimiser, forward.parameters, g);
  const step: CompiledGraph = { kind: 'step', graph: b.finish([...state, loss], data), ...common };
  if (options.record !== undefined) checkLayout(options.record, dataInputs(step));
  return { step, evaluation, theta: forward.theta, cost: checkCost(step.graph, options.limits ?? DEFAULT_LIMITS) };
}

/** The forward model alone, for inference: its outputs from theta and its inputs, all roundings nearest. */
export function compileForward(
  model: OnnxModel,
  options: AdmissionOptions & { readonly precision?: Precision } = {},
): { readonly inference: CompiledGraph; readonly theta: Bytes } {
  const forward = admit(model, options);
  ensure(forward.parameters.length > 0, 'NoGradient', 'the model has no parameters');
  const precision = options.precision ?? 'i7';
  const b = new GraphBuilder(model.name);
  for (const name of RESERVED) b.reserve(name);
  const values = declareForward(b, forward);
  lower(b, forward.graph, values, { precision, parameters: new Set(forward.parameters.map(({ name }) => name)) });
  const outputs = forward.outputs.map(({ value }) => values.get(value) as string);
  ensure(new Set(outputs).size === outputs.length, 'DuplicateName', 'two outputs are one value');
  const data = forward.inputs.map(({ name }) => values.get(name) as string);
  const graph = b.finish(outputs, ['theta', ...data]);
  return {
    inference: { kind: 'inference', precision, graph, parameters: forward.parameters, record: undefined },
    theta: forward.theta,
  };
}

/** The inputs that a batch fills: neither state, nor scalars of a step, nor uniforms. */
export function dataInputs({ graph }: CompiledGraph): readonly Tensor[] {
  const uniforms = new Set(graph.nodes.flatMap(({ op, inputs }) => (op.startsWith('CPowGemmSR') ? [inputs[2]] : [])));
  return graph.inputs.filter(({ name }) => !RESERVED.includes(name) && !uniforms.has(name));
}

interface Declared {
  readonly map: Map<string, string>;
  readonly target: string | undefined;
}

/** theta and its parts, the data inputs, and the input that the loss adds. */
function declare(b: GraphBuilder, forward: ForwardModel, options: CompileOptions): Declared {
  return { map: declareForward(b, forward), target: declareTarget(b, forward, options) };
}

/** theta and its parts, and the data inputs, by the names that the model gives them. */
function declareForward(b: GraphBuilder, forward: ForwardModel): Map<string, string> {
  const map = new Map<string, string>();
  const sizes = forward.parameters.map(({ dims }) => elements(dims));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const theta = b.input('theta', 'f32', [total]);
  for (const { name, type, dims } of forward.inputs) {
    ensure(!RESERVED.includes(name), 'BadName', `the input name ${name} is reserved`);
    map.set(name, b.input(name, type, dims));
  }
  const split = { axis: int(0), split: ints(sizes) };
  const flat = sizes.length === 1 ? [theta] : b.emitAll('Split', [theta], split, forward.parameters.map(flatName));
  forward.parameters.forEach(({ name, dims }, i) => {
    map.set(name, b.pin(b.reshape(flat[i] as string, dims, name)));
  });
  return map;
}

function flatName({ name, dims }: Parameter): string {
  return dims.length === 1 ? name : `${name}.flat`;
}

function declareTarget(b: GraphBuilder, forward: ForwardModel, options: CompileOptions): string | undefined {
  if (options.loss === 'output') return undefined;
  const output = onlyOutput(forward);
  const name = options.target ?? (options.loss === 'mse' ? 'targets' : 'labels');
  ensure(!b.has(name) && !RESERVED.includes(name), 'BadName', `the input name ${name} is taken`);
  if (options.loss === 'mse') return b.input(name, 'f32', output.dims);
  ensure(output.dims.length >= 2, 'BadLoss', `logits of rank ${output.dims.length}`);
  return b.input(name, 'i64', output.dims.slice(0, -1));
}

function onlyOutput(forward: ForwardModel): Tensor {
  const [first, ...others] = forward.outputs;
  ensure(
    first !== undefined && others.length === 0,
    'BadLoss',
    `the model has ${forward.outputs.length} outputs, not 1`,
  );
  const tensor = forward.graph.tensors.get(first.value);
  ensure(tensor?.type === 'f32', 'BadLoss', `the output is ${tensor?.type}`);
  return tensor;
}

function lossOf(
  b: GraphBuilder,
  forward: ForwardModel,
  loss: Loss,
  values: ReadonlyMap<string, string>,
  target: string | undefined,
): string {
  const output = onlyOutput(forward);
  const y = values.get(output.name) as string;
  if (loss === 'mse') return b.emit('Mse', [y, target as string], {}, 'loss');
  if (loss === 'cross-entropy') {
    const classes = output.dims.at(-1) as number;
    return crossEntropy(b, b.reshape(y, [elements(output.dims) / classes, classes]), target as string, 'loss');
  }
  ensure(elements(output.dims) === 1, 'BadLoss', `an output of ${output.dims.join('x')} is no scalar loss`);
  return b.reshape(y, [], 'loss');
}
