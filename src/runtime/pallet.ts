/**
 * # Pallet: one file, two halves. `pallet(...)` declares what exists, `rules(...)` says how it behaves.
 *
 * Always true: codecs, storage keys, metadata, genesis schema and the typed scope of a rule come from these two values
 * alone; nothing is written twice. A rule that names an event, error, field or item that is not declared does not
 * type-check.
 */
import { assert } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { type Codec, type Of, struct } from '../codec/index.ts';
import type { StateAccess } from './access.ts';
import type { Chain } from './chain.ts';
import type { RuntimeSpec, RuntimeVersion } from './spec.ts';
import { type Placed, place, type StorageItem } from './storage.ts';
import type { ClassName, Weight } from './weights.ts';

export type Fields = Readonly<Record<string, Codec<unknown>>>;
/** The values of named codecs. */
export type Values<F extends Fields> = { -readonly [K in keyof F]: Of<F[K]> };

export interface EventSpec<F extends Fields> {
  readonly doc: string;
  readonly fields: F;
}

export interface ConstantSpec<T> {
  readonly doc: string;
  readonly codec: Codec<T>;
  /** The value on a chain with this spec, in this version of the runtime. */
  of(spec: RuntimeSpec, version: RuntimeVersion): T;
}

/** Declares an event: a sentence, and its fields in wire order. */
export function event<F extends Fields>(doc: string, fields: F): EventSpec<F> {
  return { doc, fields };
}

/** Declares a constant: the same on all nodes of a chain, shown to wallets in the metadata. */
export function constant<T>(doc: string, codec: Codec<T>, of: ConstantSpec<T>['of']): ConstantSpec<T> {
  return { doc, codec, of };
}

type Constants = Readonly<Record<string, ConstantSpec<unknown>>>;
type Items = Readonly<Record<string, StorageItem>>;
type Events = Readonly<Record<string, EventSpec<Fields>>>;
type Errors = Readonly<Record<string, string>>;

export interface Declared<
  C extends Constants = Constants,
  S extends Items = Items,
  V extends Events = Events,
  E extends Errors = Errors,
> {
  readonly name: string;
  readonly index: number;
  readonly doc: string;
  readonly constants: C;
  readonly storage: { readonly [N in keyof S]: Placed<S[N]> };
  readonly events: V;
  readonly errors: E;
  /** The codec of each event's fields, in declaration order. */
  readonly eventCodecs: ReadonlyMap<string, { readonly index: number; readonly codec: Codec<unknown> }>;
  /** The index of each error: its position. */
  readonly errorIndex: ReadonlyMap<string, number>;
}

/** Declares a pallet. `index` is its place in the outer enums and never changes; so are names and orders in here. */
export function pallet<
  C extends Constants = Record<never, never>,
  S extends Items = Record<never, never>,
  V extends Events = Record<never, never>,
  E extends Errors = Record<never, never>,
>(
  name: string,
  parts: {
    readonly index: number;
    readonly doc: string;
    readonly constants?: C;
    readonly storage?: S;
    readonly events?: V;
    readonly errors?: E;
  },
): Declared<C, S, V, E> {
  assert(/^[A-Z][A-Za-z0-9]*$/.test(name), `pallet name ${name}`);
  const storage: Record<string, Placed<StorageItem>> = {};
  for (const [item, declared] of Object.entries(parts.storage ?? {})) storage[item] = place(declared, name, item);
  const events = Object.entries(parts.events ?? {});
  return {
    name,
    index: parts.index,
    doc: parts.doc,
    constants: parts.constants ?? ({} as C),
    storage: storage as unknown as Declared<C, S, V, E>['storage'],
    events: parts.events ?? ({} as V),
    errors: parts.errors ?? ({} as E),
    eventCodecs: new Map(events.map(([key, { fields }], index) => [key, { index, codec: struct(fields) }])),
    errorIndex: new Map(Object.keys(parts.errors ?? {}).map((key, index) => [key, index])),
  };
}

type Emit<V extends Events> = {
  readonly [N in keyof V]: keyof V[N]['fields'] extends never ? () => void : (fields: Values<V[N]['fields']>) => void;
};
type ConstantValues<C extends Constants> = { readonly [N in keyof C]: C[N] extends ConstantSpec<infer T> ? T : never };

/** What the rules of a pallet see: the chain, and their own part of it by the declared names. */
export interface Scope<D extends Declared> extends Chain {
  readonly state: StateAccess<D['storage']>;
  readonly const: ConstantValues<D['constants']>;
  readonly emit: Emit<D['events']>;
  /** Fails the call with the pallet's error unless the condition holds. */
  ensure(condition: boolean, error: keyof D['errors'] & string): void;
  /** The value; where it is absent, the call fails with the pallet's error. */
  some<T>(value: T | undefined, error: keyof D['errors'] & string): T;
  /** Fails the call with the pallet's error. */
  fail(error: keyof D['errors'] & string): never;
}

/**
 * Who may send a call: an account (`signed`), the chain's governance (`root`), whoever dispatches (`any`), the block's
 * author as part of every block (`inherent`), or nobody in particular, judged by the call's own `validate` (`bare`).
 */
export type OriginRule = 'signed' | 'root' | 'any' | 'inherent' | 'bare';

/** Why a bare transaction may enter the pool and a block, and how it is ordered there. */
export interface BareValidity {
  readonly priority: bigint;
  readonly requires?: readonly Bytes[];
  readonly provides: readonly Bytes[];
  /** Blocks for which the judgement holds. */
  readonly longevity: number;
  readonly propagate?: boolean;
}

export interface CallRule<D extends Declared, A extends Fields> {
  readonly index: number;
  readonly doc: string;
  readonly args: A;
  readonly weight: Weight | ((args: Values<A>) => Weight);
  /** Default `signed`. */
  readonly origin?: OriginRule;
  /** Default Normal; Operational calls may use the whole block; Mandatory is for inherents. */
  readonly class?: ClassName;
  /** Default true: signed senders pay the fee. */
  readonly paysFee?: boolean;
  /** For bare calls: judged before gossip and again before dispatch; throws `invalid(...)`. */
  validate?(at: Scope<D>, args: Values<A>): BareValidity;
  /** Throws to fail; what it wrote is then undone. May return the weight it took, at most the declared one. */
  run(at: Scope<D>, args: Values<A>): Weight | void;
}

/** What the author of a block knows that its state does not. */
export interface InherentData {
  /** Milliseconds since 1970. */
  readonly timestampMs: bigint;
}

/** A call that every block holds once, before all others; `make` never fails, so that a block can always be built. */
export interface InherentRule<D extends Declared> {
  readonly call: string;
  make(at: Scope<D>, data: InherentData): Readonly<Record<string, unknown>>;
}

export interface Hooks<D extends Declared> {
  /** Before the extrinsics. May return the weight it took. */
  on_initialize?(at: Scope<D>): Weight | void;
  /** In the first block after an era, after every on_initialize; `era` is the one that ended. */
  on_era?(at: Scope<D>, era: number): Weight | void;
  /** After the extrinsics. */
  on_finalize?(at: Scope<D>): void;
}

export interface GenesisRule<D extends Declared, G extends Fields> {
  /** The pallet's section of the chain spec, by field; absent lists are empty. */
  readonly config: G;
  build(at: Scope<D>, config: Values<G>): void;
  /** After every pallet was built. */
  close?(at: Scope<D>): void;
}

export interface ApiMethod {
  readonly doc: string;
  readonly args: Fields;
  readonly output: Codec<unknown>;
  /** Run in the block after the state's, as transactions are judged; default false. */
  readonly next?: boolean;
  run(at: Chain, args: Readonly<Record<string, unknown>>): unknown;
}

/** A runtime API: functions that `state_call` reaches by `<name>_<method>`. */
export interface Api {
  readonly name: string;
  readonly version: number;
  readonly doc: string;
  readonly methods: Readonly<Record<string, ApiMethod>>;
}

/** Declares one function of a runtime API. */
export function method<A extends Fields, T>(parts: {
  readonly doc: string;
  readonly args: A;
  readonly output: Codec<T>;
  readonly next?: boolean;
  run(at: Chain, args: Values<A>): T;
}): ApiMethod {
  return { ...parts, run: (at, args) => parts.run(at, args as Values<A>) };
}

type Args = Readonly<Record<string, unknown>>;

/** A call as the executive sees it, whatever its pallet. */
export interface BoundCall {
  readonly index: number;
  readonly doc: string;
  readonly args: Fields;
  readonly weight: Weight | ((args: Args) => Weight);
  readonly origin?: OriginRule;
  readonly class?: ClassName;
  readonly paysFee?: boolean;
  validate?(at: Chain, args: Args): BareValidity;
  run(at: Chain, args: Args): Weight | void;
}

/** A pallet as the executive sees it. `at` is always the scope of `declared`. */
export interface Pallet<D extends Declared = Declared> {
  readonly declared: D;
  /** The declared items: `readStorage(view, Balances.storage.TotalIssuance)`. */
  readonly storage: D['storage'];
  readonly calls: Readonly<Record<string, BoundCall>>;
  readonly hooks: {
    on_initialize?(at: Chain): Weight | void;
    on_era?(at: Chain, era: number): Weight | void;
    on_finalize?(at: Chain): void;
  };
  readonly apis: readonly Api[];
  readonly genesis:
    | { readonly config: Fields; build(at: Chain, config: Args): void; close?(at: Chain): void }
    | undefined;
  /** Checked after every block where the node runs with checks; a string says what is broken. */
  invariant(at: Chain): boolean | string;
  /** Units that the pallet holds outside of System.Account; part of the supply audit. */
  holdings(at: Chain): bigint;
  readonly inherent: { readonly call: string; make(at: Chain, data: InherentData): Args } | undefined;
}

/** Gives a declared pallet its behaviour. */
export function rules<D extends Declared, C extends Readonly<Record<string, Fields>>, G extends Fields = Fields>(
  declared: D,
  parts: {
    readonly calls?: { readonly [N in keyof C]: CallRule<D, C[N]> };
    readonly hooks?: Hooks<D>;
    readonly apis?: readonly Api[];
    readonly genesis?: GenesisRule<D, G>;
    invariant?(at: Scope<D>): boolean | string;
    holdings?(at: Scope<D>): bigint;
    readonly inherent?: InherentRule<D>;
  },
): Pallet<D> {
  // The executive hands every rule the scope of its own pallet: what the erased types below leave out.
  const bound = parts as unknown as Partial<Pallet<D>>;
  const calls = bound.calls ?? {};
  for (const [name, rule] of Object.entries(calls)) {
    const bare = rule.origin === 'bare';
    assert(bare === (rule.validate !== undefined), `${declared.name}.${name}: bare calls, and only they, validate`);
  }
  return {
    declared,
    storage: declared.storage,
    calls,
    hooks: bound.hooks ?? {},
    apis: parts.apis ?? [],
    genesis: bound.genesis,
    invariant: bound.invariant ?? (() => true),
    holdings: bound.holdings ?? (() => 0n),
    inherent: bound.inherent,
  };
}
