import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Network, Topic } from '../../src/p2p/network.ts';
import { GOSSIP_LIMITS, MAX_GOSSIP_BYTES } from '../../src/p2p/wire.ts';
import { dialable, gossipFlows, started, until, WARM_UP } from './cluster.ts';
import { hostile } from './hostile.ts';

interface Heard {
  readonly topic: Topic;
  readonly data: Uint8Array;
  readonly from: string;
}

/** Records what a network hears, and accepts it. What opened the streams is not counted. */
function hears(network: Network): Heard[] {
  const heard: Heard[] = [];
  network.onGossip((topic, data, from) => {
    if (data[0] !== WARM_UP) heard.push({ topic, data, from });
    return 'accept';
  });
  return heard;
}

test('gossip reaches every node of three, over TCP and over WebSocket', async (t) => {
  const a = await started(t, 1, { listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] });
  const [tcp, ws] = a.addresses();
  assert.match(tcp ?? '', /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3/);
  assert.match(ws ?? '', /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/ws\/p2p\/12D3/);
  // Neither knows the other: what one says reaches the other through a.
  const b = await started(t, 2, { bootnodes: [ws ?? ''], outPeers: 1, inPeers: 1 });
  const c = await started(t, 3, { bootnodes: [tcp ?? ''], outPeers: 1, inPeers: 1 });
  hears(a);
  await gossipFlows(b, c);
  await gossipFlows(c, b);
  const heard = [a, b, c].map(hears);
  await until('all see their neighbours', () => [a, b, c].every((one, i) => one.peers().length === (i === 0 ? 2 : 1)));
  assert.ok(b.peers()[0]?.address.includes('/ws'), 'b reached a over WebSocket');

  const delay = until('all hear the first block', () => heard[0]?.length === 1 && heard[1]?.length === 1);
  await c.publish('blocks', Uint8Array.of(1, 2, 3));
  await delay;
  assert.deepEqual(
    heard.map((list) => list.map(({ topic, data, from }) => [topic, ...data, from])),
    [[['blocks', 1, 2, 3, c.peerId]], [['blocks', 1, 2, 3, a.peerId]], []],
    'each heard it once, from its neighbour; the author does not hear itself',
  );

  await Promise.all([a.publish('transactions', Uint8Array.of(4)), b.publish('finality', new Uint8Array(300_000))]);
  await until('every topic flows', () => heard[2]?.length === 2 && heard[0]?.length === 2);
});

test('a message that was heard is not judged twice, and a copy is not sent again', async (t) => {
  const a = await started(t, 1);
  const b = await started(t, 2, { bootnodes: [dialable(a)] });
  await gossipFlows(a, b);
  const heard = hears(b);
  hears(a);
  for (let i = 0; i < 3; i++) await a.publish('blocks', Uint8Array.of(9));
  await a.publish('blocks', Uint8Array.of(10));
  await until('the second message arrives', () => heard.length === 2);
  assert.deepEqual(
    heard.map(({ data }) => data[0]),
    [9, 10],
  );
});

test('what one node rejects goes no further, and whoever sends it on is banned', async (t) => {
  const a = await started(t, 1);
  const b = await started(t, 2, { bootnodes: [dialable(a)], outPeers: 1, inPeers: 1 });
  const c = await started(t, 3, { bootnodes: [dialable(a)], outPeers: 1, inPeers: 1 });
  a.onGossip((_topic, data) => (data[0] === 66 ? 'reject' : 'accept'));
  await gossipFlows(b, c);
  const reached = hears(c);
  await until('they meet', () => a.peers().length === 2 && b.peers().length === 1);
  await b.publish('blocks', Uint8Array.of(66));
  await until('b loses score', () => (a.peers().find(({ id }) => id === b.peerId)?.score ?? 0) <= -19);
  await b.publish('blocks', Uint8Array.of(1));
  await until('the valid message passes', () => reached.length === 1);
  for (let i = 0; i < 5; i++) await b.publish('blocks', Uint8Array.of(66, i));
  await until('b is gone', () => a.peers().length === 1);
  assert.equal(reached.length, 1);
  await assert.rejects(
    until('b is back', () => a.peers().length === 2, 1_500),
    /not within/,
  );
});

test('gossip to a peer that reset our stream is mended, while its connection stays', async (t) => {
  const a = await started(t, 1);
  const other = await hostile(t, 9, dialable(a));
  let mark = 0;
  await until('gossip arrives', () => {
    void a.publish('blocks', Uint8Array.of(1, mark++));
    return other.heard.length > 0;
  });
  const mesh = other.connection.streams.filter(({ protocol }) => protocol.startsWith('/meshsub/'));
  for (const stream of mesh.filter(({ direction }) => direction === 'inbound')) stream.abort(new Error('reset'));
  const took = await until('gossip arrives again', () => {
    void a.publish('blocks', Uint8Array.of(2, mark++));
    return other.heard.some(([first]) => first === 2);
  });
  t.diagnostic(`mended after ${took.toFixed(0)} ms`);
  assert.equal(other.connection.status, 'open');
});

test('a flood is judged only at its rate, and whoever keeps flooding is banned', async (t) => {
  const a = await started(t, 1);
  const heard = hears(a);
  const bad = await hostile(t, 9, dialable(a));
  await until('they meet', () => a.peers().length === 1);
  const { burst, perSecond } = GOSSIP_LIMITS.blocks;
  const start = performance.now();
  const flood = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) await bad.publish('blocks', Uint8Array.of(i, i >> 8));
  };
  await flood(0, 3 * burst);
  await until('what is within the rate is judged', () => heard.length >= burst);
  assert.ok(heard.length <= burst + (perSecond * (performance.now() - start)) / 1_000 + 1, `${heard.length} judged`);
  assert.equal(a.peers()[0]?.score, 0, 'a relay of busy peers is not blamed');
  await flood(3 * burst, 20 * burst);
  await until('it is banned', () => a.peers().length === 0);
});

test('a message above the bound is refused before it is sent', async (t) => {
  const a = await started(t, 1);
  const tooLarge = a.publish('blocks', new Uint8Array(MAX_GOSSIP_BYTES + 1));
  await assert.rejects(tooLarge, { name: 'P2pError', code: 'MessageTooLarge' });
  await a.publish('blocks', new Uint8Array(MAX_GOSSIP_BYTES));
});
