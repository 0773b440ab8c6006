/**
 * # IR: a graph of single assignments whose every shape is known.
 *
 * Always true: each value has one name, one producer, a type and dimensions; nodes stand in an order in which every
 * operand is defined before it is read. The same form holds a forward model, a step graph and everything between.
 * A node is an ONNX node, except that lists which ONNX passes as constant inputs (shape, axes, ...) are attributes.
 */
import { assert, must } from '../../base/assert.ts';
import { type Bytes, toHex } from '../../base/bytes.ts';
import { sha256 } from '../../crypto/hash.ts';
import { fold } from './fold.ts';
import { type Attribute, type Attributes, type ElementType, elements, type TensorValue } from './onnx.ts';
import { inferOutputs, type OpName, operator } from './ops.ts';

/** A value's name, type and dimensions. */
export interface Tensor {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
}

/** One operator call; its outputs' shapes are in the graph's table. */
export interface Node {
  readonly op: OpName;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/** A graph as a value. `outputs` are names of `tensors`. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  readonly constants: ReadonlyMap<string, TensorValue>;
  readonly nodes: readonly Node[];
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export const int = (value: number): Attribute => ({ type: 'int', value });
export const ints = (value: readonly number[]): Attribute => ({ type: 'ints', value });
export const float = (value: number): Attribute => ({ type: 'float', value: Math.fround(value) });

/** The tensor of a name that an invariant guarantees. */
export function tensorOf(graph: Graph, name: string): Tensor {
  return must(graph.tensors.get(name), `no tensor ${name}`);
}

/** An attribute's number; the operator table guarantees that it is there. */
export function numberOf(node: Node, key: string): number {
  const attribute = node.attributes[key];
  assert(attribute?.type === 'int' || attribute?.type === 'float', `${node.op} has no number ${key}`);
  return attribute.value;
}

/** An attribute's integers; the operator table guarantees that they are there. */
export function integersOf(node: Node, key: string): readonly number[] {
  const attribute = node.attributes[key];
  assert(attribute?.type === 'ints', `${node.op} has no list ${key}`);
  return attribute.value;
}

/** Whether computing a node twice is computing it once: draws of random bits are told apart by their node. */
function isShared(op: OpName): boolean {
  return op !== 'CPowGemm' && op !== 'CPowGemmSRA' && op !== 'CPowGemmSRB';
}

/** Folding is budgeted, so that 20,000 hostile nodes cannot keep the compiler busy; beyond it nodes simply run. */
const FOLD_BUDGET = 33_554_432;

/**
 * Builds a graph in order. Equal calls become one node, calls on constants become constants, and a reshape of a
 * reshape becomes one: what is emitted depends on the sequence of calls alone.
 */
export class GraphBuilder {
  readonly name: string;
  readonly #inputs: Tensor[] = [];
  readonly #constants = new Map<string, TensorValue>();
  readonly #constantNames = new Map<string, string>();
  readonly #tensors = new Map<string, Tensor>();
  readonly #nodes: Node[] = [];
  readonly #producers = new Map<string, Node>();
  readonly #shared = new Map<string, Node>();
  readonly #taken = new Set<string>();
  readonly #pinned = new Set<string>();
  #foldBudget = FOLD_BUDGET;

  constructor(name: string) {
    this.name = name;
  }

  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  get inputs(): readonly Tensor[] {
    return this.#inputs;
  }

  /** A free name: `wanted`, or `wanted` with the first free number. */
  fresh(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.#taken.has(name); i++) name = `${wanted}.${i}`;
    this.#taken.add(name);
    return name;
  }

  /** Keeps a name from being given to anything but its later `input` or `parameter`. */
  reserve(name: string): void {
    this.#taken.add(name);
  }

  /** Keeps later reshapes of a value from passing it by: what has a gradient of its own must stay on the way. */
  pin(name: string): string {
    this.#pinned.add(name);
    return name;
  }

  /** Declares a graph input under exactly this name; the caller guarantees that it is free. */
  input(name: string, type: ElementType, dims: readonly number[]): string {
    assert(!this.#tensors.has(name), `input ${name} twice`);
    this.#taken.add(name);
    this.#inputs.push(this.#declare({ name, type, dims }));
    return name;
  }

  tensor(name: string): Tensor {
    return must(this.#tensors.get(name), `no tensor ${name}`);
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  dims(name: string): readonly number[] {
    return this.tensor(name).dims;
  }

  constantOf(name: string): TensorValue | undefined {
    return this.#constants.get(name);
  }

  /** The node that computes a value; undefined for inputs and constants. */
  producer(name: string): Node | undefined {
    return this.#producers.get(name);
  }

  /** A constant; equal data of equal shape is held once. */
  constant(wanted: string, type: ElementType, dims: readonly number[], data: Bytes): string {
    const key = `${type} ${dims.join('x')} ${toHex(sha256(data))}`;
    const known = this.#constantNames.get(key);
    if (known !== undefined) return known;
    const name = this.fresh(wanted);
    this.#constantNames.set(key, name);
    this.#constants.set(name, { name, type, dims, data });
    this.#declare({ name, type, dims });
    return name;
  }

  /** An f32 scalar constant. */
  scalar(value: number): string {
    return this.constant('const', 'f32', [], new Uint8Array(Float32Array.of(value).buffer));
  }

  /** The single output of a call. */
  emit(op: OpName, inputs: readonly string[], attributes: Attributes = {}, wanted?: string): string {
    return this.emitAll(op, inputs, attributes, wanted === undefined ? undefined : [wanted])[0] as string;
  }

  /** All outputs of a call. `wanted` proposes their names. Throws GraphError when the operands do not fit. */
  emitAll(
    op: OpName,
    inputs: readonly string[],
    attributes: Attributes = {},
    wanted: readonly (string | undefined)[] = [],
  ): readonly string[] {
    const operands = inputs.map((name) => this.tensor(name));
    const results = inferOutputs(op, operands, attributes, wanted[0] ?? op);
    const key = `${op} ${JSON.stringify(inputs)} ${JSON.stringify(attributes)}`;
    const known = this.#shared.get(key);
    if (known !== undefined) return known.outputs;
    const values = inputs.map((name) => this.#constants.get(name));
    const cost = [...operands, ...results].reduce((sum, { dims }) => sum + elements(dims), 0);
    if (values.length > 0 && cost <= this.#foldBudget && values.every((value) => value !== undefined)) {
      this.#foldBudget -= cost;
      const folded = fold(op, values, attributes, results);
      if (folded !== undefined) {
        return folded.map((data, i) => {
          const { type, dims } = must(results[i], 'one result per output');
          return this.constant(wanted[i] ?? 'folded', type, dims, data);
        });
      }
    }
    const outputs = results.map((_, i) => this.fresh(wanted[i] ?? `${operator(op).label ?? op.toLowerCase()}`));
    const node: Node = { op, inputs, outputs, attributes };
    results.forEach((result, i) => {
      this.#declare({ name: outputs[i] as string, ...result });
      this.#producers.set(outputs[i] as string, node);
    });
    this.#nodes.push(node);
    if (isShared(op)) this.#shared.set(key, node);
    return outputs;
  }

  /** The value with other dimensions; itself where they are equal. */
  reshape(name: string, dims: readonly number[], wanted?: string): string {
    let source = name;
    for (let from = this.producer(source); from?.op === 'Reshape'; from = this.producer(source)) {
      if (this.#pinned.has(source)) break;
      source = from.inputs[0] as string;
    }
    const now = this.dims(source);
    assert(elements(now) === elements(dims), `reshape of ${name} to ${dims.join('x')}`);
    if (now.length === dims.length && now.every((dim, i) => dim === dims[i])) return source;
    return this.emit('Reshape', [source], { shape: ints(dims) }, wanted);
  }

  /** The value with its axes in another order; itself where the order is the same. */
  transpose(name: string, perm: readonly number[], wanted?: string): string {
    if (perm.every((axis, i) => axis === i)) return name;
    const from = this.producer(name);
    if (from?.op === 'Transpose') {
      const inner = integersOf(from, 'perm');
      return this.transpose(
        from.inputs[0] as string,
        perm.map((axis) => inner[axis] as number),
        wanted,
      );
    }
    return this.emit('Transpose', [name], { perm: ints(perm) }, wanted);
  }

  /** The graph of what `outputs` need, in the order of emission; unused inputs are kept only where `keep` says so. */
  finish(outputs: readonly string[], keep: readonly string[] = []): Graph {
    const live = new Set<string>([...outputs, ...keep]);
    const nodes: Node[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((output) => live.has(output))) continue;
      for (const input of node.inputs) live.add(input);
      nodes.push(node);
    }
    nodes.reverse();
    for (const node of nodes) for (const output of node.outputs) live.add(output);
    return {
      name: this.name,
      inputs: this.#inputs.filter((input) => live.has(input.name)),
      outputs,
      constants: new Map([...this.#constants].filter(([name]) => live.has(name))),
      nodes,
      tensors: new Map([...this.#tensors].filter(([name]) => live.has(name))),
    };
  }

  #declare(tensor: Tensor): Tensor {
    this.#tensors.set(tensor.name, tensor);
    return tensor;
  }
}
