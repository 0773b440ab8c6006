/** # engine compile: a provider's forward model becomes a step graph, with what it will cost. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../base/bytes.ts';
import { stateRoot } from '../../compute/canonical/state-root.ts';
import { writeNpy } from '../../compute/engine/npy.ts';
import { runGraph } from '../../compute/engine/run-graph.ts';
import { sampleInputs } from '../../compute/engine/sample-inputs.ts';
import {
  type Compiled,
  type CompiledGraph,
  type CompileOptions,
  compile,
  type Loss,
} from '../../compute/graph/compile.ts';
import { readModel } from '../../compute/graph/onnx-read.ts';
import type { Optimiser } from '../../compute/graph/optimiser.ts';
import { parseLayout } from '../../compute/graph/record.ts';
import { stepGraphHash, writeStepGraph } from '../../compute/graph/step-graph.ts';
import { planStep } from '../../compute/plan/planner.ts';
import { checkShape, PROFILES, ticketCount } from '../../compute/pouw/profile.ts';
import { integer, parseFlags, UsageError, usage } from '../flags.ts';
import type { EngineOutput } from './engine.ts';

const FLAGS = {
  loss: { kind: 'value', value: 'LOSS', help: 'cross-entropy, mse, or output (the model ends in its loss); required' },
  optimizer: { kind: 'value', value: 'KIND', help: 'adamw (default) or sgd' },
  output: { kind: 'value', short: 'o', value: 'DIR', help: 'where step.onnx, eval.onnx and theta.npy go (default .)' },
  record: { kind: 'value', value: 'LAYOUT', help: "how a record fills the inputs, e.g. '65 tokens:u8@0 labels:u8@1'" },
  dim: { kind: 'list', value: 'NAME=N', help: 'size of a symbolic dimension; may be repeated' },
  freeze: { kind: 'list', value: 'NAME', help: 'an initialiser that is a constant; may be repeated' },
  b1: { kind: 'value', value: 'X', help: 'adamw (default 0.9)' },
  b2: { kind: 'value', value: 'X', help: 'adamw (default 0.95)' },
  eps: { kind: 'value', value: 'X', help: 'adamw (default 1e-8)' },
  momentum: { kind: 'value', value: 'X', help: 'sgd (default 0)' },
  nesterov: { kind: 'flag', help: 'sgd with Nesterov momentum' },
  'weight-decay': { kind: 'value', value: 'X', help: 'default 0.01' },
  'no-decay': { kind: 'list', value: 'NAME', help: 'a parameter without weight decay; may be repeated' },
  'max-norm': { kind: 'value', value: 'X', help: 'clip the gradient to this global norm' },
  profile: { kind: 'value', value: 'N', help: 'profile of the mined share (default 0)' },
  precision: { kind: 'value', value: 'CLASS', help: 'i7 (default) or f32 (no mined products; for comparison)' },
  check: { kind: 'flag', help: 'run one step on ONNX Runtime too; the losses must agree to 1e-3' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

type Options = ReturnType<typeof parseFlags<typeof FLAGS>>['options'];

/** Relative difference of losses that admission tolerates (ENGINE section 12). */
const TOLERANCE = 1e-3;

/** `maitoken engine compile MODEL.onnx --loss … --optimizer …`. */
export async function compileCommand(argv: readonly string[], io: EngineOutput): Promise<number> {
  const { options, positionals } = parseFlags('maitoken engine compile', argv, FLAGS, 1);
  if (options.help) {
    io.out(usage('maitoken engine compile MODEL.onnx', 'forward model -> step graph', FLAGS));
    return 0;
  }
  const [path] = positionals;
  if (path === undefined) throw new UsageError('maitoken engine compile: give a MODEL.onnx; see --help');
  const profile = integer('profile', options.profile, 0, 0, PROFILES.length - 1);
  const compiled = compile(readModel(readFileSync(path)), compileOptions(options));
  const folder = options.output ?? '.';
  mkdirSync(folder, { recursive: true });
  const files = { 'step.onnx': compiled.step, 'eval.onnx': compiled.evaluation };
  for (const [name, graph] of Object.entries(files)) writeFileSync(join(folder, name), writeStepGraph(graph));
  const theta = new Float32Array(compiled.theta.slice().buffer);
  writeFileSync(join(folder, 'theta.npy'), writeNpy({ type: 'f32', dims: [theta.length], data: theta }));
  report(compiled, profile, io);
  return options.check ? await compareLosses(compiled, theta, io) : 0;
}

function compileOptions(options: Options): CompileOptions {
  const loss = options.loss ?? '';
  if (!isLoss(loss)) throw new UsageError(`--loss ${loss}: give cross-entropy, mse or output`);
  const precision = options.precision ?? 'i7';
  if (precision !== 'i7' && precision !== 'f32') throw new UsageError(`--precision ${precision}: give i7 or f32`);
  const bind = Object.fromEntries(options.dim.map(dimension));
  return {
    ...{ loss, precision, bind, frozen: options.freeze, optimiser: optimiserOf(options) },
    ...(options.record === undefined ? {} : { record: parseLayout(options.record) }),
  };
}

const isLoss = (text: string): text is Loss => text === 'cross-entropy' || text === 'mse' || text === 'output';

function dimension(text: string): [string, number] {
  const [name = '', size = ''] = text.split('=');
  return [name, integer(`dim ${name}`, size, 0, 1, 2 ** 31)];
}

function optimiserOf(options: Options): Optimiser {
  const number = (name: 'b1' | 'b2' | 'eps' | 'momentum' | 'weight-decay' | 'max-norm', fallback: number): number => {
    const text = options[name];
    const value = text === undefined ? fallback : Number(text);
    if (!Number.isFinite(value)) throw new UsageError(`--${name} ${text}: give a number`);
    return value;
  };
  const common = {
    weightDecay: number('weight-decay', 0.01),
    noDecay: options['no-decay'],
    ...(options['max-norm'] === undefined ? {} : { maxNorm: number('max-norm', 1) }),
  };
  const kind = options.optimizer ?? 'adamw';
  if (kind === 'adamw') {
    return { kind, b1: number('b1', 0.9), b2: number('b2', 0.95), eps: number('eps', 1e-8), ...common };
  }
  if (kind !== 'sgd') throw new UsageError(`--optimizer ${kind}: give adamw or sgd`);
  return { kind, momentum: number('momentum', 0), nesterov: options.nesterov, ...common };
}

function report({ step, evaluation, cost }: Compiled, profile: number, io: EngineOutput): void {
  const plan = planStep(step);
  const row = (name: string, value: string): void => io.out(`${name.padEnd(16)}${value}`);
  const file = writeStepGraph(step);
  const fitting = plan.mined.flatMap((node) => {
    const checked = checkShape(profile, node);
    return checked.ok ? [checked.shape] : [];
  });
  const minedMacs = fitting.reduce((sum, { m, n, k }) => sum + m * n * k, 0);
  const tickets = fitting.reduce((sum, shape) => sum + ticketCount(shape), 0);
  row('parameters', `${plan.state.count} in ${step.parameters.length} tensors`);
  row(
    'nodes',
    `${step.graph.nodes.length}, of which ${plan.mined.length} are mined products, ${plan.steps.length} kernel steps`,
  );
  row('mined share', `${((100 * minedMacs) / cost.macs).toFixed(1)} % of multiply-accumulates at profile ${profile}`);
  row('', `${fitting.length} of ${plan.mined.length} products fit, ${tickets} tickets a step`);
  row('FLOPs', `${(2 * cost.macs).toLocaleString('en')} a step in matrix products and attention`);
  row(
    'memory',
    `${(plan.bytes / 2 ** 20).toFixed(1)} MiB, state ${(4 * plan.state.parts * plan.state.count) / 1e6} MB`,
  );
  row('inputs', plan.inputs.map(describe).join(', '));
  row('step.onnx', `${file.length} bytes`);
  row('SHA-256', toHex(stepGraphHash(file)));
  row('blob id', toHex(stateRoot([file])));
  row('eval SHA-256', toHex(stepGraphHash(writeStepGraph(evaluation))));
}

const describe = ({ name, type, dims }: { name: string; type: string; dims: readonly number[] }): string =>
  `${name} ${type} ${dims.join('x')}`;

/** Admission's comparison: one step from the initial weights on both engines. */
async function compareLosses({ step }: Compiled, theta: Float32Array, io: EngineOutput): Promise<number> {
  const inputs = { ...sampleInputs(step), theta: { type: 'f32' as const, dims: [theta.length], data: theta } };
  const run = { inputs, scalars: { key: [1, 2] as const, lr: Math.fround(1e-3), t: 1 } };
  const loss = async (graph: CompiledGraph, executor: 'wasm' | 'onnxruntime'): Promise<number> => {
    const outputs = await runGraph(executor, graph, run);
    return outputs[graph.graph.outputs.at(-1) as string]?.data[0] as number;
  };
  const [ours, theirs] = [await loss(step, 'wasm'), await loss(step, 'onnxruntime')];
  const difference = Math.abs(ours - theirs) / Math.max(Math.abs(ours), Number.MIN_VALUE);
  io.out(
    `loss            ${ours} on the canonical engine, ${theirs} on ONNX Runtime, ${difference.toExponential(1)} apart`,
  );
  if (difference <= TOLERANCE) return 0;
  io.err(`LossesDiffer: the engines' losses differ by more than ${TOLERANCE}`);
  return 1;
}
