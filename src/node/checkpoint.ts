/** # Checkpoint: the block that the chain spec names, for what is imported and for what is stored already. */
import { equal, fromHex, toHex } from '../base/bytes.ts';
import type { Millis } from '../consensus/difficulty.ts';
import { metaOf } from '../consensus/meta.ts';
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

/** Who voted in the past may have his stake back, and nothing to lose by signing another past. */
const NAME_ONE = 'name a checkpoint in the chain spec, of a block that you know to be of the chain';

/** For a node that begins with what votes prove; undefined where a checkpoint says which past is meant. */
export function unprovenStart({ consensus }: Pick<ChainRules, 'consensus'>): string | undefined {
  if (consensus.checkpoint !== undefined) return undefined;
  return `warp: nothing but votes says which chain this is, of old voters too: ${NAME_ONE}`;
}

/** For a node that was away for longer than stake is bound, unless a checkpoint lies ahead of what it has. */
export function awayTooLong(rules: ChainRules, spec: ChainSpec, store: ChainStore, wall: Millis): string | undefined {
  const { settled } = store;
  const { checkpoint } = rules.consensus;
  const { sessionBlocks, sessionsPerEra, bondingEras } = rules.runtime.spec.staking;
  const boundMs = bondingEras * sessionsPerEra * sessionBlocks * spec.consensus.blockTimeMs;
  // Of a chain at its beginning nobody knows how old it is; one for development rests as long as its owner likes.
  const isPlay = spec.chainType === 'Development' || spec.chainType === 'Local';
  if (isPlay || spec.consensus.finality !== 'grandpa' || settled.number === 0) return undefined;
  if (checkpoint !== undefined && checkpoint.number > settled.number) return undefined;
  const age = wall - metaOf(store, settled.hash).timestamp;
  if (age <= boundMs) return undefined;
  const hours = (ms: Millis) => `${(ms / 3_600_000).toFixed(1)} h`;
  return `the last final block here is ${hours(age)} old, and stake is bound for ${hours(boundMs)}: ${NAME_ONE}`;
}
