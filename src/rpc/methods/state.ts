/** # state_* and payment_*: storage, runtime calls and metadata at any kept state (CLIENTS.md section 2). */
import { type Bytes, equal, fromLittleEndian } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import type { StateView } from '../../state/view.ts';
import { invalidParams, RpcError } from '../errors.ts';
import { toHex } from '../hex.ts';
import { bytes, extrinsic, functionName, hash, integer, key, list, named, optional, optionalHash } from '../params.ts';
import { blockAt, read, readMuch, viewOf } from '../reading.ts';
import { type CallContext, followHeads, type Method, method, subscription } from '../registry.ts';

/** Keys of one call; polkadot.js asks for pages of 1,000. */
const MAX_KEYS = 1_000;
/** Blocks of one state_queryStorage: the states that a node keeps by default. */
const MAX_BLOCKS = 256;
const keys = named('keys', list(key, MAX_KEYS));
const keyCount = integer(MAX_KEYS);
const prefix = named('prefix', bytes);

export function stateMethods(): Method[] {
  return [...valueMethods(), ...keyMethods(), ...callMethods(), ...subscriptions()];
}

function valueMethods(): Method[] {
  return [
    method(
      'state_getStorage',
      [key, optionalHash],
      (context, key, at) =>
        read(context, at, (view) => {
          const value = view.get(key);
          return value ? toHex(value) : null;
        }),
      { aliases: ['state_getStorageAt'] },
    ),
    method(
      'state_getStorageHash',
      [key, optionalHash],
      (context, key, at) =>
        read(context, at, (view) => {
          const value = view.get(key);
          return value ? toHex(blake2_256(value)) : null;
        }),
      { aliases: ['state_getStorageHashAt'] },
    ),
    method(
      'state_getStorageSize',
      [key, optionalHash],
      (context, key, at) => read(context, at, (view) => view.get(key)?.length ?? null),
      { aliases: ['state_getStorageSizeAt'] },
    ),
  ];
}

function keyMethods(): Method[] {
  return [
    method(
      'state_getKeysPaged',
      [optional(prefix), keyCount, optional(named('startKey', bytes)), optionalHash],
      (context, start, n, after, at) =>
        readMuch(context, at, (view) => view.keys(start ?? new Uint8Array(0), after, n).map(toHex)),
      { aliases: ['state_getKeysPagedAt'] },
    ),
    method('state_getKeys', [prefix, optionalHash], (context, start, at) =>
      readMuch(context, at, (view) => view.keys(start, undefined, MAX_KEYS).map(toHex)),
    ),
    method('state_queryStorageAt', [keys, optionalHash], (context, wanted, at) =>
      readMuch(context, at, (view, block) => [{ block: toHex(block.hash), changes: changesOf(view, wanted) }]),
    ),
    method(
      'state_queryStorage',
      [keys, named('from', hash), optional(named('to', hash))],
      (context, wanted, from, to) => changesBetween(context, wanted, from, to),
    ),
    method('state_getReadProof', [keys, optionalHash], (context, wanted, at) =>
      readMuch(context, at, (view, block) => ({ at: toHex(block.hash), proof: view.prove(wanted).map(toHex) })),
    ),
  ];
}

function callMethods(): Method[] {
  return [
    metadataMethod(),
    method('state_getRuntimeVersion', [optionalHash], versionJson, { aliases: ['chain_getRuntimeVersion'] }),
    method(
      'state_call',
      [functionName, bytes, optionalHash],
      async (context, name, data, at) => toHex(await callRuntime(context, name, data, at)),
      { aliases: ['state_callAt'] },
    ),
    // Result<Result<(), DispatchError>, TransactionValidityError>: 0x0000 is what a good one answers.
    method('system_dryRun', [extrinsic, optionalHash], async (context, given, at) =>
      toHex(await callRuntime(context, 'BlockBuilder_apply_extrinsic', given, at)),
    ),
    method('payment_queryInfo', [extrinsic, optionalHash], async (context, given, at) => {
      const out = await callRuntime(context, 'TransactionPaymentApi_query_info', withLength(given), at);
      const read = reading(out);
      const weight = { ref_time: read.compact(), proof_size: read.compact() };
      const kind = ['normal', 'operational', 'mandatory'][read.byte()];
      return { weight, class: kind, partialFee: read.u128().toString() };
    }),
    method('payment_queryFeeDetails', [extrinsic, optionalHash], async (context, given, at) => {
      const out = await callRuntime(context, 'TransactionPaymentApi_query_fee_details', withLength(given), at);
      const read = reading(out);
      if (read.byte() === 0) return { inclusionFee: null };
      const hex = (): string => `0x${read.u128().toString(16)}`;
      return { inclusionFee: { baseFee: hex(), lenFee: hex(), adjustedWeightFee: hex() } };
    }),
  ];
}

/** Version 14 without a length prefix; the runtime never changes under a running node, so its hex is made once. */
function metadataMethod(): Method {
  let known: string | undefined;
  return method('state_getMetadata', [optionalHash], ({ backend }) => {
    known ??= toHex(backend.runtime.metadata(14));
    return known;
  });
}

function subscriptions(): Method[] {
  return [
    ...subscription(
      {
        subscribe: 'state_subscribeRuntimeVersion',
        notify: 'state_runtimeVersion',
        unsubscribe: 'state_unsubscribeRuntimeVersion',
      },
      [],
      (context, sink) => {
        sink.emit(versionJson(context));
        return () => {};
      },
      { aliases: ['chain_subscribeRuntimeVersion'], unsubscribeAliases: ['chain_unsubscribeRuntimeVersion'] },
    ),
    ...subscription(
      { subscribe: 'state_subscribeStorage', notify: 'state_storage', unsubscribe: 'state_unsubscribeStorage' },
      [keys],
      async (context, sink, given) => {
        const wanted = given.map((key) => key.slice());
        let last: (Bytes | undefined)[] | undefined;
        const tell = (): void => {
          const block = context.backend.store.best;
          const view = viewOf(context, block);
          const now = wanted.map((key) => view.get(key));
          const isFirst = last === undefined;
          const changed = changesSince(last, wanted, now);
          last = now;
          if (isFirst || changed.length > 0) sink.emit({ block: toHex(block.hash), changes: changed });
        };
        await context.turns.run(tell);
        const release = context.connection.watch(wanted.length);
        const stop = followHeads(context, sink, tell);
        return () => {
          stop();
          release();
        };
      },
    ),
  ];
}

type Change = [key: string, value: string | null];

function change(key: Bytes, value: Bytes | undefined): Change {
  return [toHex(key), value ? toHex(value) : null];
}

function changesOf(view: StateView, wanted: readonly Bytes[]): Change[] {
  return wanted.map((key) => change(key, view.get(key)));
}

/**
 * What the keys held after block `from`, and each change of theirs up to block `to`, both of the best chain. The states
 * are read one per turn; at most MAX_BLOCKS of them.
 */
async function changesBetween(
  context: CallContext,
  wanted: readonly Bytes[],
  from: Bytes,
  to: Bytes | undefined,
): Promise<{ block: string; changes: Change[] }[]> {
  const { store } = context.backend;
  const first = blockAt(context, from).number;
  const last = blockAt(context, to).number;
  if (last < first || last - first >= MAX_BLOCKS) throw invalidParams(`expected 1 to ${MAX_BLOCKS} blocks`);
  const sets: { block: string; changes: Change[] }[] = [];
  let before: (Bytes | undefined)[] | undefined;
  for (let number = first; number <= last; number++) {
    const block = store.canonical(number);
    if (!block) break;
    const now = await readMuch(context, block, (view) => wanted.map((key) => view.get(key)));
    const changes = changesSince(before, wanted, now);
    if (changes.length > 0) sets.push({ block: toHex(block), changes });
    before = now;
  }
  return sets;
}

/** The keys whose values differ; all of them where nothing was known before. */
function changesSince(
  before: readonly (Bytes | undefined)[] | undefined,
  wanted: readonly Bytes[],
  now: readonly (Bytes | undefined)[],
): Change[] {
  return wanted.flatMap((key, i) => (before && same(before[i], now[i]) ? [] : [change(key, now[i])]));
}

function same(a: Bytes | undefined, b: Bytes | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && equal(a, b));
}

function callRuntime(context: CallContext, name: string, data: Bytes, at: Bytes | undefined): Promise<Bytes> {
  return readMuch(context, at, (view, block) => {
    const result = context.backend.runtime.call(view, name, data, block);
    if (result.ok) return result.output;
    throw new RpcError(4003, 'Client error: Execution failed', result.detail);
  });
}

function versionJson({ backend }: CallContext): unknown {
  const { version } = backend.runtime;
  return {
    specName: version.spec_name,
    implName: version.impl_name,
    authoringVersion: version.authoring_version,
    specVersion: version.spec_version,
    implVersion: version.impl_version,
    apis: version.apis.map(([id, number]) => [toHex(id), number]),
    transactionVersion: version.transaction_version,
    systemVersion: version.system_version,
    stateVersion: 1,
  };
}

/** An extrinsic and its length, as the payment api takes them. */
function withLength(extrinsic: Bytes): Bytes {
  const out = new Uint8Array(extrinsic.length + 4);
  out.set(extrinsic);
  new DataView(out.buffer).setUint32(extrinsic.length, extrinsic.length, true);
  return out;
}

/** Reads the few fixed forms that payment answers have. */
function reading(data: Bytes) {
  let at = 0;
  const take = (n: number): bigint => {
    at += n;
    return fromLittleEndian(data.subarray(at - n, at));
  };
  return {
    byte: () => Number(take(1)),
    u128: () => take(16),
    compact: () => {
      const mode = (data[at] as number) & 3;
      if (mode === 3) return take(Number(take(1) >> 2n) + 4);
      return take(1 << mode) >> 2n;
    },
  };
}
