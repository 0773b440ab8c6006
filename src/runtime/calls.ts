/**
 * # Calls: the outer enums, one case per pallet, made from the declarations.
 *
 * Always true: the index of a case is the pallet's index, the index inside is the declared one of a call and the
 * position of an event or error; so bytes mean the same after a pallet is added anywhere in the list.
 */
import { assert, must } from '../base/assert.ts';
import { type Codec, hash, lazy, type Of, struct, u32, unit, variant, vec } from '../codec/index.ts';
import type { BoundCall, Declared, Pallet } from './pallet.ts';
import type { ClassName, Weight } from './weights.ts';

/** A decoded call: `{ type: 'Balances', value: { type: 'transfer_all', value: { … } } }`. */
export interface RuntimeCall {
  readonly type: string;
  readonly value: { readonly type: string; readonly value: Readonly<Record<string, unknown>> };
}

/** A decoded event. */
export interface RuntimeEvent {
  readonly type: string;
  readonly value: { readonly type: string; readonly value: Readonly<Record<string, unknown>> };
}

export interface DispatchInfo {
  readonly weight: Weight;
  readonly class: ClassName;
  readonly paysFee: boolean;
}

/** What a pallet that holds calls (batch, multisig, proxy) needs of the runtime that it becomes part of. */
export interface Link {
  readonly Call: Codec<RuntimeCall>;
  info(call: RuntimeCall): DispatchInfo;
}

/** A pallet, or one that is made once the runtime's calls are known. */
export type PalletSource = Pallet | ((link: Link) => Pallet);

interface Found {
  readonly pallet: Pallet;
  readonly rule: BoundCall;
}

/** The calls of a runtime: their codec, and the rule behind each. */
export interface Calls extends Link {
  readonly pallets: readonly Pallet[];
  rule(call: RuntimeCall): Found;
}

/** `pallet_transaction_payment` for TransactionPayment; System is `frame_system`. */
function cratePath(name: string): string {
  if (name === 'System') return 'frame_system';
  return `pallet_${name.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`).toLowerCase()}`;
}

/** `maitoken_runtime::RuntimeCall` and its siblings. */
export const RUNTIME_PATH = 'maitoken_runtime';

/** Links the pallets into one runtime. */
export function linkCalls(sources: readonly PalletSource[]): Calls {
  const made: { pallets: readonly Pallet[]; rules: ReadonlyMap<string, ReadonlyMap<string, Found>> } = {
    pallets: [],
    rules: new Map(),
  };
  const rule = (call: RuntimeCall): Found =>
    must(made.rules.get(call.type)?.get(call.value.type), `no call ${call.type}.${call.value.type}`);
  const info = (call: RuntimeCall): DispatchInfo => infoOf(rule(call).rule, call);
  const Call = lazy<RuntimeCall>(`${RUNTIME_PATH}::RuntimeCall`, () => callCodec(made.pallets));
  made.pallets = sources.map((source) => (typeof source === 'function' ? source({ Call, info }) : source));
  made.pallets = made.pallets.toSorted((a, b) => a.declared.index - b.declared.index);
  const indices = new Set(made.pallets.map(({ declared }) => declared.index));
  assert(indices.size === made.pallets.length, 'two pallets with one index');
  made.rules = new Map(
    made.pallets.map((pallet) => [
      pallet.declared.name,
      new Map(Object.entries(pallet.calls).map(([name, of]) => [name, { pallet, rule: of }])),
    ]),
  );
  return { Call, info, rule, pallets: made.pallets };
}

function infoOf(rule: BoundCall, call: RuntimeCall): DispatchInfo {
  const weight = typeof rule.weight === 'function' ? rule.weight(call.value.value) : rule.weight;
  return { weight, class: rule.class ?? 'Normal', paysFee: rule.paysFee ?? true };
}

type Indexed = readonly [number, Codec<unknown>];

function callCodec(pallets: readonly Pallet[]): Codec<RuntimeCall> {
  const cases: Record<string, Indexed> = {};
  for (const { declared, calls } of pallets) {
    if (Object.keys(calls).length > 0) cases[declared.name] = [declared.index, palletCalls(declared, calls)];
  }
  return variant(cases, { path: `${RUNTIME_PATH}::RuntimeCall` }) as unknown as Codec<RuntimeCall>;
}

/** The call enum of one pallet. */
export function palletCalls(declared: Declared, calls: Pallet['calls']): Codec<unknown> {
  const cases: Record<string, Indexed> = {};
  const caseDocs: Record<string, readonly string[]> = {};
  for (const [name, rule] of Object.entries(calls)) {
    cases[name] = [rule.index, struct(rule.args)];
    caseDocs[name] = [rule.doc];
  }
  return variant(cases, { path: `${cratePath(declared.name)}::pallet::Call`, caseDocs });
}

/** The event enum of one pallet. */
export function palletEvents(declared: Declared): Codec<unknown> {
  const cases: Record<string, Codec<unknown>> = {};
  const caseDocs: Record<string, readonly string[]> = {};
  for (const [name, { doc, fields }] of Object.entries(declared.events)) {
    cases[name] = struct(fields);
    caseDocs[name] = [doc];
  }
  return variant(cases, { path: `${cratePath(declared.name)}::pallet::Event`, caseDocs });
}

/** The error enum of one pallet. */
export function palletErrors(declared: Declared): Codec<unknown> {
  const cases: Record<string, Codec<unknown>> = {};
  const caseDocs: Record<string, readonly string[]> = {};
  for (const [name, doc] of Object.entries(declared.errors)) {
    cases[name] = unit;
    caseDocs[name] = [doc];
  }
  return variant(cases, { path: `${cratePath(declared.name)}::pallet::Error`, caseDocs });
}

/** The outer enum of events. */
export function eventCodec(pallets: readonly Pallet[]): Codec<RuntimeEvent> {
  const cases: Record<string, Indexed> = {};
  for (const { declared } of pallets) {
    if (declared.eventCodecs.size > 0) cases[declared.name] = [declared.index, palletEvents(declared)];
  }
  return variant(cases, { path: `${RUNTIME_PATH}::RuntimeEvent` }) as unknown as Codec<RuntimeEvent>;
}

/** The outer enum of errors: only described, never sent. */
export function errorCodec(pallets: readonly Pallet[]): Codec<unknown> {
  const cases: Record<string, Indexed> = {};
  for (const { declared } of pallets) {
    if (declared.errorIndex.size > 0) cases[declared.name] = [declared.index, palletErrors(declared)];
  }
  return variant(cases, { path: `${RUNTIME_PATH}::RuntimeError` });
}

/** When in a block an event happened. */
export const Phase = variant(
  { ApplyExtrinsic: u32, Finalization: unit, Initialization: unit },
  { path: 'frame_system::Phase' },
);
export type Phase = Of<typeof Phase>;

export interface EventRecord {
  readonly phase: Phase;
  readonly event: RuntimeEvent;
  readonly topics: readonly Uint8Array[];
}

/** One of the records that System.Events holds. */
export function recordCodec(pallets: readonly Pallet[]): Codec<EventRecord> {
  const record = struct(
    { phase: Phase, event: eventCodec(pallets), topics: vec(hash) },
    {
      path: 'frame_system::EventRecord',
      params: [
        { name: 'E', shape: eventCodec(pallets).shape },
        { name: 'T', shape: hash.shape },
      ],
    },
  );
  return record as Codec<EventRecord>;
}
