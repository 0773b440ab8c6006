/**
 * # Normalise: parts whose roundings are mended so that they sum exactly to a whole.
 *
 * Always true: the result sums to `target` and is the one of `sp_arithmetic::normalize` (polkadot-sdk,
 * substrate/primitives/arithmetic/src/lib.rs): what lacks goes to the smallest first, what is too much is taken from
 * the largest first, in equal shares and then one by one; among equals the earlier counts as the smaller.
 */
import { must } from '../../base/assert.ts';
import { max, min } from '../../base/fixed.ts';

/** `parts` are not negative; no parts stay no parts. */
export function normalise(parts: readonly bigint[], target: bigint): bigint[] {
  let sum = 0n;
  for (const part of parts) sum += part;
  const out = [...parts];
  if (parts.length === 0 || sum === target || raisesOne(out, target, target - sum)) return out;
  const order = parts.map((_, i) => i).sort((a, b) => difference(parts[a] as bigint, parts[b] as bigint) || a - b);
  if (sum < target) raise(out, order, target, target - sum);
  else lower(out, order, sum - target);
  return out;
}

/**
 * Gives the smallest all that lacks, where that is how `raise` ends: less than one for each part lacks, as floors leave
 * it, and the smallest stays at most an equal part of the whole. Else changes nothing. It saves the sorting.
 */
function raisesOne(out: bigint[], target: bigint, lack: bigint): boolean {
  const count = BigInt(out.length);
  if (lack < 0n || lack >= count) return false;
  let least = 0;
  for (let i = 1; i < out.length; i++) if ((out[i] as bigint) < (out[least] as bigint)) least = i;
  const raised = (out[least] as bigint) + lack;
  if (raised > target / count) return false;
  out[least] = raised;
  return true;
}

/** Gives `lack` away from the smallest on; who reaches an equal part of the whole passes the turn on. */
function raise(out: bigint[], order: readonly number[], target: bigint, lack: bigint): void {
  const count = BigInt(order.length);
  const level = target / count;
  let turn = 0;
  const give = (gift: bigint): void => {
    const i = must(order[turn], 'a turn is a place in the order');
    out[i] = (out[i] as bigint) + gift;
    if ((out[i] as bigint) >= level) turn = (turn + 1) % order.length;
  };
  const each = lack / count;
  if (each > 0n) for (const _ of order) give(each);
  for (let left = lack % count; left > 0n; left--) give(1n);
}

/** Takes `excess` from the largest on; who falls to what the smallest had passes the turn on. */
function lower(out: bigint[], order: readonly number[], excess: bigint): void {
  const count = BigInt(order.length);
  const level = out[must(order[0], 'there are parts')] as bigint;
  let left = excess % count;
  let turn = order.length - 1;
  const pass = (): void => {
    turn = turn === 0 ? order.length - 1 : turn - 1;
  };
  const each = excess / count;
  if (each > 0n) {
    for (const _ of order) {
      const i = must(order[turn], 'a turn is a place in the order');
      const had = out[i] as bigint;
      left += max(0n, each - had);
      out[i] = max(0n, had - each);
      if ((out[i] as bigint) <= level) pass();
    }
  }
  while (left > 0n) {
    // Whole rounds, in which everybody who has something gives one, in a single step: at most one for each part.
    const givers = order.filter((i) => (out[i] as bigint) > 0n);
    const least = givers.map((i) => out[i] as bigint).reduce(min);
    const whole = givers.every((i) => (out[i] as bigint) <= level) ? min(left / BigInt(givers.length), least) : 0n;
    for (const i of givers) out[i] = (out[i] as bigint) - whole;
    left -= whole * BigInt(givers.length);
    if (whole > 0n) continue;
    const i = must(order[turn], 'a turn is a place in the order');
    const had = out[i] as bigint;
    // Likewise what lies above the level, which one part gives alone.
    const taken = had === 0n ? 0n : had > level ? min(left, had - level) : 1n;
    out[i] = had - taken;
    left -= taken;
    if ((out[i] as bigint) <= level) pass();
  }
}

function difference(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
