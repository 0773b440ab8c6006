/**
 * # Benchmark: how fast this machine trains and mines, at the shapes of the dev job.
 *
 * Always true: it runs the very step that a miner runs, with tickets against a target that none reaches.
 */
import type { Bytes } from '../base/bytes.ts';
import { JobEngine } from './job-engine.ts';
import type { JobJson } from './wire.ts';

export interface BenchmarkOptions {
  /** What is trained: a job as a node describes it, with its blobs. */
  readonly assets: { readonly job: JobJson; readonly graph: Bytes; readonly dataset: Bytes; readonly theta: Bytes };
  readonly seconds: number;
  readonly json: boolean;
  readonly out: (line: string) => void;
}

/** Trains for `seconds`, half of them without tickets; prints GMAC/s, steps/s and tickets/s. */
export async function benchmark({ assets, seconds, json, out }: BenchmarkOptions): Promise<number> {
  const { job, graph, dataset, theta } = assets;
  const seed = { job: new Uint8Array(32), r: 0, k: 0, randomness: new Uint8Array(32) };
  const macs = job.mined_nodes.reduce((sum, { m, n, k }) => sum + m * n * k, 0);
  const never = { difficulty: 1n << 200n, slab: 256, boostPpm: 1_000_000n };
  const mining = {
    header: (step: number, call: { node: number }) => ({
      header: {
        preHash: new Uint8Array(32),
        author: new Uint8Array(32),
        fragment: new Uint8Array(32),
        step,
        node: call.node,
      },
      target: never,
    }),
    found: () => {},
  };
  const rows: { name: string; steps: number; tickets: number; seconds: number }[] = [];
  for (const [name, source] of [
    ['plain', undefined],
    ['mined', mining],
  ] as const) {
    const engine = new JobEngine({ job, graph, ...(source ? { tickets: source } : {}) });
    engine.load(engine.firstState(theta));
    engine.step(seed, 1, dataset);
    const started = performance.now();
    const row = { name, steps: 0, tickets: 0, seconds: 0 };
    while (row.seconds < seconds / 2) {
      row.tickets += engine.step(seed, 2 + (row.steps % 98), dataset).tickets;
      row.steps++;
      row.seconds = (performance.now() - started) / 1000;
    }
    rows.push(row);
    const rate = (row.steps * macs) / row.seconds / 1e9;
    const line = {
      engine: name,
      stepMs: (1000 * row.seconds) / row.steps,
      gmacs: rate,
      ticketsPerSecond: row.tickets / row.seconds,
    };
    const tickets = Math.round(line.ticketsPerSecond);
    const text = `${name.padEnd(6)} ${line.stepMs.toFixed(1)} ms/step  ${rate.toFixed(1)} GMAC/s  ${tickets} tickets/s`;
    out(json ? JSON.stringify(line) : text);
  }
  const [plain, mined] = rows as [(typeof rows)[0], (typeof rows)[0]];
  const ratio = mined.seconds / mined.steps / (plain.seconds / plain.steps);
  out(json ? JSON.stringify({ minedOverPlain: ratio }) : `a mined step takes ${ratio.toFixed(2)} times a plain one`);
  return 0;
}
