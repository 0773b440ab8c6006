/**
 * # Terms: what each voter's load puts on each candidate that he approves, without a division for each.
 *
 * Always true: a term is floor(score * stake / approval) to the last unit, and a candidate's sum is that of its voters'
 * terms. Within a round score and approval are the same for all voters of a candidate: one division gives their
 * quotient with so many bits that its product with a stake tells the term, but for about one in 2^21, which is divided.
 *
 * Numbers are limbs of 24 bits, lowest first: five products of two limbs and a carry are less than 2^53.
 */
import { must } from '../../base/assert.ts';
import { max } from '../../base/fixed.ts';

const LIMB_BITS = 24;
const LIMB = 1 << LIMB_BITS;
const BITS = BigInt(LIMB_BITS);
/** Of a score, which no term exceeds: 128 bits. */
const SCORE_LIMBS = 6;
/** Of a score over an approval of 1 with the most limbs below one: a stake has at most five, 2^96 itself included. */
const QUOTIENT_LIMBS = SCORE_LIMBS + 6;

/**
 * What a product may lack is less than this many units of its highest limb below one: one since the quotient is rounded
 * down, and one for each of at most four products in the highest column that is left out; lower ones are crumbs.
 */
const SLACK = 8;

export class Terms {
  private readonly stakes: readonly bigint[];
  private readonly approval: readonly bigint[];
  /** Limbs of the largest stake. A quotient has one more below one. */
  private readonly width: number;
  /** By ballot: its stake. */
  private readonly stakeLimbs: Float64Array;
  /** By candidate: score / approval, how many limbs that takes, and of which round it is. */
  private readonly quotients: Float64Array;
  private readonly lengths: Uint8Array;
  private readonly rounds: Int32Array;
  /** By place: the term. */
  private readonly terms: Int32Array;
  /** By candidate: the sums of its terms' limbs, each at most 2^24 times 2^15 voters. */
  private readonly sums: Float64Array;
  private score = 0n;
  private round = 0;
  /** Limbs of the largest score so far. */
  private height = 0;
  private changed: number[] = [];

  /** Stakes by ballot and approvals by candidate, as ballots.ts has them; room for so many terms, all 0. */
  constructor(stakes: readonly bigint[], approval: readonly bigint[], places: number) {
    this.stakes = stakes;
    this.approval = approval;
    this.width = limbsOf(stakes.reduce(max, 0n));
    this.stakeLimbs = new Float64Array(stakes.length * this.width);
    for (const [i, stake] of stakes.entries()) split(stake, this.stakeLimbs, i * this.width, this.width);
    this.quotients = new Float64Array(approval.length * QUOTIENT_LIMBS);
    this.lengths = new Uint8Array(approval.length);
    this.rounds = new Int32Array(approval.length);
    this.terms = new Int32Array(places * SCORE_LIMBS);
    this.sums = new Float64Array(approval.length * SCORE_LIMBS);
  }

  /** Begins a round: terms are by this score from now on, at most 2^128 - 1. */
  begin(score: bigint): void {
    this.score = score;
    this.round++;
    this.height = Math.max(this.height, limbsOf(score));
    this.changed = [];
  }

  /** Makes the term at `place` floor(score * stake / approval) of a ballot and a candidate that it approves. */
  put(place: number, ballot: number, candidate: number): void {
    if (this.rounds[candidate] !== this.round) this.divide(candidate);
    const { stakeLimbs, quotients, terms, sums, width } = this;
    const quotientEnd = this.lengths[candidate] as number;
    const stake = ballot * width;
    const quotient = candidate * QUOTIENT_LIMBS;
    const toSum = candidate * SCORE_LIMBS - width - 1;
    const toTerm = place * SCORE_LIMBS - width - 1;
    const end = width + 1 + this.height;
    let carry = 0;
    for (let column = width - 1; column < end; column++) {
      let all = carry;
      const last = column < width ? column : width - 1;
      for (let n = column < quotientEnd ? 0 : column - quotientEnd + 1; n <= last; n++) {
        all += (stakeLimbs[stake + n] as number) * (quotients[quotient + column - n] as number);
      }
      carry = Math.floor(all / LIMB);
      const limb = all - carry * LIMB;
      if (column > width) {
        sums[toSum + column] = (sums[toSum + column] as number) + limb - (terms[toTerm + column] as number);
        terms[toTerm + column] = limb;
      } else if (column === width && limb >= LIMB - SLACK) {
        // What the product lacks could be a unit.
        this.putExactly(place, ballot, candidate);
        return;
      }
    }
  }

  /** The sum of a candidate's terms. */
  sum(candidate: number): bigint {
    let sum = 0n;
    for (let n = SCORE_LIMBS - 1; n >= 0; n--) {
      sum = (sum << BITS) + BigInt(this.sums[candidate * SCORE_LIMBS + n] as number);
    }
    return sum;
  }

  /** The candidates that have terms by the score of this round. */
  candidates(): readonly number[] {
    return this.changed;
  }

  private divide(candidate: number): void {
    const approval = must(this.approval[candidate], 'a candidate has an approval');
    const quotient = (this.score << (BITS * BigInt(this.width + 1))) / approval;
    split(quotient, this.quotients, candidate * QUOTIENT_LIMBS, QUOTIENT_LIMBS);
    this.lengths[candidate] = limbsOf(quotient);
    this.rounds[candidate] = this.round;
    this.changed.push(candidate);
  }

  private putExactly(place: number, ballot: number, candidate: number): void {
    const stake = must(this.stakes[ballot], 'a ballot has a stake');
    const exact = new Float64Array(SCORE_LIMBS);
    split((this.score * stake) / must(this.approval[candidate], 'a candidate has an approval'), exact, 0, SCORE_LIMBS);
    for (const [n, limb] of exact.entries()) {
      const sum = candidate * SCORE_LIMBS + n;
      const term = place * SCORE_LIMBS + n;
      this.sums[sum] = (this.sums[sum] as number) + limb - (this.terms[term] as number);
      this.terms[term] = limb;
    }
  }
}

function limbsOf(value: bigint): number {
  return value === 0n ? 0 : Math.ceil(value.toString(2).length / LIMB_BITS);
}

function split(value: bigint, into: Float64Array, from: number, limbs: number): void {
  let left = value;
  for (let n = 0; n < limbs; n++) {
    into[from + n] = Number(BigInt.asUintN(LIMB_BITS, left));
    left >>= BITS;
  }
}
