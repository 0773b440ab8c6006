/**
 * # ONNX Runtime: the second engine, for comparison and for people, in a process that can be killed.
 *
 * Always true: a run ends within its limit, by an answer or by SIGKILL; native code runs with bounded CPU time and
 * memory, without write access, and never on the import path. A worker thread would not do: it cannot be terminated
 * while a native loop runs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Bytes } from '../../base/bytes.ts';
import type { RuntimeAnswer, RuntimeRequest, RuntimeTensor } from './onnx-messages.ts';

export type { RuntimeTensor } from './onnx-messages.ts';

/** Why the runtime gave no answer. */
export const RUNTIME_ERRORS = {
  Timeout: 'the run exceeded its time and was killed',
  Refused: 'ONNX Runtime refused the model or its inputs',
  Died: 'the process ended without an answer: a limit of CPU time or memory, or a crash',
} as const;

export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: keyof typeof RUNTIME_ERRORS;

  constructor(code: keyof typeof RUNTIME_ERRORS, detail: string) {
    super(`${code}: ${RUNTIME_ERRORS[code]} (${detail})`);
    this.code = code;
  }
}

export interface RuntimeLimits {
  /** Wall clock until SIGKILL. Default 60,000. */
  readonly timeoutMs?: number;
  /** Threads of one operator. Default 1. */
  readonly threads?: number;
  /** Address space in MiB, on Linux. Default 32,768: V8 alone reserves more than ten gigabytes. */
  readonly addressSpaceMb?: number;
}

export interface RuntimeResult {
  readonly outputs: readonly Readonly<Record<string, RuntimeTensor>>[];
  readonly ms: readonly number[];
}

const CHILD = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './onnx-child.ts' : './onnx-child.js', import.meta.url),
);
const NODE_FLAGS = ['--no-warnings', '--permission', '--allow-addons', '--allow-fs-read=*'];

/** Runs a model on each of `runs`, in a child process of its own. Rejects with RuntimeError. */
export function runOnnx(
  model: Bytes,
  runs: readonly Readonly<Record<string, RuntimeTensor>>[],
  limits: RuntimeLimits = {},
): Promise<RuntimeResult> {
  const { timeoutMs = 60_000, threads = 1 } = limits;
  return new Promise((resolve, reject) => {
    const child = startChild(limits);
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-2_000);
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new RuntimeError('Timeout', `${timeoutMs} ms`));
    }, timeoutMs);
    child.once('message', (answer: RuntimeAnswer) => {
      clearTimeout(timer);
      if (answer.type === 'done') resolve({ outputs: answer.outputs, ms: answer.ms });
      else reject(new RuntimeError('Refused', answer.message));
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(new RuntimeError('Died', error.message));
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      // After an answer or a timeout this settles nothing.
      reject(new RuntimeError('Died', `${signal ?? `code ${code}`}; ${stderr.trim().slice(-300)}`));
    });
    const request: RuntimeRequest = { model, runs, threads };
    child.send(request, (error) => {
      if (error !== null) child.kill('SIGKILL');
    });
  });
}

/** The child under the limits that a shell can set; on other systems the wall clock alone bounds it. */
function startChild({ timeoutMs = 60_000, threads = 1, addressSpaceMb = 32_768 }: RuntimeLimits): ChildProcess {
  const options = { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] as const, serialization: 'advanced' as const };
  const args = [...NODE_FLAGS, CHILD];
  if (process.platform !== 'linux') return spawn(process.execPath, args, { ...options, stdio: [...options.stdio] });
  const cpuSeconds = Math.ceil((timeoutMs / 1_000) * threads) + 5;
  const script = `ulimit -t ${cpuSeconds}; ulimit -v ${addressSpaceMb * 1_024}; ulimit -c 0; exec "$0" "$@"`;
  return spawn('/bin/sh', ['-c', script, process.execPath, ...args], { ...options, stdio: [...options.stdio] });
}
