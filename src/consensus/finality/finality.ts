/**
 * # Finality: what decides that a block is never left again.
 *
 * Always true: a gadget only ever finalizes a block of the best chain above the last finalized one; it is a machine
 * like the others, and the chain applies what it says. No state rule reads it: rules of the runtime count `settled`
 * blocks by their height alone (DECISIONS section 1), so a node's choice of gadget changes no state root.
 */
import type { Bytes } from '../../base/bytes.ts';
import type { BlockRef } from '../../state/store.ts';
import type { Millis } from '../difficulty.ts';

/** What a gadget sees of the chain. */
export interface FinalityView {
  readonly best: BlockRef;
  readonly finalized: BlockRef;
  /** The ancestor of a block at a height, from the last finalized block on. */
  ancestor(of: Bytes, number: number): BlockRef | undefined;
}

export type FinalityInput =
  | { readonly type: 'head' }
  /** A gadget's own message from a peer, undecoded. */
  | { readonly type: 'message'; readonly peer: string; readonly message: Bytes }
  | { readonly type: 'tick' };

export type FinalityEffect =
  /** Finalizes this block with all its ancestors; the justification is stored with it. */
  | { readonly type: 'finalize'; readonly block: BlockRef; readonly justification?: Bytes }
  | { readonly type: 'broadcast'; readonly message: Bytes }
  | { readonly type: 'report'; readonly peer: string; readonly score: number };

export interface Finality {
  step(now: Millis, input: FinalityInput, view: FinalityView): readonly FinalityEffect[];
  /** When a step is due even if nothing comes in. */
  wakeAt(): Millis | undefined;
}
