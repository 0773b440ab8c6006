/**
 * # transaction_v1_* and transactionWatch_v1_*: what is broadcast is offered until it is final, and what is watched is
 * told in the events of the specification; over a pool that says what a test wants, and over a node that mines.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { type Bytes, equal } from '../../src/base/bytes.ts';
import { RpcClient, type RpcRefused } from '../../src/miner/rpc-client.ts';
import type { ExtrinsicEvent } from '../../src/rpc/backend.ts';
import { RpcError } from '../../src/rpc/errors.ts';
import { toHex } from '../../src/rpc/hex.ts';
import type { BlockRef } from '../../src/state/store.ts';
import { Node, note } from '../consensus/world.ts';
import { DevMiner, type DevNode, startDevNode } from './dev-node.ts';
import { type Port, startPort, until } from './stub.ts';

interface Told {
  readonly event: string;
  readonly block?: { readonly hash: string; readonly index: number } | null;
  readonly error?: string;
}

type Provider = NonNullable<NonNullable<Parameters<typeof ApiPromise.create>[0]>['provider']>;

describe('with a pool that says what a test wants', () => {
  const world = new Node();
  const sent = note(1);
  let holder: BlockRef;
  let port: Port;
  let rpc: RpcClient;
  /** What was offered to the pool, and what it answers: an error, or nothing. */
  let offered: Bytes[] = [];
  let answer: RpcError | undefined;
  let watchAnswer: RpcError | undefined;
  let hear: (event: ExtrinsicEvent) => void = () => {};
  let stopped = 0;

  before(async () => {
    world.grow(1);
    const [block] = world.grow(1, undefined, { extrinsics: [sent] });
    holder = { hash: block?.hash as Bytes, number: 2 };
    port = await startPort(
      {},
      {
        store: world.store,
        async submit(extrinsic) {
          offered.push(extrinsic);
          if (answer) throw answer;
          return extrinsic;
        },
        async submitAndWatch(_extrinsic, onEvent) {
          if (watchAnswer) throw watchAnswer;
          hear = onEvent;
          return { stop: () => stopped++ };
        },
      },
    );
    rpc = new RpcClient(port.ws);
    await until('connected', () => rpc.connected);
  });

  after(async () => {
    rpc?.close();
    await port?.stop();
    assert.deepEqual(port.faults, []);
  });

  const newHead = (): void => port.tell({ type: 'head', retracted: [], enacted: [holder] });
  const broadcast = (extrinsic: Bytes = sent): Promise<string | null> =>
    rpc.call('transaction_v1_broadcast', [toHex(extrinsic)]);
  const stop = (id: string | null) => rpc.call('transaction_v1_stop', [id]);

  test('a broadcast is offered with every new head, whether the pool has it, refused it or lost it', async () => {
    offered = [];
    answer = undefined;
    const id = await broadcast();
    await until('it is offered', () => offered.length === 1);
    const refusals = [
      new RpcError(1013, 'Transaction Already Imported'),
      new RpcError(1016, 'Immediately Dropped'),
      new RpcError(1010, 'Invalid Transaction', 'Transaction is outdated'),
      undefined,
    ];
    for (const [i, refusal] of refusals.entries()) {
      answer = refusal;
      newHead();
      await until('it is offered again', () => offered.length === i + 2);
    }
    assert.ok(offered.every((extrinsic) => equal(extrinsic, sent)));
    assert.equal(await stop(id), null);
    newHead();
    assert.equal(port.listeners, 0);
    assert.equal(offered.length, refusals.length + 1);
  });

  test('a broadcast ends when a block that holds it is final, and may be stopped all the same', async () => {
    const id = await broadcast();
    const other = await broadcast(note(2));
    assert.equal(port.listeners, 2);
    port.tell({ type: 'finalized', blocks: [{ hash: world.store.canonical(1) as Bytes, number: 1 }] });
    assert.equal(port.listeners, 2);
    port.tell({ type: 'finalized', blocks: [holder] });
    assert.equal(port.listeners, 1);
    assert.equal(await stop(id), null);
    assert.equal(await stop(other), null);
    const again = stop(id).catch((error: unknown) => error);
    assert.equal(((await again) as RpcRefused).code, -32602);
  });

  test('a connection has 16 broadcasts; one that is final makes room, and all end with their client', async () => {
    const ids = [await broadcast()];
    while (ids.length < 16) ids.push(await broadcast(note(100 + ids.length)));
    assert.ok(ids.every((id) => id !== null) && new Set(ids).size === 16);
    assert.equal(await broadcast(note(3)), null);
    port.tell({ type: 'finalized', blocks: [holder] });
    assert.notEqual(await broadcast(note(3)), null);
    assert.equal(await broadcast(note(4)), null);
    assert.equal(await stop(ids[1] as string), null);
    const other = new RpcClient(port.ws);
    await until('another client is connected', () => other.connected);
    const refused = await other.call('transaction_v1_stop', [ids[2]]).catch((error: unknown) => error);
    assert.equal((refused as RpcRefused).code, -32602, 'only who began it may stop it');
    assert.notEqual(await other.call('transaction_v1_broadcast', [toHex(sent)]), null);
    other.close();
    rpc.close();
    await until('nothing is left', () => port.listeners === 0);
    rpc = new RpcClient(port.ws);
    await until('connected', () => rpc.connected);
  });

  /** Subscribes to what happens to the extrinsic; the list grows. */
  async function watch(): Promise<Told[]> {
    const told: Told[] = [];
    hear = () => {};
    const client = new RpcClient(port.ws);
    await until('connected', () => client.connected);
    client.subscribe('transactionWatch_v1_submitAndWatch', [toHex(sent)], (event) => told.push(event as Told));
    const before = hear;
    await until('it is watched, or refused', () => hear !== before || told.length > 0);
    clients.push(client);
    return told;
  }
  const clients: RpcClient[] = [];
  after(() => {
    for (const client of clients) client.close();
  });

  test('a watch tells of validation, of the block and its loss, and of finality as its last', async () => {
    const told = await watch();
    const { hash: block } = holder;
    const before = stopped;
    for (const event of [
      { type: 'future' },
      { type: 'ready' },
      { type: 'broadcast', peers: ['p'] },
      { type: 'inBlock', block },
      { type: 'retracted', block },
      { type: 'ready' },
      { type: 'inBlock', block },
      { type: 'finalized', block },
      { type: 'ready' },
    ] as const)
      hear(event);
    // After the inherent that sets the time.
    const at = { hash: toHex(block), index: 1 };
    const expected = [
      { event: 'validated' },
      { event: 'bestChainBlockIncluded', block: at },
      { event: 'bestChainBlockIncluded', block: null },
      { event: 'validated' },
      { event: 'bestChainBlockIncluded', block: at },
      { event: 'finalized', block: at },
    ];
    await until('all is told', () => told.length === expected.length);
    assert.deepEqual(told, expected);
    assert.equal(stopped, before + 1, 'the pool is asked to tell no more');
  });

  test('each end of a watch is told in the words of the specification', async () => {
    const { hash: block } = holder;
    for (const [event, last] of [
      [{ type: 'invalid' }, 'invalid'],
      [{ type: 'usurped', by: block }, 'invalid'],
      [{ type: 'dropped' }, 'dropped'],
      [{ type: 'finalityTimeout', block }, 'dropped'],
    ] as const) {
      const told = await watch();
      hear(event);
      hear({ type: 'ready' });
      await until('it is told', () => told.length > 0);
      assert.equal(told[0]?.event, last);
      assert.ok(typeof told[0]?.error === 'string');
      assert.equal(told.length, 1);
    }
  });

  test('what is refused at once is an event and not an error: invalid by the runtime, dropped by the pool', async () => {
    for (const [refusal, event, error] of [
      [new RpcError(1010, 'Invalid Transaction', 'Transaction is outdated'), 'invalid', /outdated/],
      [new RpcError(1001, 'Extrinsic has invalid format'), 'invalid', /format/],
      [new RpcError(1016, 'Immediately Dropped'), 'dropped', /Dropped/],
      [new RpcError(1040, 'Other error', 'too many watches'), 'dropped', /too many/],
    ] as const) {
      watchAnswer = refusal;
      const told = await watch();
      assert.equal(told[0]?.event, event);
      assert.match(told[0]?.error ?? '', error);
    }
    watchAnswer = undefined;
  });

  test('who unwatches hears no more, and the transaction stays where it is', async () => {
    const socket = new WebSocket(port.ws);
    const heard: { id?: number; result?: unknown; params?: { result: Told } }[] = [];
    socket.onmessage = ({ data }) => heard.push(JSON.parse(String(data)));
    await new Promise((resolve) => {
      socket.onopen = resolve;
    });
    const ask = (id: number, method: string, params: unknown[]) =>
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    ask(1, 'transactionWatch_v1_submitAndWatch', [toHex(sent)]);
    await until('it is watched', () => heard.length === 1);
    const before = stopped;
    ask(2, 'transactionWatch_v1_unwatch', [heard[0]?.result]);
    await until('it is not', () => heard.length === 2);
    hear({ type: 'ready' });
    ask(3, 'transactionWatch_v1_unwatch', [heard[0]?.result]);
    await until('all is answered', () => heard.length === 3);
    assert.deepEqual([heard[1]?.result, heard[2]?.result], [null, null]);
    assert.equal(stopped, before + 1);
    socket.close();
  });
});

describe('with a node that mines', () => {
  let dev: DevNode;
  let miner: DevMiner;
  let rpc: RpcClient;
  let api: ApiPromise;

  before(async () => {
    await cryptoWaitReady();
    dev = await startDevNode();
    miner = new DevMiner(dev.ws);
    rpc = new RpcClient(dev.ws);
    api = await ApiPromise.create({ provider: new WsProvider(dev.ws) as unknown as Provider, noInitWarn: true });
    await until('connected', () => rpc.connected);
  });

  after(async () => {
    await api?.disconnect();
    rpc?.close();
    miner?.stop();
    await dev?.stop();
  });

  const person = (name: string) => new Keyring({ type: 'sr25519' }).addFromUri(`//${name}`);

  /** A signed transfer to Bob, in hex. */
  async function transfer(name: string, nonce: number, options: object = {}): Promise<string> {
    const make = api.tx.balances?.transferKeepAlive;
    assert.ok(make);
    return (await make(person('Bob').address, 10n ** 12n).signAsync(person(name), { nonce, ...options })).toHex();
  }

  const nonceOf = (name: string): Promise<number> => rpc.call('system_accountNextIndex', [person(name).address]);

  function watch(extrinsic: string): Told[] {
    const told: Told[] = [];
    rpc.subscribe('transactionWatch_v1_submitAndWatch', [extrinsic], (event) => told.push(event as Told));
    return told;
  }

  test('a transfer is validated, in a block at its place, and final there', async () => {
    const extrinsic = await transfer('Alice', 0);
    const told = watch(extrinsic);
    await until('it is final', () => told.at(-1)?.event === 'finalized');
    assert.deepEqual(
      told.map(({ event }) => event),
      ['validated', 'bestChainBlockIncluded', 'finalized'],
    );
    const at = told.at(-1)?.block;
    assert.ok(at);
    const body = await rpc.call<string[]>('archive_v1_body', [at.hash]);
    assert.equal(body[at.index], extrinsic);
  });

  test('a broadcast whose turn has not come is in a block once it has, without its client doing anything', async () => {
    const [first, second] = [await transfer('Charlie', 0), await transfer('Charlie', 1)];
    const ids = [await rpc.call('transaction_v1_broadcast', [second])];
    ids.push(await rpc.call('transaction_v1_broadcast', [first]));
    ids.push(await rpc.call('transaction_v1_broadcast', ['0x00']));
    assert.ok(
      ids.every((id) => typeof id === 'string'),
      'garbage is no error',
    );
    const bodies: string[] = [];
    const unfollow = await api.rpc.chain.subscribeNewHeads(async ({ hash }) => {
      bodies.push(...(await rpc.call<string[]>('archive_v1_body', [hash.toHex()])));
    });
    await until('both are in blocks', () => bodies.includes(first) && bodies.includes(second));
    unfollow();
    for (const id of ids) assert.equal(await rpc.call('transaction_v1_stop', [id]), null);
  });

  test('one that waits for a nonce that does not come ends with its era of four blocks, as invalid', async () => {
    const head = await api.rpc.chain.getHeader();
    const era = api.createType('ExtrinsicEra', { current: head.number.toNumber(), period: 4 });
    const told = watch(await transfer('Dave', 3, { era, blockHash: head.hash }));
    await until('it is over', () => told.length === 2);
    assert.deepEqual(
      told.map(({ event }) => event),
      ['validated', 'invalid'],
    );
    assert.equal(await nonceOf('Dave'), 0);
  });
});
