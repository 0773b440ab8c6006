/** # engine: compiles models to step graphs and runs graphs on any executor; for people, no chain needed. */
import { basename } from 'node:path';
import { GraphError } from '../../compute/graph/graph-error.ts';
import { ExecutionError } from '../../compute/plan/executor.ts';
import { compileCommand } from './engine-compile.ts';
import { modelCommand } from './engine-model.ts';
import { runCommand } from './engine-run.ts';

/** Where the command prints. */
export interface EngineOutput {
  out(line: string): void;
  err(line: string): void;
}

type Subcommand = (argv: readonly string[], io: EngineOutput) => Promise<number>;

const SUBCOMMANDS: Readonly<Record<string, { readonly run: Subcommand; readonly summary: string }>> = {
  model: { run: modelCommand, summary: 'writes one of the built-in forward models as ONNX' },
  compile: { run: compileCommand, summary: 'forward ONNX model + loss + optimiser -> step graph' },
  run: { run: runCommand, summary: 'runs a graph once from .npy files; prints shape and SHA-256 of every output' },
};

/** Faults of what was handed in, each with a code in its message. */
const REFUSALS = ['NpyError', 'InputError', 'RuntimeError', 'KernelsFileError', 'SafetensorsError'];

/** `maitoken engine model|compile|run`. Resolves with the exit code: 1 for a refusal, 2 for a wrong command line. */
export async function engineCommand(argv: readonly string[], io: EngineOutput): Promise<number> {
  const [name = '', ...rest] = argv;
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (subcommand === undefined) {
    const isHelp = name === '--help' || name === '-h';
    const print = isHelp ? io.out : io.err;
    if (!isHelp) print(`maitoken engine: ${name === '' ? 'no command given' : `no command '${name}'`}`);
    for (const [each, { summary }] of Object.entries(SUBCOMMANDS))
      print(`  maitoken engine ${each.padEnd(8)} ${summary}`);
    return isHelp ? 0 : 2;
  }
  try {
    return await subcommand.run(rest, io);
  } catch (error) {
    const isRefusal = error instanceof GraphError || error instanceof ExecutionError;
    if (isRefusal || (error instanceof Error && REFUSALS.includes(error.name))) {
      io.err((error as Error).message);
      return 1;
    }
    const { code, path, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined || code === undefined) throw error;
    io.err(`maitoken engine: ${basename(path ?? '')} cannot be used (${code})`);
    return 1;
  }
}
