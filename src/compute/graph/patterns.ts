/**
 * # Patterns: what exporters spell out in primitives is found again as one canonical function.
 *
 * Always true: a match means that the function computes mathematically what the primitives do; a pattern that differs
 * in anything but association and the place of scalar factors is left alone and runs as primitives.
 */
import { must } from '../../base/assert.ts';
import { decodeValues } from './fold.ts';
import { type Graph, integersOf, type Node, tensorOf } from './ir.ts';
import { elements } from './onnx.ts';
import type { OpName } from './ops.ts';
import { baseElements, isPlaced, producersOf, type View, viewOf } from './views.ts';

/** An activation found at a Mul: `x` is its argument. */
export interface ActivationMatch {
  readonly op: 'Gelu' | 'GeluErf' | 'Silu';
  readonly x: string;
}

/** Attention found at the node whose output is o[sequences][tokens][heads][width]. */
export interface AttentionMatch {
  readonly causal: boolean;
  readonly scale: number;
  readonly sequences: number;
  readonly tokens: number;
  readonly heads: number;
  readonly width: number;
  /** One value that holds q, k, v as column blocks, or three values that hold one each. */
  readonly qkv: readonly [string] | readonly [string, string, string];
}

/** A product of values and one scalar. */
interface Factors {
  readonly names: readonly string[];
  readonly scale: number;
}

/** Exporters write constants with seven digits or fewer: 0.044715, 0.7978846. */
const DIGITS = 1e-4;
const SQRT_HALF = Math.SQRT1_2;
const SQRT_2_OVER_PI = 0.7978845608028654;
const GELU_CUBIC = 0.044715;
/** Operators between x and the tanh or erf of a Gelu. */
const ARGUMENT: readonly OpName[] = ['Mul', 'Div', 'Add'];
/** A mask this low gives exactly +0 after exp. */
const MASKED = -10_000;

const near = (value: number, wanted: number): boolean => Math.abs(value - wanted) <= DIGITS * Math.abs(wanted);

/** Finds patterns in one graph. */
export class Patterns {
  readonly #graph: Graph;
  readonly #producers: ReadonlyMap<string, Node>;

  readonly #masks = new Map<string, boolean | undefined>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#producers = producersOf(graph);
  }

  /** The activation that a Mul completes. */
  activation(node: Node): ActivationMatch | undefined {
    if (node.op !== 'Mul') return undefined;
    const root = node.outputs[0] as string;
    const factors = this.#subtree(root, ['Mul', 'Div'], 2);
    for (const gate of factors) {
      const bend = this.#bendOf(gate);
      if (bend === undefined) continue;
      // The argument may itself be a product: each value that it could be is tried as one.
      const candidates = bend.op === 'Sigmoid' ? bend.inputs : this.#subtree(bend.inputs[0] as string, ARGUMENT, 3);
      for (const x of candidates) {
        const op = factors.has(x) ? this.#activationOf(root, gate, bend, x) : undefined;
        if (op !== undefined) return { op, x };
      }
    }
    return undefined;
  }

  /** The attention whose output an axis swap (or, for one head of three axes, a product) completes. */
  attention(node: Node): AttentionMatch | undefined {
    const output = node.outputs[0] as string;
    let product: Node | undefined = node;
    if (node.op === 'Transpose') {
      if (integersOf(node, 'perm').join() !== '0,2,1,3') return undefined;
      product = this.#producers.get(node.inputs[0] as string);
    } else if (this.#dims(output).length !== 3) return undefined;
    if (product?.op !== 'MatMul') return undefined;
    const softmax = this.#producers.get(product.inputs[0] as string);
    if (softmax?.op !== 'Softmax') return undefined;
    const scores = this.#scores(softmax.inputs[0] as string);
    return scores && this.#placed(scores, product.inputs[1] as string);
  }

  /** The sigmoid that a gate is, or the tanh or erf that it is one plus. */
  #bendOf(gate: string): Node | undefined {
    const node = this.#producers.get(gate);
    if (node?.op === 'Sigmoid') return node;
    const inner = this.#onePlus(gate);
    const bend = inner === undefined ? undefined : this.#producers.get(inner);
    return bend?.op === 'Tanh' || bend?.op === 'Erf' ? bend : undefined;
  }

  #activationOf(root: string, gate: string, bend: Node, x: string): ActivationMatch['op'] | undefined {
    const { names, scale } = this.#factors(root, [x, gate]);
    if (names.length !== 2 || !names.includes(x) || !names.includes(gate)) return undefined;
    if (bend.op === 'Sigmoid') return scale === 1 ? 'Silu' : undefined;
    const argument = bend.inputs[0] as string;
    if (!near(scale, 0.5)) return undefined;
    if (bend.op === 'Tanh') return this.#isGeluArgument(argument, x) ? 'Gelu' : undefined;
    const t = this.#factors(argument, [x]);
    return t.names.length === 1 && t.names[0] === x && near(t.scale, SQRT_HALF) ? 'GeluErf' : undefined;
  }

  /** Values from which a value is made by at most `depth` of these operators: at most 2^(depth + 1). */
  #subtree(name: string, ops: readonly OpName[], depth: number): Set<string> {
    const found = new Set([name]);
    const node = depth === 0 ? undefined : this.#producers.get(name);
    if (node === undefined || !ops.includes(node.op)) return found;
    for (const input of node.inputs) for (const each of this.#subtree(input, ops, depth - 1)) found.add(each);
    return found;
  }

  /** sqrt(2/pi) * (x + 0.044715 x^3), or with x taken out of the bracket. */
  #isGeluArgument(name: string, x: string): boolean {
    const { names, scale } = this.#factors(name, [x]);
    if (!near(scale, SQRT_2_OVER_PI)) return false;
    if (names.length === 2 && names.includes(x)) {
      const bracket = this.#onePlus(names[0] === x ? (names[1] as string) : (names[0] as string));
      return bracket !== undefined && this.#isPower(bracket, x, 2);
    }
    const sum = names.length === 1 ? this.#producers.get(names[0] as string) : undefined;
    if (sum?.op !== 'Add') return false;
    const [a, b] = sum.inputs as [string, string];
    return (a === x && this.#isPower(b, x, 3)) || (b === x && this.#isPower(a, x, 3));
  }

  #isPower(name: string, x: string, power: number): boolean {
    const { names, scale } = this.#factors(name, [x]);
    return names.length === power && names.every((each) => each === x) && near(scale, GELU_CUBIC);
  }

  /** y of 1 + y. */
  #onePlus(name: string): string | undefined {
    const node = this.#producers.get(name);
    if (node?.op !== 'Add') return undefined;
    const [a, b] = node.inputs as [string, string];
    if (this.#scalar(a) === 1) return b;
    return this.#scalar(b) === 1 ? a : undefined;
  }

  /**
   * A tree of products, flattened down to `atoms`. A pattern has at most three factors and few constants; what is
   * larger is given up early, so that long products cost no more than short ones.
   */
  #factors(name: string, atoms: readonly string[] = []): Factors {
    const names: string[] = [];
    let scale = 1;
    const open = [name];
    for (let visited = 0; open.length > 0 && visited < 12 && names.length <= 3; visited++) {
      const next = must(open.pop(), 'not empty');
      const constant = this.#scalar(next);
      const node = this.#producers.get(next);
      const divisor = node?.op === 'Div' ? this.#scalar(node.inputs[1] as string) : undefined;
      if (constant !== undefined) scale *= constant;
      else if (atoms.includes(next)) names.push(next);
      else if (node?.op === 'Mul') open.push(...node.inputs);
      else if (node !== undefined && divisor !== undefined) {
        scale /= divisor;
        open.push(node.inputs[0] as string);
      } else names.push(next);
    }
    return { names: [...names, ...open], scale };
  }

  /** The number that a constant of one element holds. */
  #scalar(name: string): number | undefined {
    const constant = this.#graph.constants.get(name);
    if (constant === undefined || constant.type !== 'f32' || elements(constant.dims) !== 1) return undefined;
    return decodeValues(constant)[0];
  }

  #dims(name: string): readonly number[] {
    return tensorOf(this.#graph, name).dims;
  }

  /** q, transposed k, scale and mask of the argument of a softmax. */
  #scores(name: string): { q: string; k: string; scale: number; causal: boolean } | undefined {
    const masked = this.#mask(name);
    const { names, scale } = this.#factors(masked?.scores ?? name);
    const product = names.length === 1 ? this.#producers.get(names[0] as string) : undefined;
    if (product?.op !== 'MatMul') return undefined;
    const [q, k] = product.inputs.map((operand) => this.#unscaled(operand)) as [Factors, Factors];
    if (q.names.length !== 1 || k.names.length !== 1) return undefined;
    return {
      q: q.names[0] as string,
      k: k.names[0] as string,
      scale: Math.fround(scale * q.scale * k.scale),
      causal: masked?.causal ?? false,
    };
  }

  /** A scalar factor of q or k may stand before or after their axis swaps. */
  #unscaled(name: string): Factors {
    const direct = this.#factors(name);
    return direct.names.length === 1 ? direct : { names: [name], scale: 1 };
  }

  #mask(name: string): { scores: string; causal: boolean } | undefined {
    const node = this.#producers.get(name);
    if (node?.op === 'Add') {
      const [a, b] = node.inputs as [string, string];
      const [scores, mask] = this.#graph.constants.has(a) ? [b, a] : [a, b];
      const causal = this.#isCausal(mask, name, (value) => (value === 0 ? true : value <= MASKED ? false : undefined));
      return causal === undefined ? undefined : { scores, causal };
    }
    if (node?.op !== 'Where') return undefined;
    const [condition, yes, no] = node.inputs as [string, string, string];
    const blocked = (fill: number | undefined): boolean => fill !== undefined && fill <= MASKED;
    const kept = blocked(this.#scalar(no)) ? true : blocked(this.#scalar(yes)) ? false : undefined;
    if (kept === undefined) return undefined;
    const causal = this.#isCausal(condition, name, (value) => (value !== 0) === kept);
    return causal === undefined ? undefined : { scores: kept ? yes : no, causal };
  }

  /** true: the constant keeps exactly the lower triangle; false: it keeps everything; undefined: neither. */
  #isCausal(name: string, scores: string, keeps: (value: number) => boolean | undefined): boolean | undefined {
    const constant = this.#graph.constants.get(name);
    const [rows = 0, columns = 0] = this.#dims(scores).slice(-2);
    if (constant === undefined || rows !== columns || elements(constant.dims) !== rows * columns) return undefined;
    if (rows > 1 && (constant.dims.at(-1) !== columns || constant.dims.at(-2) !== rows)) return undefined;
    // All layers share one mask: it is read once, not once a layer.
    const key = `${name} ${keeps(0)}`;
    if (!this.#masks.has(key)) this.#masks.set(key, triangleOf(decodeValues(constant), columns, keeps));
    return this.#masks.get(key);
  }

  #placed(scores: { q: string; k: string; scale: number; causal: boolean }, v: string): AttentionMatch | undefined {
    const [q, k, w] = [scores.q, scores.k, v].map((name) => viewOf(this.#graph, this.#producers, name)) as View[];
    if (q === undefined || k === undefined || w === undefined) return undefined;
    const dims = q.dims.length === 3 ? [q.dims[0], 1, ...q.dims.slice(1)] : q.dims;
    const [sequences = 0, heads = 0, tokens = 0, width = 0] = dims as number[];
    const size = { sequences, heads, tokens, width, scale: scores.scale, causal: scores.causal };
    const columns = heads * width;
    const holds = (view: View, offset: number, row: number, turned: boolean): boolean => {
      const sizes = turned ? [sequences, heads, width, tokens] : [sequences, heads, tokens, width];
      const strides = turned ? [tokens * row, width, 1, row] : [tokens * row, width, row, 1];
      const three = (list: number[]): number[] => (q.dims.length === 3 ? list.toSpliced(1, 1) : list);
      return (
        isPlaced(view, three(sizes), three(strides), offset) &&
        baseElements(this.#graph, view) === sequences * tokens * row
      );
    };
    const wide = 3 * columns;
    const fused = q.base === k.base && k.base === w.base;
    if (fused && holds(q, 0, wide, false) && holds(k, columns, wide, true) && holds(w, 2 * columns, wide, false)) {
      return { ...size, qkv: [q.base] };
    }
    const apart = holds(q, 0, columns, false) && holds(k, 0, columns, true) && holds(w, 0, columns, false);
    return apart ? { ...size, qkv: [q.base, k.base, w.base] } : undefined;
  }
}

/** true: exactly the lower triangle is kept; false: everything is; undefined: neither. */
function triangleOf(
  values: ArrayLike<number>,
  columns: number,
  keeps: (value: number) => boolean | undefined,
): boolean | undefined {
  let lower = true;
  let full = true;
  for (let i = 0; i < values.length; i++) {
    const kept = keeps(values[i] as number);
    if (kept !== true) full = false;
    const inside = i % columns <= Math.floor(i / columns);
    if (kept !== inside) lower = false;
  }
  return lower ? true : full ? false : undefined;
}
