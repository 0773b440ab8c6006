/**
 * # Executive: how a block comes to be, from its parent's state to its own.
 *
 * Always true: the state after a block follows from the parent's state, the parent's sealed header and ticket, and the
 * block's extrinsics alone; a block's own `pow_` items are never seen. A failing call pays its fee and leaves nothing
 * else; a transaction that is not valid leaves nothing at all.
 */
import { assert, must } from '../base/assert.ts';
import { type Bytes, concat } from '../base/bytes.ts';
import { compactU32, Writer } from '../codec/index.ts';
import type { DigestItem } from '../primitives/digest.ts';
import { keyOf } from '../state/key.ts';
import type { Overlay } from '../state/overlay.ts';
import type { KeyMaker } from './access.ts';
import type { Calls, DispatchInfo, EventRecord, RuntimeCall } from './calls.ts';
import type { Chain, ParentInfo } from './chain.ts';
import { Context, eraOf, type Kernel } from './context.ts';
import { type DispatchError, invalid } from './errors.ts';
import { Meter } from './meter.ts';
import type { Pallet } from './pallet.ts';
import { BLOCK_HASH_COUNT, CODE_KEY, System } from './pallets/system.ts';
import { collect, refund, reportFee, totalFee } from './pallets/transaction-payment.ts';
import { type PlacedItem, storageKey } from './storage.ts';
import { checkBare, checkSigned, type Known, read } from './validity.ts';
import { plus, SIGNATURE_WEIGHT, type Weight, within } from './weights.ts';

const ROOT = { type: 'root' } as const;
const NONE = { type: 'none' } as const;

/** The parent by its hash. */
export interface Parent extends ParentInfo {
  readonly hash: Bytes;
}

/** One block while it executes: `initialize`, `apply` for each extrinsic, `finalize`; then `changes`. */
export class BlockExecution {
  /** The world as rules see it (chain.ts), with what they say: events and digest. */
  readonly context: Context;
  /** What all executions of one runtime share: its calls, limits and version. */
  private readonly kernel: Kernel;
  private readonly overlay: Overlay;
  private readonly parent: Parent;
  private readonly meter: Meter;
  /** Pallets whose inherents the block begins with. */
  private readonly required: readonly Pallet[];
  private readonly preDigest: readonly DigestItem[];
  /** Events as System.Events will hold them, each extrinsic's as soon as it ended: all at once are tens of ms. */
  private readonly records = new Writer();
  private recorded = 0;
  private index = 0;

  /** `preDigest`: what the header says before execution, without `pow_` items and seals. */
  constructor(kernel: Kernel, overlay: Overlay, parent: Parent, preDigest: readonly DigestItem[]) {
    const number = parent.header.number + 1;
    const era = eraOf(number, kernel.spec.eraBlocks);
    const block = { number, parentHash: parent.hash, era, parent };
    this.context = new Context(kernel, overlay, block, cachedKeys());
    this.kernel = kernel;
    this.overlay = overlay;
    this.parent = parent;
    this.preDigest = preDigest;
    this.meter = new Meter(kernel);
    this.required = kernel.calls.pallets.filter(({ inherent }) => inherent !== undefined);
  }

  /** How many extrinsics every block must begin with. */
  get inherentCount(): number {
    return this.required.length;
  }

  /** Everything before the extrinsics: the block's place in the chain, then the pallets, then the end of an era. */
  initialize(): void {
    const { context, parent } = this;
    const { number, era } = context.block;
    context.digest.push(...this.preDigest);
    enter(context, parent.hash);
    // The genesis hash stays: every signature covers it.
    const old = number - BLOCK_HASH_COUNT - 1;
    if (old > 0) context.use(System).state.BlockHash.delete(old);
    context.origin = ROOT;
    this.upgrade();
    for (const { declared, hooks } of this.pallets) this.countHook(hooks.on_initialize?.(context.use(declared)));
    // The first block of an era ends the one before it.
    if (number > 1 && (number - 1) % context.spec.eraBlocks === 0) {
      for (const { declared, hooks } of this.pallets) this.countHook(hooks.on_era?.(context.use(declared), era - 1));
    }
    context.origin = NONE;
    this.record();
  }

  /** The extrinsics that the block must begin with, as its author makes them. */
  inherents(timestampMs: bigint): RuntimeCall[] {
    return this.required.map(({ declared, inherent }) => {
      const rule = must(inherent, 'a pallet with an inherent');
      const value = rule.make(this.context.use(declared), { timestampMs });
      return { type: declared.name, value: { type: rule.call, value } };
    });
  }

  /**
   * Applies the next extrinsic. Throws ValidityFailure, and leaves nothing, when it is not valid here: then a builder
   * goes on without it, and an importer refuses the block. Returns how its call failed, if it did.
   */
  apply(bytes: Bytes): DispatchError | undefined {
    const known = read(this.kernel.calls, bytes);
    if (known === undefined) throw invalid('Call');
    this.checkPlace(known.call);
    const { info } = known;
    this.meter.check(info.weight, info.class, bytes.length);
    this.context.phase = { type: 'ApplyExtrinsic', value: this.index };
    const { error, took } = applyKnown(this.context, this.kernel.calls, known);
    // What a call gave back of its fee it gives back of the block: room must not be had for nothing.
    this.meter.count(took.weight, took.class, bytes.length);
    this.index++;
    this.record();
    return error;
  }

  /** Everything after the extrinsics; returns the header's digest and what happened. */
  finalize(): { readonly digest: readonly DigestItem[]; readonly events: readonly EventRecord[] } {
    const { context } = this;
    assert(this.index >= this.required.length, 'a block holds its inherents');
    context.phase = { type: 'Finalization' };
    context.origin = ROOT;
    const system = context.use(System).state;
    system.BlockWeight.put(this.meter.weights);
    for (const { declared, hooks } of this.pallets) hooks.on_finalize?.(context.use(declared));
    system.ExtrinsicCount.put(this.index);
    system.Digest.put(context.digest);
    system.EventCount.put(context.events.length);
    this.record();
    system.Events.put(concat(compactU32.enc(this.recorded), this.records.finish()));
    return { digest: context.digest, events: context.events };
  }

  /** The first pallet whose invariant does not hold, and what it says. */
  brokenInvariant(): string | undefined {
    for (const { declared, invariant } of this.pallets) {
      const holds = invariant(this.context.use(declared));
      if (holds !== true) return `${declared.name}: ${holds === false ? 'its invariant does not hold' : holds}`;
    }
    return undefined;
  }

  /** What the block changed. Nothing may be written afterwards. */
  changes() {
    return this.overlay.changes();
  }

  /** The first block of a new version says so where clients look: they keep metadata by the hash of `:code`. */
  private upgrade(): void {
    const { state, emit } = this.context.use(System);
    const { spec_name, spec_version } = this.kernel.version;
    if (state.LastRuntimeUpgrade.get()?.spec_version === spec_version) return;
    state.LastRuntimeUpgrade.put({ spec_version, spec_name });
    this.overlay.put(CODE_KEY, this.kernel.marker());
    emit.CodeUpdated();
  }

  /** Encodes what was said since it was called last. */
  private record(): void {
    const { events } = this.context;
    for (; this.recorded < events.length; this.recorded++) {
      this.kernel.record.write(this.records, must(events[this.recorded], 'an event that was deposited'));
    }
  }

  private get pallets(): readonly Pallet[] {
    return this.kernel.calls.pallets;
  }

  private countHook(weight: Weight | void): void {
    if (weight !== undefined) this.meter.always(weight);
  }

  /** Inherents stand first, each once, in the order of their pallets; nothing else may stand there. */
  private checkPlace(call: RuntimeCall): void {
    const due = this.required[this.index];
    const isInherent = this.kernel.calls.rule(call).rule.origin === 'inherent';
    if (due === undefined) {
      if (isInherent) throw invalid('Call');
    } else if (call.type !== due.declared.name || call.value.type !== due.inherent?.call) {
      throw invalid('Call');
    }
  }
}

/** Says in the state which block executes: the one on top of `hash`. */
export function enter(chain: Chain, hash: Bytes): void {
  const { number } = chain.block;
  const system = chain.use(System).state;
  system.Number.put(number);
  system.ParentHash.put(hash);
  system.BlockHash.put(number - 1, hash);
}

/** How an extrinsic's call ended, and what it took. */
interface Outcome {
  readonly error: DispatchError | undefined;
  readonly took: DispatchInfo;
}

/** Applies an extrinsic to any execution; throws ValidityFailure and leaves nothing when it is not valid there. */
export function applyKnown(chain: Chain, calls: Calls, known: Known): Outcome {
  const { extrinsic, info } = known;
  if (extrinsic.signed === undefined) return applyBare(chain, calls, known);
  if (info.class === 'Mandatory') throw invalid('MandatoryValidation');
  const { who, account, fee, signed } = checkSigned(chain, known, extrinsic.signed);
  if (signed.extra.nonce > account.nonce) throw invalid('Future');
  chain.use(System).state.Account.put(who, { ...account, nonce: account.nonce + 1 });
  // Cannot fail: checkSigned saw that the payer can pay and stays open.
  collect(chain, who, fee);
  const error = chain.dispatch(known.call, { type: 'signed', who });
  const took = tookOf(chain, info, error);
  const actual = totalFee(chain, took, extrinsic.bytes.length, signed.extra.tip);
  reportFee(chain, who, fee - refund(chain, who, fee - actual), signed.extra.tip);
  report(chain, took, error);
  return { error, took };
}

/** The info of a signed call as it turned out: a call that failed took what it declared. */
function tookOf(chain: Chain, info: DispatchInfo, error: DispatchError | undefined): DispatchInfo {
  if (error !== undefined || chain.spent === undefined) return info;
  const weight = plus(chain.spent, SIGNATURE_WEIGHT);
  return within(weight, info.weight) ? { ...info, weight } : info;
}

function applyBare(chain: Chain, calls: Calls, { call, info }: Known): Outcome {
  const { rule } = calls.rule(call);
  if (rule.origin !== 'inherent') checkBare(chain, calls, call);
  const error = chain.dispatch(call, NONE);
  if (error !== undefined && info.class === 'Mandatory') throw invalid('BadMandatory');
  report(chain, info, error);
  return { error, took: info };
}

/** The last event of an extrinsic says how it went: clients read that one. */
function report(chain: Chain, { weight, class: name, paysFee }: DispatchInfo, error: DispatchError | undefined): void {
  const { emit } = chain.use(System);
  const dispatch_info = { weight, class: { type: name }, pays_fee: { type: paysFee ? 'Yes' : 'No' } } as const;
  if (error === undefined) emit.ExtrinsicSuccess({ dispatch_info });
  else emit.ExtrinsicFailed({ dispatch_error: error, dispatch_info });
}

// What recurs within a block (accounts, recent heights) is hashed once. At most as many keys as its execution touches.
const CACHED_KEY_BYTES = 32;

/** Storage keys, remembered for maps of one number or of one 32-byte key. */
export function cachedKeys(): KeyMaker {
  const caches = new Map<PlacedItem, Map<string | number, Bytes>>();
  return (item, keys) => {
    if (keys.length !== 1) return storageKey(item, keys);
    const only = keys[0];
    const plain = typeof only === 'number';
    if (!plain && !(only instanceof Uint8Array && only.length === CACHED_KEY_BYTES)) return storageKey(item, keys);
    let cache = caches.get(item);
    if (cache === undefined) caches.set(item, (cache = new Map()));
    const name = plain ? only : keyOf(only);
    let key = cache.get(name);
    if (key === undefined) cache.set(name, (key = storageKey(item, keys)));
    return key;
  };
}
