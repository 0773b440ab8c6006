/**
 * # Finality: what decides that a block is never left again.
 *
 * Always true: a gadget only ever finalizes a block above the last finalized one, on whatever branch; it is a machine
 * like the others, and the chain applies what it says. No state rule reads it: rules of the runtime count `settled`
 * blocks by their height alone (DECISIONS section 1), so a node's choice of gadget changes no state root.
 */
import type { Bytes } from '../../base/bytes.ts';
import type { Header } from '../../primitives/header.ts';
import type { BlockRef } from '../../state/store.ts';
import type { Millis } from '../difficulty.ts';
import type { Foreign } from './listening.ts';
import type { Equivocation, SignedVote } from './round.ts';
import type { Watermark } from './watermark.ts';

/** What a gadget sees of the chain. */
export interface FinalityView {
  readonly best: BlockRef;
  readonly finalized: BlockRef;
  /** The ancestor of a block at a height, the block itself included; final blocks are found too, however old. */
  ancestor(of: Bytes, number: number): BlockRef | undefined;
  /** What fork choice prefers among an unfinalized block, or the last finalized one, and all that stands on it. */
  bestOn(block: BlockRef): BlockRef | undefined;
  header(hash: Bytes): Header | undefined;
  /** The proof that is stored with a block. */
  justification(hash: Bytes): Bytes | undefined;
  /** A record of the gadget's own, as it last put it, restarts included. */
  record(name: string): Bytes | undefined;
}

export type FinalityInput =
  /** A block was imported, on whatever branch. */
  | { readonly type: 'head' }
  /** A gadget's own message from a peer, undecoded. */
  | { readonly type: 'message'; readonly peer: string; readonly message: Bytes }
  /** A proof that came with an imported block; `peer` undefined: from a file of this node. */
  | {
      readonly type: 'justification';
      readonly block: BlockRef;
      readonly bytes: Bytes;
      readonly peer: string | undefined;
    }
  | { readonly type: 'tick' };

export type FinalityEffect =
  /** Finalizes this block with all its ancestors; `keep`: the proof is stored with it. */
  | { readonly type: 'finalize'; readonly block: BlockRef; readonly justification?: Bytes; readonly keep?: boolean }
  | { readonly type: 'put'; readonly name: string; readonly value: Bytes }
  /** All that was put before this, and the mark, are on disk before any later `broadcast` or `tell` leaves. */
  | { readonly type: 'persist'; readonly mark: Watermark }
  | { readonly type: 'broadcast'; readonly message: Bytes }
  | { readonly type: 'tell'; readonly peer: string; readonly message: Bytes }
  /** The message of this input is news and holds: pass it on. */
  | { readonly type: 'relay' }
  /** A vote that this peer brought is for a block that is not here: fetch it, on whatever branch it is. */
  | { readonly type: 'missing'; readonly block: BlockRef; readonly peer: string }
  /** A block that is not here is final; this peer may have it, however little work its chain shows. */
  | { readonly type: 'proven'; readonly peer: string; readonly block: BlockRef }
  | { readonly type: 'equivocation'; readonly proof: Equivocation }
  /** Somebody else votes with a key of this node (`twin`), or it did itself before its disk was lost (`earlier`). */
  | { readonly type: 'doppelganger'; readonly vote: SignedVote; readonly kind: Foreign }
  | { readonly type: 'report'; readonly peer: string; readonly score: number };

export interface Finality {
  step(now: Millis, input: FinalityInput, view: FinalityView): readonly FinalityEffect[];
  /** When a step is due even if nothing comes in. */
  wakeAt(): Millis | undefined;
}
