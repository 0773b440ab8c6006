/**
 * # Door: programs on this machine and pages on localhost come in; pages of other origins, and names that were rebound
 * to this machine, do not.
 */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { WebSocket as RawSocket } from 'ws';
import { RpcClient } from '../../src/miner/rpc-client.ts';
import { isLocalAddress, isWelcome } from '../../src/rpc/welcome.ts';
import { type Port, post, startPort, until } from './stub.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const CHAIN = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'system_chain' });

const KNOWN = [
  'http://localhost:3000',
  'https://localhost',
  'http://127.0.0.1:8080',
  'http://[::1]:80',
  'https://polkadot.js.org',
];
const FOREIGN = [
  'https://evil.example',
  'null',
  'file://',
  'http://localhost.evil.example',
  'http://evil.example/localhost',
  'https://polkadot.js.org.evil.example',
  'http://127.0.0.1.evil.example:80',
  'http://127.0.0.1@evil.example',
];
const REBOUND = ['evil.example', 'evil.example:9944', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1'];

let port: Port;

before(async () => {
  port = await startPort();
});

after(async () => {
  await port.stop();
});

/** A POST with any headers, Host included. */
function send(to: Port, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: to.port, method: 'POST', headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end(CHAIN);
  });
}

/** 101 when a WebSocket with these headers opens, else the status of the refusal. */
function upgrade(to: Port, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new RawSocket(to.ws, { headers });
    socket.on('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.on('unexpected-response', (_, response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    socket.on('error', reject);
  });
}

test('a program without an Origin is served over HTTP and WebSocket, by number and by name', async () => {
  for (const name of ['127.0.0.1', 'localhost']) {
    assert.equal(await send(port, { ...JSON_TYPE, host: `${name}:${port.port}` }), 200);
    assert.equal(await upgrade(port, { host: `${name}:${port.port}` }), 101);
  }
  assert.equal((await post(port.http, CHAIN)).answer.result, 'Stub');
});

test('the miner’s client, which is Node’s own WebSocket, is let in when no origin is allowed beyond the defaults', async () => {
  const clients = [new RpcClient(port.ws), new RpcClient(`ws://localhost:${port.port}`)];
  for (const client of clients) {
    await until('the client is connected', () => client.connected);
    assert.equal(await client.call('system_chain'), 'Stub');
    client.close();
  }
});

test('pages on localhost and the known wallet page are let in, and may read what they are answered', async () => {
  for (const origin of KNOWN) {
    const { status, headers } = await post(port.http, CHAIN, { ...JSON_TYPE, origin });
    assert.deepEqual([status, headers.get('access-control-allow-origin')], [200, origin]);
    assert.equal(await upgrade(port, { origin }), 101, origin);
  }
  const preflight = await fetch(port.http, { method: 'OPTIONS', headers: { origin: KNOWN[0] as string } });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-headers'), 'content-type');
  assert.equal(preflight.headers.get('access-control-allow-methods'), 'GET, POST');
});

test('foreign pages are refused over HTTP and WebSocket, and are not named as allowed', async () => {
  for (const origin of FOREIGN) {
    const { status, headers } = await post(port.http, CHAIN, { ...JSON_TYPE, origin });
    assert.deepEqual([status, headers.get('access-control-allow-origin')], [403, null], origin);
    assert.equal(await upgrade(port, { origin }), 403, origin);
    assert.equal((await fetch(port.http, { method: 'OPTIONS', headers: { origin } })).status, 403);
  }
});

test('a name that was rebound to this machine is refused, whichever origin it says', async () => {
  for (const host of REBOUND) {
    assert.equal(await send(port, { ...JSON_TYPE, host }), 403, host);
    assert.equal(await upgrade(port, { host }), 403, host);
    assert.equal(await send(port, { ...JSON_TYPE, host, origin: 'http://localhost:3000' }), 403, host);
  }
  for (const headers of [{}, { host: '' }, { host: 'localhost:port' }])
    assert.equal(isWelcome({ host: '127.0.0.1', cors: [] }, headers), false);
});

test('an operator’s origins are let in beside the defaults; `all` lets every page in; an open port any name', async () => {
  const chosen = await startPort({ cors: ['https://wallet.example'] });
  assert.equal(await upgrade(chosen, { origin: 'https://wallet.example' }), 101);
  assert.equal(await upgrade(chosen, { origin: 'http://localhost:3000' }), 101);
  assert.equal(await upgrade(chosen, { origin: 'https://evil.example' }), 403);
  await chosen.stop();
  const all = await startPort({ cors: 'all' });
  assert.equal(await send(all, { ...JSON_TYPE, origin: 'https://evil.example', host: 'node.example' }), 200);
  assert.equal(await upgrade(all, { origin: 'https://evil.example' }), 101);
  await all.stop();
  const door = { host: '0.0.0.0', cors: [] };
  assert.equal(isWelcome(door, { host: 'node.example:9944' }), true);
  assert.equal(isWelcome(door, { host: 'node.example:9944', origin: 'https://evil.example' }), false);
});

test('only application/json is read, and nothing that is compressed', async () => {
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/octet-stream'];
  for (const type of types) assert.equal((await post(port.http, CHAIN, { 'content-type': type })).status, 415, type);
  const untyped = await fetch(port.http, { method: 'POST', body: new TextEncoder().encode(CHAIN) });
  assert.equal(untyped.status, 415);
  assert.equal((await post(port.http, CHAIN, { ...JSON_TYPE, 'content-encoding': 'gzip' })).status, 415);
  assert.equal((await post(port.http, CHAIN, { 'content-type': 'application/json; charset=utf-8' })).status, 200);
});

test('other paths and methods say what this port is, and nothing of this machine', async () => {
  for (const [method, path] of [
    ['GET', ''],
    ['GET', 'index.html'],
    ['POST', 'rpc'],
    ['DELETE', ''],
    ['GET', '../../etc/passwd'],
    ['GET', '%2e%2e%2f%2e%2e%2fetc%2fpasswd'],
  ] as const) {
    const response = await fetch(port.http + path, { method });
    assert.equal(response.status, 404, `${method} ${path}`);
    assert.deepEqual(await response.json(), { error: 'POST / speaks JSON-RPC' });
  }
  assert.equal((await fetch(`${port.http}%zz`)).status, 400);
});

test('an address is local only if it is', () => {
  for (const local of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) assert.equal(isLocalAddress(local), true);
  for (const other of [undefined, '', '10.0.0.1', '::ffff:10.0.0.1', '128.0.0.1', '::2']) {
    assert.equal(isLocalAddress(other), false);
  }
});
