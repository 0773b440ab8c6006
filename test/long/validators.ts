/**
 * # Validators: four of them as processes on 127.0.0.1, with a miner where one is asked for. They know each other by
 * RPC alone, so that whoever runs them can cut and join them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../src/base/bytes.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { keypairFromSuri } from '../../src/crypto/suri.ts';
import type { Scheme } from '../../src/crypto/verify.ts';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { peerIdOf } from '../../src/p2p/host.ts';
import { freePort } from '../bench/server.ts';
import { end, until } from '../devnet/network.ts';
import { DevMiner, easySpec } from '../rpc/dev-node.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const NAMES = ['Alice', 'Bob', 'Charlie', 'Dave'] as const;

export interface Validator {
  readonly name: string;
  readonly args: readonly string[];
  readonly address: string;
  readonly peerId: string;
  readonly rpcPort: number;
  readonly log: string;
  child: ChildProcess;
  rpc: RpcClient;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Four validators, one chain. */
export class Validators {
  readonly all: Validator[] = [];
  readonly #dir = mkdtempSync(join(tmpdir(), 'maitoken-validators-'));
  readonly #blockMs: number;
  readonly #miners: DevMiner[] = [];

  constructor(blockMs: number) {
    this.#blockMs = blockMs;
  }

  /** Starts them and makes them known to each other; a miner works for the first and one for the last. */
  async start(): Promise<void> {
    const spec = join(this.#dir, 'spec.json');
    const text = easySpec('local', { blockTimeMs: this.#blockMs, finality: 'grandpa' });
    // An era outlasts the run: whoever is down for one would lose its seat (rule F).
    writeFileSync(spec, withDave(text, { sessionsPerEra: 100 }));
    for (const index of NAMES.keys()) await this.#start(index, spec);
    for (const a of this.all) for (const b of this.all) if (a !== b) await meet(a, b);
    const [first, , , last] = this.all as [Validator, Validator, Validator, Validator];
    this.#miners.push(new DevMiner(`ws://127.0.0.1:${first.rpcPort}`, 'Alice', this.#blockMs));
    this.#miners.push(new DevMiner(`ws://127.0.0.1:${last.rpcPort}`, 'Bob', this.#blockMs));
    await until(async () => (await finalOf(first)) >= 5, 60_000, 'five final blocks');
  }

  async #start(index: number, spec: string): Promise<void> {
    const name = NAMES[index] as string;
    const [rpcPort, port] = [await freePort(), await freePort()];
    const seed = new Uint8Array(32).fill(index + 1);
    const where = ['--base-path', join(this.#dir, name), '--rpc-port', String(rpcPort), '--port', String(port)];
    const alone = ['--no-mdns', '--no-miner', '--no-checker', '--reserved-only', '--rpc-methods', 'unsafe'];
    const key = ['--no-prometheus', '--node-key', toHex(seed).slice(2)];
    const args = ['node', '--end-with-parent', '--chain', spec, `--${name.toLowerCase()}`, ...where, ...alone, ...key];
    const log = join(this.#dir, `${name}.log`);
    const peerId = await peerIdOf(seed);
    const address = `/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`;
    const rpc = new RpcClient(`ws://127.0.0.1:${rpcPort}`);
    this.all.push({ name, args, address, peerId, rpcPort, log, child: launch(args, log), rpc });
    await until(() => rpc.connected, 30_000, `${name} answers`);
  }

  /** Starts a killed validator again; what it reserved by RPC it has forgotten. */
  async restart(validator: Validator): Promise<void> {
    validator.child = launch(validator.args, validator.log);
    await until(() => validator.rpc.connected, 30_000, `${validator.name} answers again`);
    for (const other of this.all) if (other !== validator) await meet(validator, other);
  }

  /** The last lines of every log. */
  logs(): string {
    const tail = ({ name, log }: Validator) =>
      `== ${name}\n${readFileSync(log, 'utf8').split('\n').slice(-25).join('\n')}`;
    return this.all.map(tail).join('\n');
  }

  async stop(): Promise<void> {
    for (const miner of this.#miners) miner.stop();
    for (const { rpc } of this.all) rpc.close();
    await Promise.all(this.all.map(({ child }) => end(child)));
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function launch(args: readonly string[], log: string): ChildProcess {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const sink = createWriteStream(log, { flags: 'a' });
  child.stdout?.pipe(sink, { end: false });
  child.stderr?.pipe(sink, { end: false });
  return child;
}

export const meet = (a: Validator, b: Validator): Promise<unknown> => a.rpc.call('system_addReservedPeer', [b.address]);
export const part = (a: Validator, b: Validator): Promise<unknown> =>
  a.rpc.call('system_removeReservedPeer', [b.peerId]);

export async function heightOf({ rpc }: Validator, hash?: string): Promise<number> {
  const header = await rpc.call<{ number: string }>('chain_getHeader', hash === undefined ? [] : [hash]);
  return Number.parseInt(header.number, 16);
}

export const finalOf = async (one: Validator): Promise<number> =>
  heightOf(one, await one.rpc.call<string>('chain_getFinalizedHead'));

/** How many blocks finality is behind the best block, sampled over a time; the 95th percentile. */
export async function lagOver(ms: number, of: readonly Validator[]): Promise<{ p95: number; samples: number }> {
  const lags: number[] = [];
  for (const until = performance.now() + ms; performance.now() < until; await sleep(250)) {
    for (const one of of) {
      const [best, final] = [await heightOf(one), await finalOf(one)];
      lags.push(best - final);
    }
  }
  lags.sort((a, b) => a - b);
  return { p95: lags[Math.floor(lags.length * 0.95)] ?? 0, samples: lags.length };
}

/** The local chain with a fourth validator, for of three none may be missing, and changes of its staking. */
export function withDave(text: string, changes: object): string {
  const spec = JSON.parse(text) as Staked;
  const { session, staking } = spec.genesis.runtimeGenesis.patch;
  const address = ss58Encode(keypairFromSuri('//Dave', 'sr25519').accountId, 42);
  const key = (use: string, scheme: Scheme): string => toHex(keypairFromSuri(`//Dave//${use}`, scheme).publicKey);
  const keys = { grandpa: key('grandpa', 'ed25519'), authoring: key('authoring', 'sr25519') };
  session.keys.push([address, address, { ...keys, compute: key('compute', 'ed25519') }]);
  const [first] = staking.stakers;
  staking.stakers.push([address, ...(first as [string, string, string]).slice(1)]);
  return JSON.stringify({ ...spec, staking: { ...spec.staking, ...changes } });
}

interface Staked {
  readonly staking: object;
  readonly genesis: {
    readonly runtimeGenesis: {
      readonly patch: { readonly session: { keys: unknown[] }; staking: { stakers: unknown[] } };
    };
  };
}
