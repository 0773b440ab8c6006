/** # polkadot-js: the unmodified @polkadot/api against a node over WebSocket, as wallets and explorers use it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ApiPromise } from '@polkadot/api';
import type { DevNode } from '../rpc/dev-node.ts';
import {
  accountOf,
  assertNear,
  feeOf,
  freeOf,
  known,
  PATIENCE,
  person,
  settled,
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

const people = () => ({ alice: person('//Alice'), bob: person('//Bob'), dave: person('//Dave') });
const transfer = (to: string, value: bigint) => tx(api, 'balances', 'transferKeepAlive', to, value);

test('it connects, knows the chain, and reads metadata, constants and balances', PATIENCE, async () => {
  assert.equal(api.genesisHash.toHex(), await api.rpc.chain.getBlockHash(0).then((hash) => hash.toHex()));
  assert.equal((await api.rpc.system.chain()).toString(), dev.node.config.spec.name);
  assert.equal(api.runtimeMetadata.version, 16);
  assert.equal(api.registry.chainSS58, 42);
  assert.deepEqual(api.registry.chainTokens, [dev.node.config.spec.properties.tokenSymbol]);
  const deposit = known(api.consts.balances?.existentialDeposit, 'balances.existentialDeposit');
  assert.equal(String(deposit), String(dev.node.config.spec.economy.existentialDeposit));
  assert.ok((await freeOf(api, people().alice.address)) > 0n);
  const accounts = await known(api.query.system?.account, 'system.account').entries();
  assert.ok(accounts.length >= 6);
  const derived = await api.derive.balances.all(people().bob.address);
  assert.equal(derived.freeBalance.toBigInt(), await freeOf(api, people().bob.address));
});

test('a transfer is watched into a block and to finality, and costs what was estimated', PATIENCE, async () => {
  const { alice, bob } = people();
  const [payer, payee] = [await freeOf(api, alice.address), await freeOf(api, bob.address)];
  const call = transfer(bob.address, 3n * UNIT);
  const estimate = (await call.paymentInfo(alice)).partialFee.toBigInt();
  assert.ok(estimate > 0n);
  const { statuses, events, error } = await settled(call, alice, {}, 'Finalized');
  assert.equal(error, undefined);
  assert.deepEqual(statuses, ['Ready', 'InBlock', 'Finalized']);
  const paid = feeOf(events);
  assertNear(paid, estimate);
  assert.equal(payer - (await freeOf(api, alice.address)), 3n * UNIT + paid);
  assert.equal((await freeOf(api, bob.address)) - payee, 3n * UNIT);
});

test('a storage subscription tells of a balance when it changes', PATIENCE, async () => {
  const { alice, dave } = people();
  const before = await freeOf(api, dave.address);
  const told: bigint[] = [];
  let stop: () => void = () => {};
  const changed = new Promise<void>((resolve) => {
    known(api.query.system?.account, 'system.account')(dave.address, (account: unknown) => {
      told.push((account as { data: { free: { toBigInt(): bigint } } }).data.free.toBigInt());
      if (told.length === 2) resolve();
    }).then((unsubscribe) => {
      stop = unsubscribe as unknown as () => void;
    });
  });
  await transfer(dave.address, UNIT).signAndSend(alice);
  await changed;
  stop();
  assert.deepEqual(told, [before, before + UNIT]);
});

test('new heads follow each other, and finalized heads come one by one without a gap', PATIENCE, async () => {
  const best: number[] = [];
  const final: number[] = [];
  const parents: boolean[] = [];
  let last = '';
  await new Promise<void>((resolve, reject) => {
    const look = (): void => {
      if (best.length >= 4 && final.length >= 6) resolve();
    };
    api.rpc.chain
      .subscribeNewHeads((header) => {
        best.push(header.number.toNumber());
        look();
      })
      .catch(reject);
    api.rpc.chain
      .subscribeFinalizedHeads((header) => {
        final.push(header.number.toNumber());
        if (last !== '') parents.push(header.parentHash.toHex() === last);
        last = header.hash.toHex();
        look();
      })
      .catch(reject);
  });
  const [from] = final;
  assert.ok(from !== undefined);
  assert.deepEqual(
    final,
    final.map((_, i) => from + i),
  );
  assert.ok(parents.every(Boolean));
  assert.ok(best.every((number, i) => i === 0 || number > (best[i - 1] as number)));
  assert.ok((best.at(-1) as number) >= (final.at(-1) as number));
});

test(
  'blocks decode: their author, their inherent, their events and their opening as a justification',
  PATIENCE,
  async () => {
    const head = await api.rpc.chain.getFinalizedHead();
    const signed = await api.derive.chain.getBlock(head);
    const author = person('//Alice//stash').address;
    assert.equal(signed.author?.toString(), author);
    assert.equal(signed.extrinsics[0]?.extrinsic.method.method, 'set');
    const { justifications } = await api.rpc.chain.getBlock(head);
    assert.equal(justifications.unwrap()[0]?.[0].toString(), 'pow_');
    const at = await api.at(head);
    const events = (await known(at.query.system?.events, 'system.events')()) as unknown as { length: number };
    assert.ok(events.length > 0);
  },
);

test('the next nonce counts a transfer at once, whether it waits or is in a block', PATIENCE, async () => {
  const { alice, bob } = people();
  const nextIndex = async () => (await api.rpc.system.accountNextIndex(alice.address)).toNumber();
  const nonce = await nextIndex();
  await transfer(bob.address, UNIT).signAndSend(alice, { nonce });
  assert.equal(await nextIndex(), nonce + 1);
  await transfer(bob.address, UNIT).signAndSend(alice, { nonce: await nextIndex() });
  assert.equal(await nextIndex(), nonce + 2);
});

test('a transaction of a nonce that is used up is refused as outdated', PATIENCE, async () => {
  const { alice, bob } = people();
  const { nonce } = await accountOf(api, alice.address);
  assert.ok(nonce.toNumber() > 0);
  const outdated = transfer(bob.address, UNIT).signAndSend(alice, { nonce: nonce.toNumber() - 1 });
  await assert.rejects(outdated, /1010: Invalid Transaction: Transaction is outdated/);
});
