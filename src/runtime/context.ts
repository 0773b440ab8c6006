/**
 * # Context: one execution over one writable state: a block, a validity check or a runtime API call.
 *
 * Always true: what a failed layer wrote to the state, to the events and to the digest is undone together.
 */
import { assert, must } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Codec } from '../codec/index.ts';
import type { DigestItem } from '../primitives/digest.ts';
import { accessors, type KeyMaker } from './access.ts';
import type { Calls, EventRecord, Phase, RuntimeCall } from './calls.ts';
import type { BlockInfo, Chain, Origin } from './chain.ts';
import { type DispatchError, DispatchFailure, dispatchError } from './errors.ts';
import type { Host } from './host.ts';
import type { BoundCall, Declared, Pallet, Scope } from './pallet.ts';
import { System } from './pallets/system.ts';
import type { RuntimeSpec, RuntimeVersion } from './spec.ts';
import { type PlacedItem, storageKey, type Writable } from './storage.ts';
import type { BlockWeights, Weight } from './weights.ts';

/** A writable state with layers. */
export interface Layered extends Writable {
  begin(): void;
  commit(): void;
  rollback(): void;
}

/** What all executions of one runtime share. */
export interface Kernel {
  readonly calls: Calls;
  readonly spec: RuntimeSpec;
  readonly version: RuntimeVersion;
  readonly host: Host;
  readonly record: Codec<EventRecord>;
  /** What System.Events holds. */
  readonly records: Codec<EventRecord[]>;
  readonly limits: BlockWeights;
  /** What `:code` holds in this version (genesis.ts); made when first asked for. */
  marker(): Bytes;
}

/** The era of a block: blocks 1 .. eraBlocks are era 0. */
export function eraOf(number: number, eraBlocks: number): number {
  return number === 0 ? 0 : Math.floor((number - 1) / eraBlocks);
}

/** A block that is only looked at: nobody may ask for its parent's header. */
export function blockAt(number: number, parentHash: Bytes, eraBlocks: number): BlockInfo {
  return {
    number,
    parentHash,
    era: eraOf(number, eraBlocks),
    get parent() {
      return must<BlockInfo['parent']>(undefined, 'the parent header outside of a block execution');
    },
  };
}

// Calls nest calls; each level costs a layer of the state. As Substrate's transactional layers are.
const MAX_LAYERS = 64;

export class Context implements Chain {
  readonly kernel: Kernel;
  readonly store: Layered;
  readonly block: BlockInfo;
  readonly events: EventRecord[] = [];
  readonly digest: DigestItem[] = [];
  origin: Origin = { type: 'none' };
  phase: Phase = { type: 'Initialization' };
  spent: Weight | undefined;
  private layers = 0;
  private readonly scopes = new Map<Declared, Scope<Declared>>();
  private readonly keyOf: KeyMaker;

  constructor(kernel: Kernel, store: Layered, block: BlockInfo, keyOf: KeyMaker = storageKey) {
    this.kernel = kernel;
    this.store = store;
    this.block = block;
    this.keyOf = keyOf;
  }

  get spec(): RuntimeSpec {
    return this.kernel.spec;
  }

  get version(): RuntimeVersion {
    return this.kernel.version;
  }

  get host(): Host {
    return this.kernel.host;
  }

  get extrinsicIndex(): number {
    return this.phase.type === 'ApplyExtrinsic' ? this.phase.value : 0;
  }

  get signer(): Bytes {
    assert(this.origin.type === 'signed', 'the signer of a call that nobody signed');
    return this.origin.who;
  }

  use<D extends Declared>(of: D | Pallet<D>): Scope<D> {
    const declared: Declared = 'declared' in of ? of.declared : of;
    let scope = this.scopes.get(declared);
    if (scope === undefined) {
      scope = new PalletScope(this, declared, this.keyOf) as unknown as Scope<Declared>;
      this.scopes.set(declared, scope);
    }
    return scope as unknown as Scope<D>;
  }

  holdings(): bigint {
    let sum = 0n;
    for (const pallet of this.kernel.calls.pallets) sum += pallet.holdings(this.use(pallet.declared));
    return sum;
  }

  log(item: DigestItem): void {
    this.digest.push(item);
  }

  /** Runs `body` in a layer: kept when it returns, undone when it throws a DispatchFailure, whose error is returned. */
  attempt(body: () => void): DispatchError | undefined {
    if (this.layers >= MAX_LAYERS) return { type: 'Transactional', value: { type: 'LimitReached' } };
    const marks = [this.events.length, this.digest.length] as const;
    this.layers++;
    this.store.begin();
    try {
      body();
      this.store.commit();
      return undefined;
    } catch (failure) {
      // Only a declared failure is a result; anything else is a bug, and the whole execution is thrown away.
      if (!(failure instanceof DispatchFailure)) throw failure;
      this.store.rollback();
      this.events.length = marks[0];
      this.digest.length = marks[1];
      return failure.error;
    } finally {
      this.layers--;
    }
  }

  dispatch(call: RuntimeCall, origin: Origin = this.origin): DispatchError | undefined {
    const { pallet, rule } = this.kernel.calls.rule(call);
    const outer = this.origin;
    let spent: Weight | undefined;
    this.origin = origin;
    const error = this.attempt(() => {
      if (origin.type === 'signed' && origin.allows?.(call) === false) this.use(System).fail('CallFiltered');
      if (!mayCall(rule, origin)) throw dispatchError('BadOrigin');
      spent = rule.run(this.use(pallet.declared), call.value.value) ?? undefined;
    });
    this.origin = outer;
    this.spent = spent;
    return error;
  }

  deposit(declared: Declared, name: string, fields: unknown): void {
    this.events.push({
      phase: this.phase,
      event: { type: declared.name, value: { type: name, value: fields as Record<string, unknown> } },
      topics: [],
    });
  }
}

function mayCall(rule: BoundCall, origin: Origin): boolean {
  switch (rule.origin ?? 'signed') {
    case 'signed':
      return origin.type === 'signed';
    case 'root':
      return origin.type === 'root';
    case 'any':
      return origin.type !== 'none';
    case 'inherent':
    case 'bare':
      return origin.type === 'none';
  }
}

/** One pallet's window on a context. */
class PalletScope implements Chain {
  readonly state: unknown;
  readonly emit: Readonly<Record<string, (fields?: unknown) => void>>;
  private readonly context: Context;
  private readonly declared: Declared;
  private constants: Readonly<Record<string, unknown>> | undefined;

  constructor(context: Context, declared: Declared, keyOf: KeyMaker) {
    this.context = context;
    this.declared = declared;
    this.state = accessors(declared.storage as Readonly<Record<string, PlacedItem>>, context.store, keyOf);
    const emit: Record<string, (fields?: unknown) => void> = {};
    for (const name of declared.eventCodecs.keys()) {
      emit[name] = (fields = {}) => context.deposit(declared, name, fields);
    }
    this.emit = emit;
  }

  get const(): Readonly<Record<string, unknown>> {
    this.constants ??= Object.fromEntries(
      Object.entries(this.declared.constants).map(([name, { of }]) => [
        name,
        of(this.context.spec, this.context.version),
      ]),
    );
    return this.constants;
  }

  get block(): BlockInfo {
    return this.context.block;
  }

  get spec(): RuntimeSpec {
    return this.context.spec;
  }

  get version(): RuntimeVersion {
    return this.context.version;
  }

  get host(): Host {
    return this.context.host;
  }

  get origin(): Origin {
    return this.context.origin;
  }

  get signer(): Bytes {
    return this.context.signer;
  }

  get extrinsicIndex(): number {
    return this.context.extrinsicIndex;
  }

  get spent(): Weight | undefined {
    return this.context.spent;
  }

  use<D extends Declared>(of: D | Pallet<D>): Scope<D> {
    return this.context.use(of);
  }

  dispatch(call: RuntimeCall, origin?: Origin): DispatchError | undefined {
    return this.context.dispatch(call, origin);
  }

  holdings(): bigint {
    return this.context.holdings();
  }

  log(item: DigestItem): void {
    this.context.log(item);
  }

  ensure(condition: boolean, error: string): void {
    if (!condition) this.fail(error);
  }

  some<T>(value: T | undefined, error: string): T {
    return value === undefined ? this.fail(error) : value;
  }

  fail(name: string): never {
    const index = this.declared.errorIndex.get(name);
    assert(index !== undefined, `undeclared error ${this.declared.name}.${name}`);
    const error = Uint8Array.of(index, 0, 0, 0);
    const value = { index: this.declared.index, error };
    const sentence = this.declared.errors[name] ?? '';
    throw new DispatchFailure({ type: 'Module', value }, `${this.declared.name}.${name}: ${sentence}`);
  }
}
