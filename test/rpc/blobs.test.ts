/** # Blobs over REST: an id is 64 digits or nothing is looked up; who writes shows the token of this node first. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import { CHUNK_BYTES, idOf, statOf } from '../../src/blobs/tree.ts';
import { type DevNode, startDevNode } from './dev-node.ts';

let dev: DevNode;

before(async () => {
  dev = await startDevNode();
});

after(async () => {
  await dev.stop();
});

/** A request whose path is sent as it is: fetch would tidy it up. */
function send(method: string, path: string, headers: Readonly<Record<string, string>> = {}, body?: Uint8Array) {
  return new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
    const options = { host: '127.0.0.1', port: dev.node.rpcPort, method, path, headers };
    const sent = request(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const blob = Uint8Array.from({ length: CHUNK_BYTES + 1_000 }, (_, i) => (i * 7) % 251);
const id = toHex(idOf(statOf(blob))).slice(2);
const octets = { 'content-type': 'application/octet-stream' };
const authorised = () => ({ ...octets, authorization: `Bearer ${dev.token}` });
const put = (index: number, headers: Readonly<Record<string, string>>, name = id, bytes?: Uint8Array) => {
  const chunk = bytes ?? blob.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
  return send('PUT', `/v1/blobs/${name}/${index}?length=${blob.length}`, headers, chunk);
};

test('a PUT without the right token is 401 and leaves nothing', async () => {
  for (const authorization of [
    '',
    'Bearer ',
    'Bearer x',
    `Bearer ${'0'.repeat(64)}`,
    dev.token,
    `bearer ${dev.token}`,
  ]) {
    const { status, body } = await put(0, { ...octets, ...(authorization === '' ? {} : { authorization }) });
    assert.equal(status, 401, authorization);
    assert.doesNotMatch(body.toString(), new RegExp(dev.token));
  }
  assert.equal((await send('GET', `/v1/blobs/${id}`)).status, 404);
});

test('what is uploaded in chunks is a blob when it hashes to its id, and is read back in chunks', async () => {
  assert.equal((await put(0, authorised())).status, 204);
  assert.equal((await send('GET', `/v1/blobs/${id}`)).status, 404);
  assert.equal((await send('HEAD', `/v1/blobs/${id}`)).status, 404);
  assert.equal((await put(1, authorised())).status, 204);
  assert.equal((await send('HEAD', `/v1/blobs/${id}`)).status, 200);
  const stat = await send('GET', `/v1/blobs/${id}`);
  assert.deepEqual([stat.status, JSON.parse(stat.body.toString())], [200, { length: blob.length }]);
  const chunks = await Promise.all([0, 1].map((index) => send('GET', `/v1/blobs/${id}/${index}`)));
  assert.deepEqual(Buffer.concat(chunks.map(({ body }) => body)), Buffer.from(blob));
  assert.equal((await send('GET', `/v1/blobs/${id}/2`)).status, 404);
});

test('chunks that cannot belong to a blob are 400, larger ones 413', async () => {
  const other = 'ab'.repeat(32);
  const wrong: [string, number][] = [
    [`/v1/blobs/${other}/0`, 400],
    [`/v1/blobs/${other}/0?length=0`, 400],
    [`/v1/blobs/${other}/0?length=1e3`, 400],
    [`/v1/blobs/${other}/0?length=-1`, 400],
    [`/v1/blobs/${other}/0?length=999999999999`, 400],
    [`/v1/blobs/${other}/-1?length=100`, 400],
    [`/v1/blobs/${other}/9?length=100`, 400],
    [`/v1/blobs/${other}/0x0?length=100`, 400],
    [`/v1/blobs/${other}/0?length=100&length=100`, 400],
    [`/v1/blobs/${other}/0?length=100`, 400],
  ];
  for (const [path, status] of wrong) {
    assert.equal((await send('PUT', path, authorised(), new Uint8Array(99))).status, status, path);
  }
  const text = { ...authorised(), 'content-type': 'application/json' };
  assert.equal((await send('PUT', `/v1/blobs/${other}/0?length=4`, text, new Uint8Array(4))).status, 400);
  assert.equal((await put(0, authorised(), other, new Uint8Array(CHUNK_BYTES + 1))).status, 413);
  // The last chunk shows that the whole is something else.
  assert.equal((await put(0, authorised(), other)).status, 204);
  assert.equal((await put(1, authorised(), other)).status, 400);
  assert.equal((await send('GET', `/v1/blobs/${other}`)).status, 404);
});

test('no name of a file is an id, however it is written', async () => {
  const names = [
    'x',
    id.slice(1),
    `${id}0`,
    id.toUpperCase(),
    `0x${id.slice(2)}`,
    '..',
    '%2e%2e',
    '%2e%2e%2fblobs.token',
    '..%2f..%2f..%2f..%2fetc%2fpasswd',
    '%00',
    `${id.slice(0, 60)}%2f%2e%2e`,
    `${id}%00`,
    '__proto__',
    'constructor',
  ];
  for (const name of names) {
    for (const path of [`/v1/blobs/${name}`, `/v1/blobs/${name}/0`]) {
      const { status, body } = await send('GET', path);
      assert.ok(status === 400 || status === 404, `${path}: ${status}`);
      assert.doesNotMatch(body.toString(), /root:|maitoken-rpc|\.ts|node_modules/);
    }
    const { status } = await send('PUT', `/v1/blobs/${name}/0?length=1`, authorised(), new Uint8Array(1));
    assert.ok(status === 400 || status === 404, name);
  }
  for (const path of ['/v1/blobs/../../etc/passwd', '/../blobs.token', '//etc/passwd', `/v1/blobs/${id}/../../x`]) {
    assert.equal((await send('GET', path)).status, 404, path);
  }
  for (const chunk of ['-1', '1.5', '1e1', 'x', '', '%00', '9999999999']) {
    const { status } = await send('GET', `/v1/blobs/${id}/${chunk}`);
    assert.ok(status === 400 || status === 404, chunk);
  }
});

test('pages of foreign origins read no blobs, and no page writes any', async () => {
  assert.equal((await send('GET', `/v1/blobs/${id}`, { origin: 'https://evil.example' })).status, 403);
  assert.equal((await put(0, { ...authorised(), origin: 'https://evil.example' })).status, 403);
  assert.equal((await put(0, { ...authorised(), host: 'evil.example' })).status, 403);
});
