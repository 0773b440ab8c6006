/**
 * # Metadata: the runtime described to wallets, from the declarations alone.
 *
 * Always true: V14, V15 and V16 are projections of one description over one registry, so they cannot contradict each
 * other. Encoded by polkadot-api's own codec, which clients decode with. What clients look for: docs/spec/runtime.md.
 */
import { metadata as codec } from '@polkadot-api/substrate-bindings';
import { type Bytes, toHex } from '../base/bytes.ts';
import { bytes, composite, type Shape, tuple } from '../codec/index.ts';
import { MultiAddress, MultiSignature } from '../primitives/account.ts';
import { EXTENSIONS } from '../primitives/extrinsic.ts';
import { errorCodec, eventCodec, palletCalls, palletErrors, palletEvents, RUNTIME_PATH } from './calls.ts';
import type { Kernel } from './context.ts';
import type { Api, Declared, Pallet } from './pallet.ts';
import { EVENT_RECORDS } from './pallets/system.ts';
import { Registry } from './registry.ts';
import { codecOf, hasherOf, type PlacedItem } from './storage.ts';

export type MetadataVersion = 14 | 15 | 16;
export const METADATA_VERSIONS: readonly MetadataVersion[] = [14, 15, 16];

/** The name under which an encoded extrinsic stands in the signatures of runtime APIs. */
export const UNCHECKED_EXTRINSIC = 'UncheckedExtrinsic';

type AnyMetadata = Parameters<typeof codec.enc>[0]['metadata'];
type V16 = Extract<AnyMetadata, { tag: 'v16' }>['value'];
type V15 = Extract<AnyMetadata, { tag: 'v15' }>['value'];
type V14 = Extract<AnyMetadata, { tag: 'v14' }>['value'];

const MAGIC = 0x6174_656d; // "meta"
const KEPT = { tag: 'NotDeprecated', value: undefined } as const;
// polkadot-js signs by the first version of the list and refuses to sign 5; a bare extrinsic may be either.
const EXTRINSIC_VERSIONS = [4, 5];
const MODIFIER = { optional: 0, default: 1 } as const;
const NONE = '0x00';

/** What V15 and V14 need beside V16. */
interface Described {
  readonly v16: V16;
  readonly runtime: number;
  readonly extra: number;
  readonly extrinsic: number;
}

/** Encoders of a runtime's metadata, by version; each is made once. */
export function describe(kernel: Kernel, apis: readonly Api[]): (version: MetadataVersion) => Bytes {
  const made = new Map<MetadataVersion, Bytes>();
  return (version) => {
    const known = made.get(version);
    if (known !== undefined) return known.slice();
    const described = describeV16(kernel, apis);
    const metadata: AnyMetadata =
      version === 16
        ? { tag: 'v16', value: described.v16 }
        : version === 15
          ? { tag: 'v15', value: toV15(described) }
          : { tag: 'v14', value: toV14(described) };
    const encoded = codec.enc({ magicNumber: MAGIC, metadata });
    made.set(version, encoded);
    return encoded.slice();
  };
}

function describeV16(kernel: Kernel, apis: readonly Api[]): Described {
  const { calls } = kernel;
  const Call = calls.Call.shape;
  const extensions = EXTENSIONS.map(({ explicit }) => explicit);
  const Extra: Shape = { kind: 'tuple', of: extensions };
  const Extrinsic = composite([{ shape: bytes.shape }], {
    path: 'sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic',
    params: [
      { name: 'Address', shape: MultiAddress.shape },
      { name: 'Call', shape: Call },
      { name: 'Signature', shape: MultiSignature.shape },
      { name: 'Extra', shape: Extra },
    ],
  });
  const registry = new Registry(
    new Map<string, Shape>([
      [EVENT_RECORDS, kernel.records.shape],
      [UNCHECKED_EXTRINSIC, Extrinsic],
    ]),
  );
  const runtime = registry.id(composite([], { path: `${RUNTIME_PATH}::Runtime` }));
  const extrinsic = registry.id({ kind: 'reference', name: UNCHECKED_EXTRINSIC, resolve: () => Extrinsic });
  const v16: V16 = {
    pallets: calls.pallets.map((pallet) => describePallet(kernel, registry, pallet)),
    extrinsic: {
      version: EXTRINSIC_VERSIONS,
      address: registry.id(MultiAddress.shape),
      call: registry.id(Call),
      signature: registry.id(MultiSignature.shape),
      signedExtensionsByVersion: [[0, EXTENSIONS.map((_, index) => index)]],
      signedExtensions: EXTENSIONS.map(({ name, explicit, implicit }) => ({
        identifier: name,
        type: registry.id(explicit),
        additionalSigned: registry.id(implicit),
      })),
    },
    apis: apis.map((api) => describeApi(registry, api)),
    outerEnums: {
      call: registry.id(Call),
      event: registry.id(eventCodec(calls.pallets).shape),
      error: registry.id(errorCodec(calls.pallets).shape),
    },
    custom: [],
    lookup: [],
  };
  const extra = registry.id(Extra);
  return { v16: { ...v16, lookup: registry.lookup() as V16['lookup'] }, runtime, extra, extrinsic };
}

type PalletV16 = V16['pallets'][number];

function describePallet(kernel: Kernel, registry: Registry, { declared, calls }: Pallet): PalletV16 {
  const refer = (present: boolean, shape: () => Shape) =>
    present ? { type: registry.id(shape()), deprecationInfo: [] } : undefined;
  const items = Object.values(declared.storage as Readonly<Record<string, PlacedItem>>);
  return {
    name: declared.name,
    index: declared.index,
    docs: [declared.doc],
    storage:
      items.length === 0
        ? undefined
        : { prefix: declared.name, items: items.map((item) => describeItem(registry, item)) },
    calls: refer(Object.keys(calls).length > 0, () => palletCalls(declared, calls).shape),
    events: refer(declared.eventCodecs.size > 0, () => palletEvents(declared).shape),
    errors: refer(declared.errorIndex.size > 0, () => palletErrors(declared).shape),
    constants: describeConstants(kernel, registry, declared),
    associatedTypes: [],
    viewFns: [],
    deprecationInfo: KEPT,
  };
}

function describeConstants(kernel: Kernel, registry: Registry, { constants }: Declared): PalletV16['constants'] {
  return Object.entries(constants).map(([name, { doc, codec: of, of: value }]) => ({
    name,
    type: registry.id(of.shape),
    value: toHex(of.enc(value(kernel.spec, kernel.version))),
    docs: [doc],
    deprecationInfo: KEPT,
  }));
}

function describeItem(registry: Registry, item: PlacedItem) {
  const value = registry.id(item.codec.shape);
  const optional = item.fallback === undefined;
  return {
    name: item.name,
    modifier: optional ? MODIFIER.optional : MODIFIER.default,
    type:
      item.kind === 'value'
        ? ({ tag: 'plain', value } as const)
        : ({ tag: 'map', value: { ...describeKeys(registry, item.keys), value } } as const),
    fallback: optional ? NONE : toHex(item.codec.enc(item.fallback)),
    docs: [item.doc],
    deprecationInfo: KEPT,
  };
}

function describeKeys(registry: Registry, keys: Extract<PlacedItem, { kind: 'map' }>['keys']) {
  const codecs = keys.map((part) => codecOf(part));
  const [only] = codecs;
  const key = codecs.length === 1 && only !== undefined ? only : tuple(...codecs);
  return {
    hashers: keys.map((part) => ({ tag: hasherOf(part), value: undefined })),
    key: registry.id(key.shape),
  };
}

function describeApi(registry: Registry, { name, version, doc, methods }: Api): V16['apis'][number] {
  return {
    name,
    version,
    docs: [doc],
    deprecationInfo: KEPT,
    methods: Object.entries(methods).map(([method, { args, output, doc: said }]) => ({
      name: method,
      inputs: Object.entries(args).map(([input, { shape }]) => ({ name: input, type: registry.id(shape) })),
      output: registry.id(output.shape),
      docs: [said],
      deprecationInfo: KEPT,
    })),
  };
}

function toV15({ v16, runtime, extra }: Described): V15 {
  return {
    lookup: v16.lookup,
    pallets: v16.pallets.map((pallet) => ({
      ...pallet,
      calls: pallet.calls?.type,
      events: pallet.events?.type,
      errors: pallet.errors?.type,
    })),
    extrinsic: { ...v16.extrinsic, version: 4, extra },
    type: runtime,
    apis: v16.apis,
    outerEnums: v16.outerEnums,
    custom: v16.custom,
  };
}

function toV14(described: Described): V14 {
  const { lookup, pallets, extrinsic, type } = toV15(described);
  return {
    lookup,
    pallets: pallets.map((pallet) => ({ ...pallet, docs: [] })),
    extrinsic: { type: described.extrinsic, version: 4, signedExtensions: extrinsic.signedExtensions },
    type,
    apis: [],
  };
}
