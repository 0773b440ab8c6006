/**
 * # Accounts: people of every signature scheme receive and send by unmodified clients, and pay what they were told.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ApiPromise } from '@polkadot/api';
import type { PolkadotClient } from 'polkadot-api';
import type { DevNode } from '../rpc/dev-node.ts';
import {
  accountOf,
  assertNear,
  type Big,
  connectPapi,
  feeOf,
  freeOf,
  names,
  only,
  PATIENCE,
  papiAccountOf,
  papiTx,
  person,
  SCHEMES,
  settled,
  signerOf,
  sockets,
  startWallet,
  tx,
  UNIT,
  type Wallet,
} from './wallet.ts';

let dev: DevNode;
let api: ApiPromise;
let stop: Wallet['stop'] | undefined;

before(async () => {
  ({ dev, api, stop } = await startWallet());
});

after(async () => {
  await stop?.();
});

/** Whoever is rich at genesis, one for each test that runs beside others: nonces do not meet. */
const RICH = { sr25519: '//Alice', ed25519: '//Bob', ecdsa: '//Charlie' } as const;

describe('by @polkadot/api', { concurrency: true }, () => {
  for (const scheme of SCHEMES)
    test(`an ${scheme} account receives, sends, and pays what was estimated`, PATIENCE, async () => {
      const [giver, one, other] = [person(RICH[scheme]), person('//js', scheme), person('//js//receiver', scheme)];
      const given = await settled(tx(api, 'balances', 'transferKeepAlive', one.address, 10n * UNIT), giver);
      assert.equal(given.error, undefined);
      assert.ok(names(given.events).includes('system.NewAccount'));
      assert.equal(await freeOf(api, one.address), 10n * UNIT);
      const transfer = tx(api, 'balances', 'transferKeepAlive', other.address, 3n * UNIT);
      const estimate = (await transfer.paymentInfo(one)).partialFee.toBigInt();
      const sent = await settled(transfer, one);
      assert.equal(sent.error, undefined);
      const moved = only(sent.events, 'balances.Transfer');
      assert.deepEqual([String(moved.from), String(moved.to)], [one.address, other.address]);
      assertNear(feeOf(sent.events), estimate);
      assert.equal(await freeOf(api, one.address), 7n * UNIT - feeOf(sent.events));
      assert.equal(await freeOf(api, other.address), 3n * UNIT);
      assert.equal((await accountOf(api, one.address)).nonce.toNumber(), 1);
    });

  test('a tip comes on top of the fee, and both are said', PATIENCE, async () => {
    const dave = person('//Dave');
    const remark = tx(api, 'system', 'remark', '0x1234');
    const options = { tip: 5n * UNIT };
    const { partialFee } = await remark.paymentInfo(dave, options);
    const before = await freeOf(api, dave.address);
    const { events } = await settled(remark, dave, options);
    const paid = only(events, 'transactionPayment.TransactionFeePaid');
    assert.equal(String(paid.who), dave.address);
    assert.equal(BigInt(String(paid.tip)), 5n * UNIT);
    assertNear(feeOf(events) - 5n * UNIT, partialFee.toBigInt());
    assert.equal(before - (await freeOf(api, dave.address)), feeOf(events));
  });

  test('length and weight are estimated with it: 10 kB of remark, and a batch of 20 calls', PATIENCE, async () => {
    const eve = person('//Eve');
    const long = tx(api, 'system', 'remark', `0x${'00'.repeat(10_000)}`);
    const transfer = tx(api, 'balances', 'transferKeepAlive', eve.address, UNIT);
    const heavy = tx(
      api,
      'utility',
      'batchAll',
      Array.from({ length: 20 }, () => transfer),
    );
    const short = (await transfer.paymentInfo(eve)).partialFee.toBigInt();
    for (const call of [long, heavy]) {
      const { partialFee, weight } = await call.paymentInfo(eve);
      assert.ok(partialFee.toBigInt() > short && weight.refTime.toBigInt() > 0n);
      const { events, error } = await settled(call, eve);
      assert.equal(error, undefined);
      assertNear(feeOf(events), partialFee.toBigInt());
    }
  });

  test('the parts of a fee sum to it, whichever door they are asked at', PATIENCE, async () => {
    const signed = await tx(api, 'system', 'remark', '0x12').signAsync(person('//Alice'));
    // Its own codec of this answer is older than the weights of two dimensions that nodes give.
    const info = (await api.rpc.payment.queryInfo.raw(signed.toHex())) as unknown as { partialFee: string };
    const details = await api.rpc.payment.queryFeeDetails(signed.toHex());
    const { baseFee, lenFee, adjustedWeightFee } = details.inclusionFee.unwrap();
    const sum = baseFee.toBigInt() + lenFee.toBigInt() + adjustedWeightFee.toBigInt();
    assert.equal(sum, BigInt(info.partialFee));
    const called = await api.call.transactionPaymentApi?.queryInfo?.(signed.toU8a(), signed.toU8a().length);
    assert.equal((called as unknown as { partialFee: Big }).partialFee.toBigInt(), sum);
  });

  test('an account that sends all it has is closed', PATIENCE, async () => {
    const [ferdie, brief] = [person('//Ferdie'), person('//brief', 'ed25519')];
    await settled(tx(api, 'balances', 'transferKeepAlive', brief.address, 2n * UNIT), ferdie);
    const all = await settled(tx(api, 'balances', 'transferAll', ferdie.address, false), brief);
    assert.equal(all.error, undefined);
    assert.equal(String(only(all.events, 'system.KilledAccount').account), brief.address);
    const moved = BigInt(String(only(all.events, 'balances.Transfer').amount));
    assert.equal(moved, 2n * UNIT - feeOf(all.events));
    assert.equal(await freeOf(api, brief.address), 0n);
    assert.equal((await accountOf(api, brief.address)).nonce.toNumber(), 0);
  });
});

for (const mode of ['chainHead', 'legacy'] as const)
  describe(`by polkadot-api through ${mode}`, { concurrency: true }, () => {
    let client: PolkadotClient;
    before(() => {
      client = connectPapi(dev.ws, sockets(new Set(), mode === 'legacy'));
    });
    after(() => client?.destroy());

    for (const scheme of SCHEMES)
      test(`an ${scheme} account receives, sends, and pays what was estimated`, PATIENCE, async () => {
        const giver = person(RICH[scheme]);
        const [one, other] = [person(`//${mode}`, scheme), person(`//${mode}//receiver`, scheme)];
        const transfer = (to: string, value: bigint) =>
          papiTx(client, 'Balances', 'transfer_keep_alive', { dest: { type: 'Id', value: to }, value });
        const given = await transfer(one.address, 10n * UNIT).signAndSubmit(signerOf(giver));
        assert.ok(given.ok);
        assert.equal((await papiAccountOf(client, one.address)).data.free, 10n * UNIT);
        const estimate = await transfer(other.address, 3n * UNIT).getEstimatedFees(one.address);
        const sent = await transfer(other.address, 3n * UNIT).signAndSubmit(signerOf(one));
        assert.ok(sent.ok);
        const paid = sent.events.find(({ value }) => value.type === 'TransactionFeePaid')?.value.value;
        assertNear(paid.actual_fee, estimate);
        const [{ nonce, data }, received] = [
          await papiAccountOf(client, one.address),
          await papiAccountOf(client, other.address),
        ];
        assert.deepEqual([nonce, data.free], [1, 7n * UNIT - paid.actual_fee]);
        assert.equal(received.data.free, 3n * UNIT);
        const moved = sent.events.find(({ value }) => value.type === 'Transfer')?.value.value;
        assert.deepEqual(moved, { from: one.address, to: other.address, amount: 3n * UNIT });
      });
  });
