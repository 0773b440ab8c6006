/** # Discover: the OpenRPC document says what the node takes; and what it does not offer it refuses by name. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { toHex } from '../../src/rpc/hex.ts';
import { allMethods } from '../../src/rpc/methods/index.ts';
import { DevMiner, type DevNode, startDevNode } from './dev-node.ts';
import { call, until } from './stub.ts';

interface Parameter {
  readonly name: string;
  readonly required: boolean;
  readonly schema: Record<string, unknown>;
}

interface Described {
  readonly name: string;
  readonly params: readonly Parameter[];
  readonly 'x-aliases'?: readonly string[];
  readonly 'x-unsafe'?: boolean;
  readonly 'x-notification'?: string;
}

let dev: DevNode;
let miner: DevMiner;
let methods: readonly Described[];

before(async () => {
  dev = await startDevNode();
  miner = new DevMiner(dev.ws);
  const { result } = await call(dev.http, 'rpc.discover');
  const document = result as { openrpc: string; info: { title: string; version: string }; methods: Described[] };
  assert.equal(document.openrpc, '1.3.2');
  assert.ok(document.info.title !== '' && document.info.version !== '');
  methods = document.methods;
});

after(async () => {
  miner?.stop();
  await dev?.stop();
});

const named = (name: string): Described => methods.find((one) => one.name === name) as Described;

test('rpc.discover names every method of rpc_methods once, its aliases beside it', async () => {
  const { result } = await call(dev.http, 'rpc_methods');
  const told = methods.flatMap(({ name, 'x-aliases': aliases = [] }) => [name, ...aliases]);
  assert.deepEqual([...told].sort(), (result as { methods: string[] }).methods);
});

test('the parameters of a method have names of their own, and the optional ones come last', () => {
  for (const { name, params } of methods) {
    assert.equal(new Set(params.map((one) => one.name)).size, params.length, name);
    for (const { name: parameter } of params) assert.match(parameter, /^[a-z][A-Za-z]*$/, `${name}: ${parameter}`);
  }
  assert.deepEqual(
    named('state_getStorage').params.map(({ name, required }) => [name, required]),
    [
      ['key', true],
      ['at', false],
    ],
  );
  assert.equal(named('system_peers')['x-unsafe'], true);
  assert.equal(named('chain_subscribeNewHeads')['x-notification'], 'chain_newHead');
});

test('what a published schema refuses, the method refuses; what it takes, the method reads', () => {
  const samples: readonly unknown[] = [
    '0x',
    '',
    '0x00',
    '0xZZ',
    `0x${'11'.repeat(32)}`,
    '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY',
    0,
    7,
    -1,
    0.5,
    2 ** 33,
    true,
    [],
    ['0x00'],
    {},
    [{ key: '0x', type: 'value' }],
    [{ key: '0x', type: 'other' }],
  ];
  let refused = 0;
  for (const method of allMethods()) {
    for (const [at, param] of method.params.entries()) {
      const schema = z.fromJSONSchema(named(method.name).params[at]?.schema as never);
      for (const sample of samples) {
        const reads = param.safeParse(sample).success;
        const says = schema.safeParse(sample).success;
        // A schema can only be wider: whether a text is an address takes a checksum.
        assert.ok(says || !reads, `${method.name} ${at + 1}: ${JSON.stringify(sample)}`);
        if (!says) refused++;
      }
    }
  }
  assert.ok(refused > 500, `${refused} samples refused by schemas`);
});

test('what this chain has not is refused with a sentence that says what to use', async () => {
  for (const [method, why] of [
    ['state_traceBlock', /check-block/],
    ['state_getPairs', /state_getKeysPaged/],
    ['childstate_getStorage', /no child tries/],
    ['offchain_localStorageSet', /no offchain/],
  ] as const) {
    const { error } = await call(dev.http, method, ['0x']);
    assert.deepEqual([error?.code, error?.message], [-32601, 'Method not found']);
    assert.match(String(error?.data), why);
    assert.equal(
      methods.some(({ name }) => name === method),
      false,
    );
  }
});

test('state_queryStorage tells each change of a key between two blocks, in order, and no more than it may', async () => {
  const NOW = '0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb';
  await until('six blocks', () => dev.node.store.best.number >= 6);
  const at = (number: number): string => toHex(dev.node.store.canonical(number) as Uint8Array);
  const ask = async (params: readonly unknown[]) => call(dev.http, 'state_queryStorage', params);
  const { result } = await ask([[NOW, '0x00'], at(1), at(5)]);
  const sets = result as { block: string; changes: [string, string | null][] }[];
  assert.deepEqual(
    sets.map(({ block }) => block),
    [1, 2, 3, 4, 5].map(at),
  );
  assert.deepEqual(sets[0]?.changes[1], ['0x00', null]);
  for (const { block, changes } of sets) {
    const value = (await call(dev.http, 'state_getStorage', [NOW, block])).result;
    assert.deepEqual(changes[0], [NOW, value]);
  }
  assert.ok(sets.slice(1).every(({ changes }) => changes.length === 1));
  assert.equal((await ask([[NOW], at(5), at(1)])).error?.code, -32602);
});

test('system_dryRun says what an extrinsic would do, and changes nothing', async () => {
  const before = dev.node.store.best.number;
  const { error } = await call(dev.http, 'system_dryRun', ['0x']);
  assert.deepEqual([error?.code, error?.message], [4003, 'Client error: Execution failed']);
  // A bare extrinsic of a call that there is not: TransactionValidityError::Invalid(Call).
  assert.equal((await call(dev.http, 'system_dryRun', ['0x0c04ffff'])).result, '0x010000');
  assert.ok(dev.node.store.best.number >= before);
});
