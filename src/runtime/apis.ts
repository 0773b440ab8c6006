/**
 * # Apis: the runtime APIs that speak of transactions and of the runtime itself, as wallets ask for them.
 *
 * Always true: an API never changes the state; what it writes on the way is thrown away with its execution.
 */
import { type Bytes, utf8 } from '../base/bytes.ts';
import {
  bytes,
  type Codec,
  codec,
  hash,
  named,
  option,
  result,
  struct,
  u32,
  unit,
  variant,
  vec,
} from '../codec/index.ts';
import { blake2_64 } from '../crypto/hash.ts';
import type { Calls, DispatchInfo } from './calls.ts';
import type { Chain } from './chain.ts';
import type { Kernel } from './context.ts';
import { DispatchResult, invalid, resultOf, TransactionValidityError, ValidityFailure } from './errors.ts';
import { applyKnown } from './executive.ts';
import { METADATA_VERSIONS, type MetadataVersion, UNCHECKED_EXTRINSIC } from './metadata.ts';
import { type Api, method } from './pallet.ts';
import { FeeDetails, inclusionFee, lengthFee, totalFee, weightFee } from './pallets/transaction-payment.ts';
import { RuntimeVersion } from './spec.ts';
import { Balance } from './types.ts';
import { judge, type Known, read, signedInfo, ValidTransaction } from './validity.ts';
import { DispatchClass, Weight } from './weights.ts';

/** An encoded extrinsic with its length prefix, as it stands in a block. */
const EncodedExtrinsic: Codec<Bytes> = codec(
  { kind: 'reference', name: UNCHECKED_EXTRINSIC, resolve: () => bytes.shape },
  (out, encoded) => out.raw(encoded),
  (from) => {
    const start = from.at;
    from.take(from.length(1));
    return from.bytes.slice(start, from.at);
  },
);

const TransactionSource = variant(
  { InBlock: unit, Local: unit, External: unit },
  { path: 'sp_runtime::transaction_validity::TransactionSource' },
);
const OpaqueMetadata = named('sp_core::OpaqueMetadata', bytes);
const RuntimeDispatchInfo = struct(
  { weight: Weight, class: DispatchClass, partial_fee: Balance },
  {
    path: 'pallet_transaction_payment::types::RuntimeDispatchInfo',
    params: [
      { name: 'Balance', shape: Balance.shape },
      { name: 'Weight', shape: Weight.shape },
    ],
  },
);
const Validity = result(ValidTransaction, TransactionValidityError);

/** The 8 bytes by which clients know an API. */
function apiId(name: string): Bytes {
  return blake2_64(utf8(name));
}

/** Names and versions of the APIs, as RuntimeVersion lists them. */
export function apiVersions(apis: readonly { readonly name: string; readonly version: number }[]): [Bytes, number][] {
  return apis.map(({ name, version }): [Bytes, number] => [apiId(name), version]);
}

/** What the shared APIs need of a runtime; its kernel is there only when one of them is called. */
export interface ApiHost {
  readonly calls: Calls;
  readonly kernel: Kernel;
  metadata(version: MetadataVersion): Bytes;
}

/** The APIs of every runtime. */
export function sharedApis(host: ApiHost): readonly Api[] {
  return [coreApi, metadataApi(host), queueApi(host), builderApi(host), paymentApi(host), callPaymentApi(host)];
}

const coreApi: Api = {
  name: 'Core',
  version: 5,
  doc: 'What this runtime is.',
  methods: {
    version: method({
      doc: 'The version of the runtime.',
      args: {},
      output: RuntimeVersion,
      run: (at) => at.version,
    }),
  },
};

function metadataApi(host: ApiHost): Api {
  return {
    name: 'Metadata',
    version: 2,
    doc: 'The description of this runtime.',
    methods: {
      metadata: method({
        doc: 'Metadata of version 14.',
        args: {},
        output: OpaqueMetadata,
        run: () => host.metadata(14),
      }),
      metadata_at_version: method({
        doc: 'Metadata of a version, where this runtime speaks it.',
        args: { version: u32 },
        output: option(OpaqueMetadata),
        run(_, { version }) {
          const known = METADATA_VERSIONS.find((one) => one === version);
          return known === undefined ? undefined : host.metadata(known);
        },
      }),
      metadata_versions: method({
        doc: 'Versions of metadata that this runtime speaks.',
        args: {},
        output: vec(u32),
        run: () => [...METADATA_VERSIONS],
      }),
    },
  };
}

/** The extrinsic that bytes spell; ValidityFailure otherwise. */
function known({ kernel }: ApiHost, encoded: Bytes): Known {
  const extrinsic = read(kernel.calls, encoded);
  if (extrinsic === undefined) throw invalid('Call');
  return extrinsic;
}

/** `run`, with a refusal as a value. */
function judged<T>(run: () => T) {
  try {
    return { type: 'Ok', value: run() } as const;
  } catch (failure) {
    // A refused transaction is an answer here; anything else is a bug.
    if (failure instanceof ValidityFailure) return { type: 'Err', value: failure.error } as const;
    throw failure;
  }
}

function queueApi(host: ApiHost): Api {
  return {
    name: 'TaggedTransactionQueue',
    version: 3,
    doc: 'Whether a transaction may enter the next block.',
    methods: {
      validate_transaction: method({
        doc: 'Judges a transaction in the block after this state.',
        args: { source: TransactionSource, tx: EncodedExtrinsic, block_hash: hash },
        output: Validity,
        next: true,
        run: (at, { tx }) => judged(() => judge(at, host.kernel, known(host, tx))),
      }),
    },
  };
}

function builderApi(host: ApiHost): Api {
  return {
    name: 'BlockBuilder',
    version: 6,
    doc: 'What a transaction would do.',
    methods: {
      apply_extrinsic: method({
        doc: 'Applies a transaction in the block after this state, and throws the result away.',
        args: { extrinsic: EncodedExtrinsic },
        output: result(DispatchResult, TransactionValidityError),
        next: true,
        run: (at, { extrinsic }) =>
          judged(() => resultOf(applyKnown(at, host.kernel.calls, known(host, extrinsic)).error)),
      }),
    },
  };
}

function paymentApi(host: ApiHost): Api {
  const args = { uxt: EncodedExtrinsic, len: u32 };
  return {
    name: 'TransactionPaymentApi',
    version: 4,
    doc: 'What a transaction costs.',
    methods: {
      query_info: method({
        doc: 'Weight, class and fee without tip.',
        args,
        output: RuntimeDispatchInfo,
        run: (at, { uxt, len }) => dispatchInfo(at, known(host, uxt).info, len),
      }),
      query_fee_details: method({
        doc: 'The parts of the fee.',
        args,
        output: FeeDetails,
        run(at, { uxt, len }) {
          const { extrinsic, info } = known(host, uxt);
          return feeDetails(at, info, len, extrinsic.signed?.extra.tip ?? 0n);
        },
      }),
      ...unitFees,
    },
  };
}

function callPaymentApi({ calls }: ApiHost): Api {
  const args = { call: calls.Call, len: u32 };
  return {
    name: 'TransactionPaymentCallApi',
    version: 3,
    doc: 'What a call costs whoever signs it, before anybody does.',
    methods: {
      query_call_info: method({
        doc: 'Weight, class and fee without tip, in an extrinsic of `len` bytes.',
        args,
        output: RuntimeDispatchInfo,
        run: (at, { call, len }) => dispatchInfo(at, signedInfo(calls, call), len),
      }),
      query_call_fee_details: method({
        doc: 'The parts of the fee.',
        args,
        output: FeeDetails,
        run: (at, { call, len }) => feeDetails(at, signedInfo(calls, call), len, 0n),
      }),
      ...unitFees,
    },
  };
}

/** What both payment APIs say of weights and lengths. */
const unitFees = {
  query_weight_to_fee: method({
    doc: 'What so much weight costs while the multiplier is 1.',
    args: { weight: Weight },
    output: Balance,
    run: (at, { weight }) => weightFee(at, weight.ref_time),
  }),
  query_length_to_fee: method({
    doc: 'What so many bytes cost.',
    args: { length: u32 },
    output: Balance,
    run: (at, { length }) => lengthFee(at, length),
  }),
};

function dispatchInfo(at: Chain, info: DispatchInfo, length: number) {
  return { weight: info.weight, class: { type: info.class }, partial_fee: totalFee(at, info, length, 0n) };
}

function feeDetails(at: Chain, info: DispatchInfo, length: number, tip: bigint) {
  return { inclusion_fee: info.paysFee ? inclusionFee(at, info, length) : undefined, tip };
}
