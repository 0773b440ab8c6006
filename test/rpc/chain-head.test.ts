/** # chainHead_v1_*: a client that asks for what it may not have is told so by the codes of the specification. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RpcClient, RpcRefused } from '../../src/miner/rpc-client.ts';
import { type Port, startPort, until } from './stub.ts';

interface Event {
  readonly event: string;
  readonly operationId?: string;
  readonly [field: string]: unknown;
}

let port: Port;
let rpc: RpcClient;

before(async () => {
  port = await startPort();
  rpc = new RpcClient(port.ws);
  await until('connected', () => rpc.connected);
});

after(async () => {
  rpc?.close();
  await port?.stop();
  assert.deepEqual(port.faults, []);
});

const codeOf = async (method: string, params: readonly unknown[]): Promise<number> => {
  const refused = await rpc.call(method, [...params]).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(refused instanceof RpcRefused, `${method} was answered`);
  return refused.code;
};

test('a block must be pinned, a runtime asked for, and an operation must wait', async () => {
  const follow = await rpc.call<string>('chainHead_v1_follow', [false]);
  const genesis = await rpc.call<string>('chainSpec_v1_genesisHash');
  const other = `0x${'11'.repeat(32)}`;
  assert.match(await rpc.call<string>('chainHead_v1_header', [follow, genesis]), /^0x/);
  assert.equal(await codeOf('chainHead_v1_header', [follow, other]), -32801);
  assert.equal(await codeOf('chainHead_v1_call', [follow, genesis, 'Core_version', '']), -32802);
  assert.equal(await codeOf('chainHead_v1_continue', [follow, 'o1']), -32803);
  assert.equal(await codeOf('chainHead_v1_unpin', [follow, [genesis, genesis]]), -32804);
  assert.equal(await codeOf('chainHead_v1_unpin', [follow, [genesis, other]]), -32801);
  assert.equal(await codeOf('chainHead_v1_storage', [follow, genesis, [{ key: '0x', type: 'toString' }]]), -32602);
  assert.equal(await rpc.call('chainHead_v1_unpin', [follow, genesis]), null);
  assert.equal(await codeOf('chainHead_v1_body', [follow, genesis]), -32801);
  assert.equal(await rpc.call('chainHead_v1_unfollow', [follow]), null);
});

test('of a follow that is over there is no header and no operation, and its end may be asked for again', async () => {
  const genesis = await rpc.call<string>('chainSpec_v1_genesisHash');
  assert.equal(await rpc.call('chainHead_v1_header', ['gone', genesis]), null);
  assert.deepEqual(await rpc.call('chainHead_v1_body', ['gone', genesis]), { result: 'limitReached' });
  assert.equal(await rpc.call('chainHead_v1_unpin', ['gone', genesis]), null);
  assert.equal(await rpc.call('chainHead_v1_unfollow', ['gone']), null);
});

test('a fifth follow of a connection is refused until one ends', async () => {
  const follows: string[] = [];
  for (let i = 0; i < 4; i++) follows.push(await rpc.call<string>('chainHead_v1_follow', [true]));
  assert.equal(await codeOf('chainHead_v1_follow', [true]), -32800);
  await rpc.call('chainHead_v1_unfollow', [follows.pop()]);
  follows.push(await rpc.call<string>('chainHead_v1_follow', [true]));
  for (const follow of follows) await rpc.call('chainHead_v1_unfollow', [follow]);
  assert.equal(port.listeners, 0);
});

test('an operation is named before its events, and all values of a prefix come in order', async () => {
  const socket = new WebSocket(port.ws);
  const heard: { id?: number; result?: unknown; params?: { result: Event } }[] = [];
  socket.onmessage = ({ data }) => heard.push(JSON.parse(String(data)));
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  const ask = (id: number, method: string, params: unknown[]) =>
    socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  ask(1, 'chainHead_v1_follow', [true]);
  await until('initialized', () => heard.some(({ params }) => params?.result.event === 'bestBlockChanged'));
  assert.equal(heard[0]?.id, 1);
  const genesis = `0x${Buffer.from(port.genesis.hash).toString('hex')}`;
  ask(2, 'chainHead_v1_storage', [heard[0]?.result, genesis, [{ key: '0x', type: 'descendantsValues' }], null]);
  await until('done', () => heard.some(({ params }) => params?.result.event === 'operationStorageDone'));
  const since = heard.slice(heard.findIndex(({ id }) => id === 2));
  assert.equal(since[0]?.id, 2);
  const items = since.flatMap(({ params }) => (params?.result.items as { key: string }[] | undefined) ?? []);
  const keys = items.map(({ key }) => key);
  assert.ok(keys.length > 3);
  assert.deepEqual(keys, [...keys].sort());
  socket.close();
});
