/**
 * # Admission: a stranger's forward model becomes a graph of known operators, shapes and cost, or one named refusal.
 *
 * Always true: what is admitted uses only the operators of `import.ts`, has static shapes and distinct names, and
 * costs less than the limits; no runtime has seen the model by then. Float initialisers that the outputs depend on
 * differentiably are the parameters, in the order of the file; all others are constants.
 */
import { type Bytes, concat } from '../../base/bytes.ts';
import { passesGradient } from './autodiff.ts';
import { type Cost, checkCost, DEFAULT_LIMITS, type Limits } from './cost.ts';
import { ensure, GraphError } from './graph-error.ts';
import { importNode } from './import.ts';
import { Call } from './import-call.ts';
import { type Graph, GraphBuilder, type Tensor, tensorOf } from './ir.ts';
import { elements, MAX_NODES, type OnnxModel, type TensorValue, type ValueInfo } from './onnx.ts';
import { checkDims } from './onnx-read.ts';

/** How a model is to be read. */
export interface AdmissionOptions {
  /** Sizes of symbolic dimensions, by name. */
  readonly bind?: Readonly<Record<string, number>>;
  /** Float initialisers that are constants although they look like parameters. */
  readonly frozen?: readonly string[];
  readonly limits?: Limits;
}

/** A parameter tensor; `name` is the initialiser's. */
export interface Parameter {
  readonly name: string;
  readonly dims: readonly number[];
}

/** An admitted model: parameters are inputs of `graph`, under their own names. */
export interface ForwardModel {
  readonly graph: Graph;
  readonly parameters: readonly Parameter[];
  /** The inputs that are data. */
  readonly inputs: readonly Tensor[];
  /** Names of the model's outputs and of the values that they are. */
  readonly outputs: readonly { readonly name: string; readonly value: string }[];
  /** The initialisers' values of all parameters, one after the other: f32 little-endian. */
  readonly theta: Bytes;
  readonly cost: Cost;
}

/** No weight of a network is this large at the start; masks are. Such initialisers are constants. */
const MASK_MAGNITUDE = 10_000;

/** Admits a forward model. Throws GraphError. */
export function admit(model: OnnxModel, options: AdmissionOptions = {}): ForwardModel {
  checkModel(model);
  const frozen = new Set(options.frozen ?? []);
  for (const name of frozen) {
    ensure(
      model.initializers.some((tensor) => tensor.name === name),
      'UndefinedName',
      `frozen initialiser ${name}`,
    );
  }
  const bind = options.bind ?? {};
  const limits = options.limits ?? DEFAULT_LIMITS;
  const first = importModel(model, bind, frozen);
  const reached = differentiable(first.graph);
  const idle = first.parameters.filter(({ name }) => !reached.has(name));
  for (const { name } of idle) frozen.add(name);
  const { graph, parameters, outputs } = idle.length === 0 ? first : importModel(model, bind, frozen);
  const cost = checkCost(graph, limits);
  refuseIntegers(graph);
  const isParameter = new Set(parameters.map(({ name }) => name));
  return {
    graph,
    parameters: parameters.map(({ name, dims }) => ({ name, dims })),
    inputs: graph.inputs.filter(({ name }) => !isParameter.has(name)),
    outputs,
    theta: concat(...parameters.map(({ data }) => data)),
    cost,
  };
}

function checkModel(model: OnnxModel): void {
  ensure(model.functions.length === 0, 'FunctionNotAllowed', `function ${model.functions[0]?.name}`);
  for (const { domain } of model.opsets) {
    // ai.onnx.ml and the like may be imported by exporters without being used; a use is refused at its node.
    ensure(domain.length <= 128, 'ForeignDomain', domain.slice(0, 40));
  }
  const core = model.opsets.filter(({ domain }) => domain === '');
  const version = core[0]?.version ?? 0;
  ensure(core.length === 1 && version >= 13 && version <= 20, 'BadOpset', core.map((each) => each.version).join(', '));
  ensure(model.nodes.length <= MAX_NODES, 'TooManyNodes', `${model.nodes.length}`);
  ensure(model.outputs.length > 0 && model.outputs.length <= 256, 'ShapeMismatch', 'between 1 and 256 outputs');
  ensure(model.inputs.length <= 4_096, 'ShapeMismatch', 'at most 4,096 inputs');
}

interface Imported {
  readonly graph: Graph;
  readonly parameters: readonly TensorValue[];
  readonly outputs: ForwardModel['outputs'];
}

function importModel(model: OnnxModel, bind: Readonly<Record<string, number>>, frozen: ReadonlySet<string>): Imported {
  const b = new GraphBuilder(model.name);
  const names = new Map<string, string>();
  const define = (name: string, value: string): void => {
    ensure(!names.has(name), 'DuplicateName', name);
    names.set(name, value);
  };
  const candidates: TensorValue[] = [];
  const held = new Set<string>();
  for (const tensor of model.initializers) {
    ensure(tensor.name !== '', 'BadName', 'an initialiser without a name');
    ensure(!held.has(tensor.name), 'DuplicateName', tensor.name);
    held.add(tensor.name);
    if (looksTrainable(tensor) && !frozen.has(tensor.name)) candidates.push(tensor);
  }
  // Inputs first, so that they keep their names. Older exporters list initialisers among the inputs.
  for (const input of model.inputs) {
    if (held.has(input.name)) continue;
    define(input.name, b.input(uniqueInput(b, input.name), input.type, bound(input, bind)));
  }
  for (const { name, type, dims } of candidates) define(name, b.input(uniqueInput(b, name), type, dims));
  const trainable = new Set(candidates);
  for (const tensor of model.initializers) {
    if (trainable.has(tensor)) continue;
    define(tensor.name, b.constant(tensor.name, tensor.type, tensor.dims, tensor.data));
  }
  importNodes(b, model, names, define);
  const outputs = model.outputs.map(({ name }) => {
    const value = names.get(name);
    ensure(value !== undefined, 'UndefinedName', `output ${name}`);
    return { name, value };
  });
  ensure(new Set(model.outputs.map(({ name }) => name)).size === outputs.length, 'DuplicateName', 'graph outputs');
  const data = b.inputs.map(({ name }) => name).filter((name) => !held.has(name));
  const graph = b.finish(
    outputs.map(({ value }) => value),
    data,
  );
  const live = new Set(graph.inputs.map(({ name }) => name));
  return { graph, parameters: candidates.filter(({ name }) => live.has(name)), outputs };
}

function importNodes(
  b: GraphBuilder,
  model: OnnxModel,
  names: Map<string, string>,
  define: (name: string, value: string) => void,
): void {
  const opset = model.opsets.find(({ domain }) => domain === '')?.version ?? 0;
  for (const node of model.nodes) {
    const values = importNode(new Call(b, node, opset, names));
    node.outputs.forEach((name, i) => {
      const value = values[i];
      if (name === '') return;
      ensure(value !== undefined, 'NotInVersion1', `output ${i} of ${node.op}`, node.name);
      define(name, value);
    });
    // A node may become several; a model that grows beyond the bound is refused while it grows.
    ensure(b.nodes.length <= 4 * MAX_NODES, 'TooManyNodes', 'after import', node.name);
  }
}

function uniqueInput(b: GraphBuilder, name: string): string {
  ensure(!b.has(name), 'DuplicateName', name);
  return name;
}

function bound(input: ValueInfo, bind: Readonly<Record<string, number>>): number[] {
  const dims = input.dims.map((dim) => {
    const size = typeof dim === 'number' ? dim : Object.hasOwn(bind, dim) ? bind[dim] : undefined;
    ensure(size !== undefined, 'DynamicShape', `axis ${dim || '(unnamed)'} of input ${input.name}`);
    return size;
  });
  checkDims(dims, input.name, 1);
  return dims;
}

function looksTrainable(tensor: TensorValue): boolean {
  if (tensor.type !== 'f32' || tensor.dims.length === 0 || elements(tensor.dims) === 0) return false;
  const view = new DataView(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  for (let at = 0; at < tensor.data.length; at += 4) {
    if (!(Math.abs(view.getFloat32(at, true)) < MASK_MAGNITUDE)) return false;
  }
  return true;
}

/** The values that some output depends on differentiably. */
function differentiable(graph: Graph): ReadonlySet<string> {
  const reached = new Set(graph.outputs.filter((name) => tensorOf(graph, name).type === 'f32'));
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((name) => reached.has(name))) continue;
    node.inputs.forEach((name, slot) => {
      if (passesGradient(node, slot) && tensorOf(graph, name).type === 'f32') reached.add(name);
    });
  }
  return reached;
}

const MOVES = new Set(['Reshape', 'Transpose', 'Slice', 'Split', 'Concat', 'Expand', 'Gather', 'Where']);

/** Integers and masks that are not constant may be moved and compared, never computed with (ENGINE section 1.4). */
function refuseIntegers(graph: Graph): void {
  for (const node of graph.nodes) {
    const at = node.outputs[0] as string;
    const from = tensorOf(graph, node.inputs[0] as string).type;
    const to = tensorOf(graph, at).type;
    if (node.op === 'Cast') {
      const integers = (from === 'i32' || from === 'i64') && (to === 'i32' || to === 'i64');
      ensure(integers || (from === 'bool' && to === 'f32'), 'UnsupportedType', `cast of ${from} to ${to}`, at);
    } else if (to === 'i32' || to === 'i64') {
      ensure(MOVES.has(node.op), 'UnsupportedType', `${node.op} of integers`, at);
    } else if (to === 'bool' && from !== 'f32' && !MOVES.has(node.op)) {
      throw new GraphError('UnsupportedType', `${node.op} of ${from}`, at);
    }
  }
}
