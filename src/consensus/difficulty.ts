/**
 * # Difficulty: ASERT with half-life 50 T, relief for gaps, and a pause that is not owed as a flood of blocks.
 *
 * Always true: the difficulty of a block follows from its parent, the parent's anchor and its own timestamp alone,
 * in exact integers. Block 1 has the chain spec's initial difficulty. Source: COMPUTE-POW "Difficulty".
 */
import { floorDiv, max, min } from '../base/fixed.ts';

/** Milliseconds: of the Unix epoch where it is a time. */
export type Millis = number;

export interface DifficultyRules {
  /** D of block 1, and of nothing else. */
  readonly initial: bigint;
  /** T, the time between blocks that the chain aims at. */
  readonly blockTimeMs: Millis;
}

/** The block from which the schedule is counted. */
export interface Anchor {
  readonly number: number;
  readonly timestamp: Millis;
  readonly difficulty: bigint;
}

export interface DifficultyParent {
  readonly number: number;
  readonly timestamp: Millis;
  /** Absent for genesis alone. */
  readonly anchor: Anchor | undefined;
}

export interface ChildDifficulty {
  readonly difficulty: bigint;
  /** What the child hands to its own children. */
  readonly anchor: Anchor;
}

/** No difficulty lies below: 2^20 is a fraction of a millisecond of one core. */
export const LEAST_DIFFICULTY = 1n << 20n;

const HALF_LIFE_BLOCKS = 50n;
const REANCHOR_HALF_LIVES = 2n;
const RELIEF_FROM_BLOCKS = 6n;
const RELIEF_HALF_LIFE_BLOCKS = 3n;
const PAUSE_BLOCKS = 32n;

/**
 * D and anchor of a child of `parent` with this timestamp; the timestamp must be above the parent's.
 * The parent that becomes the anchor hands on the child's D before relief: relief belongs to one block, and an anchor
 * that kept it would let a miner who waits once cut the difficulty for good.
 */
export function childDifficulty(rules: DifficultyRules, parent: DifficultyParent, timestamp: Millis): ChildDifficulty {
  const number = parent.number + 1;
  if (parent.anchor === undefined) {
    return { difficulty: rules.initial, anchor: { number, timestamp, difficulty: rules.initial } };
  }
  const blockTime = BigInt(rules.blockTimeMs);
  const halfLife = HALF_LIFE_BLOCKS * blockTime;
  const { anchor } = parent;
  const late =
    BigInt(parent.timestamp) - BigInt(anchor.timestamp) - blockTime * (BigInt(parent.number) - BigInt(anchor.number));
  const scheduled = fall(anchor.difficulty, late, halfLife);
  const gap = BigInt(timestamp) - BigInt(parent.timestamp);
  const excess = gap - RELIEF_FROM_BLOCKS * blockTime;
  const difficulty = excess > 0n ? fall(scheduled, excess, RELIEF_HALF_LIFE_BLOCKS * blockTime) : scheduled;
  if (gap > PAUSE_BLOCKS * blockTime) {
    return { difficulty, anchor: { number, timestamp, difficulty: max(difficulty, scheduled >> 1n) } };
  }
  if (late > REANCHOR_HALF_LIVES * halfLife || -late > REANCHOR_HALF_LIVES * halfLife) {
    return {
      difficulty,
      anchor: { number: parent.number, timestamp: parent.timestamp, difficulty: scheduled },
    };
  }
  return { difficulty, anchor };
}

/**
 * Less than the D of any descendant of `parent` with a timestamp up to `latest`: what a header must beat before its
 * body is asked for. Relief halves D fastest, once in 3 T, and its first 6 T are free, so one long gap is the worst
 * case; the schedule adds 6/50 of a halving in those 6 T, which the last shift covers.
 */
export function lowerBound(rules: DifficultyRules, parent: DifficultyParent, latest: Millis): bigint {
  const at = latest > parent.timestamp ? latest : parent.timestamp + 1;
  const { difficulty } = childDifficulty(rules, parent, at);
  return min(difficulty, max(LEAST_DIFFICULTY, difficulty >> 1n));
}

/** `difficulty` after `late` ms of lateness, halved once in `halfLife`: 2^-x by a cubic, within 0.013 %. */
function fall(difficulty: bigint, late: bigint, halfLife: bigint): bigint {
  const exponent = floorDiv(late * 65536n, halfLife);
  const shift = exponent >> 16n;
  const frac = exponent & 0xffffn;
  const cubic = 195766423245049n * frac + 971821376n * frac * frac + 5127n * frac * frac * frac;
  const factor = 65536n + ((cubic + (1n << 47n)) >> 48n);
  const scaled = (difficulty << 16n) / factor;
  return max(LEAST_DIFFICULTY, shift >= 0n ? scaled >> shift : scaled << -shift);
}
