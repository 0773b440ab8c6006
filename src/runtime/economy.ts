/**
 * # Economy: the arithmetic of release, score, pay, reputation and entry, as pure functions of integers.
 *
 * Always true: divisions floor, so no rounding ever pays out more than there is; splitting an identity, a stake or a
 * job never gains. Rates are perbill (10^9); CU are 10^9 verified multiply-accumulates. Source: docs/spec/rewards.md.
 */
import { assert } from '../base/assert.ts';
import { clamp, max, min, mulDivFloor, PERBILL } from '../base/fixed.ts';

/** A certificate counts in this many equal parts, one an era (rule S). */
export const STREAM_ERAS = 24;
/** Eras of the moving average of work (rule S). */
const AVERAGE_ERAS = 168n;
/** Reputation of an identity without history, and the floor below which nothing drives it (FEATURES.md 6.3). */
export const REPUTATION_START = 250_000_000n;
/** Work moves reputation halfway in this many reference fragments; one era counts at most ten. */
const HALF_FRAGMENTS = 100n;
const CAP_FRAGMENTS = 10n;
/** What a multiply-accumulate of quantising and hashing operands costs beside the product itself (rule J). */
const OPERAND_COST = 28n;
const MACS_PER_CU = 1_000_000_000n;

/** The era's release: a fixed share of the pool, at least the tail, never more than there is. `factor` is of 2^64. */
export function release(pool: bigint, factor: bigint, tail: bigint): bigint {
  return min(pool, max((pool * factor) >> 64n, tail));
}

/** Utilisation in perbill: work against what the network is known to be able to do. */
export function utilisation(work: bigint, minWork: bigint, averageBefore: bigint): bigint {
  return min(PERBILL, mulDivFloor(work, PERBILL, max(1n, max(minWork, averageBefore / 2n))));
}

/** The moving average of work after one more era. Exact toward the floor in both directions. */
export function averageWork(before: bigint, work: bigint): bigint {
  return (before * (AVERAGE_ERAS - 1n) + work) / AVERAGE_ERAS;
}

/** Work that counts in an era of what was minted in the last 24 eras. */
export function streamed(minted: bigint): bigint {
  return minted / BigInt(STREAM_ERAS);
}

export interface ScoreInput {
  /** Streamed CU of the era. */
  readonly work: bigint;
  /** Own locked stake in base units, and the stake per CU that earns the full boost. */
  readonly stake: bigint;
  readonly kappa: bigint;
  readonly betaPerbill: bigint;
  readonly reputation: bigint;
  readonly tier: bigint;
}

/** score = (work + beta * min(work, stake/kappa)) * reputation * tier; without work it is 0 whatever the stake. */
export function score(input: ScoreInput): bigint {
  const boosted = input.kappa === 0n ? 0n : min(input.work, input.stake / input.kappa);
  const gross = input.work * PERBILL + input.betaPerbill * boosted;
  return (gross * input.reputation * input.tier) / (PERBILL * PERBILL * PERBILL);
}

/**
 * Units of stake per CU that count most in the next era: what the workers of this one had at stake for each CU of
 * theirs. From the era before, so that nobody moves it within an era (FEATURES.md 6.2, theta = 1).
 */
export function nextKappa(workersStake: bigint, work: bigint): bigint {
  return max(1n, workersStake / max(1n, work));
}

/** One identity's part of a pot. The parts of all sum to at most the pot. */
export function share(pot: bigint, own: bigint, all: bigint): bigint {
  return all === 0n ? 0n : mulDivFloor(pot, own, all);
}

export interface Split {
  readonly train: bigint;
  readonly authors: bigint;
  readonly verify: bigint;
}

/** The pots of an era. What the floors leave over is never released. */
export function pots(released: bigint, u: bigint, split: Split): { reff: bigint } & Split {
  assert(split.train + split.authors + split.verify <= PERBILL, 'a split of at most the whole');
  const reff = mulDivFloor(released, u, PERBILL);
  return {
    reff,
    train: mulDivFloor(reff, split.train, PERBILL),
    authors: mulDivFloor(reff, split.authors, PERBILL),
    verify: mulDivFloor(reff, split.verify, PERBILL),
  };
}

/** Pay of one block's author; what reputation leaves stays in the pool (rule R). */
export function authorPay(authorsPot: bigint, eraBlocks: number, reputation: bigint): bigint {
  return mulDivFloor(authorsPot / BigInt(eraBlocks), reputation, PERBILL);
}

/** Pay per 10^9 re-executed CU: at most 5/4 of what mining the same work earns (rule V). */
export function checkPrice(pot: bigint, checkedCu: bigint, minedPots: bigint, minedCu: bigint): bigint {
  if (checkedCu === 0n || minedCu === 0n) return 0n;
  return min(mulDivFloor(pot, PERBILL, checkedCu), mulDivFloor(minedPots, 5n * PERBILL, 4n * minedCu));
}

/** Reputation after an era's accepted work; once per era, so that splitting certificates gains nothing (rule S). */
export function reputationAfterWork(before: bigint, acceptedCu: bigint, referenceCu: bigint): bigint {
  const counted = min(acceptedCu, CAP_FRAGMENTS * referenceCu);
  const denominator = HALF_FRAGMENTS * referenceCu + counted;
  return denominator === 0n ? before : before + mulDivFloor(PERBILL - before, counted, denominator);
}

/** Reputation after work that was rejected: halved, not below the start. */
export function reputationAfterFraud(before: bigint): bigint {
  return max(REPUTATION_START, before / 2n);
}

/** Reputation after a missed deadline or duty: a sixty-fourth less, not below the start. */
export function reputationAfterTimeout(before: bigint): bigint {
  return max(REPUTATION_START, before - before / 64n);
}

export interface GemmShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Whether a mined node can carry tickets at a slab: whole tiles, whole slabs, k at most 4,096. */
export function fitsProfile(node: GemmShape, slab: number): boolean {
  return node.m % 16 === 0 && node.n % 16 === 0 && node.k % slab === 0 && node.k <= 4_096;
}

/** CU of `steps` steps over these mined nodes (rule J); nodes that do not fit the profile count nothing. */
export function workUnits(nodes: readonly GemmShape[], slab: number, steps: number): bigint {
  let macs = 0n;
  for (const node of nodes) {
    if (!fitsProfile(node, slab)) continue;
    const [m, n, k] = [BigInt(node.m), BigInt(node.n), BigInt(node.k)];
    macs += m * n * k + OPERAND_COST * (m + n) * k;
  }
  return (macs * BigInt(steps)) / MACS_PER_CU;
}

/** Blocks a miner has for a fragment: twice what his capacity needs, within a range (DECISIONS.md section 5). */
export function deadlineBlocks(
  fragmentCu: bigint,
  capacityCu: bigint,
  eraBlocks: number,
  range: [number, number],
): number {
  const wanted = (2n * fragmentCu * BigInt(eraBlocks)) / max(1n, capacityCu);
  return Number(clamp(wanted, BigInt(range[0]), BigInt(range[1])));
}

/** Drawn segments of an identity's k-th fragment (k from 1): a newcomer is looked at closely (rule E). */
export function drawnSegments(accepted: number, segments: number): number {
  return Math.min(segments, Math.max(3, Math.ceil(segments / (accepted + 1))));
}

/** The registration price after an era, in millionths of a reference fragment (rule E). */
export function nextRegistrationPrice(before: bigint, registrations: number, floorMillionths: bigint): bigint {
  const factor = clamp((BigInt(registrations) * 1_000_000n) / 240n, 500_000n, 2_000_000n);
  return clamp((before * factor) / 1_000_000n, floorMillionths, 1_024_000_000n);
}

/** The least D of each of the 32 registration tickets: together they are worth the price. */
export function registrationDifficulty(priceMillionths: bigint, referenceCu: bigint, tickets: bigint): bigint {
  return (priceMillionths * referenceCu * MACS_PER_CU) / (1_000_000n * tickets);
}

/** The capacity that a registration shows: its work, done within `blocks` of its anchor, in CU an era (rule E). */
export function shownCapacity(shown: {
  readonly priceMillionths: bigint;
  readonly referenceCu: bigint;
  readonly eraBlocks: number;
  readonly blocks: number;
}): bigint {
  const { priceMillionths, referenceCu, eraBlocks, blocks } = shown;
  return max(1n, (priceMillionths * referenceCu * BigInt(eraBlocks)) / (1_000_000n * BigInt(Math.max(1, blocks))));
}

/** What stays of a capacity in an era: half of it is gone after two and a half idle ones. */
const CAPACITY_KEPT = { parts: 3n, of: 4n };
/** Idle eras that are counted: (3/4)^32 is 10^-4, and the work of the new era outweighs what is left. */
const MAX_IDLE_ERAS = 32;

/**
 * Capacity after an era with `cu` of accepted work: a moving average over all eras, idle ones too. `idleEras` since the
 * last era with work; undefined before the first one, whose work replaces at once what registration showed (rule E).
 */
export function capacityAfter(before: bigint, idleEras: number | undefined, cu: bigint): bigint {
  if (idleEras === undefined) return max(1n, cu);
  const { parts, of } = CAPACITY_KEPT;
  let kept = before;
  for (let era = 0; era < Math.min(MAX_IDLE_ERAS, idleEras); era++) kept = (kept * parts) / of;
  return max(1n, (kept * parts + cu * (of - parts)) / of);
}

/** Eras without work in which what is above the start halves: 30 days of 24 (FEATURES.md 6.3). */
const IDLE_HALF_LIFE_ERAS = 720;

/** Reputation after eras without work: halves toward the start in 720 eras, on a straight line between halvings. */
export function reputationAfterIdle(before: bigint, idleEras: number): bigint {
  const halvings = Math.floor(idleEras / IDLE_HALF_LIFE_ERAS);
  if (before <= REPUTATION_START || halvings >= 64) return min(before, REPUTATION_START);
  const excess = (before - REPUTATION_START) >> BigInt(halvings);
  const rest = BigInt(idleEras - halvings * IDLE_HALF_LIFE_ERAS);
  return REPUTATION_START + excess - (excess * rest) / BigInt(2 * IDLE_HALF_LIFE_ERAS);
}
