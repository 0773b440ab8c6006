/**
 * # Outcomes: what unmodified clients learn of calls that succeed, fail, or do both: batches, events, errors, and the
 * dispatch info that every extrinsic ends with.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiPromise } from '@polkadot/api';
import { blake2AsHex } from '@polkadot/util-crypto';
import type { PolkadotClient } from 'polkadot-api';
import type { DevNode } from '../rpc/dev-node.ts';
import {
  accountOf,
  connectPapi,
  type Extrinsic,
  feeOf,
  follow,
  freeOf,
  names,
  only,
  PATIENCE,
  papiTx,
  person,
  query,
  seen,
  settled,
  signerOf,
  startWallet,
  tx,
  UNIT,
  type Wallet,
} from './wallet.ts';

let dev: DevNode;
let api: ApiPromise;
let stop: Wallet['stop'] | undefined;
let client: PolkadotClient;

before(async () => {
  ({ dev, api, stop } = await startWallet());
  client = connectPapi(dev.ws);
  await settled(transfer(many().address, 100n * UNIT), person('//Alice'));
});

after(async () => {
  client?.destroy();
  await stop?.();
});

const transfer = (to: string, value: bigint): Extrinsic => tx(api, 'balances', 'transferKeepAlive', to, value);
const receiver = (name: string): string => person(`//receives ${name}`).address;
/** Who sends many transfers at once. */
const many = () => person('//many', 'ed25519');
/** More than anybody owns. */
const TOO_MUCH = 10n ** 30n;

describe('by @polkadot/api', { concurrency: true }, () => {
  test('a batch of 100 transfers is one extrinsic in one block, and says so 100 times', PATIENCE, async () => {
    const to = Array.from({ length: 100 }, (_, i) => receiver(`100/${i}`));
    const batch = tx(
      api,
      'utility',
      'batchAll',
      to.map((address, i) => transfer(address, UNIT + BigInt(i))),
    );
    const { events, error, block, index } = await settled(batch, person('//Alice'));
    assert.equal(error, undefined);
    const moves = events.filter(({ name }) => name === 'balances.Transfer').map(({ fields }) => fields);
    assert.deepEqual(
      moves.map(({ to: whom, amount }) => [String(whom), BigInt(String(amount))]),
      to.map((address, i) => [address, UNIT + BigInt(i)]),
    );
    assert.equal(events.filter(({ name }) => name === 'utility.ItemCompleted').length, 100);
    assert.deepEqual(names(events).slice(-3), [
      'utility.BatchCompleted',
      'transactionPayment.TransactionFeePaid',
      'system.ExtrinsicSuccess',
    ]);
    const { block: included } = await api.rpc.chain.getBlock(block);
    assert.equal(included.extrinsics[index]?.toHex(), batch.toHex());
    const balances = await Promise.all(to.map((address) => freeOf(api, address)));
    assert.deepEqual(
      balances,
      to.map((_, i) => UNIT + BigInt(i)),
    );
  });

  test('fifty transfers of one sender, sent last one first, come into blocks in their order', PATIENCE, async () => {
    const sender = many();
    const signed = await Promise.all(
      Array.from({ length: 50 }, (_, nonce) =>
        transfer(receiver(`many/${nonce}`), UNIT).signAsync(sender, { nonce, era: 0 }),
      ),
    );
    const [first, ...waiting] = signed as [Extrinsic, ...Extrinsic[]];
    await Promise.all(waiting.reverse().map((one) => one.send()));
    assert.equal((await accountOf(api, sender.address)).nonce.toNumber(), 0);
    assert.equal(
      (await api.rpc.author.pendingExtrinsics()).some((one) => one.signer.eq(sender.address)),
      false,
    );
    assert.equal((await follow(first).done).error, undefined);
    while ((await accountOf(api, sender.address)).nonce.toNumber() < 50) await sleep(100);
    const balances = await Promise.all(signed.map((_, i) => freeOf(api, receiver(`many/${i}`))));
    assert.ok(balances.every((balance) => balance === UNIT));
  });

  test('a batch stops at the call that fails; what came before it stays', PATIENCE, async () => {
    const [first, second, third] = [receiver('stop/0'), receiver('stop/1'), receiver('stop/2')];
    const calls = [transfer(first, UNIT), transfer(second, TOO_MUCH), transfer(third, UNIT)];
    const { events, error } = await settled(tx(api, 'utility', 'batch', calls), person('//Bob'));
    assert.equal(error, undefined);
    const stopped = only(events, 'utility.BatchInterrupted');
    assert.equal(String(stopped.index), '1');
    assert.deepEqual(stopped.error?.toJSON(), { token: 'FundsUnavailable' });
    assert.ok(!names(events).includes('utility.BatchCompleted'));
    assert.deepEqual(await Promise.all([first, second, third].map((one) => freeOf(api, one))), [UNIT, 0n, 0n]);
  });

  test('of batch_all nothing stays when one call fails, but the fee is paid and the nonce used', PATIENCE, async () => {
    const charlie = person('//Charlie');
    const [before, first] = [await accountOf(api, charlie.address), receiver('all/0')];
    const calls = [transfer(first, UNIT), transfer(receiver('all/1'), TOO_MUCH)];
    const { events, error } = await settled(tx(api, 'utility', 'batchAll', calls), charlie);
    assert.equal(error, 'Token.FundsUnavailable');
    assert.deepEqual(names(events).slice(-2), ['transactionPayment.TransactionFeePaid', 'system.ExtrinsicFailed']);
    assert.ok(!names(events).includes('balances.Transfer'));
    assert.equal(await freeOf(api, first), 0n);
    const after = await accountOf(api, charlie.address);
    assert.equal(before.data.free.toBigInt() - after.data.free.toBigInt(), feeOf(events));
    assert.equal(after.nonce.toNumber(), before.nonce.toNumber() + 1);
  });

  test('force_batch goes on after a failure and tells of each call', PATIENCE, async () => {
    const [first, third] = [receiver('force/0'), receiver('force/2')];
    const calls = [transfer(first, UNIT), transfer(receiver('force/1'), TOO_MUCH), transfer(third, UNIT)];
    const { events, error } = await settled(tx(api, 'utility', 'forceBatch', calls), person('//Dave'));
    assert.equal(error, undefined);
    assert.deepEqual(
      names(events).filter((name) => name.startsWith('utility.')),
      ['utility.ItemCompleted', 'utility.ItemFailed', 'utility.ItemCompleted', 'utility.BatchCompletedWithErrors'],
    );
    assert.deepEqual(only(events, 'utility.ItemFailed').error?.toJSON(), { token: 'FundsUnavailable' });
    assert.deepEqual(await Promise.all([first, third].map((one) => freeOf(api, one))), [UNIT, UNIT]);
  });

  test('each way in which a transfer fails has the name that wallets show', PATIENCE, async () => {
    const eve = person('//Eve');
    const deposit = BigInt(dev.node.config.spec.economy.existentialDeposit);
    const { nonce, data } = await accountOf(api, eve.address);
    const fee = (await transfer(eve.address, UNIT).paymentInfo(eve)).partialFee.toBigInt();
    const failures: [Extrinsic, string][] = [
      [transfer(receiver('all'), data.free.toBigInt() - fee - deposit / 2n), 'Token.NotExpendable'],
      [transfer(receiver('too much'), TOO_MUCH), 'Token.FundsUnavailable'],
      [transfer(receiver('a crumb'), deposit - 1n), 'Token.BelowMinimum'],
      [tx(api, 'proxy', 'removeProxy', receiver('nobody'), 'Any', 0), 'proxy.NotFound'],
      [tx(api, 'multisig', 'asMultiThreshold1', [], transfer(eve.address, 1n)), 'multisig.TooFewSignatories'],
      [tx(api, 'balances', 'forceTransfer', eve.address, eve.address, 1n), 'BadOrigin'],
    ];
    const outcomes = await Promise.all(
      failures.map(([call], i) => settled(call, eve, { nonce: nonce.toNumber() + i })),
    );
    assert.deepEqual(
      outcomes.map(({ error }) => error),
      failures.map(([, name]) => name),
    );
    for (const { events } of outcomes) assert.equal(names(events).at(-1), 'system.ExtrinsicFailed');
    assert.equal((await accountOf(api, eve.address)).nonce.toNumber(), nonce.toNumber() + failures.length);
  });

  test('a remark is told with its hash', PATIENCE, async () => {
    const ferdie = person('//Ferdie');
    const { events } = await settled(tx(api, 'system', 'remarkWithEvent', 'hello'), ferdie);
    const remarked = only(events, 'system.Remarked');
    assert.deepEqual([String(remarked.sender), String(remarked.hash_)], [ferdie.address, blake2AsHex('hello')]);
  });
});

describe('by polkadot-api', { concurrency: true }, () => {
  const move = (to: string, value: bigint) =>
    papiTx(client, 'Balances', 'transfer_keep_alive', { dest: { type: 'Id', value: to }, value });

  test('a batch of 100 transfers is in one block with 100 events', PATIENCE, async () => {
    const calls = Array.from({ length: 100 }, (_, i) => move(receiver(`papi/${i}`), UNIT).decodedCall);
    const done = await papiTx(client, 'Utility', 'batch_all', { calls }).signAndSubmit(signerOf(person('//Alice')));
    assert.ok(done.ok);
    assert.equal(done.events.filter(({ value }) => value.type === 'Transfer').length, 100);
    assert.deepEqual(done.events.at(-1)?.value.type, 'ExtrinsicSuccess');
    assert.equal(await freeOf(api, receiver('papi/99')), UNIT);
  });

  test('a failure comes as a value that names the pallet and the error', PATIENCE, async () => {
    const poor = await move(receiver('papi too much'), TOO_MUCH).signAndSubmit(signerOf(person('//Bob')));
    assert.deepEqual([poor.ok, kinds(poor.dispatchError)], [false, ['Token', 'FundsUnavailable']]);
    const delegate = { type: 'Id', value: receiver('nobody') };
    const lacking = papiTx(client, 'Proxy', 'remove_proxy', { delegate, proxy_type: { type: 'Any' }, delay: 0 });
    const refused = await lacking.signAndSubmit(signerOf(person('//Charlie')));
    assert.equal(refused.ok, false);
    assert.deepEqual(kinds(refused.dispatchError), ['Module', 'Proxy', 'NotFound']);
  });

  test('force_batch tells which of its calls failed', PATIENCE, async () => {
    const calls = [UNIT, TOO_MUCH, UNIT].map((value, i) => move(receiver(`papi force/${i}`), value).decodedCall);
    const done = await papiTx(client, 'Utility', 'force_batch', { calls }).signAndSubmit(signerOf(person('//Dave')));
    assert.ok(done.ok);
    const said = done.events.filter(({ type }) => type === 'Utility').map(({ value }) => value.type);
    assert.deepEqual(said, ['ItemCompleted', 'ItemFailed', 'ItemCompleted', 'BatchCompletedWithErrors']);
  });
});

interface Nested {
  readonly type: string;
  readonly value?: Nested;
}

/** The names of a nested error, from the outside in. */
function kinds(error: unknown): string[] {
  const { type, value } = error as Nested;
  return value === undefined ? [type] : [type, ...kinds(value)];
}

interface EventRecord {
  readonly phase: { readonly isApplyExtrinsic: boolean; readonly asApplyExtrinsic: { toNumber(): number } };
  readonly event: Parameters<typeof seen>[0];
}

test('the last event of every extrinsic of every block is its outcome with dispatch info', PATIENCE, async () => {
  const last = (await api.rpc.chain.getHeader()).number.toNumber();
  let extrinsics = 0;
  for (let number = 1; number <= last; number++) {
    const hash = await api.rpc.chain.getBlockHash(number);
    const at = await api.at(hash);
    const records = (await at.query.system?.events?.()) as unknown as EventRecord[];
    const { block } = await api.rpc.chain.getBlock(hash);
    for (const [index, extrinsic] of block.extrinsics.entries()) {
      const own = records.filter(({ phase }) => phase.isApplyExtrinsic && phase.asApplyExtrinsic.toNumber() === index);
      const outcome = seen((own.at(-1) as EventRecord).event);
      assert.match(outcome.name, /^system\.Extrinsic(Success|Failed)$/);
      const info = outcome.fields.dispatchInfo?.toJSON() as { weight: { refTime: number }; class: string };
      assert.equal(info.class, extrinsic.isSigned ? 'Normal' : 'Mandatory');
      assert.ok(info.weight.refTime > 0);
      const fees = own.filter(({ event }) => event.method === 'TransactionFeePaid').length;
      assert.equal(fees, extrinsic.isSigned ? 1 : 0);
      extrinsics++;
    }
  }
  assert.ok(extrinsics > last, 'there were more than the inherents');
  assert.ok((await query<unknown[]>(api, 'system', 'events')).length > 0);
});
