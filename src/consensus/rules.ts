/**
 * # Rules: what consensus asks of the rest of the node, and the numbers of the chain spec that it needs.
 *
 * Always true: every function here is pure; consensus reads the runtime's state through them and in no other way.
 */
import type { Bytes } from '../base/bytes.ts';
import type { TicketEvaluator } from '../compute/pouw/ticket.ts';
import type { Verifier } from '../crypto/verify.ts';
import type { VrfVerifier } from '../crypto/vrf.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { SlotAuthority, SlotEpoch } from '../runtime/slots.ts';
import type { BlockRef } from '../state/store.ts';
import type { StateView } from '../state/view.ts';
import type { DifficultyRules } from './difficulty.ts';

/** A mined node of a step graph; one that does not `fit` the profile runs without tickets. */
export interface MinedNode {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly fits: boolean;
}

/** A fragment as the seal check sees it. */
export interface SealFragment {
  readonly job: Bytes;
  /** H: steps count from 1 to it. */
  readonly steps: number;
  readonly profile: number;
  readonly minedNodes: readonly MinedNode[];
  /** The last pair that won a block on this branch. */
  readonly lastWin: { readonly step: number; readonly node: number } | undefined;
}

/** The compute pallet, read from the parent's state. */
export interface SealRules {
  /** Undefined when the account is not registered. */
  author(view: StateView, account: Bytes): { readonly computeKey: Bytes; readonly boostPpm: number } | undefined;
  /** Undefined when the fragment is not open for that account. */
  fragment(view: StateView, id: Bytes, account: Bytes): SealFragment | undefined;
}

/** Whose turn it is, read from the parent's state: the one seam between engine `slots` and whoever elects authors. */
export interface SlotRules {
  /** Hash of block 0: seals are bound to it. */
  readonly genesis: Bytes;
  /** The number of the epoch of a slot. */
  epochAt(slot: number): number;
  /** What decides who authors in this slot, on top of the block that has this state. */
  epoch(view: StateView, slot: number): SlotEpoch;
  /** Everybody whose seal may stand on a block near this state: for headers whose parent is not known. */
  authorities(view: StateView): readonly SlotAuthority[];
  readonly verifyVrf: VrfVerifier;
  /** Whether an sr25519 key made a seal. */
  readonly verifySeal: Verifier;
}

/** Everything that stays the same for the life of a chain. */
export interface ConsensusRules {
  readonly difficulty: DifficultyRules;
  readonly seals: SealRules;
  /** Where present, the chain's engine is `slots`: every D is 1, and no seal by work is asked for. */
  readonly slots?: SlotRules;
  readonly runtime: Pick<Runtime, 'executing' | 'builder' | 'Call'>;
  /** The one block of its height, by the chain spec. */
  readonly checkpoint?: BlockRef;
  /** A proven-equal faster evaluator of tickets than the reference. */
  readonly evaluate?: TicketEvaluator;
}

/** A block further ahead of the clock is held until its time. */
export const MAX_DRIFT_MS = 15_000;
/** A block further ahead than this is not even held: its author's clock is wrong. */
export const MAX_HOLD_MS = 60_000;
