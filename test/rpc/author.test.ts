/** # author_*: what the pool refuses comes back in the codes and words that wallets show (CLIENTS.md section 2). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ApiPromise, WsProvider } from '@polkadot/api';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { connectJs, person, tx, UNIT } from '../compat/wallet.ts';
import { type DevNode, startDevNode } from './dev-node.ts';
import { type Answer, call, until } from './stub.ts';

let dev: DevNode;
let api: ApiPromise;

before(async () => {
  // No miner: what is submitted waits.
  dev = await startDevNode();
  api = await connectJs(new WsProvider(dev.ws));
});

after(async () => {
  await api?.disconnect();
  await dev?.stop();
});

/** A signed transfer to Bob, in hex. */
async function transfer(suri: string, nonce: number, options: { tip?: number; value?: bigint } = {}): Promise<string> {
  const made = tx(api, 'balances', 'transferKeepAlive', person('//Bob').address, options.value ?? UNIT);
  // Immortal, so that no block has to be asked for.
  const signed = await made.signAsync(person(suri), { nonce, tip: options.tip ?? 0, era: 0 });
  return signed.toHex();
}

const submit = (extrinsic: unknown): Promise<Answer> => call(dev.http, 'author_submitExtrinsic', [extrinsic]);
const refusalOf = async (extrinsic: unknown): Promise<readonly unknown[]> => {
  const { error } = await submit(extrinsic);
  return [error?.code, error?.message, error?.data];
};

test('garbage is 1001, whatever its length prefix says', async () => {
  const valid = await transfer('//Eve', 0);
  for (const bytes of [
    '',
    '0x',
    '0x00',
    '0x04ff',
    '0xffffffff',
    `0x${'00'.repeat(300)}`,
    valid.slice(0, -2),
    `${valid}00`,
  ]) {
    const [code] = await refusalOf(bytes);
    assert.equal(code, 1001, bytes.slice(0, 40));
  }
  const unknownCall = '0x0c04fefe';
  assert.equal((await refusalOf(unknownCall))[0], 1001);
  assert.equal((await refusalOf('0xzz'))[0], -32602);
  assert.equal((await refusalOf(null))[0], -32602);
});

test('a bad signature is 1010 and says so', async () => {
  const valid = await transfer('//Eve', 0);
  // Compact length, version, address tag and account take 2 + 1 + 1 + 32 bytes; then the scheme and the signature.
  const at = 2 + 2 * (2 + 1 + 1 + 32 + 1 + 10);
  const flipped = valid.slice(0, at) + (valid[at] === '0' ? '1' : '0') + valid.slice(at + 1);
  assert.deepEqual(await refusalOf(flipped), [1010, 'Invalid Transaction', 'Transaction has a bad signature']);
});

test('who cannot pay the fee is told so', async () => {
  const poor = 'Inability to pay some fees (e.g. account balance too low)';
  assert.deepEqual(await refusalOf(await transfer('//Nobody', 0)), [1010, 'Invalid Transaction', poor]);
});

test('the same transaction again is 1013, another of its nonce without a higher tip 1014', async () => {
  const first = await transfer('//Alice', 0);
  const { result } = await submit(first);
  assert.equal(result, api.createType('Extrinsic', first).hash.toHex());
  assert.deepEqual(await refusalOf(first), [1013, 'Transaction Already Imported', result]);
  const [code, message] = await refusalOf(await transfer('//Alice', 0, { value: 2n * UNIT }));
  assert.equal(code, 1014);
  assert.match(String(message), /^Priority is too low: \(\d+ vs \d+\)$/);
  assert.deepEqual((await call(dev.http, 'author_pendingExtrinsics')).result, [first]);
  assert.equal((await call(dev.http, 'system_accountNextIndex', [person('//Alice').address])).result, 1);
});

test('a transaction of a later nonce waits as future and is ready when its predecessor comes', async () => {
  const rpc = new RpcClient(dev.ws);
  const heard: unknown[] = [];
  await until('the client is connected', () => rpc.connected);
  rpc.subscribe('author_submitAndWatchExtrinsic', [await transfer('//Charlie', 1)], (event) => heard.push(event));
  await until('it waits', () => heard.length === 1);
  assert.deepEqual(heard, ['future']);
  assert.equal((await submit(await transfer('//Charlie', 0))).error, undefined);
  await until('it is ready', () => heard.length === 2);
  assert.deepEqual(heard, ['future', 'ready']);
  rpc.close();
});

test('who is replaced by a higher tip hears by whom, and then no more', async () => {
  const rpc = new RpcClient(dev.ws);
  const heard: unknown[] = [];
  await until('the client is connected', () => rpc.connected);
  rpc.subscribe('author_submitAndWatchExtrinsic', [await transfer('//Dave', 0)], (event) => heard.push(event));
  await until('it is ready', () => heard.length === 1);
  const { result } = await submit(await transfer('//Dave', 0, { tip: 1_000_000 }));
  await until('it is replaced', () => heard.length === 2);
  assert.deepEqual(heard, ['ready', { usurped: result }]);
  rpc.close();
});

test('64 of one account may wait for others; one more is dropped at once, and one that waits may be replaced', async () => {
  const future = Array.from({ length: 64 }, (_, i) => transfer('//Ferdie', i + 2));
  for (const extrinsic of future) assert.equal((await submit(await extrinsic)).error, undefined);
  const [code, message] = await refusalOf(await transfer('//Ferdie', 100));
  assert.deepEqual([code, message], [1016, 'Immediately Dropped']);
  const better = await submit(await transfer('//Ferdie', 2, { tip: 1_000_000 }));
  assert.equal(better.error, undefined);
  assert.equal((await call(dev.http, 'system_accountNextIndex', [person('//Ferdie').address])).result, 0);
});

test('the extrinsics of a miner that mean nothing are refused by the same rules', async () => {
  const { error } = await call(dev.http, 'miner_submitFragment', ['0x0c04fefe']);
  assert.equal(error?.code, 1001);
  const ticket = { templateId: '1', preRuntime: '0x00', seal: '0x00', opening: '0x' };
  assert.equal((await call(dev.http, 'miner_submitTicket', [ticket])).error?.code, -32602);
});
