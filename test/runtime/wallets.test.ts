/** # Wallets: unmodified client libraries: what they build executes here, what happens here they decode. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyring } from '@polkadot/api';
import type { SubmittableExtrinsic } from '@polkadot/api/types';
import { createKeyDerived, createKeyMulti, cryptoWaitReady, encodeAddress } from '@polkadot/util-crypto';
import { getDynamicBuilder, getLookupFn } from '@polkadot-api/metadata-builders';
import { metadata as metadataCodec, unifyMetadata } from '@polkadot-api/substrate-bindings';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { type Bytes, equal, fromHex, toHex } from '../../src/base/bytes.ts';
import { compact, compactU32, u32 } from '../../src/codec/index.ts';
import { Era, mortalEra } from '../../src/primitives/era.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { storageKey } from '../../src/runtime/storage.ts';
import { connect } from './memory-provider.ts';
import { alice, bob, call, names, TestChain, transferCall, UNIT } from './test-chain.ts';

const VERSIONS = [14, 15, 16] as const;

test('polkadot-js connects, transfers, pays what it was told, and decodes what happened', async () => {
  await cryptoWaitReady();
  const chain = new TestChain();
  chain.block();
  const api = await connect(chain);
  try {
    const keyring = new Keyring({ type: 'sr25519' });
    const sender = keyring.addFromUri('//Alice');
    const receiver = keyring.addFromUri('//Bob').address;
    const { balances, utility, system } = api.tx;
    assert.ok(balances?.transferKeepAlive && balances.transferAll && utility?.batchAll && system?.remark);
    const remark = system.remark('0x1234');
    const batch = utility.batchAll([balances.transferKeepAlive(receiver, 3n * UNIT), remark]);
    const info = await batch.paymentInfo(sender);
    assert.ok(info.partialFee.toBigInt() > 0n);
    await batch.signAsync(sender, { tip: 5 });
    const before = chain.free(alice.accountId);
    const { outcomes } = chain.block([batch.toU8a()]);
    assert.deepEqual(outcomes, [{ applied: true, error: undefined }]);
    assert.equal(before - chain.free(alice.accountId), 3n * UNIT + info.partialFee.toBigInt() + 5n);
    const account = (await api.query.system?.account?.(sender.address)) as unknown as {
      nonce: { toNumber(): number };
      data: { free: { toBigInt(): bigint } };
    };
    assert.equal(account.nonce.toNumber(), 1);
    assert.equal(account.data.free.toBigInt(), chain.free(alice.accountId));
    const events = (await api.query.system?.events?.()) as unknown as { event: { section: string; method: string } }[];
    assert.deepEqual(events.map(({ event }) => `${event.section}.${event.method}`).slice(-3), [
      'utility.BatchCompleted',
      'transactionPayment.TransactionFeePaid',
      'system.ExtrinsicSuccess',
    ]);
    const derived = await api.derive.balances.all(receiver);
    assert.equal(derived.availableBalance.toBigInt(), chain.free(bob.accountId));
    const nonce = await api.call.accountNonceApi?.accountNonce?.(sender.address);
    assert.equal(String(nonce), '1');
  } finally {
    await api.disconnect();
  }
});

test('polkadot-js asks what a call costs before anybody signs it, and is charged that', async () => {
  await cryptoWaitReady();
  const chain = new TestChain();
  chain.author = new Uint8Array(32).fill(7);
  const api = await connect(chain);
  try {
    const sender = new Keyring({ type: 'sr25519' }).addFromUri('//Alice');
    const transfer = api.tx.balances?.transferKeepAlive?.(encodeAddress(bob.accountId, 42), UNIT);
    assert.ok(transfer !== undefined);
    await transfer.signAsync(sender, { tip: 3 });
    const length = transfer.toU8a().length;
    const asked = api.call.transactionPaymentCallApi;
    const info = (await asked?.queryCallInfo?.(transfer.method, length)) as unknown as Asked;
    const details = (await asked?.queryCallFeeDetails?.(transfer.method, length)) as unknown as {
      readonly inclusionFee: { unwrap(): Readonly<Record<'baseFee' | 'lenFee' | 'adjustedWeightFee', Big>> };
    };
    const { baseFee, lenFee, adjustedWeightFee } = details.inclusionFee.unwrap();
    const fee = info.partialFee.toBigInt();
    assert.equal(baseFee.toBigInt() + lenFee.toBigInt() + adjustedWeightFee.toBigInt(), fee);
    const before = chain.free(alice.accountId);
    chain.block([transfer.toU8a()]);
    assert.equal(before - chain.free(alice.accountId), UNIT + fee + 3n);
  } finally {
    await api.disconnect();
  }
});

interface Big {
  toBigInt(): bigint;
}
interface Asked {
  readonly partialFee: Big;
}

test('polkadot-js builds multisig, proxy and derived calls that execute, and decodes what they did', async () => {
  await cryptoWaitReady();
  const chain = new TestChain();
  const api = await connect(chain);
  try {
    const keyring = new Keyring({ type: 'sr25519' });
    const [one, two] = [keyring.addFromUri('//Alice'), keyring.addFromUri('//Bob')];
    const { multisig, proxy, utility, balances } = api.tx;
    assert.ok(multisig?.asMulti && proxy?.addProxy && proxy.proxy && utility?.asDerivative && balances?.transferAll);
    const send = async (tx: SubmittableExtrinsic<'promise'>, by: ReturnType<Keyring['addFromUri']>) => {
      await tx.signAsync(by, { nonce: chain.system.Account.get(by.publicKey).nonce });
      const { outcomes } = chain.block([tx.toU8a()]);
      assert.deepEqual(outcomes, [{ applied: true, error: undefined }]);
      const records = (await api.query.system?.events?.()) as unknown as {
        event: { section: string; method: string };
      }[];
      return records.map(({ event }) => `${event.section}.${event.method}`);
    };
    const joint = encodeAddress(createKeyMulti([one.address, two.address], 2), 42);
    await send(balances.transferKeepAlive?.(joint, 20n * UNIT) as SubmittableExtrinsic<'promise'>, one);
    const inner = api.tx.balances?.transferKeepAlive?.(two.address, UNIT) as SubmittableExtrinsic<'promise'>;
    const weight = { refTime: 1_000_000_000, proofSize: 100_000 };
    const begun = await send(multisig.asMulti(2, [two.address], null, inner, weight), one);
    assert.ok(begun.includes('multisig.NewMultisig'));
    const hash = inner.method.hash;
    const open = (await api.query.multisig?.multisigs?.(joint, hash)) as unknown as {
      unwrap(): { readonly when: unknown };
    };
    const done = await send(multisig.asMulti(2, [one.address], open.unwrap().when, inner, weight), two);
    assert.ok(done.includes('multisig.MultisigExecuted') && done.includes('balances.Transfer'));
    await send(proxy.addProxy(two.address, 'NonTransfer', 0), one);
    const listed = (await api.query.proxy?.proxies?.(one.address)) as unknown as [{ delegate: Big }[], Big];
    assert.equal(String(listed[0][0]?.delegate), two.address);
    const acted = await send(proxy.proxy(one.address, null, inner), two);
    assert.ok(acted.includes('proxy.ProxyExecuted') && !acted.includes('balances.Transfer'));
    const derived = encodeAddress(createKeyDerived(one.address, 9), 42);
    await send(balances.transferKeepAlive?.(derived, 5n * UNIT) as SubmittableExtrinsic<'promise'>, one);
    assert.ok((await send(utility.asDerivative(9, inner), one)).includes('balances.Transfer'));
  } finally {
    await api.disconnect();
  }
});

test('polkadot-api decodes every version of the metadata and agrees on keys, calls, events and constants', () => {
  const chain = new TestChain();
  const { events } = chain.block([chain.signed(alice, transferCall('transfer_keep_alive', bob.accountId, UNIT))]);
  for (const version of VERSIONS) {
    const encoded = chain.runtime.metadata(version);
    const decoded = metadataCodec.dec(encoded);
    assert.ok(equal(metadataCodec.enc(decoded), encoded));
    const unified = unifyMetadata(decoded);
    const builder = getDynamicBuilder(getLookupFn(unified));
    const account = builder.buildStorage('System', 'Account');
    const address = '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY';
    assert.equal(account.keys.enc(address), toHex(storageKey(System.storage.Account, [alice.accountId])));
    const raw = chain.tree.get(storageKey(System.storage.Account, [alice.accountId])) as Bytes;
    assert.equal(raw.length, 80);
    assert.equal(account.value.dec(toHex(raw)).data.free, chain.free(alice.accountId));
    const records = builder.buildStorage('System', 'Events').value.dec(chain.system.Events.get());
    assert.deepEqual(
      records.map(
        ({ event }: { event: { type: string; value: { type: string } } }) => `${event.type}.${event.value.type}`,
      ),
      names(events),
    );
    const { codec, location } = builder.buildCall('Balances', 'transfer_keep_alive');
    const args = codec.enc({ dest: { type: 'Id', value: address }, value: 7n });
    assert.equal(
      toHex(Uint8Array.from([...location, ...args])),
      toHex(chain.runtime.Call.enc(transferCall('transfer_keep_alive', alice.accountId, 7n))),
    );
    const constant = unified.pallets
      .find(({ name }) => name === 'System')
      ?.constants.find(({ name }) => name === 'Version')?.value;
    const said = builder.buildConstant('System', 'Version').dec(fromHex(String(constant)));
    assert.equal(said.spec_version, chain.runtime.spec.specVersion);
    assert.equal(said.transaction_version, chain.runtime.spec.transactionVersion);
    assert.equal(builder.ss58Prefix, 42);
    if (version === 14) continue;
    const nonce = builder.buildRuntimeCall('AccountNonceApi', 'account_nonce');
    const answer = chain.runtime.call(chain.tree, 'AccountNonceApi_account_nonce', nonce.args.enc([address]), chain.at);
    assert.ok(answer.ok);
    assert.equal(nonce.value.dec(answer.output), 1);
    const validate = builder.buildRuntimeCall('TaggedTransactionQueue', 'validate_transaction');
    const xt = chain.signed(alice, transferCall('transfer_keep_alive', bob.accountId, UNIT));
    const data = Uint8Array.from([2, ...xt, ...chain.at.hash]);
    const judged = chain.runtime.call(chain.tree, 'TaggedTransactionQueue_validate_transaction', data, chain.at);
    assert.ok(judged.ok);
    assert.equal(validate.value.dec(judged.output).success, true);
  }
});

test('polkadot-api signs mortal transactions by any version of the metadata, and they execute', async () => {
  for (const version of VERSIONS) {
    const chain = new TestChain();
    for (let i = 0; i < 5; i++) chain.block();
    const signer = getPolkadotSigner(alice.publicKey, 'Sr25519', (input) => alice.sign(input));
    const { number, hash } = chain.at;
    const none = new Uint8Array(0);
    const extension = (identifier: string, value: Bytes, additionalSigned: Bytes) =>
      [identifier, { identifier, value, additionalSigned }] as const;
    const extensions = Object.fromEntries([
      extension('CheckNonZeroSender', none, none),
      extension('CheckSpecVersion', none, u32.enc(chain.runtime.spec.specVersion)),
      extension('CheckTxVersion', none, u32.enc(chain.runtime.spec.transactionVersion)),
      extension('CheckGenesis', none, chain.genesisHash),
      extension('CheckMortality', Era.enc(mortalEra(64, number)), hash),
      extension('CheckNonce', compactU32.enc(0), none),
      extension('CheckWeight', none, none),
      extension('ChargeTransactionPayment', compact.enc(0n), none),
    ]);
    const of = chain.runtime.Call.enc(call('System', 'remark_with_event', { remark: new Uint8Array(300) }));
    const signed = await signer.signTx(of, extensions, chain.runtime.metadata(version), number);
    const { outcomes, events } = chain.block([signed]);
    assert.deepEqual(outcomes, [{ applied: true, error: undefined }]);
    assert.ok(names(events).includes('System.Remarked'));
  }
});
