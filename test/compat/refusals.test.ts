/**
 * # Refusals: what is wrong with a transaction is told in the codes and words that wallets show, what comes too early
 * waits, and an era lasts as long as it says.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ApiPromise, HttpProvider } from '@polkadot/api';
import type { PolkadotClient } from 'polkadot-api';
import type { DevNode } from '../rpc/dev-node.ts';
import { until } from '../rpc/stub.ts';
import {
  accountOf,
  connectPapi,
  type Extrinsic,
  follow,
  invalidOf,
  PATIENCE,
  type Person,
  papiAccountOf,
  papiTx,
  person,
  refusalOf,
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
});

after(async () => {
  client?.destroy();
  await stop?.();
});

const POOR = [1010, 'Inability to pay some fees (e.g. account balance too low)'];
const BAD_PROOF = [1010, 'Transaction has a bad signature'];
const ANCIENT = [1010, 'Transaction has an ancient birth block'];
const ELSEWHERE = `0x${'12'.repeat(32)}`;

const remark = (text = 'hello'): Extrinsic => tx(api, 'system', 'remark', text);

interface Taken {
  readonly nonce: number;
  readonly tip: bigint;
  readonly era: unknown;
  readonly blockHash: string;
  readonly genesisHash: string;
  readonly specVersion: number;
  readonly transactionVersion: number;
  /** Whose key signs. */
  readonly key: Person;
}

/** A transaction signed as an offline wallet does, which takes the chain to be as it was told. */
function offline(call: Extrinsic, by: Person, told: Partial<Taken> = {}): Extrinsic {
  const { nonce = 0, tip = 0n, era = '0x00', key = by, genesisHash = api.genesisHash.toHex() } = told;
  const { blockHash = genesisHash } = told;
  const { specVersion = api.runtimeVersion.specVersion.toNumber() } = told;
  const { transactionVersion = api.runtimeVersion.transactionVersion.toNumber() } = told;
  const payload = api.registry.createType('SignerPayload', {
    address: by.address,
    blockHash,
    blockNumber: 0,
    era,
    genesisHash,
    method: call.method,
    nonce,
    runtimeVersion: { specVersion, transactionVersion },
    signedExtensions: api.registry.signedExtensions,
    tip,
    version: 4,
  });
  const { signature } = api.registry.createType('ExtrinsicPayload', payload.toPayload(), { version: 4 }).sign(key);
  call.addSignature(by.address, signature, payload.toPayload());
  return call;
}

/** The era of `period` blocks that began at or before block `current`, with the block that it names. */
async function eraAt(period: number, current: number) {
  const era = api.registry.createType('ExtrinsicEra', { current, period });
  const birth = era.asMortalEra.birth(current);
  return { era: era.toHex(), blockHash: (await api.rpc.chain.getBlockHash(birth)).toHex() };
}

const best = async (): Promise<number> => (await api.rpc.chain.getHeader()).number.toNumber();
const nonceOf = async (one: Person): Promise<number> => (await accountOf(api, one.address)).nonce.toNumber();
const refused = (signed: Extrinsic) => refusalOf(signed.send());

/** Alice never sends anything here: her nonce stays 0. */
describe('@polkadot/api hears why', { concurrency: true }, () => {
  const alice = (): Person => person('//Alice');

  test('a signature by another key is 1010, over WebSocket and over HTTP', PATIENCE, async () => {
    for (const scheme of ['sr25519', 'ed25519', 'ecdsa'] as const) {
      const [one, other] = [person('//Alice', scheme), person('//Mallory', scheme)];
      assert.deepEqual(await refused(offline(remark(), one, { key: other })), BAD_PROOF, scheme);
    }
    const forged = offline(remark(), alice(), { key: person('//Mallory') }).toHex();
    const http = new HttpProvider(dev.http);
    assert.deepEqual(await refusalOf(http.send('author_submitExtrinsic', [forged])), BAD_PROOF);
  });

  test('who signed for another chain, version or birth block is told that it does not fit', PATIENCE, async () => {
    const specVersion = api.runtimeVersion.specVersion.toNumber() + 1;
    const transactionVersion = api.runtimeVersion.transactionVersion.toNumber() + 1;
    const told: Partial<Taken>[] = [
      { genesisHash: ELSEWHERE },
      { specVersion },
      { transactionVersion },
      { ...(await eraAt(64, await best())), blockHash: ELSEWHERE },
    ];
    for (const one of told) assert.deepEqual(await refused(offline(remark(), alice(), one)), BAD_PROOF);
  });

  test('a call that was changed after it was signed is refused', PATIENCE, async () => {
    const signed = offline(tx(api, 'balances', 'transferKeepAlive', person('//Bob').address, UNIT), alice());
    const bytes = signed.toU8a();
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    assert.deepEqual(await refusalOf(api.rpc.author.submitExtrinsic(bytes)), BAD_PROOF);
  });

  test('who cannot pay is told so: nobody, an account without enough, a tip too high', PATIENCE, async () => {
    assert.deepEqual(await refused(offline(remark(), person('//Nobody'))), POOR);
    const least = BigInt(dev.node.config.spec.economy.existentialDeposit);
    const poor = person('//poor');
    await settled(tx(api, 'balances', 'transferKeepAlive', poor.address, least), person('//Bob'));
    assert.deepEqual(await refused(offline(remark(), poor)), POOR);
    const { data } = await accountOf(api, alice().address);
    assert.deepEqual(await refused(offline(remark(), alice(), { tip: data.free.toBigInt() })), POOR);
  });

  test('what nobody signed, and what only an author says, is not for anybody to send', PATIENCE, async () => {
    const bare = await refused(remark());
    assert.deepEqual(bare, [1011, 'Could not find an unsigned validator for the unsigned transaction']);
    const [code, data] = await refused(tx(api, 'timestamp', 'set', 1));
    assert.deepEqual([code, data], [1010, 'Transaction dispatch is mandatory; transactions must not be validated.']);
  });

  test('a dry run says what would become of it, and nothing does', PATIENCE, async () => {
    const one = alice();
    const dry = async (signed: Extrinsic) => (await api.rpc.system.dryRun(signed.toHex())).toJSON();
    const much = tx(api, 'balances', 'transferKeepAlive', person('//Bob').address, 10n ** 30n);
    assert.deepEqual(await dry(offline(remark(), one)), { ok: { ok: [] } });
    // Answers of methods are decoded by the names that the library has by itself: this is FundsUnavailable.
    assert.deepEqual(await dry(offline(much, one)), { ok: { err: { token: 'NoFunds' } } });
    const broke = await dry(offline(remark(), person('//Nobody')));
    assert.deepEqual(broke, { err: { invalid: { payment: null } } });
    assert.equal(await nonceOf(one), 0);
  });

  test('an era of 4 blocks that is over is an ancient birth block, then a bad signature', PATIENCE, async () => {
    // In the block in which an era would be born again its own hash is still unknown; from the next one on, the hash
    // that was signed is not the one that this era names: Substrate's answers.
    for (const [age, answer] of [
      [3, ANCIENT],
      [4, BAD_PROOF],
    ] as const) {
      for (;;) {
        const number = await best();
        if (number < 5) continue;
        const dead = offline(remark(), alice(), await eraAt(4, number - age));
        const refusal = await refused(dead);
        if ((await best()) !== number) continue;
        assert.deepEqual(refusal, answer);
        break;
      }
    }
  });

  test('what was signed in time and sent too late is refused', PATIENCE, async () => {
    const number = await best();
    const signed = offline(remark(), alice(), await eraAt(4, number));
    while ((await best()) < number + 4) await new Promise((resolve) => setTimeout(resolve, 100));
    const [code, data] = await refused(signed);
    assert.ok(code === 1010 && (data === ANCIENT[1] || data === BAD_PROOF[1]), `${code}: ${data}`);
  });
});

describe('@polkadot/api sees it wait', { concurrency: true }, () => {
  test('a nonce too far ahead waits as future, and is ready when the gap is filled', PATIENCE, async () => {
    const charlie = person('//Charlie');
    const nonce = await nonceOf(charlie);
    const later = follow(offline(remark(), charlie, { nonce: nonce + 1 }), 'Finalized');
    await until('it waits', () => later.statuses.length === 1);
    assert.deepEqual(later.statuses, ['Future']);
    const before = await follow(offline(remark(), charlie, { nonce })).done;
    const { statuses, error } = await later.done;
    assert.deepEqual([before.error, error], [undefined, undefined]);
    assert.deepEqual(statuses, ['Future', 'Ready', 'InBlock', 'Finalized']);
    assert.equal(await nonceOf(charlie), nonce + 2);
  });

  test('the same again is 1013 with its hash, and a higher tip usurps its place', PATIENCE, async () => {
    const dave = person('//Dave');
    const nonce = await nonceOf(dave);
    const cheap = offline(remark(), dave, { nonce: nonce + 1 });
    const first = follow(cheap);
    await until('it waits', () => first.statuses.length === 1);
    assert.deepEqual(await refused(cheap), [1013, cheap.hash.toHex()]);
    const second = follow(offline(remark(), dave, { nonce: nonce + 1, tip: UNIT }));
    assert.deepEqual((await first.done).statuses, ['Future', 'Usurped']);
    const filled = await follow(offline(remark(), dave, { nonce })).done;
    const { statuses, error } = await second.done;
    assert.deepEqual([filled.error, error], [undefined, undefined]);
    assert.deepEqual(statuses, ['Future', 'Ready', 'InBlock']);
    assert.equal(await nonceOf(dave), nonce + 2);
  });

  test('what waits longer than its era lasts is told that it is invalid', PATIENCE, async () => {
    const eve = person('//Eve');
    const told = { nonce: (await nonceOf(eve)) + 1, ...(await eraAt(4, await best())) };
    const { statuses } = await follow(offline(remark(), eve, told)).done;
    assert.deepEqual(statuses, ['Future', 'Invalid']);
  });

  test('eras of 4 and of 64 blocks, and none at all, are included when they are in time', PATIENCE, async () => {
    const ferdie = person('//Ferdie');
    for (const period of [4, 64, undefined]) {
      const nonce = await nonceOf(ferdie);
      const born = await best();
      const mortal = period === undefined ? {} : await eraAt(period, born);
      const { block, error, index } = await follow(offline(remark(), ferdie, { nonce, ...mortal })).done;
      assert.equal(error, undefined);
      const { block: included } = await api.rpc.chain.getBlock(block);
      const { era } = included.extrinsics[index] as Extrinsic;
      assert.equal(era.isMortalEra, period !== undefined);
      if (period === undefined) continue;
      const number = included.header.number.toNumber();
      assert.equal(era.asMortalEra.birth(number), born);
      assert.equal(era.asMortalEra.death(number), born + period);
      assert.ok(number > born && number < born + period);
    }
  });
});

describe('polkadot-api hears and sees the same', { concurrency: true }, () => {
  const say = () => papiTx(client, 'System', 'remark', { remark: new Uint8Array([1]) });

  test('a bad signature, a fee that cannot be paid and a nonce that is used up', PATIENCE, async () => {
    const [alice, bob] = [person('//Alice'), person('//Bob')];
    const forged = say().signAndSubmit(signerOf(alice, person('//Mallory')));
    assert.equal(await invalidOf(forged), 'Invalid.BadProof');
    const { data } = await papiAccountOf(client, alice.address);
    assert.equal(await invalidOf(say().signAndSubmit(signerOf(alice), { tip: data.free })), 'Invalid.Payment');
    // Bob sent what made somebody poor above.
    assert.equal(await invalidOf(say().signAndSubmit(signerOf(bob), { nonce: 0 })), 'Invalid.Stale');
  });

  test('an era of 4 blocks that is over', PATIENCE, async () => {
    const [head] = await client.getBestBlocks();
    assert.ok(head);
    const options = { at: head.hash, mortality: { mortal: true, period: 4 } } as const;
    const signed = await say().sign(signerOf(person('//Alice')), options);
    while ((await best()) < head.number + 4) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.match(await invalidOf(client.submit(signed)), /^Invalid\.(AncientBirthBlock|BadProof)$/);
  });

  test('an era of 4 blocks that is in time', PATIENCE, async () => {
    const [head] = await client.getBestBlocks();
    assert.ok(head);
    const options = { at: head.hash, mortality: { mortal: true, period: 4 } } as const;
    const { ok, block } = await say().signAndSubmit(signerOf(person('//Charlie')), options);
    assert.ok(ok && block.number > head.number && block.number < head.number + 4);
  });

  test('a nonce ahead, which waits until the one before it comes', PATIENCE, async () => {
    const dave = person('//Dave');
    const { nonce } = await papiAccountOf(client, dave.address);
    const later = say().signAndSubmit(signerOf(dave), { nonce: nonce + 1 });
    const sooner = await say().signAndSubmit(signerOf(dave), { nonce });
    const done = await later;
    assert.ok(sooner.ok && done.ok && done.block.number >= sooner.block.number);
    assert.equal((await papiAccountOf(client, dave.address)).nonce, nonce + 2);
  });
});
