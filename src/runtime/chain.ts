/**
 * # Chain: what every rule may see and do, whichever pallet it belongs to.
 *
 * Always true: a rule reaches the world only through this interface; it has no clock, no randomness and no network.
 */
import type { Bytes } from '../base/bytes.ts';
import type { DigestItem } from '../primitives/digest.ts';
import type { Header } from '../primitives/header.ts';
import type { RuntimeCall } from './calls.ts';
import type { DispatchError } from './errors.ts';
import type { Host } from './host.ts';
import type { Declared, Pallet, Scope } from './pallet.ts';
import type { RuntimeSpec, RuntimeVersion } from './spec.ts';
import type { Weight } from './weights.ts';

/** The parent of the block that executes: its header with seal, and its winning ticket as recomputed at import. */
export interface ParentInfo {
  readonly header: Header;
  /** 32 bytes; undefined for genesis and for engines without tickets. */
  readonly ticket: Bytes | undefined;
}

/** The block that executes. */
export interface BlockInfo {
  readonly number: number;
  readonly parentHash: Bytes;
  /** Counted from 0: blocks 1 .. eraBlocks are era 0. */
  readonly era: number;
  /** Only while a block executes; a bug when asked for in a runtime API or in `validate`. */
  readonly parent: ParentInfo;
}

export type Origin =
  | {
      readonly type: 'signed';
      readonly who: Bytes;
      /** The calls that may be made in this name, where not all: whatever the origin dispatches is bound by it too. */
      readonly allows?: (call: RuntimeCall) => boolean;
    }
  | { readonly type: 'root' }
  | { readonly type: 'none' };

export interface Chain {
  readonly block: BlockInfo;
  readonly spec: RuntimeSpec;
  readonly version: RuntimeVersion;
  readonly host: Host;
  readonly origin: Origin;
  /** The account that signed; a bug to ask for where the call's origin is not `signed`. */
  readonly signer: Bytes;
  /** The place of the present extrinsic in its block; 0 outside of extrinsics. */
  readonly extrinsicIndex: number;
  /** What the call that was dispatched last says it took, where it says so: less than its declared weight. */
  readonly spent: Weight | undefined;
  /** Another pallet's state, events and constants, typed by its declaration. */
  use<D extends Declared>(of: D | Pallet<D>): Scope<D>;
  /** Runs a call in a layer of its own; when it fails, what it wrote is undone and the error is returned. */
  dispatch(call: RuntimeCall, origin?: Origin): DispatchError | undefined;
  /** Units that all pallets together hold outside of System.Account. */
  holdings(): bigint;
  /** Adds an item to the digest of this block's header. */
  log(item: DigestItem): void;
}
