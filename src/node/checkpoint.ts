/** # Checkpoint: the block that the chain spec names, for what is imported and for what is stored already. */
import { equal, fromHex, toHex } from '../base/bytes.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import { type ChainSpec, ChainSpecError } from './chain-spec.ts';
import type { ChainRules } from './rules.ts';

/** The checkpoint of a chain spec, where it has one. */
export function checkpointOf({ checkpoint }: ChainSpec): { readonly checkpoint?: BlockRef } {
  return checkpoint === undefined ? {} : { checkpoint: { number: checkpoint.number, hash: fromHex(checkpoint.hash) } };
}

/** Throws ChainSpecError when the stored chain has another block in the place of the checkpoint. */
export function ensureCheckpoint({ consensus }: Pick<ChainRules, 'consensus'>, store: ChainStore): void {
  const { checkpoint } = consensus;
  const found = checkpoint && store.canonical(checkpoint.number);
  if (!checkpoint || !found || equal(found, checkpoint.hash)) return;
  const { number, hash } = checkpoint;
  throw new ChainSpecError(
    `checkpoint: block ${number} here is ${toHex(found)}, not ${toHex(hash)}: purge-chain, or mend the chain spec`,
  );
}
