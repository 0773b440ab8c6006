/**
 * # Philox: the random bits of a step (Philox4x32-10), the same on every machine.
 *
 * Always true: a value depends on (key, purpose, node, position) alone, so that any part of a step is re-drawn without
 * the rest. Key: the first 8 bytes of the step seed as two little-endian words. Counter: (block, node, purpose, 0).
 * Source: ENGINE.md section 7; Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011).
 */

import { philox4x32 } from '../../crypto/philox.ts';

/** Two words of key. */
export type PhiloxKey = readonly [number, number];

/** What the bits of a counter are for. */
export const PURPOSE = { registration: 0, operandA: 1, operandB: 2, records: 3, weights: 5 } as const;

const WORDS = 4_294_967_296;

/** The 16 bits of element e: block e div 8, word (e mod 8) div 2, low half for even e, high half for odd e. */
export function uniformAt(e: number, key: PhiloxKey, node: number, purpose: number): number {
  const words = philox4x32(key, [Math.floor(e / 8), node, purpose, 0]);
  const word = words[(e % 8) >> 1] as number;
  return e % 2 === 0 ? word & 0xffff : word >>> 16;
}

/** `count` indices below `records` (1 .. 2^32), equally likely: words above the last whole multiple are skipped. */
export function recordIndices(records: number, count: number, key: PhiloxKey): Uint32Array {
  const fair = WORDS - (WORDS % records);
  const indices = new Uint32Array(count);
  let found = 0;
  for (let block = 0; found < count; block++) {
    for (const word of philox4x32(key, [block, 0, PURPOSE.records, 0])) {
      if (word < fair && found < count) indices[found++] = word % records;
    }
  }
  return indices;
}
