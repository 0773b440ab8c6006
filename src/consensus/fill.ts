/** # Fill: puts what is ready into a block, until it is full. */
import type { Bytes } from '../base/bytes.ts';
import type { Work } from '../base/work.ts';
import type { BlockBuilder } from '../runtime/runtime.ts';

/** What may go into a block, best first. */
export type Ready = Iterable<{ readonly hash: Bytes; readonly bytes: Bytes }>;

/** Extrinsics in a row that find no room before the block counts as full: smaller ones may still fit. */
const MAX_MISFITS = 32;

/** Adds what is ready until the block is full, a piece each; returns the hashes of what the chain refuses. */
export function* filling(builder: BlockBuilder, ready: Ready): Work<Bytes[]> {
  const invalid: Bytes[] = [];
  let misfits = 0;
  for (const { hash, bytes } of ready) {
    yield;
    const result = builder.apply(bytes);
    if (result.applied) continue;
    if (result.kind === 'invalid') invalid.push(hash);
    else if (result.kind === 'exhausted' && ++misfits >= MAX_MISFITS) break;
  }
  return invalid;
}
