/** # engine run: one run of a graph from .npy files, so that anybody can compare executors hash by hash. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readNpy, writeNpy } from '../../compute/engine/npy.ts';
import type { RuntimeTensor } from '../../compute/engine/onnx-runtime.ts';
import { type ExecutorName, runGraph } from '../../compute/engine/run-graph.ts';
import { type CompiledGraph, compileForward } from '../../compute/graph/compile.ts';
import { readModel } from '../../compute/graph/onnx-read.ts';
import { isStepGraph, readStepGraph } from '../../compute/graph/step-graph.ts';
import { stepKey } from '../../compute/plan/executor.ts';
import { integer, parseFlags, UsageError, usage } from '../flags.ts';
import type { EngineOutput } from './engine.ts';
import { seedOf } from './engine-model.ts';

const FLAGS = {
  input: { kind: 'list', short: 'i', value: 'NAME=FILE.npy', help: 'an input; m and v default to zeros' },
  output: { kind: 'value', short: 'o', value: 'DIR', help: 'write every output there as .npy' },
  executor: { kind: 'value', value: 'NAME', help: 'wasm (default), js (the plain reference) or onnxruntime' },
  seed: { kind: 'value', value: 'HEX', help: 'step seed of 32 bytes for stochastic rounding (default zeros)' },
  step: { kind: 'value', value: 'T', help: 'step of the fragment, from 1 (default 1)' },
  'learning-rate': { kind: 'value', value: 'X', help: 'default 1e-3' },
  threads: { kind: 'value', value: 'N', help: 'threads of ONNX Runtime (default 1)' },
  timeout: { kind: 'value', value: 'SECONDS', help: 'limit of ONNX Runtime (default 60)' },
  help: { kind: 'flag', short: 'h', help: 'this text' },
} as const;

/** `maitoken engine run GRAPH.onnx --input name=FILE.npy --output DIR --executor wasm|js|onnxruntime`. */
export async function runCommand(argv: readonly string[], io: EngineOutput): Promise<number> {
  const { options, positionals } = parseFlags('maitoken engine run', argv, FLAGS, 1);
  if (options.help) {
    io.out(usage('maitoken engine run GRAPH.onnx', 'runs a step, evaluation or forward graph once', FLAGS));
    return 0;
  }
  const [path] = positionals;
  if (path === undefined) throw new UsageError('maitoken engine run: give a GRAPH.onnx; see --help');
  const executor = options.executor ?? 'wasm';
  if (!isExecutor(executor)) throw new UsageError(`--executor ${executor}: give wasm, js or onnxruntime`);
  const lr = Math.fround(Number(options['learning-rate'] ?? '1e-3'));
  if (!Number.isFinite(lr)) throw new UsageError(`--learning-rate ${options['learning-rate']}: give a number`);
  const { compiled, theta } = readGraph(readFileSync(path));
  const given = Object.fromEntries(options.input.map(readInput));
  const run = {
    inputs: theta === undefined ? given : { theta, ...given },
    scalars: {
      key: stepKey(options.seed === undefined ? new Uint8Array(32) : seedOf(options.seed)),
      lr,
      t: integer('step', options.step, 1, 1, 1_000_000),
    },
    limits: {
      threads: integer('threads', options.threads, 1, 1, 256),
      timeoutMs: 1_000 * integer('timeout', options.timeout, 60, 1, 86_400),
    },
  };
  const outputs = await runGraph(executor, compiled, run);
  if (options.output !== undefined) mkdirSync(options.output, { recursive: true });
  for (const name of compiled.graph.outputs) report(name, outputs[name] as RuntimeTensor, options.output, io);
  return 0;
}

const isExecutor = (name: string): name is ExecutorName => name === 'wasm' || name === 'js' || name === 'onnxruntime';

/** A compiled graph as it is, or a forward model with its own weights as theta. */
function readGraph(file: Uint8Array): { readonly compiled: CompiledGraph; readonly theta: RuntimeTensor | undefined } {
  if (isStepGraph(file)) return { compiled: readStepGraph(file), theta: undefined };
  const { inference, theta } = compileForward(readModel(file));
  const data = new Float32Array(theta.slice().buffer);
  return { compiled: inference, theta: { type: 'f32', dims: [data.length], data } };
}

function readInput(text: string): [string, RuntimeTensor] {
  const split = text.lastIndexOf('=');
  if (split <= 0) throw new UsageError(`--input ${text}: give NAME=FILE.npy`);
  return [text.slice(0, split), readNpy(readFileSync(text.slice(split + 1)))];
}

function report(name: string, tensor: RuntimeTensor, folder: string | undefined, io: EngineOutput): void {
  const { type, dims, data } = tensor;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const digest = createHash('sha256').update(bytes).digest('hex');
  const value = data.length === 1 ? `  ${data[0]}` : '';
  io.out(`${name}  ${type} [${dims.join(', ')}]  sha256 ${digest}${value}`);
  // A name is a stranger's: it becomes a file name by its harmless characters alone.
  if (folder !== undefined) writeFileSync(join(folder, `${name.replace(/[^\w.-]/g, '_')}.npy`), writeNpy(tensor));
}
