/**
 * # Asert: chains of random blocks whose difficulty is what childDifficulty says, and the figures that they give.
 *
 * Times are in T, power in INITIAL per T: at power 1 a chain of difficulty 1 is on schedule.
 */
import { type Anchor, childDifficulty, type DifficultyRules } from '../../src/consensus/difficulty.ts';
import { dice, mean } from './dice.ts';

const T = 3_000;
const INITIAL = 60_000_000_000n;
const RULES: DifficultyRules = { initial: INITIAL, blockTimeMs: T };
const START = 1_700_000_000_000;
const DRIFT_MS = 15_000;
/** Blocks until a chain that began on schedule has forgotten it. */
const WARM_UP = 500;

export interface Sample {
  readonly time: number;
  /** Since the block before. */
  readonly gap: number;
  readonly difficulty: number;
}

/**
 * A chain of `blocks` blocks whose miners work at `rate(time, difficulty of the next block)`; `stamp` makes a block's
 * time from the true one and its parent's, in ms. D falls while they wait: templates are refreshed, here in T/6.
 */
export function simulate(
  seed: number,
  blocks: number,
  rate: (time: number, difficulty: number) => number,
  stamp: (now: number, parent: number) => number = (now) => now,
): Sample[] {
  const random = dice(seed);
  const out: Sample[] = [];
  let parent: { number: number; timestamp: number; anchor: Anchor | undefined } = {
    number: 1,
    timestamp: START,
    anchor: { number: 1, timestamp: START, difficulty: INITIAL },
  };
  let now = START;
  const step = T / 6;
  while (out.length < blocks) {
    const before = now;
    for (;;) {
      now += step;
      const timestamp = Math.max(stamp(now, parent.timestamp), parent.timestamp + 1);
      const child = childDifficulty(RULES, parent, timestamp);
      const difficulty = Number(child.difficulty) / Number(INITIAL);
      const expected = (rate((now - START) / T, difficulty) / difficulty) * (step / T);
      if (random() >= 1 - Math.exp(-expected)) continue;
      out.push({ time: (now - START) / T, gap: (now - before) / T, difficulty });
      parent = { number: parent.number + 1, timestamp, anchor: child.anchor };
      break;
    }
  }
  return out;
}

/** Standard deviation of ln D at constant power, blocks with relief left out. */
export function spread(seed: number, blocks: number): number {
  const run = simulate(seed, blocks, () => 1).slice(WARM_UP);
  const d = run.filter(({ gap }) => gap < 6).map(({ difficulty }) => Math.log(difficulty));
  const middle = mean(d);
  return Math.sqrt(mean(d.map((value) => (value - middle) ** 2)));
}

/** By how much the mean block time at constant power differs from T. */
export function bias(seed: number, blocks: number): number {
  const run = simulate(seed, blocks, () => 1).slice(WARM_UP);
  return mean(run.map(({ gap }) => gap)) - 1;
}

/** After how many T since the power became `times` as much the mean of 50 gaps first lies within 20 % of T. */
export function absorbed(seed: number, times: number): number {
  const from = 400;
  const run = simulate(seed, times > 1 ? 3_000 : 1_500, (time) => (time < from ? 1 : times));
  const at = run.findIndex(({ time }) => time >= from);
  for (let i = at; i + 50 < run.length; i++) {
    if (Math.abs(mean(run.slice(i, i + 50).map(({ gap }) => gap)) - 1) < 0.2) return (run[i] as Sample).time - from;
  }
  return Number.POSITIVE_INFINITY;
}

export interface Hopping {
  /** What he earns with a unit of work, over what everybody else does, less 1. */
  readonly gain: number;
  /** What everybody else earns with a unit of work, over what they would if he stayed away, less 1. */
  readonly others: number;
  /** The part of blocks that were found while he was there. */
  readonly there: number;
  readonly longestGap: number;
}

/** With him the power is `times` that of the others; he works while D is below `until` and leaves above it. */
export function hop(seed: number, blocks: number, { times, until }: { times: number; until: number }): Hopping {
  const run = simulate(seed, blocks, (_, difficulty) => (difficulty < until ? times : 1)).slice(WARM_UP);
  const on = run.filter(({ difficulty }) => difficulty < until);
  const sum = (of: readonly Sample[], value: (sample: Sample) => number) =>
    of.reduce((total, sample) => total + value(sample), 0);
  const perWork = (of: readonly Sample[]) => sum(of, ({ gap, difficulty }) => gap / difficulty) / sum(of, (s) => s.gap);
  return {
    gain: perWork(on) / perWork(run) - 1,
    others: perWork(run) - 1,
    there: on.length / run.length,
    longestGap: Math.max(...run.map(({ gap }) => gap)),
  };
}

/** By how much stamping every third block as far ahead as is allowed changes the number of blocks in a time. */
export function stampedAhead(seed: number, blocks: number): number {
  const ahead = (now: number, parent: number) => now + (parent % 3 === 0 ? DRIFT_MS : 0);
  const last = (run: readonly Sample[]) => (run.at(-1) as Sample).time;
  return last(simulate(seed, blocks, () => 1)) / last(simulate(seed, blocks, () => 1, ahead)) - 1;
}

/** What a miner with `alpha` of the power earns of the blocks who stamps all of his as far ahead as is allowed. */
export function aheadShare(seed: number, blocks: number, alpha: number, blockTimeMs: number): number {
  const random = dice(seed);
  const rules = { initial: INITIAL, blockTimeMs };
  let parent = { number: 1, timestamp: START, anchor: { number: 1, timestamp: START, difficulty: INITIAL } };
  let [now, his] = [START, 0];
  const step = blockTimeMs / 12;
  for (let found = 0; found < blocks; ) {
    now += step;
    const children = [now + DRIFT_MS, now].map((time) => {
      const timestamp = Math.max(time, parent.timestamp + 1);
      return { timestamp, ...childDifficulty(rules, parent, timestamp) };
    });
    const rates = children.map(({ difficulty }, i) => (i === 0 ? alpha : 1 - alpha) / Number(difficulty));
    const total = (rates[0] as number) + (rates[1] as number);
    if (random() >= 1 - Math.exp((-total * Number(INITIAL) * step) / blockTimeMs)) continue;
    // His chance instead of his luck: the same mean, far less noise.
    const chance = (rates[0] as number) / total;
    his += chance;
    const { timestamp, anchor } = children[random() < chance ? 0 : 1] as (typeof children)[number];
    parent = { number: parent.number + 1, timestamp, anchor };
    found++;
  }
  return his / blocks;
}
