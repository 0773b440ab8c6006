/**
 * # Metadata: a changed index, order or name is a decision, never an accident.
 *
 * Always true: `metadata.snapshot.json` says what wallets of the last version were told. A change that is meant comes
 * with a new spec version (a new transaction version where calls moved) and with the file written again:
 * `UPDATE_SNAPSHOT=1 node --test test/runtime/metadata.test.ts`.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { getDynamicBuilder, getLookupFn } from '@polkadot-api/metadata-builders';
import { metadata as codec, unifyMetadata } from '@polkadot-api/substrate-bindings';
import { toHex } from '../../src/base/bytes.ts';
import { PALLETS } from '../../src/runtime/pallets/index.ts';
import { createRuntime } from '../../src/runtime/runtime.ts';
import { DEFAULT_SPEC } from '../../src/runtime/spec.ts';
import { HOST, TestChain } from './test-chain.ts';

const FILE = join(import.meta.dirname, 'metadata.snapshot.json');
const runtime = createRuntime({ pallets: PALLETS, spec: DEFAULT_SPEC, host: HOST });
const described = unifyMetadata(codec.dec(runtime.metadata(16)));
const type = (id: number | undefined) => (id === undefined ? undefined : described.lookup[id]);

/** `index name` of each case of a variant type. */
function cases(id: number | undefined): string[] {
  const def = type(id)?.def;
  if (def?.tag !== 'variant') return [];
  return def.value.map(({ index, name, fields }) => {
    const args = fields.map((field) => field.name ?? '_');
    return `${index} ${name}(${args.join(', ')})`;
  });
}

const snapshot = {
  specVersion: runtime.spec.specVersion,
  transactionVersion: runtime.spec.transactionVersion,
  extensions: described.extrinsic.signedExtensions[0]?.map(({ identifier }) => identifier),
  apis: described.apis.map((api) => ({
    name: api.name,
    version: 'version' in api ? api.version : undefined,
    methods: api.methods.map(({ name, inputs }) => `${name}(${inputs.map((input) => input.name).join(', ')})`),
  })),
  pallets: described.pallets.map((pallet) => ({
    index: pallet.index,
    name: pallet.name,
    calls: cases(pallet.calls?.type),
    events: cases(pallet.events?.type),
    errors: cases(pallet.errors?.type),
    constants: pallet.constants.map(({ name }) => name),
    storage: pallet.storage?.items.map(({ name, modifier, type: of }) => {
      const hashers = of.tag === 'map' ? of.value.hashers.map(({ tag }) => tag) : [];
      return `${name}(${hashers.join(', ')}) ${modifier === 0 ? 'optional' : 'default'}`;
    }),
  })),
};

test('calls, events, errors, items and extensions are those that wallets were told of', () => {
  if (process.env.UPDATE_SNAPSHOT === '1') writeFileSync(FILE, `${JSON.stringify(snapshot, null, 2)}\n`);
  assert.deepEqual(JSON.parse(JSON.stringify(snapshot)), JSON.parse(readFileSync(FILE, 'utf8')));
});

test('types have the names by which clients look for them', () => {
  const paths = new Set(described.lookup.map(({ path }) => path.join('::')));
  for (const path of [
    'sp_core::crypto::AccountId32',
    'sp_runtime::multiaddress::MultiAddress',
    'sp_runtime::MultiSignature',
    'sp_runtime::generic::era::Era',
    'sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic',
    'primitive_types::H256',
    'sp_weights::weight_v2::Weight',
    'frame_system::EventRecord',
    'frame_system::Phase',
    'frame_system::AccountInfo',
    'pallet_balances::types::AccountData',
    'pallet_balances::types::ReserveData',
    'maitoken_runtime::RuntimeCall',
    'maitoken_runtime::RuntimeEvent',
    'maitoken_runtime::RuntimeError',
    'sp_runtime::DispatchError',
    'sp_runtime::ModuleError',
    'sp_runtime::TokenError',
    'sp_arithmetic::ArithmeticError',
    'sp_runtime::generic::digest::Digest',
    'sp_runtime::generic::digest::DigestItem',
    'sp_version::RuntimeVersion',
    'Option',
    'Result',
  ]) {
    assert.ok(paths.has(path), path);
  }
  const named = (path: string) => described.lookup.find((one) => one.path.join('::') === path);
  assert.deepEqual(
    named('sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic')?.params.map(({ name }) => name),
    ['Address', 'Call', 'Signature', 'Extra'],
  );
  assert.deepEqual(
    named('sp_runtime::multiaddress::MultiAddress')?.params.map(({ name }) => name),
    ['AccountId', 'AccountIndex'],
  );
});

test('every type is said once, and every reference points to one', () => {
  const spelled = described.lookup.map(({ id, ...rest }) => {
    assert.equal(described.lookup[id]?.id, id);
    return JSON.stringify(rest);
  });
  assert.equal(new Set(spelled).size, spelled.length);
});

test('a client can build every call, event, item, constant and function from every version', () => {
  for (const version of [14, 15, 16] as const) {
    const unified = unifyMetadata(codec.dec(runtime.metadata(version)));
    const builder = getDynamicBuilder(getLookupFn(unified));
    for (const { name, storage, constants, calls, events, errors } of unified.pallets) {
      for (const item of storage?.items ?? []) {
        const { value, fallback } = builder.buildStorage(name, item.name);
        if (item.modifier === 1) assert.equal(toHex(value.enc(fallback)), item.fallback, `${name}.${item.name}`);
      }
      for (const one of constants) {
        const of = builder.buildConstant(name, one.name);
        assert.equal(toHex(of.enc(of.dec(one.value))), one.value, `${name}.${one.name}`);
      }
      const caseNames = (id: number | undefined) => {
        const def = id === undefined ? undefined : unified.lookup[id]?.def;
        return def?.tag === 'variant' ? def.value.map((one) => one.name) : [];
      };
      for (const one of caseNames(calls?.type)) builder.buildCall(name, one);
      for (const one of caseNames(events?.type)) builder.buildEvent(name, one);
      for (const one of caseNames(errors?.type)) builder.buildError(name, one);
    }
    for (const api of unified.apis) for (const { name } of api.methods) builder.buildRuntimeCall(api.name, name);
  }
});

test('no pallet that accepts work can mint or move certificates', () => {
  const certificates = snapshot.pallets.find(({ name }) => name === 'Certificates');
  assert.deepEqual(certificates?.calls, []);
  assert.ok(!snapshot.pallets.some(({ name }) => name === 'Sudo'));
});

test('the marker under :code changes with the version', () => {
  const marker = (specVersion: number) => {
    const { runtime: other } = new TestChain({ spec: { specVersion } });
    return other.genesis({}).find(([key]) => new TextDecoder().decode(key) === ':code')?.[1];
  };
  assert.deepEqual(marker(1), marker(1));
  assert.notDeepEqual(marker(1), marker(2));
});
