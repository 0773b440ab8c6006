/**
 * # Finality: how far it is behind the best block, with four validators as processes of this machine.
 *
 * Row G21: the 95th percentile over samples four times a second of all four, blocks two seconds apart. Every block is
 * voted on by everybody, so this is latency of votes, not throughput.
 */
import { lagOver, Validators } from '../long/validators.ts';
import type { BenchOptions, Row } from './measure.ts';

const BLOCK_MS = 2_000;

export async function finalityRows({ quick }: BenchOptions): Promise<Row[]> {
  const network = new Validators(BLOCK_MS);
  try {
    await network.start();
    const { p95, samples } = await lagOver(quick ? 20_000 : 120_000, network.all);
    const name = 'blocks that finality is behind, four validators, p95';
    return [{ id: 'G21', name, value: p95, unit: 'blocks', must: 2, better: 'less', terms: { samples, BLOCK_MS } }];
  } finally {
    await network.stop();
  }
}
