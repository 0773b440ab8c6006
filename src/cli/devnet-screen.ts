/**
 * # Devnet screen: a banner, then a line for each block and for each round.
 *
 * Always true: every number here was answered by RPC of the first node; any client can ask for the same.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RpcClient } from '../miner/rpc-client.ts';
import { fundedAccounts } from './dev-accounts.ts';
import type { Terminal } from './terminal.ts';

interface BlockJson {
  readonly number: number;
  readonly hash: string;
  readonly author: string;
  readonly fragment: string;
  readonly job: string | null;
  readonly round: number | null;
  readonly k: number | null;
  readonly step: number;
  readonly node: number;
  readonly difficulty: string;
  readonly transactions: number;
}

interface RoundJson {
  readonly r: number;
  readonly phase: string;
  readonly loss: number | null;
  /** Of the weights that the round started from. */
  readonly loss_before: number | null;
  readonly accepted: number | readonly string[];
  readonly rejected: number;
  readonly cu?: number;
}

interface JobJson {
  readonly id: string;
  readonly index: number;
  readonly round: { readonly r: number };
}

export class DevnetScreen {
  readonly #rpc: RpcClient;
  readonly #terminal: Terminal;
  readonly #urls: readonly string[];
  readonly #runs: string;
  #shown = 0;
  #authors = new Map<string, string>();
  /** The round of each job that was shown last. */
  readonly #rounds = new Map<string, number>();
  #busy = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(rpc: RpcClient, terminal: Terminal, where: { readonly urls: readonly string[]; readonly runs: string }) {
    this.#rpc = rpc;
    this.#terminal = terminal;
    this.#urls = where.urls;
    this.#runs = where.runs;
  }

  start(): void {
    this.#terminal.out('starting three nodes, two miners and three checkers ...');
    this.#timer = setInterval(() => void this.#look(), 500);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#busy || !this.#rpc.connected) return;
    this.#busy = true;
    try {
      if (this.#authors.size === 0) await this.#banner();
      await this.#blocks();
    } catch {
      // A node that is restarting: the next look finds it again.
    } finally {
      this.#busy = false;
    }
  }

  async #banner(): Promise<void> {
    const chain = await this.#rpc.call<string>('system_chain');
    const genesis = await this.#rpc.call<string>('chain_getBlockHash', [0]);
    const { ss58Format, tokenSymbol } = await this.#rpc.call<{ ss58Format: number; tokenSymbol: string }>(
      'system_properties',
    );
    const best = await this.#rpc.call<{ number: string }>('chain_getHeader');
    this.#shown = Number.parseInt(best.number, 16);
    const { out } = this.#terminal;
    const line = (text: string): void => out(text);
    line('');
    line(`  ${chain}   genesis ${genesis}`);
    for (const url of this.#urls) line(`  RPC  ${url}   ${url.replace('ws', 'http')}`);
    line(`  https://polkadot.js.org/apps/?rpc=${this.#urls[0]}#/explorer`);
    line(`  funded accounts (${tokenSymbol}):`);
    for (const { name, address } of fundedAccounts(ss58Format)) line(`    ${name.padEnd(8)} ${address}  //${name}`);
    line(`  models land in ${this.#runs}; stop with Ctrl-C`);
    line('');
    this.#authors = await authorNames();
    if (this.#shown > 0) line(`  going on from block #${this.#shown}`);
  }

  async #blocks(): Promise<void> {
    const best = await this.#rpc.call<{ number: string }>('chain_getHeader');
    const height = Number.parseInt(best.number, 16);
    for (let number = this.#shown + 1; number <= height; number++) {
      const hash = await this.#rpc.call<string | null>('chain_getBlockHash', [number]);
      const block = hash && (await this.#rpc.call<BlockJson | null>('compute_block', [hash]));
      if (!block) return;
      this.#showBlock(block);
      this.#shown = number;
    }
    await this.#showRounds();
  }

  #showBlock(block: BlockJson): void {
    const author = (this.#authors.get(block.author) ?? block.author.slice(0, 10)).padEnd(8);
    const work = `job ${block.job?.slice(2, 8) ?? '?'} round ${block.round ?? '?'} k ${block.k ?? '?'}`;
    const difficulty = (Number(block.difficulty) / 1e9).toFixed(1);
    this.#terminal.out(
      `#${String(block.number).padStart(5)}  ${author} ${work}  step ${String(block.step).padStart(3)} ` +
        `node ${String(block.node).padStart(2)}  D ${difficulty} G  ${block.transactions} tx`,
    );
  }

  async #showRounds(): Promise<void> {
    const jobs = await this.#rpc.call<JobJson[]>('compute_jobs');
    for (const job of jobs) {
      const last = this.#rounds.get(job.id) ?? job.round.r - 1;
      for (let r = Math.max(0, last + 1); r < job.round.r; r++) {
        const round = await this.#rpc.call<RoundJson | null>('compute_round', [job.id, r]);
        if (round) await this.#showRound(job, round);
      }
      this.#rounds.set(job.id, job.round.r - 1);
    }
  }

  async #showRound(job: JobJson, round: RoundJson): Promise<void> {
    const [before, loss] = [round.loss_before, round.loss].map((nats) => nats?.toFixed(4) ?? '-');
    const audit = await this.#rpc.call<{ exact: boolean }>('rewards_supplyAudit');
    const paid = await this.#paid();
    const baseline = await this.#rpc.call<{ bigram: number | null } | null>('compute_baseline', [job.id]);
    const bigram = baseline?.bigram?.toFixed(4) ?? '-';
    const held = `held-out loss ${before} -> ${loss} nats/byte (bigram ${bigram})`;
    const judged = `${round.accepted} accepted, ${round.rejected} rejected, ${round.cu ?? 0} CU`;
    const supply = `supply ${audit.exact ? 'exact' : 'WRONG'}`;
    this.#terminal.out(
      `  == job ${job.index} round ${round.r} ${round.phase}: ${held}, ${judged}; paid so far ${paid}; ${supply}`,
    );
    mkdirSync(this.#runs, { recursive: true });
    const metrics = {
      job: job.id,
      index: job.index,
      round: round.r,
      outcome: round.phase,
      lossBefore: round.loss_before,
      loss: round.loss,
      cu: round.cu,
    };
    writeFileSync(join(this.#runs, `job-${job.index}.jsonl`), `${JSON.stringify(metrics)}\n`, { flag: 'a' });
  }

  async #paid(): Promise<string> {
    const parts: string[] = [];
    for (const [account, name] of this.#authors) {
      const explained = await this.#rpc.call<{ paid: string }>('rewards_explain', [account]);
      if (Number(explained.paid) > 0) parts.push(`${name} ${(Number(explained.paid) / 1e12).toFixed(3)}`);
    }
    return parts.join(', ') || 'nothing yet';
  }
}

async function authorNames(): Promise<Map<string, string>> {
  const { devIdentity } = await import('./commands/miner.ts');
  const { toHex } = await import('../base/bytes.ts');
  return new Map(['alice', 'bob', 'charlie', 'dave'].map((name) => [toHex(devIdentity(name).account), name]));
}
