/**
 * # Optimiser nodes: how the state of a step follows from its gradients.
 *
 * Always true: theta, m and v are flat vectors in the order of the parameters, and so are the gradients; parameters of
 * equal weight decay that stand together are one node. Source: ENGINE.md section 9.
 */
import { must } from '../../base/assert.ts';
import type { Parameter } from './admission.ts';
import { ensure } from './graph-error.ts';
import { float, type GraphBuilder, int, ints } from './ir.ts';
import { elements } from './onnx.ts';

interface Common {
  readonly weightDecay: number;
  /** Parameters whose weight decay is 0. */
  readonly noDecay?: readonly string[];
  /** Clip the gradient to this global norm. */
  readonly maxNorm?: number;
}

export interface AdamW extends Common {
  readonly kind: 'adamw';
  readonly b1: number;
  readonly b2: number;
  readonly eps: number;
}

export interface Sgd extends Common {
  readonly kind: 'sgd';
  readonly momentum: number;
  readonly nesterov: boolean;
}

export type Optimiser = AdamW | Sgd;

/** The names under which a step graph takes its state and the scalars of a step. */
export const STATE_INPUTS = ['theta', 'm', 'v'] as const;
export const STEP_INPUTS = ['lr', 'c1', 'c2'] as const;

/** Refuses constants that cannot train anything. Throws GraphError. */
export function checkOptimiser(optimiser: Optimiser, parameters: readonly Parameter[]): void {
  const within = (value: number, low: number, high: number, what: string): void =>
    ensure(value >= low && value <= high, 'BadOptimiser', `${what} ${value}`);
  within(optimiser.weightDecay, 0, 1, 'weight decay');
  if (optimiser.maxNorm !== undefined) within(optimiser.maxNorm, 2 ** -126, 3e38, 'clipping norm');
  if (optimiser.kind === 'adamw') {
    within(optimiser.b1, 0, 0.99999, 'b1');
    within(optimiser.b2, 0, 0.99999, 'b2');
    within(optimiser.eps, 1e-30, 1, 'eps');
  } else {
    within(optimiser.momentum, 0, 0.99999, 'momentum');
    ensure(!optimiser.nesterov || optimiser.momentum > 0, 'BadOptimiser', 'Nesterov without momentum');
  }
  for (const name of optimiser.noDecay ?? []) {
    ensure(
      parameters.some((parameter) => parameter.name === name),
      'BadOptimiser',
      `no parameter ${name}`,
    );
  }
}

/** A run of parameters that share one weight decay. */
interface Group {
  readonly size: number;
  readonly decay: number;
}

function groupsOf(optimiser: Optimiser, parameters: readonly Parameter[]): Group[] {
  const groups: Group[] = [];
  for (const { name, dims } of parameters) {
    const decay = optimiser.noDecay?.includes(name) ? 0 : optimiser.weightDecay;
    const last = groups.at(-1);
    if (last?.decay === decay) groups[groups.length - 1] = { size: last.size + elements(dims), decay };
    else groups.push({ size: elements(dims), decay });
  }
  return groups;
}

/** How many of theta, m, v an optimiser keeps. */
function statePartsOf(optimiser: Optimiser): 1 | 2 | 3 {
  if (optimiser.kind === 'adamw') return 3;
  return optimiser.momentum === 0 ? 1 : 2;
}

/**
 * Emits the optimiser on the flat gradient `g[P]` and returns the new state, one name per part. `theta` is declared
 * already; the other inputs are declared here.
 */
export function optimise(
  b: GraphBuilder,
  optimiser: Optimiser,
  parameters: readonly Parameter[],
  g: string,
): readonly string[] {
  const [count = 0] = b.dims(g);
  const parts = STATE_INPUTS.slice(0, statePartsOf(optimiser));
  for (const part of parts.slice(1)) b.input(part, 'f32', [count]);
  const scalars = optimiser.kind === 'adamw' ? STEP_INPUTS : STEP_INPUTS.slice(0, 1);
  for (const scalar of scalars) b.input(scalar, 'f32', []);
  const clipped =
    optimiser.maxNorm === undefined
      ? g
      : b.emit('ClipNorm', [g], { maxNorm: float(optimiser.maxNorm) }, 'grad/clipped');
  const groups = groupsOf(optimiser, parameters);
  const vectors = [...parts, clipped].map((name) => cutVector(b, name, groups));
  const next = groups.map((group, i) => {
    const operands = vectors.map((pieces) => must(pieces[i], 'one piece per group'));
    return updateNode(b, optimiser, group.decay, [...operands, ...scalars], parts);
  });
  return parts.map((part, i) => {
    const pieces = next.map((outputs) => must(outputs[i], 'one output per part'));
    return pieces.length === 1 ? (pieces[0] as string) : b.emit('Concat', pieces, { axis: int(0) }, `${part}.next`);
  });
}

function cutVector(b: GraphBuilder, name: string, groups: readonly Group[]): readonly string[] {
  if (groups.length === 1) return [name];
  const sizes = groups.map(({ size }) => size);
  return b.emitAll(
    'Split',
    [name],
    { axis: int(0), split: ints(sizes) },
    sizes.map((_, i) => `${name}.group${i}`),
  );
}

function updateNode(
  b: GraphBuilder,
  optimiser: Optimiser,
  decay: number,
  operands: readonly string[],
  parts: readonly string[],
): readonly string[] {
  const wanted = parts.map((part) => `${part}.next`);
  const wd = float(decay);
  if (optimiser.kind === 'adamw') {
    const { b1, b2, eps } = optimiser;
    return b.emitAll('AdamW', operands, { b1: float(b1), b2: float(b2), eps: float(eps), wd }, wanted);
  }
  if (optimiser.momentum === 0) return b.emitAll('SgdPlain', operands, { wd }, wanted);
  return b.emitAll(optimiser.nesterov ? 'SgdNesterov' : 'Sgd', operands, { mu: float(optimiser.momentum), wd }, wanted);
}
