/** # Selfish: what withholding blocks earns under this fork choice (Eyal and Sirer's strategy, 10^5 blocks). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBetter, type Weighed } from '../../src/consensus/choice.ts';

function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The share of the final chain that a withholder with this share of the work gets. */
function revenue(share: number, seed: number, blocks = 100_000): number {
  const random = dice(seed);
  let arrival = 0n;
  let [mine, others] = [0, 0];
  // Both branches are counted from the last common block; what is public has an arrival at the honest nodes.
  let [hidden, published, open] = [0, 0, 0];
  const weighed = (length: number, at: bigint): Weighed => ({
    totalDifficulty: BigInt(length),
    arrival: at,
    ticket: undefined,
  });
  for (let i = 0; i < blocks; i++) {
    arrival += 2n;
    if (random() < share) {
      hidden++;
      // A race at equal length: the next block of the withholder's own decides it.
      if (published > 0 && published === open && hidden > open) {
        mine += hidden;
        [hidden, published, open] = [0, 0, 0];
      }
      continue;
    }
    open++;
    if (hidden === 0 || hidden < open) {
      others += open;
      [hidden, published, open] = [0, 0, 0];
    } else if (hidden === open + 1 && open >= 1 && published < open) {
      // One ahead after having been two ahead or more: he shows all and wins.
      mine += hidden;
      [hidden, published, open] = [0, 0, 0];
    } else {
      published = Math.min(hidden, open);
      // He answers the honest block at once, and still comes after it.
      const honestFirst = isBetter(weighed(open, arrival), weighed(published, arrival + 1n));
      assert.ok(honestFirst, 'of equal branches the one seen first stays');
    }
  }
  return mine / (mine + others);
}

test('withholding earns less than its share up to a third of the work', () => {
  for (const share of [0.1, 0.2, 0.25, 0.3]) {
    const got = revenue(share, 17);
    console.log(`withholding with ${share} of the work earns ${got.toFixed(3)} of the blocks`);
    assert.ok(got < share, `${share} earns ${got}`);
  }
});

test('with more than a third it pays, so the test above can fail', () => {
  assert.ok(revenue(0.42, 17) > 0.42);
});
