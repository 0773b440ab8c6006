#!/usr/bin/env node
/**
 * # maitoken: one program for nodes, miners, checkers and tools.
 *
 * Always true: every fault that an operator can mend ends in one line that names what to change, and a non-zero code.
 */
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { operatorCode } from './exit-codes.ts';
import { UsageError } from './flags.ts';
import { processTerminal, type Terminal } from './terminal.ts';

type Command = (argv: readonly string[], terminal: Terminal) => Promise<number>;

/** Commands by name, loaded when asked for: a miner does not wait for libp2p to load. */
const COMMANDS = {
  devnet: async () => (await import('./commands/devnet.ts')).devnetCommand,
  miner: async () => (await import('./commands/miner.ts')).minerCommand,
  checker: async () => (await import('./commands/checker.ts')).checkerCommand,
  job: async () => (await import('./commands/job.ts')).jobCommand,
  engine: async () => (await import('./commands/engine.ts')).engineCommand,
  key: async () => (await import('./commands/key.ts')).keyCommand,
  sign: async () => (await import('./commands/sign.ts')).signCommand,
  verify: async () => (await import('./commands/sign.ts')).verifyCommand,
  'build-spec': async () => (await import('./commands/build-spec.ts')).buildSpecCommand,
  'export-chain-spec': async () => (await import('./commands/build-spec.ts')).exportChainSpecCommand,
  'export-blocks': async () => (await import('./commands/chain-data.ts')).exportBlocksCommand,
  'import-blocks': async () => (await import('./commands/chain-data.ts')).importBlocksCommand,
  'check-block': async () => (await import('./commands/chain-data.ts')).checkBlockCommand,
  'export-state': async () => (await import('./commands/chain-data.ts')).exportStateCommand,
  'chain-info': async () => (await import('./commands/chain-data.ts')).chainInfoCommand,
  'export-snapshot': async () => (await import('./commands/snapshot.ts')).exportSnapshotCommand,
  'import-snapshot': async () => (await import('./commands/snapshot.ts')).importSnapshotCommand,
  revert: async () => (await import('./commands/chain-data.ts')).revertCommand,
  'purge-chain': async () => (await import('./commands/purge-chain.ts')).purgeChainCommand,
  benchmark: async () => (await import('./commands/benchmark.ts')).benchmarkCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  node: async () => (await import('./commands/node.ts')).nodeCommand,
} satisfies Record<string, () => Promise<Command>>;

function isCommand(name: string): name is keyof typeof COMMANDS {
  return Object.hasOwn(COMMANDS, name);
}

/** Runs the command line; resolves with the exit code. */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await perform(argv, terminal);
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.err(error.message);
      return error.code;
    }
    const code = operatorCode(error);
    if (code === undefined) throw error;
    terminal.err((error as Error).message);
    return code;
  }
}

/** Flags without a command run a node, as Substrate's binaries do. */
async function perform(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [first = '', ...rest] = argv;
  if (first === '' || first.startsWith('-')) return (await COMMANDS.node())(argv, terminal);
  if (isCommand(first)) return (await COMMANDS[first]())(rest, terminal);
  const names = Object.keys(COMMANDS).join(', ');
  throw new UsageError(`maitoken: no command '${first}'; there are ${names}, or give node flags`);
}

/** Runs the process's own command line and ends the process. */
export function run(): void {
  const fatal = (error: unknown): void => {
    process.stderr.write(`fatal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(70);
  };
  // Whatever is not expected stops the process with a code of its own: a supervisor can tell it from a wrong flag.
  process.on('unhandledRejection', fatal);
  // A second start takes 1.8 s of CPU instead of 2.7. In a folder of the user's own: who can write there can run code.
  enableCompileCache(join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'maitoken'));
  // Blobs pass as buffers outside V8's heap. By default it collects the whole heap for every 64 MB of them: 100 times
  // in two minutes of devnet, 130 ms each, a sixth of a node's time. Counted with the heap they are collected like it.
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  main(process.argv.slice(2), processTerminal()).then((code) => process.exit(code), fatal);
}

if (import.meta.main) run();
