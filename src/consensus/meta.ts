/**
 * # Meta: what consensus remembers of a block beside its header.
 *
 * Always true: everything here was computed when the block was imported, never taken from it; with the header it is
 * all that a child's difficulty, timestamp rule and fork choice need.
 */
import { must } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { hash, mapped, type Of, option, struct, u32, u64, u256 } from '../codec/index.ts';
import { Header } from '../primitives/header.ts';
import { readSlotSealed } from '../primitives/slots.ts';
import type { ParentInfo } from '../runtime/chain.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { Anchor, Millis } from './difficulty.ts';

/** Milliseconds as u64: exact in a number until the year 287396. */
const millis = mapped(u64, { decode: Number, encode: (value: Millis) => BigInt(value) });

const AnchorCodec = struct({ number: u32, timestamp: millis, difficulty: u256 });

export const BlockMeta = struct({
  difficulty: u256,
  /** Sum of the difficulties of this block and all its ancestors. */
  totalDifficulty: u256,
  timestamp: millis,
  /** Undefined for genesis alone. */
  anchor: option(AnchorCodec),
  /** Of the winning ticket, as recomputed; undefined for genesis. */
  ticket: option(hash),
  /** Which input of this node brought it: blocks that came together share it, and the lower ticket decides. */
  arrival: u64,
});
export type BlockMeta = Of<typeof BlockMeta>;

const GENESIS_META: BlockMeta = {
  difficulty: 0n,
  totalDifficulty: 0n,
  timestamp: 0,
  anchor: undefined,
  ticket: undefined,
  arrival: 0n,
};

/** The meta of a stored block. A genesis is stored without one. */
export function metaOf(store: Pick<ChainStore, 'meta'>, block: Bytes): BlockMeta {
  const bytes = must(store.meta(block), 'a stored block has its meta');
  return bytes.length === 0 ? GENESIS_META : BlockMeta.dec(bytes);
}

/** A stored block as the parent of the next one. */
export interface ParentBlock extends BlockRef {
  readonly timestamp: Millis;
  readonly anchor: Anchor | undefined;
  readonly meta: BlockMeta;
  /** What the runtime reads of it. */
  readonly info: ParentInfo;
}

/** A stored block as a parent. */
export function parentBlock(store: ChainStore, block: Bytes): ParentBlock {
  const meta = metaOf(store, block);
  const header = Header.dec(must(store.header(block), 'a stored block has its header'));
  return {
    hash: block,
    number: header.number,
    timestamp: meta.timestamp,
    anchor: meta.anchor,
    meta,
    info: { header, ticket: meta.ticket },
  };
}

/**
 * The meta of a block of engine `slots` that is known to be final, but not what came before: every D is 1, and the
 * ticket is what its author drew. Its time is that of its state. Throws CodecError or SlotError for another header.
 */
export function slotsBaseMeta(header: Header, timestamp: Millis): Bytes {
  const { output } = readSlotSealed(header);
  return BlockMeta.enc({
    difficulty: 1n,
    totalDifficulty: BigInt(header.number),
    timestamp,
    anchor: undefined,
    ticket: output,
    arrival: 1n,
  });
}
