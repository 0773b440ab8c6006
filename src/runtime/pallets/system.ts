/**
 * # System: who exists, and what block this is.
 *
 * Always true: an account exists while something provides for it; `Number` and `ParentHash` are those of the block that
 * executed last; `Digest` holds none of a block's own `pow_` items, so that the state does not depend on who won it.
 */
import { utf8 } from '../../base/bytes.ts';
import { bytes, codec, compactU32, hash, type Of, str, struct, u16, u32 } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { Digest } from '../../primitives/digest.ts';
import { Phase } from '../calls.ts';
import { DispatchError } from '../errors.ts';
import { constant, event, method, pallet, rules } from '../pallet.ts';
import { RuntimeVersion } from '../spec.ts';
import { map, twox64Concat, value } from '../storage.ts';
import { AccountId, AccountInfo } from '../types.ts';
import {
  BlockLength,
  BlockWeights,
  blockWeights,
  DbWeight,
  DispatchClass,
  NO_WEIGHT,
  Pays,
  perClass,
  READ_PS,
  rw,
  Weight,
  WRITE_PS,
} from '../weights.ts';

// polkadot-js takes it for the longest life of a transaction: 2 h at 3 s, 8 h at 12 s.
export const BLOCK_HASH_COUNT = 2400;

/** The dispatch info in an event. */
const DispatchEventInfo = struct(
  { weight: Weight, class: DispatchClass, pays_fee: Pays },
  { path: 'frame_system::DispatchEventInfo' },
);
export type DispatchEventInfo = Of<typeof DispatchEventInfo>;

const LastRuntimeUpgradeInfo = struct(
  { spec_version: compactU32, spec_name: str },
  { path: 'frame_system::LastRuntimeUpgradeInfo' },
);

/** The name under which metadata describes what `Events` holds: the outer enum is known to the runtime only. */
export const EVENT_RECORDS = 'EventRecords';

// Encoded event records, as they stand in the state. The executive writes them, wallets decode them.
const RawEvents = codec<Uint8Array>(
  { kind: 'reference', name: EVENT_RECORDS, resolve: () => bytes.shape },
  (out, records) => out.raw(records),
  (from) => from.take(from.left),
);

const NO_ACCOUNT: AccountInfo = {
  nonce: 0,
  consumers: 0,
  providers: 0,
  sufficients: 0,
  data: { free: 0n, reserved: 0n, frozen: 0n, flags: 1n << 127n },
};

const ZERO_HASH = new Uint8Array(32);
const NO_EVENTS = Uint8Array.of(0);
const chosenByChain = 'block numbers are not chosen by users';

const Declared = pallet('System', {
  index: 0,
  doc: 'Accounts, the present block, and the limits of blocks.',
  constants: {
    BlockWeights: constant('Limits of weight in a block.', BlockWeights, (spec) => blockWeights(spec.blockWeightPs)),
    BlockLength: constant('Limits of bytes in a block.', BlockLength, (spec) => ({
      max: {
        normal: Math.floor((spec.blockLength * 3) / 4),
        operational: spec.blockLength,
        mandatory: spec.blockLength,
      },
    })),
    BlockHashCount: constant('Blocks whose hashes the state keeps.', u32, () => BLOCK_HASH_COUNT),
    DbWeight: constant('Weight of one read and one write.', DbWeight, () => ({ read: READ_PS, write: WRITE_PS })),
    Version: constant('The version of this runtime.', RuntimeVersion, (_, version) => version),
    SS58Prefix: constant('The address format of this chain.', u16, (spec) => spec.ss58Format),
  },
  storage: {
    Account: map('Every account.', AccountId, AccountInfo, NO_ACCOUNT),
    ExtrinsicCount: value('Extrinsics of the present block.', u32),
    BlockWeight: value('Weight of the present block, by class.', perClass(Weight), {
      normal: NO_WEIGHT,
      operational: NO_WEIGHT,
      mandatory: NO_WEIGHT,
    }),
    AllExtrinsicsLen: value('Bytes of the extrinsics of the present block.', u32),
    BlockHash: map('Hashes of recent blocks.', twox64Concat(u32, chosenByChain), hash, ZERO_HASH),
    Number: value('The present block.', u32, 0),
    ParentHash: value('Hash of the parent block.', hash, ZERO_HASH),
    Digest: value('Digest of the present block, without its own `pow_` items.', Digest, []),
    Events: value('What happened in the present block.', RawEvents, NO_EVENTS),
    EventCount: value('How many events the present block has.', u32, 0),
    LastRuntimeUpgrade: value('The version in force.', LastRuntimeUpgradeInfo),
    ExecutionPhase: value('Where the execution of the present block stands.', Phase),
  },
  events: {
    ExtrinsicSuccess: event('An extrinsic did what it says.', { dispatch_info: DispatchEventInfo }),
    ExtrinsicFailed: event('An extrinsic failed; its fee is paid all the same.', {
      dispatch_error: DispatchError,
      dispatch_info: DispatchEventInfo,
    }),
    CodeUpdated: event('The runtime changed its version.', {}),
    NewAccount: event('An account was opened.', { account: AccountId }),
    KilledAccount: event('An account was closed.', { account: AccountId }),
    Remarked: event('A remark was made.', { sender: AccountId, hash }),
  },
  errors: { CallFiltered: 'Whoever sends this call may not make calls of its kind.' },
});

// Hashing a remark: 1 GB/s.
const REMARK_PS_PER_BYTE = 1_000n;

export const System = rules(Declared, {
  calls: {
    remark: {
      index: 0,
      doc: 'Says something; nothing happens.',
      args: { remark: bytes },
      weight: rw(0, 0),
      origin: 'any',
      run() {},
    },
    remark_with_event: {
      index: 7,
      doc: 'Says something and leaves its hash in an event.',
      args: { remark: bytes },
      weight: ({ remark }) => rw(0, 0, BigInt(remark.length) * REMARK_PS_PER_BYTE),
      run(at, { remark }) {
        at.emit.Remarked({ sender: at.signer, hash: blake2_256(remark) });
      },
    },
  },
  genesis: {
    config: {},
    build(at) {
      at.state.LastRuntimeUpgrade.put({ spec_version: at.spec.specVersion, spec_name: at.spec.specName });
      at.state.BlockHash.put(0, ZERO_HASH);
    },
  },
  apis: [
    {
      name: 'AccountNonceApi',
      version: 1,
      doc: 'The nonce of an account.',
      methods: {
        account_nonce: method({
          doc: 'How many transactions the account has sent.',
          args: { account: AccountId },
          output: u32,
          run: (at, { account }) => at.use(Declared).state.Account.get(account).nonce,
        }),
      },
    },
  ],
});

/** The well-known key of the runtime marker (docs/spec/runtime.md). */
export const CODE_KEY = utf8(':code');
