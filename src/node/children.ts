/**
 * # Children: the miner and the checker that a dev validator starts, each a process of its own.
 *
 * Always true: they get what any miner gets, the node's URL and their keys; they end with the node, and one that dies
 * is started again after a pause that grows.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import type { NodeConfig } from './config.ts';

/**
 * How processes with an engine are started. The compiler pass joins neighbouring 128-bit vectors to 256 bits: a plain
 * step takes 106 ms instead of 150. It is experimental, so every engine proves itself first (compute/plan/self-test,
 * compute/pouw/self-test); without --no-liftoff these would prove the code of another compiler than the one in use.
 */
export const ENGINE_FLAGS: readonly string[] = ['--no-warnings', '--no-liftoff', '--experimental-wasm-revectorize'];

/** For a process that was started without them: what it compiles from here on is compiled as in one with them. */
export function useEngineFlags(): void {
  for (const flag of ENGINE_FLAGS) if (flag !== '--no-warnings') setFlagsFromString(flag);
}

/** Beside this file's own form: `.ts` in a checkout, `.js` once compiled. */
const MAIN = fileURLToPath(new URL(`../cli/main${extname(import.meta.url)}`, import.meta.url));
const RETRY_MS = [1_000, 2_000, 5_000, 15_000];
const STOP_MS = 5_000;
const CHECKER_NICE = 5;
const MINER_NICE = 10;

export interface Children {
  stop(): Promise<void>;
}

export interface ChildrenHooks {
  readonly log: (text: string) => void;
  /** A process was started, or started again. */
  onStart(name: ChildName): void;
}

type ChildName = 'miner' | 'checker';

/** Starts what the config asks for. */
export function startChildren(config: NodeConfig, rpcPort: number, hooks: ChildrenHooks): Children {
  const { identity } = config;
  if (!identity) return { stop: async () => {} };
  const flag = `--${identity.name.toLowerCase()}`;
  const node = `ws://127.0.0.1:${rpcPort}`;
  const tokenFile = join(config.basePath, 'chains', config.spec.id, 'blobs.token');
  const common = ['--node', node, '--blob-token-file', tokenFile, '--end-with-parent', flag];
  const children: Child[] = [];
  if (config.minerThreads > 0) {
    const dir = join(config.basePath, 'miner');
    const args = ['miner', ...common, '--dir', dir, '--threads', String(config.minerThreads)];
    children.push(new Child('miner', args, hooks));
  }
  if (config.checker) {
    // On a chain whose only checker is somebody else's dev account, that account's key is as well known as ours.
    const checker = config.spec.id === 'dev' ? '--bob' : flag;
    children.push(new Child('checker', ['checker', ...common.slice(0, -1), checker], hooks));
  }
  return {
    stop: async () => {
      await Promise.all(children.map((child) => child.stop()));
    },
  };
}

class Child {
  readonly #name: ChildName;
  readonly #args: readonly string[];
  readonly #hooks: ChildrenHooks;
  #process: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #deaths = 0;
  #stopped = false;

  constructor(name: ChildName, args: readonly string[], hooks: ChildrenHooks) {
    this.#name = name;
    this.#args = args;
    this.#hooks = hooks;
    this.#start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(kill);
  }

  #start(): void {
    const child = spawn(process.execPath, [...ENGINE_FLAGS, MAIN, ...this.#args], {
      // The open pipe tells the child when this process is gone, however it went.
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    this.#process = child;
    this.#hooks.onStart(this.#name);
    // Below the node, which answers wallets and peers; above miners, whose work can wait for nothing but itself.
    if (child.pid !== undefined) setPriority(child.pid, this.#name === 'miner' ? MINER_NICE : CHECKER_NICE);
    child.on('error', (error) => this.#hooks.log(`${this.#name}: ${error.message}`));
    child.on('exit', (code, signal) => {
      if (this.#stopped) return;
      const wait = RETRY_MS[Math.min(this.#deaths++, RETRY_MS.length - 1)] as number;
      this.#hooks.log(`${this.#name} ended (${code ?? signal}); it starts again in ${wait / 1000} s`);
      this.#timer = setTimeout(() => this.#start(), wait);
    });
  }
}
