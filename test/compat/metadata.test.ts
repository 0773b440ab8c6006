/**
 * # Metadata: each version of it alone is enough for unmodified clients, and what they look for stands in it
 * (CLIENTS.md section 3).
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ApiPromise, WsProvider } from '@polkadot/api';
import { blake2AsHex, xxhashAsHex } from '@polkadot/util-crypto';
import { getDynamicBuilder, getLookupFn } from '@polkadot-api/metadata-builders';
import {
  Bytes,
  decAnyMetadata,
  metadata as metadataCodec,
  Option,
  unifyMetadata,
} from '@polkadot-api/substrate-bindings';
import { toHex } from '../../src/base/bytes.ts';
import type { DevNode } from '../rpc/dev-node.ts';
import {
  type Big,
  connectJs,
  connectPapi,
  freeOf,
  known,
  listening,
  names,
  PATIENCE,
  papiAccountOf,
  papiTx,
  person,
  query,
  settled,
  signerOf,
  startWallet,
  tx,
  UNIT,
  type Wallet,
} from './wallet.ts';

const VERSIONS = [14, 15, 16] as const;

let dev: DevNode;
let api: ApiPromise;
let stop: Wallet['stop'] | undefined;

before(async () => {
  ({ dev, api, stop } = await startWallet());
});

after(async () => {
  await stop?.();
});

/** What `Metadata_metadata_versions` would say on a chain that speaks one version. */
const onlyVersion = (version: number): string => `0x04${u32Hex(version)}`;
const ASKS_VERSIONS = 'Metadata_metadata_versions';
/** The first 8 bytes of BLAKE2b of the name `Metadata`. */
const METADATA_API = '0x37e397fc7c91f5e4';

/** @polkadot/api's socket to a chain that speaks one version of the metadata, or none of its runtime API. */
class OneVersion extends WsProvider {
  readonly #version: number | undefined;

  constructor(ws: string, version: number | undefined) {
    super(ws);
    this.#version = version;
  }

  override async send<T>(method: string, params: unknown[], ...rest: [boolean?]): Promise<T> {
    if (this.#version !== undefined && method === 'state_call' && params[0] === ASKS_VERSIONS) {
      return onlyVersion(this.#version) as T;
    }
    const answer = await super.send<T>(method, params, ...rest);
    if (this.#version !== undefined || method !== 'state_getRuntimeVersion') return answer;
    const version = answer as { readonly apis: readonly [string, number][] };
    return { ...version, apis: version.apis.filter(([id]) => id !== METADATA_API) } as T;
  }
}

/** polkadot-api's sockets to a chain that speaks one version of the metadata. */
function oneVersion(version: number): typeof WebSocket {
  const requests = new Set<unknown>();
  const operations = new Set<unknown>();
  return listening(
    ({ id, method, params }) => {
      if (method === 'chainHead_v1_call' && params?.[2] === ASKS_VERSIONS) requests.add(id);
    },
    (message) => {
      if (requests.delete(message.id)) operations.add(message.result?.operationId);
      const event = message.params?.result;
      if (event === undefined || !operations.delete(event.operationId)) return message;
      return { ...message, params: { ...message.params, result: { ...event, output: onlyVersion(version) } } };
    },
  );
}

/** The metadata of a version as the chain's own API hands it out: Option<OpaqueMetadata>. */
async function metadataOf(version: number) {
  const answer = await api.rpc.state.call('Metadata_metadata_at_version', `0x${u32Hex(version)}`);
  const bytes = known(OptionalBytes.dec(answer.toHex()), `V${version}`);
  return { bytes, metadata: metadataCodec.dec(bytes) };
}

const OptionalBytes = Option(Bytes());
const u32Hex = (value: number): string => `${value.toString(16).padStart(2, '0')}000000`;
/** twox128('System') and twox128('Account'), as every wallet knows them. */
const SYSTEM_ACCOUNT = '0x26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9';
/** The key `:code`. */
const CODE = '0x3a636f6465';
const pascal = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);
const camel = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
const pallets = (one: ApiPromise): string[] => one.runtimeMetadata.asLatest.pallets.map(({ name }) => String(name));

describe('one version alone is enough', { concurrency: true }, () => {
  const senders = { 14: '//Alice', 15: '//Bob', 16: '//Charlie' } as const;
  const more = { 14: '//Dave', 15: '//Eve', 16: '//Ferdie' } as const;

  for (const version of VERSIONS) {
    test(`@polkadot/api connects by V${version} alone, reads, signs and decodes`, PATIENCE, async () => {
      const one = await connectJs(new OneVersion(dev.ws, version));
      try {
        assert.equal(one.runtimeMetadata.version, version);
        assert.equal(one.extrinsicVersion, 4);
        assert.deepEqual(pallets(one), pallets(api));
        const receiver = person(`//receives by V${version}`).address;
        const transfer = (by: ApiPromise) => tx(by, 'balances', 'transferKeepAlive', receiver, UNIT);
        assert.equal(transfer(one).method.toHex(), transfer(api).method.toHex());
        const { events, error } = await settled(transfer(one), person(senders[version]));
        assert.equal(error, undefined);
        assert.ok(names(events).includes('balances.Transfer'));
        assert.equal(await freeOf(one, receiver), UNIT);
        const nonce = await one.call.accountNonceApi?.accountNonce?.(person(senders[version]).address);
        assert.equal(String(nonce), '1');
      } finally {
        await one.disconnect();
      }
    });

    test(`polkadot-api connects by V${version} alone, reads, signs and decodes`, PATIENCE, async () => {
      const client = connectPapi(dev.ws, oneVersion(version));
      try {
        const sender = person(more[version]);
        assert.equal((await papiAccountOf(client, sender.address)).nonce, 0);
        const call = papiTx(client, 'System', 'remark_with_event', { remark: new Uint8Array([version]) });
        const signer = signerOf(sender);
        let shown = '';
        const signTx: typeof signer.signTx = (data, extensions, metadata, ...rest) => {
          shown = decAnyMetadata(metadata).metadata.tag;
          return signer.signTx(data, extensions, metadata, ...rest);
        };
        const done = await call.signAndSubmit({ ...signer, signTx });
        assert.equal(shown, `v${version}`);
        assert.ok(done.ok);
        assert.ok(done.events.some(({ value }) => value.type === 'Remarked'));
        assert.equal((await papiAccountOf(client, sender.address)).nonce, 1);
      } finally {
        client.destroy();
      }
    });
  }

  test('@polkadot/api takes state_getMetadata where a chain has no API for it', PATIENCE, async () => {
    const one = await connectJs(new OneVersion(dev.ws, undefined));
    try {
      assert.equal(one.runtimeMetadata.version, 14);
      assert.deepEqual(pallets(one), pallets(api));
      assert.equal(one.genesisHash.toHex(), api.genesisHash.toHex());
    } finally {
      await one.disconnect();
    }
  });
});

describe('what clients look for stands in it', () => {
  test('the codec of polkadot-api reads each version and writes it back byte by byte', PATIENCE, async () => {
    const legacy = (await api.rpc.state.getMetadata()).toHex();
    for (const version of VERSIONS) {
      const { metadata, bytes } = await metadataOf(version);
      assert.equal(metadata.metadata.tag, `v${version}`);
      assert.equal(toHex(metadataCodec.enc(metadata)), toHex(bytes));
      if (version === 14) assert.equal(toHex(bytes), legacy);
    }
    const unknown = await api.rpc.state.call('Metadata_metadata_at_version', `0x${u32Hex(13)}`);
    assert.equal(unknown.toHex(), '0x00');
  });

  test('every constant that clients read is there, with the value that this chain lives by', () => {
    const constant = (section: string, name: string) => known(api.consts[section]?.[name], `${section}.${name}`);
    const version = constant('system', 'version').toJSON() as Record<string, unknown>;
    assert.equal(version.specVersion, api.runtimeVersion.specVersion.toNumber());
    assert.equal(version.transactionVersion, api.runtimeVersion.transactionVersion.toNumber());
    assert.equal(version.specName, api.runtimeVersion.specName.toString());
    assert.equal(constant('system', 'ss58Prefix').toJSON(), 42);
    assert.equal(constant('system', 'blockHashCount').toJSON(), 2400);
    const { spec } = dev.node.config;
    assert.equal(String(constant('balances', 'existentialDeposit')), String(spec.economy.existentialDeposit));
    assert.ok(Number(constant('timestamp', 'minimumPeriod').toString()) > 0);
    assert.ok(Number(constant('utility', 'batchedCallsLimit').toString()) >= 100);
    assert.ok(Number(constant('transactionPayment', 'operationalFeeMultiplier').toString()) > 0);
    assert.ok(Number(constant('multisig', 'maxSignatories').toString()) >= 3);
    for (const name of ['blockWeights', 'blockLength', 'dbWeight']) constant('system', name);
    for (const name of ['proxyDepositBase', 'proxyDepositFactor', 'maxProxies']) constant('proxy', name);
    const { maxBlock } = constant('system', 'blockWeights').toJSON() as { maxBlock: { refTime: number } };
    assert.ok(maxBlock.refTime > 0);
  });

  test('every storage item that clients read is there under its well-known key, and reads', PATIENCE, async () => {
    const account = api.query.system?.account;
    assert.equal(known(account, 'system.account').keyPrefix(), SYSTEM_ACCOUNT);
    const alice = person('//Alice').address;
    const items: Record<string, Record<string, unknown[]>> = {
      system: {
        account: [alice],
        blockHash: [0],
        number: [],
        parentHash: [],
        digest: [],
        events: [],
        eventCount: [],
        lastRuntimeUpgrade: [],
        blockWeight: [],
      },
      timestamp: { now: [] },
      balances: { totalIssuance: [], inactiveIssuance: [], locks: [alice], reserves: [alice], holds: [alice] },
      transactionPayment: { nextFeeMultiplier: [] },
      multisig: { multisigs: [alice, api.genesisHash] },
      proxy: { proxies: [alice], announcements: [alice] },
      identity: { identityOf: [alice], superOf: [alice], subsOf: [alice] },
      preimage: { requestStatusFor: [api.genesisHash] },
      scheduler: { agenda: [0] },
      vesting: { vesting: [alice] },
    };
    for (const [section, of] of Object.entries(items))
      for (const [item, keys] of Object.entries(of)) {
        const entry = known(api.query[section]?.[item], `${section}.${item}`);
        const [pallet, name] = [pascal(section), pascal(item)];
        assert.equal(entry.keyPrefix().slice(0, 66), xxhashAsHex(pallet, 128) + xxhashAsHex(name, 128).slice(2));
        assert.ok((await query(api, section, item, ...keys)) !== undefined);
      }
    assert.equal(String(await query(api, 'system', 'blockHash', 0)), api.genesisHash.toHex());
    assert.ok((await query<Big>(api, 'balances', 'totalIssuance')).toBigInt() >= 600_000n * UNIT);
  });

  test('calls, events and errors have the names by which wallets ask for them', () => {
    const asked: Record<string, { calls?: string; events?: string; errors?: string }> = {
      system: {
        calls: 'remark remarkWithEvent',
        events: 'ExtrinsicSuccess ExtrinsicFailed NewAccount KilledAccount Remarked',
      },
      timestamp: { calls: 'set' },
      balances: {
        calls: 'transferAllowDeath transferKeepAlive transferAll forceTransfer forceUnreserve forceSetBalance burn',
        events: 'Endowed DustLost Transfer Reserved Unreserved Deposit Withdraw Slashed Locked Unlocked',
        errors: 'InsufficientBalance',
      },
      transactionPayment: { events: 'TransactionFeePaid' },
      utility: {
        calls: 'batch batchAll forceBatch asDerivative dispatchAs withWeight ifElse',
        events: 'BatchInterrupted BatchCompleted BatchCompletedWithErrors ItemCompleted ItemFailed DispatchedAs',
        errors: 'TooManyCalls',
      },
      multisig: {
        calls: 'asMultiThreshold1 asMulti approveAsMulti cancelAsMulti',
        events: 'NewMultisig MultisigApproval MultisigExecuted MultisigCancelled',
        errors: 'MinimumThreshold AlreadyApproved SignatoriesOutOfOrder NotFound NotOwner WrongTimepoint',
      },
      proxy: {
        calls: 'proxy addProxy removeProxy removeProxies createPure killPure announce proxyAnnounced',
        events: 'ProxyExecuted PureCreated Announced ProxyAdded ProxyRemoved',
        errors: 'TooMany NotFound NotProxy Unproxyable Duplicate NoPermission',
      },
      identity: { calls: 'setIdentity clearIdentity addRegistrar', events: 'IdentitySet IdentityCleared' },
      preimage: { calls: 'notePreimage unnotePreimage', events: 'Noted Requested Cleared' },
      scheduler: { calls: 'schedule cancel scheduleNamed', events: 'Scheduled Canceled Dispatched' },
      vesting: { calls: 'vest vestedTransfer', events: 'VestingUpdated VestingCompleted' },
    };
    const missing: string[] = [];
    for (const [section, { calls = '', events = '', errors = '' }] of Object.entries(asked)) {
      const look = (of: Record<string, unknown> | undefined, wanted: string): void => {
        for (const name of wanted.split(' ')) if (name !== '' && !of?.[name]) missing.push(`${section}.${name}`);
      };
      look(api.tx[section], calls);
      look(api.events[section], events);
      look(api.errors[section], errors);
    }
    assert.deepEqual(missing, []);
  });

  test('the extensions of a transaction are those that every wallet signs without being taught', () => {
    assert.deepEqual(api.registry.signedExtensions, [
      'CheckNonZeroSender',
      'CheckSpecVersion',
      'CheckTxVersion',
      'CheckGenesis',
      'CheckMortality',
      'CheckNonce',
      'CheckWeight',
      'ChargeTransactionPayment',
    ]);
    assert.deepEqual([...api.runtimeMetadata.asLatest.extrinsic.versions.map(Number)].slice(0, 1), [4]);
  });

  test('every runtime API of the version is in the metadata, and the reverse', () => {
    const ids = api.runtimeVersion.apis.map(([id, version]) => `${id.toHex()} ${version.toString()}`).sort();
    const described = api.runtimeMetadata.asLatest.apis.map(({ name, version }) => {
      return `${blake2AsHex(name.toString(), 64)} ${version.toString()}`;
    });
    assert.deepEqual(described.sort(), ids);
    for (const name of ['core', 'metadata', 'accountNonceApi', 'taggedTransactionQueue', 'transactionPaymentApi']) {
      assert.ok(api.call[name], name);
    }
  });

  test('every value of the live state belongs to an item, and both clients decode it', PATIENCE, async () => {
    const at = (await api.rpc.chain.getFinalizedHead()).toHex();
    const unified = unifyMetadata((await metadataOf(16)).metadata);
    const builder = getDynamicBuilder(getLookupFn(unified));
    const items = new Map<string, { readonly pallet: string; readonly item: string }>();
    for (const { name: pallet, storage } of unified.pallets)
      for (const { name: item } of storage?.items ?? []) {
        const prefix = xxhashAsHex(storage?.prefix ?? pallet, 128) + xxhashAsHex(item, 128).slice(2);
        items.set(prefix, { pallet, item });
      }
    const page = await api.rpc.state.getKeysPaged('0x', 1000, undefined, at);
    assert.ok(page.length < 1000, 'the whole state stands in one page');
    const met = new Set<string>();
    for (const key of page) {
      if (key.toHex() === CODE) continue;
      const { pallet, item } = known(items.get(key.toHex().slice(0, 66)), `the item of ${key.toHex()}`);
      const raw = String(await api.rpc.state.getStorage.raw(key.toHex(), at));
      const { value } = builder.buildStorage(pallet, item);
      assert.equal(toHex(value.enc(value.dec(raw))), raw, `polkadot-api: ${pallet}.${item}`);
      const { creator } = known(api.query[camel(pallet)]?.[camel(item)], `${pallet}.${item}`);
      key.setMeta(creator.meta, creator.section, creator.method);
      assert.equal(api.createType(key.outputType, raw).toHex(), raw, `@polkadot/api: ${pallet}.${item}`);
      met.add(`${pallet}.${item}`);
    }
    assert.ok(met.has('System.Account') && met.has('Balances.TotalIssuance') && met.size > 20);
  });
});
