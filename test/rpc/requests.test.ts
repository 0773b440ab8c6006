/** # Requests: whatever is sent, the answer is JSON-RPC with the right code, and names no path and no stack. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { toHex as referenceHex } from '../../src/base/bytes.ts';
import { fromHex, toHex } from '../../src/rpc/hex.ts';
import { allMethods } from '../../src/rpc/methods/index.ts';
import { type Answer, call, hex, type Port, post, startPort } from './stub.ts';

let port: Port;

before(async () => {
  port = await startPort();
});

after(async () => {
  await port.stop();
  assert.deepEqual(port.faults, []);
});

const request = (fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'system_chain', ...fields });
const codeOf = async (body: string): Promise<number | undefined> => (await post(port.http, body)).answer.error?.code;

test('what is not JSON is -32700, and what is not a request -32600', async () => {
  for (const body of ['', '{', '[1,', 'nonsense', '{"jsonrpc":"2.0",}', '\u0000']) {
    assert.equal(await codeOf(body), -32700, JSON.stringify(body));
  }
  for (const body of [
    '1',
    'null',
    '"text"',
    '{}',
    '[]',
    request({ jsonrpc: '1.0' }),
    request({ jsonrpc: undefined }),
  ]) {
    assert.equal(await codeOf(body), -32600, body);
  }
  for (const id of [{}, [], true]) assert.equal(await codeOf(request({ id })), -32600);
  for (const method of [1, null, {}, undefined]) assert.equal(await codeOf(request({ method })), -32600);
});

test('ids come back as they were sent, and a notification is not answered', async () => {
  for (const id of [0, 7, 'seven', '', null]) {
    assert.equal((await post(port.http, request({ id }))).answer.id, id);
  }
  const { status, text } = await post(port.http, request({ id: undefined }));
  assert.deepEqual([status, text], [204, '']);
});

test('a batch is answered in order, at most 100 calls of it, and not at all when it is empty', async () => {
  const batch = (count: number): string => `[${Array.from({ length: count }, (_, id) => request({ id })).join(',')}]`;
  const answers = JSON.parse((await post(port.http, batch(100))).text) as Answer[];
  assert.deepEqual(
    answers.map(({ id, result }) => [id, result]),
    Array.from({ length: 100 }, (_, id) => [id, 'Stub']),
  );
  assert.equal(await codeOf(batch(101)), -32010);
  assert.equal(await codeOf('[]'), -32600);
  const mixed = JSON.parse(
    (await post(port.http, `[1,${request({ id: undefined })},${request({})}]`)).text,
  ) as Answer[];
  assert.deepEqual(
    mixed.map(({ error, result }) => error?.code ?? result),
    [-32600, 'Stub'],
  );
});

test('64 nested brackets are read, 65 are not, and brackets in strings do not count', async () => {
  const nested = (depth: number): string => {
    // The request itself is one bracket deep.
    const inner = `${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}`;
    return `{"jsonrpc":"2.0","id":1,"method":"system_chain","params":${inner}}`;
  };
  assert.equal(await codeOf(nested(64)), -32602);
  assert.equal(await codeOf(nested(65)), -32700);
  assert.equal(await codeOf(nested(100_000)), -32700);
  assert.equal((await post(port.http, request({ id: `\\"${'[{'.repeat(200)}` }))).answer.result, 'Stub');
});

test('names of the prototype are no methods and no fields', async () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__', '', 'rpc'];
  for (const name of names) assert.equal((await call(port.http, name)).error?.code, -32601, name);
  const polluting = '{"jsonrpc":"2.0","id":1,"method":"system_chain","__proto__":{"polluted":1},"constructor":{"x":1}}';
  assert.equal((await post(port.http, polluting)).answer.result, 'Stub');
  const ticket = '{"__proto__":{"templateId":"1"},"preRuntime":"0x","seal":"0x","opening":"0x"}';
  assert.equal(await codeOf(`{"jsonrpc":"2.0","id":1,"method":"miner_submitTicket","params":[${ticket}]}`), -32602);
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('parameters of another shape are -32602 with a sentence that says where and what', async () => {
  const wrong: [string, unknown[], RegExp][] = [
    ['state_getStorage', [], /parameter 1: expected 0x/],
    ['state_getStorage', ['0x1'], /parameter 1/],
    ['state_getStorage', ['0xzz'], /parameter 1/],
    ['state_getStorage', ['zz'], /parameter 1/],
    ['state_getStorage', ['0x\u0130\u0130'], /parameter 1/],
    ['state_getStorage', ['0x00\n'], /parameter 1/],
    ['state_getStorage', [['0x']], /parameter 1/],
    ['state_getStorage', ['0x', '0x00'], /parameter 2: expected 32 bytes/],
    ['state_getStorage', ['0x', hex(32), 1], /at most 2 parameters/],
    ['state_getKeysPaged', ['0x', 1_001], /parameter 2: expected an integer from 0 to 1000/],
    ['state_getKeysPaged', ['0x', -1], /parameter 2/],
    ['state_getKeysPaged', ['0x', 0.5], /parameter 2/],
    ['state_queryStorageAt', [Array(1_001).fill('0x')], /parameter 1: expected a list of at most 1000/],
    ['state_queryStorageAt', [{ length: 1 }], /parameter 1/],
    ['chain_getBlockHash', ['latest'], /parameter 1: expected a block number/],
    ['chain_getBlockHash', [2 ** 32], /parameter 1/],
    ['system_accountNextIndex', ['5Grw'], /parameter 1: not an address/],
    ['system_accountNextIndex', ['1'.repeat(100_000)], /parameter 1: not an address/],
  ];
  for (const [method, params, sentence] of wrong) {
    const { error } = await call(port.http, method, params);
    assert.equal(error?.code, -32602, `${method} ${JSON.stringify(params).slice(0, 80)}`);
    assert.match(String(error?.data), sentence);
  }
  assert.equal(await codeOf(request({ params: { name: 'value' } })), -32602);
  assert.equal((await post(port.http, request({ params: null }))).answer.result, 'Stub');
});

test('a block that is not known has no header, no body and no state', async () => {
  for (const method of ['chain_getHeader', 'chain_getBlock']) {
    assert.equal((await call(port.http, method, [hex(32)])).result, null);
  }
  assert.equal((await call(port.http, 'chain_getBlockHash', [9])).result, null);
  for (const [method, params] of [
    ['state_getStorage', ['0x']],
    ['state_queryStorageAt', [['0x']]],
    ['state_call', ['Core_version', '0x']],
    ['compute_jobs', []],
  ] as const) {
    const { error } = await call(port.http, method, [...params, hex(32)]);
    assert.deepEqual([error?.code, error?.message], [4003, 'Client error: UnknownBlock'], method);
  }
});

test('subscriptions over HTTP are refused, and so are unsafe methods unless the node was started for them', async (t) => {
  assert.equal((await call(port.http, 'chain_subscribeNewHeads')).error?.code, -32601);
  const unsafe = allMethods().filter((method) => method.unsafe);
  assert.ok(unsafe.length >= 3);
  const params: Readonly<Record<string, unknown[]>> = {
    system_addReservedPeer: ['/ip4/127.0.0.1/tcp/1'],
    system_removeReservedPeer: ['x'],
    author_insertKey: ['gran', '//Alice', hex(32)],
    author_hasKey: [hex(32), 'gran'],
    author_hasSessionKeys: [hex(96)],
    author_rotateKeysWithOwner: [hex(32)],
  };
  const open = await startPort({ unsafe: true });
  t.after(() => open.stop());
  for (const { name } of unsafe) {
    const { error } = await call(port.http, name, params[name] ?? []);
    assert.deepEqual([error?.code, error?.message], [-32601, 'RPC call is unsafe to be called externally'], name);
    assert.equal((await call(open.http, name, params[name] ?? [])).error, undefined, name);
  }
});

test('a fault of ours is -32603 without its reason, which stands in the log', async () => {
  const secret = 'ENOENT: /home/somebody/.maitoken/keystore';
  const broken = await startPort(
    {},
    {
      peers: () => {
        throw new Error(secret);
      },
      submit: async () => {
        throw new Error(secret);
      },
    },
  );
  for (const [method, params] of [
    ['system_health', []],
    ['author_submitExtrinsic', ['0x00']],
  ] as const) {
    const answered = await post(broken.http, request({ method, params }));
    assert.deepEqual(answered.answer.error, { code: -32603, message: 'Internal error' });
  }
  const health = await fetch(`${broken.http}health`);
  assert.equal(health.status, 500);
  assert.deepEqual(await health.json(), { error: 'internal error' });
  assert.equal(broken.faults.length, 3);
  await broken.stop();
});

test('an answer of more than 15 MB is refused with -32008, in a batch with -32011', async () => {
  const big = await startPort({}, { pending: () => [new Uint8Array(8 * 1_048_576)] });
  const ask = request({ method: 'author_pendingExtrinsics' });
  assert.equal((await post(big.http, ask)).answer.error?.code, -32008);
  await big.stop();
  const half = await startPort({}, { pending: () => [new Uint8Array(4 * 1_048_576)] });
  assert.equal((await post(half.http, ask)).answer.error, undefined);
  assert.equal((await post(half.http, `[${ask},${ask}]`)).answer.error?.code, -32011);
  await half.stop();
});

test('hex is what base/bytes says it is, whatever the bytes and the case', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.equal(toHex(bytes), referenceHex(bytes));
      assert.deepEqual(fromHex(toHex(bytes)), bytes);
      assert.deepEqual(fromHex(`0x${toHex(bytes).slice(2).toUpperCase()}`), bytes);
    }),
  );
  for (const text of ['', '0', '0x0', '00', '0X00', '0x0g', '0x\u0130\u0130', ' 0x00', '0x00\n']) {
    assert.equal(fromHex(text), undefined, JSON.stringify(text));
  }
});

test('random calls of every method are answered with a result or a named error, never with a fault', async () => {
  const names = new Set(allMethods().flatMap(({ name, websocketOnly }) => (websocketOnly ? [] : [name])));
  // The stub throws where a node would ask its pool; those have tests of their own.
  for (const name of ['author_submitExtrinsic', 'miner_submitTicket', 'miner_submitFragment']) names.delete(name);
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom('0x', hex(32), '0x00', 1, null, [hex(32)], 'Core_version'),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), fc.array(value, { maxLength: 4 }), async (method, params) => {
      const { status, text, answer } = await post(port.http, request({ method, params }));
      assert.equal(status, 200);
      assert.equal(answer.jsonrpc, '2.0');
      assert.ok('result' in answer !== 'error' in answer);
      assert.notEqual(answer.error?.code, -32603, text);
      assert.doesNotMatch(text, /node_modules|\.ts:\d|at async|\/src\//);
    }),
    { numRuns: 600 },
  );
});

test('random bytes are answered too', async () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => {
      const bytes = new TextEncoder().encode(request({ params: [[{ a: 'text' }], 1e3] }));
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
  );
  await fc.assert(
    fc.asyncProperty(body, async (bytes) => {
      const { status, answer } = await post(port.http, new Uint8Array(bytes));
      assert.ok(status === 200 || status === 204);
      if (status === 200) assert.ok(Array.isArray(answer) || answer.jsonrpc === '2.0');
    }),
    { numRuns: 300 },
  );
});
