/** # polkadot-js: the unmodified @polkadot/api against a node over WebSocket, as wallets and explorers use it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { DevMiner, type DevNode, startDevNode } from '../rpc/dev-node.ts';

const UNIT = 1_000_000_000_000n;
/** A promise that hangs fails its test by name. */
const PATIENCE = { timeout: 60_000 };

type Provider = NonNullable<NonNullable<Parameters<typeof ApiPromise.create>[0]>['provider']>;

let dev: DevNode;
let miner: DevMiner;
let api: ApiPromise;

before(async () => {
  await cryptoWaitReady();
  dev = await startDevNode();
  miner = new DevMiner(dev.ws);
  // Its own types do not agree with each other under exactOptionalPropertyTypes.
  const provider = new WsProvider(dev.ws) as unknown as Provider;
  api = await ApiPromise.create({ provider, noInitWarn: true, throwOnConnect: true });
});

after(async () => {
  await api?.disconnect();
  miner?.stop();
  await dev?.stop();
});

const people = () => {
  const keyring = new Keyring({ type: 'sr25519' });
  return { alice: keyring.addFromUri('//Alice'), bob: keyring.addFromUri('//Bob'), dave: keyring.addFromUri('//Dave') };
};

/** A member that this chain's metadata lists; the library's types know no chain. */
function known<T>(value: T | undefined, name: string): T {
  assert.ok(value !== undefined, `${name} is in the metadata`);
  return value;
}

const transfer = () => known(api.tx.balances?.transferKeepAlive, 'balances.transferKeepAlive');
const freeOf = async (address: string): Promise<bigint> => {
  const { data } = (await known(api.query.system?.account, 'system.account')(address)) as unknown as {
    data: { free: { toBigInt(): bigint } };
  };
  return data.free.toBigInt();
};

test('it connects, knows the chain, and reads metadata, constants and balances', PATIENCE, async () => {
  assert.equal(api.genesisHash.toHex(), await api.rpc.chain.getBlockHash(0).then((hash) => hash.toHex()));
  assert.equal((await api.rpc.system.chain()).toString(), dev.node.config.spec.name);
  assert.equal(api.runtimeMetadata.version, 16);
  assert.equal(api.registry.chainSS58, 42);
  assert.deepEqual(api.registry.chainTokens, [dev.node.config.spec.properties.tokenSymbol]);
  const deposit = known(api.consts.balances?.existentialDeposit, 'balances.existentialDeposit');
  assert.equal(String(deposit), String(dev.node.config.spec.economy.existentialDeposit));
  assert.ok((await freeOf(people().alice.address)) > 0n);
  const accounts = await known(api.query.system?.account, 'system.account').entries();
  assert.ok(accounts.length >= 6);
  const derived = await api.derive.balances.all(people().bob.address);
  assert.equal(derived.freeBalance.toBigInt(), await freeOf(people().bob.address));
});

test('a transfer is watched into a block and to finality, and costs what was estimated', PATIENCE, async () => {
  const { alice, bob } = people();
  const [payer, payee] = [await freeOf(alice.address), await freeOf(bob.address)];
  const call = transfer()(bob.address, 3n * UNIT);
  const estimate = (await call.paymentInfo(alice)).partialFee.toBigInt();
  assert.ok(estimate > 0n);
  const seen: string[] = [];
  const paid = await new Promise<bigint>((resolve, reject) => {
    call
      .signAndSend(alice, ({ status, events, dispatchError }) => {
        seen.push(status.type);
        if (dispatchError) reject(new Error(dispatchError.toString()));
        if (!status.isFinalized) return;
        const fee = events.find(({ event }) => event.method === 'TransactionFeePaid')?.event.data[1];
        resolve(BigInt(String(fee)));
      })
      .catch(reject);
  });
  assert.deepEqual(
    seen.filter((type) => type !== 'Broadcast'),
    ['Ready', 'InBlock', 'Finalized'],
  );
  const error = paid > estimate ? paid - estimate : estimate - paid;
  assert.ok(error * 100n <= estimate, `paid ${paid}, estimated ${estimate}`);
  assert.equal(payer - (await freeOf(alice.address)), 3n * UNIT + paid);
  assert.equal((await freeOf(bob.address)) - payee, 3n * UNIT);
});

test('a storage subscription tells of a balance when it changes', PATIENCE, async () => {
  const { alice, dave } = people();
  const before = await freeOf(dave.address);
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
  await transfer()(dave.address, UNIT).signAndSend(alice);
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
    const author = new Keyring({ type: 'sr25519' }).addFromUri('//Alice//stash').address;
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
  await transfer()(bob.address, UNIT).signAndSend(alice, { nonce });
  assert.equal(await nextIndex(), nonce + 1);
  await transfer()(bob.address, UNIT).signAndSend(alice, { nonce: await nextIndex() });
  assert.equal(await nextIndex(), nonce + 2);
});

test('a transaction of a nonce that is used up is refused as outdated', PATIENCE, async () => {
  const { alice, bob } = people();
  const { nonce } = (await known(api.query.system?.account, 'system.account')(alice.address)) as unknown as {
    nonce: { toNumber(): number };
  };
  assert.ok(nonce.toNumber() > 0);
  const outdated = transfer()(bob.address, UNIT).signAndSend(alice, { nonce: nonce.toNumber() - 1 });
  await assert.rejects(outdated, /1010: Invalid Transaction: Transaction is outdated/);
});
