/**
 * # Philox: the random bits of a step (Philox4x32-10), the same on every machine.
 *
 * Always true: a value depends on (key, purpose, node, position) alone, so that any part of a step is re-drawn without
 * the rest. Key: the first 8 bytes of the step seed as two little-endian words. Counter: (block, node, purpose, 0).
 * Source: docs/spec/engine.md section 7; Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011).
 */

/** Two words of key. */
export type PhiloxKey = readonly [number, number];

/** What the bits of a counter are for. */
export const PURPOSE = { registration: 0, operandA: 1, operandB: 2, records: 3, weights: 5 } as const;

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
const INCREMENTS = [0x9e3779b9, 0xbb67ae85] as const;
const ROUNDS = 10;
const WORDS = 4_294_967_296;

/** The high 32 bits of a product of two words. */
function highWord(a: number, b: number): number {
  const low = (a & 0xffff) * (b & 0xffff);
  const cross = (a >>> 16) * (b & 0xffff) + Math.floor(low / 65_536);
  const other = (a & 0xffff) * (b >>> 16) + (cross % 65_536);
  return (a >>> 16) * (b >>> 16) + Math.floor(cross / 65_536) + Math.floor(other / 65_536);
}

/** The four words of one block. */
export function philoxBlock(
  counter: readonly [number, number, number, number],
  key: PhiloxKey,
): readonly [number, number, number, number] {
  let [a, b, c, d] = counter;
  let [x, y] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const p = [highWord(MULTIPLIERS[0], a), Math.imul(MULTIPLIERS[0], a)] as const;
    const q = [highWord(MULTIPLIERS[1], c), Math.imul(MULTIPLIERS[1], c)] as const;
    [a, b, c, d] = [(q[0] ^ b ^ x) >>> 0, q[1] >>> 0, (p[0] ^ d ^ y) >>> 0, p[1] >>> 0];
    x = (x + INCREMENTS[0]) >>> 0;
    y = (y + INCREMENTS[1]) >>> 0;
  }
  return [a, b, c, d];
}

/** The 16 bits of element e: block e div 8, word (e mod 8) div 2, low half for even e, high half for odd e. */
export function uniformAt(e: number, key: PhiloxKey, node: number, purpose: number): number {
  const words = philoxBlock([Math.floor(e / 8), node, purpose, 0], key);
  const word = words[(e % 8) >> 1] as number;
  return e % 2 === 0 ? word & 0xffff : word >>> 16;
}

/** `count` indices below `records` (1 .. 2^32), equally likely: words above the last whole multiple are skipped. */
export function recordIndices(records: number, count: number, key: PhiloxKey): Uint32Array {
  const fair = WORDS - (WORDS % records);
  const indices = new Uint32Array(count);
  let found = 0;
  for (let block = 0; found < count; block++) {
    for (const word of philoxBlock([block, 0, PURPOSE.records, 0], key)) {
      if (word < fair && found < count) indices[found++] = word % records;
    }
  }
  return indices;
}
