/**
 * # Selfish: what withholding blocks earns (Eyal and Sirer, "Majority is not Enough", 2014) under our fork choice.
 *
 * Always true: which branch an honest miner works on is what isBetter says of the blocks in the order in which he saw
 * them, and a block's difficulty is what childDifficulty says; nothing else decides a race. Blocks reach all at once,
 * but in a race the withholder's come first to a part gamma of the honest power.
 */
import { isBetter } from '../../src/consensus/choice.ts';
import { type Anchor, childDifficulty, type DifficultyRules } from '../../src/consensus/difficulty.ts';
import { dice, mean, standardError } from './dice.ts';

export interface Contest {
  /** The withholder's part of all work. */
  readonly alpha: number;
  /** The part of the honest power that sees his block first in a race. */
  readonly gamma: number;
  /** What Stake-Boost multiplies his chance of a ticket with; 1 without it. Nobody else is boosted. */
  readonly boost: number;
  /** Whether D follows ASERT; otherwise it is the same for all blocks, as in the paper. */
  readonly asert: boolean;
  readonly seed: number;
  readonly blocks: number;
}

export interface Revenue {
  /** His part of the blocks of the final chain. */
  readonly share: number;
  /** Of `share`, from 20 stretches of the chain. */
  readonly standardError: number;
  /** Time between blocks of the final chain, in T. */
  readonly blockTime: number;
}

interface Block {
  readonly number: number;
  readonly parent: Block | undefined;
  readonly timestamp: number;
  readonly anchor: Anchor | undefined;
  readonly totalDifficulty: bigint;
  readonly his: boolean;
  /** When the two honest groups saw it; the greatest there is while he withholds it. */
  readonly arrival: [bigint, bigint];
}

const T = 12_000;
const INITIAL = 1n << 40n;
const RULES: DifficultyRules = { initial: INITIAL, blockTimeMs: T };
const RELIEF_AFTER = 6 * T;
const STRETCHES = 20;
const NEVER = 1n << 64n;

/** The paper's closed form: his part of the blocks. */
export function eyalSirer(alpha: number, gamma: number): number {
  const gain = alpha * (1 - alpha) ** 2 * (4 * alpha + gamma * (1 - 2 * alpha)) - alpha ** 3;
  return gain / (1 - alpha * (1 + (2 - alpha) * alpha));
}

/** His part of all chances: what he earns by mining honestly. */
export function effectiveShare(alpha: number, boost: number): number {
  return (alpha * boost) / (alpha * boost + 1 - alpha);
}

/** Mines `blocks` blocks, his and others', withheld and lost ones included. */
export function withhold(contest: Contest): Revenue {
  const race = new Race(contest);
  for (let i = 0; i < contest.blocks; i++) race.mine();
  return race.revenue();
}

class Race {
  private readonly contest: Contest;
  private readonly random: () => number;
  private now = 0;
  private seen = 0n;
  private withheld: Block[] = [];
  /** Where he works, and where the two honest groups do. */
  private his: Block;
  private readonly tips: [Block, Block];
  /** D of children without relief: their own times do not matter. */
  private readonly scheduled = new WeakMap<Block, number>();

  constructor(contest: Contest) {
    this.contest = contest;
    this.random = dice(contest.seed);
    const anchor = { number: 1, timestamp: 0, difficulty: INITIAL };
    const first: Block = {
      number: 1,
      parent: undefined,
      timestamp: 0,
      anchor,
      totalDifficulty: INITIAL,
      his: false,
      arrival: [0n, 0n],
    };
    this.his = first;
    this.tips = [first, first];
  }

  /** The next block, whoever finds it. */
  mine(): void {
    const { alpha, gamma, boost } = this.contest;
    const powers = [alpha * boost, (1 - alpha) * gamma, (1 - alpha) * (1 - gamma)];
    for (;;) {
      const work = [this.his, ...this.tips];
      // Chances in a millisecond; they stay the same until relief begins, and then for a sixth of T.
      const rates = powers.map((power, i) => (power * Number(INITIAL)) / (this.difficulty(work[i] as Block) * T));
      const until = Math.min(...work.map(({ timestamp }) => this.nextChange(timestamp)));
      const total = rates.reduce((sum, rate) => sum + rate, 0);
      const wait = -Math.log(this.random()) / total;
      if (this.now + wait > until) {
        this.now = until;
        continue;
      }
      this.now += wait;
      const pick = this.random() * total;
      const finder = pick < (rates[0] as number) ? 0 : pick < (rates[0] as number) + (rates[1] as number) ? 1 : 2;
      const block = this.child(work[finder] as Block, finder === 0);
      if (finder === 0) this.found(block);
      else this.heard(block);
      return;
    }
  }

  revenue(): Revenue {
    const chain: Block[] = [];
    for (let at: Block | undefined = this.tips[1]; at !== undefined; at = at.parent) chain.push(at);
    const length = Math.floor(chain.length / STRETCHES);
    const parts = Array.from({ length: STRETCHES }, (_, i) => {
      const part = chain.slice(i * length, (i + 1) * length);
      return part.filter((block) => block.his).length / length;
    });
    const time = (chain[0] as Block).timestamp / T / chain.length;
    return { share: mean(parts), standardError: standardError(parts), blockTime: time };
  }

  private nextChange(timestamp: number): number {
    const relief = timestamp + RELIEF_AFTER;
    return this.now < relief ? relief : this.now + T / 6;
  }

  private stamp(parent: Block): number {
    return Math.max(Math.floor(this.now), parent.timestamp + 1);
  }

  private difficulty(parent: Block): number {
    if (!this.contest.asert) return Number(INITIAL);
    const known = this.scheduled.get(parent);
    if (known !== undefined && this.now <= parent.timestamp + RELIEF_AFTER) return known;
    const difficulty = Number(childDifficulty(RULES, parent, this.stamp(parent)).difficulty);
    if (this.now <= parent.timestamp + RELIEF_AFTER) this.scheduled.set(parent, difficulty);
    return difficulty;
  }

  private child(parent: Block, his: boolean): Block {
    const timestamp = this.stamp(parent);
    const { difficulty, anchor } = this.contest.asert
      ? childDifficulty(RULES, parent, timestamp)
      : { difficulty: INITIAL, anchor: parent.anchor };
    const totalDifficulty = parent.totalDifficulty + difficulty;
    return { number: parent.number + 1, parent, timestamp, anchor, totalDifficulty, his, arrival: [NEVER, NEVER] };
  }

  /** He found one: he keeps it, unless a race at equal length is on, which it decides. */
  private found(block: Block): void {
    const racing = this.withheld.length === 0 && this.tips.some((tip) => tip !== this.his);
    this.his = block;
    this.withheld.push(block);
    if (racing) this.publish(block.number);
  }

  /** Others found one, and he answers. */
  private heard(block: Block): void {
    this.seen += 2n;
    this.see(block, [this.seen, this.seen]);
    const lead = this.his.number - block.number;
    if (lead < 0) {
      this.his = block;
      this.withheld = [];
    } else {
      // One ahead is his last chance to win for certain; further ahead he shows as much as is needed to match.
      this.publish(lead === 1 ? this.his.number : block.number);
    }
  }

  /** The first group saw it before the block that it answers, the second one after that. */
  private publish(through: number): void {
    for (const block of this.withheld.filter(({ number }) => number <= through)) {
      this.see(block, [this.seen - 1n, this.seen + 1n]);
    }
    this.withheld = this.withheld.filter(({ number }) => number > through);
  }

  private see(block: Block, arrival: readonly [bigint, bigint]): void {
    for (const group of [0, 1] as const) {
      block.arrival[group] = arrival[group];
      if (isBetter(weighed(block, group), weighed(this.tips[group], group))) this.tips[group] = block;
    }
  }
}

function weighed(block: Block, group: 0 | 1) {
  return { totalDifficulty: block.totalDifficulty, arrival: block.arrival[group], ticket: undefined };
}
