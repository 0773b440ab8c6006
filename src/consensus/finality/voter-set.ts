/**
 * # VoterSet: who votes on finality, and with what weight.
 *
 * Always true: a key stands in the set once, with a weight above zero; the order is that of the keys, whatever the
 * order of the list. A supermajority is `n - floor((n - 1) / 3)` by weight (PROTOCOL section 4): two of them share more
 * than the `floor((n - 1) / 3)` that may be faulty.
 */
import { assert, must } from '../../base/assert.ts';
import { type Bytes, compare, toHex } from '../../base/bytes.ts';
import type { AuthorityList } from '../../primitives/justification.ts';

export interface SetMember {
  /** The ed25519 key. */
  readonly id: Bytes;
  readonly weight: bigint;
  readonly index: number;
}

// The sum of all weights is a u64 wherever Substrate's clients count it.
const MAX_TOTAL = 2n ** 64n - 1n;

export class VoterSet {
  readonly voters: readonly SetMember[];
  readonly total: bigint;
  /** The weight from which on it is a supermajority. */
  readonly threshold: bigint;
  private readonly byKey = new Map<string, SetMember>();

  private constructor(weights: readonly (readonly [Bytes, bigint])[], total: bigint) {
    this.voters = weights.map(([id, weight], index) => ({ id, weight, index }));
    for (const voter of this.voters) this.byKey.set(toHex(voter.id), voter);
    this.total = total;
    this.threshold = total - (total - 1n) / 3n;
  }

  /** As Substrate reads a list: weights of one key add up, zeros are left out; undefined when nobody is left. */
  static of(list: AuthorityList): VoterSet | undefined {
    const weights = new Map<string, [Bytes, bigint]>();
    let total = 0n;
    for (const [id, weight] of list) {
      if (weight === 0n) continue;
      total += weight;
      const entry = weights.get(toHex(id));
      if (entry === undefined) weights.set(toHex(id), [id, weight]);
      else entry[1] += weight;
    }
    if (total === 0n || total > MAX_TOTAL) return undefined;
    return new VoterSet(
      [...weights.values()].sort(([a], [b]) => compare(a, b)),
      total,
    );
  }

  get(id: Bytes): SetMember | undefined {
    return this.byKey.get(toHex(id));
  }

  /** The weight that may be faulty. */
  get tolerated(): bigint {
    return this.total - this.threshold;
  }

  /** Who proposes in a round. */
  primary(round: bigint): SetMember {
    assert(round >= 0n, 'rounds count from zero');
    return must(this.voters[Number(round % BigInt(this.voters.length))], 'a set is never empty');
  }
}
