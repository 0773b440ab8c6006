/** # state_* and payment_*: storage, runtime calls and metadata at any kept state (CLIENTS.md section 2). */
import { z } from 'zod';
import { type Bytes, equal, fromLittleEndian, toHex } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import type { StateView } from '../../state/view.ts';
import { RpcError } from '../errors.ts';
import { bytes, count, optionalHash, stateAt } from '../params.ts';
import { type CallContext, type Method, method, subscription } from '../registry.ts';

const keys = z.array(bytes).max(1_000);
/** Keys of one page (polkadot.js asks for 1,000). */
const MAX_PAGE = 1_000;

export function stateMethods(): Method[] {
  return [...readMethods(), ...callMethods(), ...subscriptions()];
}

function readMethods(): Method[] {
  return [
    method(
      'state_getStorage',
      [bytes, optionalHash],
      (context, key, at) => {
        const value = stateAt(context, at).view.get(key);
        return value ? toHex(value) : null;
      },
      { aliases: ['state_getStorageAt'] },
    ),
    method(
      'state_getStorageHash',
      [bytes, optionalHash],
      (context, key, at) => {
        const value = stateAt(context, at).view.get(key);
        return value ? toHex(blake2_256(value)) : null;
      },
      { aliases: ['state_getStorageHashAt'] },
    ),
    method(
      'state_getStorageSize',
      [bytes, optionalHash],
      (context, key, at) => {
        return stateAt(context, at).view.get(key)?.length ?? null;
      },
      { aliases: ['state_getStorageSizeAt'] },
    ),
    method(
      'state_getKeysPaged',
      [bytes.optional(), count(MAX_PAGE), bytes.optional(), optionalHash],
      (context, prefix, n, after, at) => {
        const { view } = stateAt(context, at);
        return view.keys(prefix ?? new Uint8Array(0), after, n).map(toHex);
      },
      { aliases: ['state_getKeysPagedAt'] },
    ),
    method('state_getKeys', [bytes, optionalHash], (context, prefix, at) => {
      return stateAt(context, at).view.keys(prefix, undefined, MAX_PAGE).map(toHex);
    }),
    method('state_queryStorageAt', [keys, optionalHash], (context, wanted, at) => {
      const { view, block } = stateAt(context, at);
      return [{ block: toHex(block.hash), changes: changesOf(view, wanted) }];
    }),
    method('state_getReadProof', [keys, optionalHash], (context, wanted, at) => {
      const { view, block } = stateAt(context, at);
      return { at: toHex(block.hash), proof: view.prove(wanted).map(toHex) };
    }),
  ];
}

function callMethods(): Method[] {
  return [
    method('state_getMetadata', [optionalHash], ({ backend }) => toHex(backend.runtime.metadata(14))),
    method('state_getRuntimeVersion', [optionalHash], versionJson, { aliases: ['chain_getRuntimeVersion'] }),
    method(
      'state_call',
      [z.string().max(128), bytes, optionalHash],
      (context, name, data, at) => {
        return toHex(callRuntime(context, name, data, at));
      },
      { aliases: ['state_callAt'] },
    ),
    method('payment_queryInfo', [bytes, optionalHash], (context, extrinsic, at) => {
      const out = callRuntime(context, 'TransactionPaymentApi_query_info', withLength(extrinsic), at);
      const read = reading(out);
      const weight = { ref_time: read.compact(), proof_size: read.compact() };
      const kind = ['normal', 'operational', 'mandatory'][read.byte()];
      return { weight, class: kind, partialFee: read.u128().toString() };
    }),
    method('payment_queryFeeDetails', [bytes, optionalHash], (context, extrinsic, at) => {
      const out = callRuntime(context, 'TransactionPaymentApi_query_fee_details', withLength(extrinsic), at);
      const read = reading(out);
      if (read.byte() === 0) return { inclusionFee: null };
      const hex = (): string => `0x${read.u128().toString(16)}`;
      return { inclusionFee: { baseFee: hex(), lenFee: hex(), adjustedWeightFee: hex() } };
    }),
  ];
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
      (context, emit) => {
        emit(versionJson(context));
        return () => {};
      },
      { aliases: ['chain_subscribeRuntimeVersion'], unsubscribeAliases: ['chain_unsubscribeRuntimeVersion'] },
    ),
    ...subscription(
      { subscribe: 'state_subscribeStorage', notify: 'state_storage', unsubscribe: 'state_unsubscribeStorage' },
      [keys],
      (context, emit, wanted) => {
        const first = stateAt(context, undefined);
        let last = wanted.map((key) => first.view.get(key));
        emit({ block: toHex(first.block.hash), changes: changesOf(first.view, wanted) });
        return context.backend.onEvent((event) => {
          if (event.type !== 'head') return;
          const { view, block } = stateAt(context, undefined);
          const now = wanted.map((key) => view.get(key));
          const changed = wanted.filter((_, i) => !same(last[i], now[i]));
          last = now;
          if (changed.length > 0) emit({ block: toHex(block.hash), changes: changesOf(view, changed) });
        });
      },
    ),
  ];
}

function same(a: Bytes | undefined, b: Bytes | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && equal(a, b));
}

function changesOf(view: StateView, wanted: readonly Bytes[]): [string, string | null][] {
  return wanted.map((key) => {
    const value = view.get(key);
    return [toHex(key), value ? toHex(value) : null];
  });
}

function callRuntime(context: CallContext, name: string, data: Bytes, at: Bytes | undefined): Bytes {
  const { view, block } = stateAt(context, at);
  const result = context.backend.runtime.call(view, name, data, block);
  if (result.ok) return result.output;
  throw new RpcError(4003, 'Client error: Execution failed', result.detail);
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
