/** # Member: one process of a devnet, with its own log; one that dies is started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync, type WriteStream } from 'node:fs';
import { createServer } from 'node:net';
import { setPriority } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENGINE_FLAGS } from '../node/children.ts';

/** Beside this file's own form: `.ts` in a checkout, `.js` once compiled. */
const MAIN = fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url));
const STOP_MS = 15_000;
const RESTART_MS = 1_000;
/** A process that ends at once this often has a fault that another start does not mend. */
const MAX_QUICK_DEATHS = 5;
const QUICK_MS = 5_000;

export interface MemberPlan {
  readonly role: 'node' | 'miner';
  readonly name: string;
  readonly args: readonly string[];
  readonly log: string;
  readonly nice?: number;
  /** Started once this file exists. */
  readonly after?: string;
}

export class Member {
  readonly #plan: MemberPlan;
  #process: ChildProcess | undefined;
  #log: WriteStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #quickDeaths = 0;
  #stopped = false;

  constructor(plan: MemberPlan) {
    this.#plan = plan;
  }

  get role(): MemberPlan['role'] {
    return this.#plan.role;
  }

  get name(): string {
    return this.#plan.name;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  start(warn: (text: string) => void): void {
    if (this.#stopped) return;
    const { args, log, nice, after } = this.#plan;
    if (after !== undefined && !existsSync(after)) {
      this.#timer = setTimeout(() => this.start(warn), 200);
      return;
    }
    this.#log ??= createWriteStream(log, { flags: 'a' });
    // A pipe as standard input: the process ends itself when this one is gone.
    const flags = this.#plan.role === 'miner' ? ENGINE_FLAGS : ['--no-warnings'];
    const child = spawn(process.execPath, [...flags, MAIN, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#process = child;
    this.#startedAt = Date.now();
    child.stdout?.pipe(this.#log, { end: false });
    child.stderr?.pipe(this.#log, { end: false });
    if (nice !== undefined && child.pid !== undefined) setPriority(child.pid, nice);
    child.on('exit', (code, signal) => {
      if (this.#stopped) return;
      this.#quickDeaths = Date.now() - this.#startedAt < QUICK_MS ? this.#quickDeaths + 1 : 0;
      const label = `${this.#plan.role} ${this.#plan.name}`;
      if (this.#quickDeaths >= MAX_QUICK_DEATHS) {
        warn(`${label} ended again and again (${code ?? signal}); see ${log}`);
        return;
      }
      warn(`${label} ended (${code ?? signal}) and is started again; see ${log}`);
      this.#timer = setTimeout(() => this.start(warn), RESTART_MS);
    });
  }

  /** Asks the process to end, then insists. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const insist = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(insist);
    }
    this.#log?.end();
  }
}

/** Whether a port of 127.0.0.1 can be listened on. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)));
  });
}
