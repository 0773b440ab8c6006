/**
 * # Step graph: a compiled graph as an ONNX file, and back.
 *
 * Always true: a file that is read is, byte for byte, the file that writing its contents gives; so nothing hides in
 * it, its function bodies are ours, and its SHA-256 names one computation. Stock ONNX Runtime runs it.
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import { sha256 } from '../../crypto/hash.ts';
import type { Parameter } from './admission.ts';
import { type CompiledGraph, dataInputs } from './compile.ts';
import { decodeValues, encodeValues } from './fold.ts';
import { functionsOf } from './functions.ts';
import { ensure, refuseOperator } from './graph-error.ts';
import { type Graph, ints, type Node, type Tensor, tensorOf } from './ir.ts';
import {
  type Attribute,
  CPOW_DOMAIN,
  elements,
  IR_VERSION,
  type OnnxModel,
  type OnnxNode,
  OPSET,
  type TensorValue,
  type ValueInfo,
} from './onnx.ts';
import { readModel } from './onnx-read.ts';
import { writeModel } from './onnx-write.ts';
import { inferOutputs, operator, operatorNamed } from './ops.ts';
import { STATE_INPUTS } from './optimiser.ts';
import { checkLayout, formatLayout, parseLayout } from './record.ts';

const KIND = `${CPOW_DOMAIN}.kind`;
const CLASS = `${CPOW_DOMAIN}.class`;
const PARAMETERS = `${CPOW_DOMAIN}.parameters`;
const RECORD = `${CPOW_DOMAIN}.record`;
const CLASSES = { i7: 'i7/1', f32: 'f32' } as const;

/** The file of a compiled graph. */
export function writeStepGraph(compiled: CompiledGraph): Bytes {
  return writeModel(toModel(compiled));
}

/** SHA-256 of the file: what a job names as its step graph. */
export function stepGraphHash(file: Bytes): Bytes {
  return sha256(file);
}

/** Whether a file claims to be written by this compiler; `readStepGraph` finds out. Throws GraphError. */
export function isStepGraph(file: Bytes): boolean {
  return Object.hasOwn(readModel(file).metadata, KIND);
}

/** The compiled graph of a file. Throws GraphError, also when the file is an ONNX model of another origin. */
export function readStepGraph(file: Bytes): CompiledGraph {
  const model = readModel(file);
  const compiled = fromModel(model);
  ensure(equal(writeStepGraph(compiled), file), 'NotAStepGraph', 'it is not written as this compiler writes it');
  return compiled;
}

function toModel({ graph, kind, precision, parameters, record }: CompiledGraph): OnnxModel {
  const lists = new Map<string, TensorValue>();
  const nodes = graph.nodes.map((node) => toNode(graph, node, lists));
  const info = ({ name, type, dims }: Tensor): ValueInfo => ({ name, type, dims });
  return {
    irVersion: IR_VERSION,
    opsets: [
      { domain: '', version: OPSET },
      { domain: CPOW_DOMAIN, version: 1 },
    ],
    producer: 'maitoken',
    name: graph.name,
    nodes,
    initializers: [...graph.constants.values(), ...lists.values()],
    inputs: graph.inputs.map(info),
    outputs: graph.outputs.map((name) => info(tensorOf(graph, name))),
    functions: functionsOf(new Set(graph.nodes.map(({ op }) => op))),
    metadata: {
      [KIND]: kind,
      [CLASS]: CLASSES[precision],
      [PARAMETERS]: JSON.stringify(parameters.map(({ name, dims }) => [name, dims])),
      ...(record === undefined ? {} : { [RECORD]: formatLayout(record) }),
    },
  };
}

function toNode(graph: Graph, node: Node, lists: Map<string, TensorValue>): OnnxNode {
  const { domain, lists: listed = [] } = operator(node.op);
  const inputs = [...node.inputs];
  const attributes: Record<string, Attribute> = {};
  for (const [key, attribute] of Object.entries(node.attributes))
    if (!listed.includes(key)) attributes[key] = attribute;
  for (const key of listed) {
    const attribute = node.attributes[key];
    ensure(attribute?.type === 'ints', 'BadAttribute', `${node.op} has no list ${key}`);
    inputs.push(listName(graph, attribute.value, lists));
  }
  const [name = ''] = node.outputs;
  return { name, op: node.op, domain, inputs, outputs: node.outputs, attributes };
}

/** The initialiser that holds a list; equal lists are one. */
function listName(graph: Graph, values: readonly number[], lists: Map<string, TensorValue>): string {
  const key = values.join();
  const known = lists.get(key);
  if (known !== undefined) return known.name;
  let name = `ints/${key.length > 64 ? `${lists.size}` : key}`;
  while (graph.tensors.has(name) || [...lists.values()].some((list) => list.name === name)) name += "'";
  lists.set(key, { name, type: 'i64', dims: [values.length], data: encodeValues('i64', values) });
  return name;
}

const isKind = (kind: string | undefined): kind is CompiledGraph['kind'] =>
  kind === 'step' || kind === 'evaluation' || kind === 'inference';

function fromModel(model: OnnxModel): CompiledGraph {
  const kind = model.metadata[KIND];
  ensure(isKind(kind), 'NotAStepGraph', 'no kind in its metadata');
  const precision = (['i7', 'f32'] as const).find((each) => CLASSES[each] === model.metadata[CLASS]);
  ensure(precision !== undefined, 'NotAStepGraph', 'no class in its metadata');
  const record = model.metadata[RECORD];
  const compiled: CompiledGraph = {
    kind,
    precision,
    graph: fromNodes(model),
    parameters: parseParameters(model.metadata[PARAMETERS] ?? ''),
    record: record === undefined ? undefined : parseLayout(record),
  };
  checkState(compiled);
  return compiled;
}

function fromNodes(model: OnnxModel): Graph {
  const tensors = new Map<string, Tensor>();
  const define = (tensor: Tensor): Tensor => {
    ensure(tensor.name !== '', 'BadName', 'an empty name');
    ensure(!tensors.has(tensor.name), 'DuplicateName', tensor.name);
    tensors.set(tensor.name, tensor);
    return tensor;
  };
  const inputs = model.inputs.map(({ name, type, dims }) => {
    const fixed = dims.filter((dim) => typeof dim === 'number');
    ensure(fixed.length === dims.length, 'DynamicShape', `input ${name}`);
    return define({ name, type, dims: fixed });
  });
  const held = new Map(model.initializers.map((tensor) => [tensor.name, tensor]));
  ensure(held.size === model.initializers.length, 'DuplicateName', 'initialisers');
  const read = model.nodes.map((node) => readCall(node, held));
  const constants = new Map<string, TensorValue>();
  for (const { name, type, dims, data } of model.initializers) {
    if (!read.some(({ inputs: used }) => used.includes(name))) continue;
    constants.set(name, { name, type, dims, data });
    define({ name, type, dims });
  }
  for (const node of read) {
    const [at = ''] = node.outputs;
    const operands = node.inputs.map((name) => {
      const tensor = tensors.get(name);
      ensure(tensor !== undefined, 'UndefinedName', name, at);
      return tensor;
    });
    const results = inferOutputs(node.op, operands, node.attributes, at);
    ensure(results.length === node.outputs.length, 'ShapeMismatch', `${node.op}: output count`, at);
    results.forEach((result, i) => {
      define({ name: node.outputs[i] as string, ...result });
    });
  }
  for (const { name } of model.outputs) ensure(tensors.has(name), 'UndefinedName', name);
  return { name: model.name, inputs, outputs: model.outputs.map(({ name }) => name), constants, nodes: read, tensors };
}

/** A node with its constant lists as attributes again. */
function readCall(node: OnnxNode, held: ReadonlyMap<string, TensorValue>): Node {
  const op = operatorNamed(node.domain, node.op);
  if (op === undefined) throw refuseOperator(node.domain, node.op, node.name);
  const { lists = [] } = operator(op);
  const attributes: Record<string, Attribute> = { ...node.attributes };
  const split = node.inputs.length - lists.length;
  lists.forEach((key, i) => {
    const list = held.get(node.inputs[split + i] ?? '');
    ensure(list?.type === 'i64' && list.dims.length === 1, 'NotConstant', `${key} of ${op}`, node.name);
    attributes[key] = ints([...decodeValues(list)]);
  });
  return { op, inputs: node.inputs.slice(0, split), outputs: node.outputs, attributes };
}

function parseParameters(text: string): Parameter[] {
  const list = parseJson(text);
  ensure(Array.isArray(list) && list.length > 0, 'NotAStepGraph', 'no list of parameters');
  return list.map((entry: unknown) => {
    ensure(Array.isArray(entry) && entry.length === 2, 'NotAStepGraph', 'a parameter is a name and dimensions');
    const [name, dims] = entry as [unknown, unknown];
    const sizes = Array.isArray(dims) && dims.length <= 6 && dims.every((dim) => Number.isSafeInteger(dim) && dim >= 1);
    ensure(typeof name === 'string' && sizes, 'NotAStepGraph', 'a parameter is a name and dimensions');
    return { name, dims: dims as number[] };
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    ensure(!(error instanceof SyntaxError), 'NotAStepGraph', 'metadata is not JSON');
    throw error;
  }
}

/** theta holds exactly the parameters; the outputs are its successor, those of m and v, and the scalar loss. */
function checkState(compiled: CompiledGraph): void {
  const { graph, kind, parameters, record } = compiled;
  const count = parameters.reduce((sum, { dims }) => sum + elements(dims), 0);
  const isVector = ({ type, dims }: Tensor): boolean => type === 'f32' && dims.length === 1 && dims[0] === count;
  const state = STATE_INPUTS.filter((name) => graph.inputs.some((input) => input.name === name));
  const parts = kind === 'step' ? state.length : 0;
  ensure(state[0] === 'theta' && (kind === 'step' || state.length === 1), 'NotAStepGraph', 'state inputs');
  if (kind !== 'inference')
    ensure(graph.outputs.length === parts + 1, 'NotAStepGraph', `${graph.outputs.length} outputs`);
  for (const name of state) ensure(isVector(tensorOf(graph, name)), 'NotAStepGraph', `input ${name}`);
  graph.outputs.forEach((name, i) => {
    const tensor = tensorOf(graph, name);
    const isScalar = tensor.type === 'f32' && tensor.dims.length === 0;
    ensure(kind === 'inference' || (i < parts ? isVector(tensor) : isScalar), 'NotAStepGraph', `output ${name}`);
  });
  if (record !== undefined) checkLayout(record, dataInputs(compiled));
}
