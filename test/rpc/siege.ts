/**
 * # Siege: a node of its own process, attacked by everything in attacks.ts at once, while an honest client asks.
 *
 * Always true: whoever starts a siege gets the node ended, whatever happened.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { ATTACKS, type Attack, type Target } from './attacks.ts';
import { DevMiner, easySpec } from './dev-node.ts';
import { call } from './stub.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const MEBIBYTE = 1_048_576;
/** An honest client asks this often. */
const ASK_MS = 50;

export interface SiegeReport {
  /** What each attack did, how often. */
  readonly done: ReadonlyMap<string, number>;
  readonly honest: { readonly answers: number; readonly worstMs: number };
  /** Blocks that the node made meanwhile. */
  readonly blocks: number;
  /** Resident memory in MiB: before, at most during, and after the rest. */
  readonly memory: { readonly before: number; readonly peak: number; readonly after: number };
  /** Lines in which the node admits a fault of its own. */
  readonly faults: readonly string[];
}

/** Attacks a node for `seconds`, then leaves it alone for `restSeconds`. */
export async function siege(plan: {
  readonly seconds: number;
  readonly restSeconds: number;
  readonly attacks?: readonly Attack[];
}): Promise<SiegeReport> {
  const node = await BesiegedNode.start();
  try {
    return await node.endure(plan.attacks ?? ATTACKS, plan.seconds, plan.restSeconds);
  } finally {
    await node.stop();
  }
}

class BesiegedNode {
  readonly #dir: string;
  readonly #port: number;
  readonly #child: ReturnType<typeof spawn>;
  #log = '';
  #miner: DevMiner | undefined;

  private constructor(dir: string, port: number) {
    this.#dir = dir;
    this.#port = port;
    const spec = join(dir, 'spec.json');
    writeFileSync(spec, easySpec());
    const args = ['node', '--end-with-parent', '--chain', spec, '--base-path', dir, '--no-mdns', '--no-prometheus'];
    args.push('--listen-addr', '/ip4/127.0.0.1/tcp/0', '--rpc-port', String(port));
    this.#child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.#log += data.toString();
      });
    }
  }

  static async start(): Promise<BesiegedNode> {
    const node = new BesiegedNode(mkdtempSync(join(tmpdir(), 'maitoken-siege-')), await freePort());
    try {
      await node.#until('it answers', async () => (await call(node.#http, 'system_health')).result !== undefined);
      node.#miner = new DevMiner(node.#ws);
      await node.#until('it makes blocks', async () => (await node.#height()) > 2);
    } catch (error) {
      await node.stop();
      throw new Error(`${(error as Error).message}\n${node.#log.slice(-2_000)}`);
    }
    return node;
  }

  get #http(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  get #ws(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }

  async endure(attacks: readonly Attack[], seconds: number, restSeconds: number): Promise<SiegeReport> {
    const extrinsics = await transfers(this.#ws);
    const target: Target = { http: this.#http, ws: this.#ws, port: this.#port, extrinsics };
    const honest = new HonestClient(this.#ws);
    // As warm as any node that has been up for a while.
    for (const attack of attacks) await attack.run(target, once());
    await pause(5_000);
    const [before, from] = [this.#memory(), await this.#height()];
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, this.#memory());
    }, 100);
    const end = Date.now() + seconds * 1_000;
    const counts = await Promise.all(attacks.map((attack) => attack.run(target, () => Date.now() >= end)));
    clearInterval(watch);
    const blocks = (await this.#height()) - from;
    const served = await honest.stop();
    await pause(restSeconds * 1_000);
    return {
      done: new Map(attacks.map(({ name }, i) => [name, counts[i] as number])),
      honest: served,
      blocks,
      memory: { before, peak, after: this.#memory() },
      faults: this.#log.split('\n').filter((line) => /fault|Internal error|unhandled|fatal/i.test(line)),
    };
  }

  async stop(): Promise<void> {
    this.#miner?.stop();
    if (this.#child.exitCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      const insist = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(insist);
    }
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 });
  }

  async #height(): Promise<number> {
    const { result } = await call(this.#http, 'chain_getHeader');
    return Number((result as { number: string }).number);
  }

  /** Resident memory in MiB. */
  #memory(): number {
    assert.equal(this.#child.exitCode, null, `the node ended:\n${this.#log.slice(-2_000)}`);
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024) / MEBIBYTE;
  }

  async #until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 30_000;
    while (!(await isSo().catch(() => false))) {
      if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
      await pause(100);
    }
  }
}

/** Asks for heads and a value, one question at a time, on one connection that was there before the siege. */
class HonestClient {
  readonly #rpc: RpcClient;
  readonly #loop: Promise<void>;
  #isOver = false;
  #answers = 0;
  #worst = 0;

  constructor(url: string) {
    this.#rpc = new RpcClient(url);
    this.#loop = this.#ask();
  }

  async #ask(): Promise<void> {
    while (!this.#isOver) {
      await pause(ASK_MS);
      if (!this.#rpc.connected) continue;
      const started = performance.now();
      await this.#rpc.call(this.#answers % 2 === 0 ? 'chain_getHeader' : 'state_getRuntimeVersion');
      this.#worst = Math.max(this.#worst, performance.now() - started);
      this.#answers++;
    }
  }

  async stop(): Promise<{ answers: number; worstMs: number }> {
    this.#isOver = true;
    await this.#loop;
    this.#rpc.close();
    return { answers: this.#answers, worstMs: this.#worst };
  }
}

/** False at first, then true: an attack does its thing once. */
function once(): () => boolean {
  const start = Date.now();
  return () => Date.now() - start > 300;
}

/** A hundred transfers that a dev account signed, of nonces near and far. */
async function transfers(url: string): Promise<string[]> {
  await cryptoWaitReady();
  type Provider = NonNullable<NonNullable<Parameters<typeof ApiPromise.create>[0]>['provider']>;
  const api = await ApiPromise.create({ provider: new WsProvider(url) as unknown as Provider, noInitWarn: true });
  const keyring = new Keyring({ type: 'sr25519' });
  const [eve, bob] = [keyring.addFromUri('//Eve'), keyring.addFromUri('//Bob')];
  const make = api.tx.balances?.transferKeepAlive;
  assert.ok(make);
  const signed = await Promise.all(
    Array.from({ length: 100 }, async (_, nonce) =>
      (await make(bob.address, 10n ** 12n).signAsync(eve, { nonce })).toHex(),
    ),
  );
  await api.disconnect();
  return signed;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
