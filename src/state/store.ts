/**
 * # Store: what consensus, RPC and the node ask of the chain's memory.
 *
 * Always true: reads are synchronous and see at once what was written; nothing below `settled` ever changes; what was
 * written is durable only after a flush, and a batch reaches the disk whole or not at all, so that a crash loses
 * nothing but the newest blocks, which are fetched again. Writes are for fully checked blocks only.
 */
import type { Bytes } from '../base/bytes.ts';
import type { StateTree } from './tree.ts';
import type { ChangeSet } from './view.ts';

/** A block by hash and height (u32). */
export interface BlockRef {
  readonly hash: Bytes;
  readonly number: number;
}

/** A block whose execution was checked, ready to be kept. */
export interface NewBlock extends BlockRef {
  readonly parent: Bytes;
  /** SCALE of the whole header; its BLAKE2b-256 is `hash`. */
  readonly header: Bytes;
  /** Extrinsics, each as it stands in the block (with its length prefix). */
  readonly body: readonly Bytes[];
  /** What consensus wants to find again with the block (difficulty, work, …); opaque here and never rewritten. */
  readonly meta: Bytes;
  /** Compute-PoW opening of the seal, where the authoring engine has one. */
  readonly opening?: Bytes | undefined;
  /** What the block changed, against the state of its parent. */
  readonly changes: ChangeSet;
  readonly stateRoot: Bytes;
  /** What `view(parent).with(changes)` gave the caller, if it is at hand; computed again otherwise. */
  readonly tree?: StateTree | undefined;
}

/** A final block with its state, from which a store can begin in place of genesis. */
export interface Base extends BlockRef {
  /** SCALE of the whole header. */
  readonly header: Bytes;
  readonly body: readonly Bytes[];
  readonly meta: Bytes;
  readonly opening?: Bytes | undefined;
  readonly justification?: Bytes | undefined;
  /** The state after it. */
  readonly state: StateTree;
}

/** Blocks that left the canonical chain (newest first) and that joined it (oldest first). */
export interface Route {
  readonly retracted: readonly BlockRef[];
  readonly enacted: readonly BlockRef[];
}

/** Blocks that became final for this node (oldest first) and those of lost branches, now forgotten. */
export interface Settlement {
  readonly settled: readonly BlockRef[];
  readonly dropped: readonly BlockRef[];
}

/** Blocks above `settled`, of all branches: a chain whose finality stopped grows for nine days at 12 s, not longer. */
export const MAX_UNSETTLED = 65_536;

/** Sizes. */
export interface StoreStats {
  /** Blocks above `settled`. */
  readonly unsettled: number;
  /** States held in memory, the settled one included. */
  readonly trees: number;
  /** Bytes written and not yet taken by a flush. */
  readonly queuedBytes: number;
}

/** Blocks and states of one chain. Every method may throw StoreError; `CorruptDatabase` and `DiskError` are fatal. */
export interface ChainStore {
  readonly genesis: BlockRef;
  /** Head of the canonical chain, chosen by consensus. */
  readonly best: BlockRef;
  /** The highest block that this node will never leave. */
  readonly settled: BlockRef;
  /** Height of the block that this store began with, 0 for genesis: what lies between genesis and it is not here. */
  readonly base: number;

  /** Height of a known block. */
  number(hash: Bytes): number | undefined;
  /** SCALE of the header. */
  header(hash: Bytes): Bytes | undefined;
  parent(hash: Bytes): Bytes | undefined;
  stateRoot(hash: Bytes): Bytes | undefined;
  body(hash: Bytes): Bytes[] | undefined;
  meta(hash: Bytes): Bytes | undefined;
  opening(hash: Bytes): Bytes | undefined;
  /** What `putJustification` stored with the block. */
  justification(hash: Bytes): Bytes | undefined;
  /** The how-manieth block this node ever stored: "first seen" survives a restart. */
  arrival(hash: Bytes): number | undefined;
  /** Hash at a height of the canonical chain; undefined above `best`, and between genesis and `base`. */
  canonical(number: number): Bytes | undefined;
  /** Known children of `settled` or of a block above it, in order of arrival. */
  children(hash: Bytes): Bytes[];
  /** Blocks without children, by order of arrival; never empty. */
  leaves(): BlockRef[];

  /**
   * The state after a block: of every block above `settled`, of `settled`, and of settled blocks as far back as the
   * pruning window reaches; undefined for unknown blocks and for states that were pruned.
   */
  view(hash: Bytes): StateTree | undefined;

  /** Keeps a block and its state; the parent must be `settled` or above it. Does not move `best`. */
  append(block: NewBlock): StateTree;
  /** Makes a known block the head of the canonical chain. */
  setBest(hash: Bytes): Route;
  /** Settles the canonical chain up to a block of it, and forgets every branch that does not contain that block. */
  settle(hash: Bytes): Settlement;
  /** Takes back at most `count` unsettled blocks from the head of the chain; returns how many. */
  revert(count: number): number;
  putJustification(hash: Bytes, justification: Bytes): void;
  /** Small named records (votes, slashing protection), at most 64 names and 1 MiB together. */
  aux(name: string): Bytes | undefined;
  putAux(name: string, value: Bytes | undefined): void;

  stats(): StoreStats;
}

/** A store as its driver sees it. Flushes do not overlap: a second one waits for the first. */
export interface DurableStore extends ChainStore {
  /** Writes all that is queued as one batch; with `sync` it has survived a power cut when the promise resolves. */
  flush(sync: boolean): Promise<void>;
  /** Reads the whole store and throws `CorruptDatabase` at the first record that is not as it was written. */
  verify(): Promise<void>;
  /** Flushes with `sync` and lets go of the files. */
  close(): Promise<void>;
}
