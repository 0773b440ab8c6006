import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { concat, utf8 } from '../../src/base/bytes.ts';
import { createNetwork, peerIdOf } from '../../src/p2p/host.ts';
import type { PeerEvent } from '../../src/p2p/network.ts';
import { MAX_FRAME_BYTES } from '../../src/p2p/websockets.ts';
import { dialable, GENESIS, gossipFlows, seed, started, until } from './cluster.ts';
import { hostile } from './hostile.ts';

test('nodes that share one bootnode find each other', async (t) => {
  const a = await started(t, 1);
  const b = await started(t, 2, { bootnodes: [dialable(a)] });
  const c = await started(t, 3, { bootnodes: [dialable(a)] });
  await until('all see two', () => [a, b, c].every((network) => network.peers().length === 2));
});

test('nodes of two chains do not become peers', async (t) => {
  const a = await started(t, 1);
  const events: PeerEvent[] = [];
  a.onPeer((event) => events.push(event));
  const stranger = await started(t, 2, { genesisHash: new Uint8Array(32).fill(1), bootnodes: [dialable(a)] });
  await started(t, 3, { bootnodes: [dialable(a)] });
  await until('the node of our chain is there', () => a.peers().length === 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(a.peers().length, 1);
  assert.equal(stranger.peers().length, 0);
  assert.deepEqual(
    events.map(({ peer }) => peer === stranger.peerId),
    [false],
  );
});

test('a node key is the peer id, whatever else changes', async () => {
  const network = await createNetwork({ nodeKey: seed(7), genesisHash: GENESIS, agent: 'x' });
  assert.equal(network.peerId, await peerIdOf(seed(7)));
  assert.match(network.peerId, /^12D3KooW/);
  await assert.rejects(peerIdOf(new Uint8Array(31)), { code: 'BadNodeKey' });
  assert.deepEqual(network.addresses(), []);
  await assert.rejects(network.publish('blocks', Uint8Array.of(1)), { code: 'NotStarted' });
  await network.stop();
});

test('an address without a peer id is refused with what is wrong', async () => {
  const options = { nodeKey: seed(7), genesisHash: GENESIS, agent: 'x' };
  for (const text of ['/ip4/127.0.0.1/tcp/30333', 'nonsense', '']) {
    await assert.rejects(createNetwork({ ...options, bootnodes: [text] }), { code: 'BadAddress', data: text });
  }
  const network = await createNetwork(options);
  assert.throws(() => network.addReserved('12D3Koo'), { code: 'BadAddress' });
});

test('a taken port is refused with the flags that choose another', async (t) => {
  const a = await started(t, 1);
  const listen = [dialable(a).replace(/\/p2p\/.*/, '')];
  const b = await createNetwork({ nodeKey: seed(2), genesisHash: GENESIS, agent: 'x', listen });
  await assert.rejects(b.start(), (error: Error) => {
    assert.match(error.message, /--port or --listen-addr/);
    assert.match(error.message, /\/ip4\/127\.0\.0\.1\/tcp\/\d+/);
    return 'code' in error && error.code === 'PortInUse';
  });
  await b.stop();
});

test('two nodes that call each other at once keep one connection, and gossip flows both ways', async (t) => {
  const a = await started(t, 1);
  const b = await started(t, 2);
  const events: PeerEvent[] = [];
  a.onPeer((event) => events.push(event));
  const [toA, toB] = [dialable(a), dialable(b)];
  a.addReserved(toB);
  b.addReserved(toA);
  await until('they meet', () => a.peers().length === 1 && b.peers().length === 1);
  await gossipFlows(a, b);
  await gossipFlows(b, a);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await gossipFlows(a, b);
  await gossipFlows(b, a);
  assert.deepEqual(events, [{ type: 'connected', peer: b.peerId }], 'told of once');
  assert.equal(a.peers()[0]?.reserved, true);
});

test('a restarted node is back within seconds, whichever side remembers the other', async (t) => {
  for (const rememberer of ['the one that stayed', 'the one that restarted']) {
    const a = await started(t, 1);
    let b = await started(t, 2);
    const listen = [dialable(b).replace(/\/p2p\/.*/, '')];
    const stayed = rememberer === 'the one that stayed';
    if (stayed) a.addReserved(dialable(b));
    else b.addReserved(dialable(a));
    await until('they meet', () => a.peers().length === 1 && b.peers().length === 1);
    await b.stop();
    await until('the loss is noticed', () => a.peers().length === 0, 3_000);
    b = await started(t, 2, stayed ? { listen } : { listen, bootnodes: [dialable(a)] });
    const back = await until('it is back', () => a.peers().length === 1 && b.peers().length === 1, 6_000);
    t.diagnostic(`${rememberer}: back after ${back.toFixed(0)} ms`);
    await gossipFlows(a, b);
    await gossipFlows(b, a);
    await Promise.all([a.stop(), b.stop()]);
  }
});

test('a node that tries others hangs up on a learned peer, and calls one that it did not know before', async (t) => {
  const boot = await started(t, 1);
  const told = [2, 3].map((n) => started(t, n, { reservedNodes: [dialable(boot)], outPeers: 0 }));
  await Promise.all(told);
  await until('the bootnode knows two', () => boot.peers().length === 2);
  const node = await started(t, 4, { bootnodes: [dialable(boot)], outPeers: 2 });
  const learned = () => node.peers().find(({ id }) => id !== boot.peerId)?.id;
  await until('it has one of them', () => learned() !== undefined);
  const first = learned();
  node.tryOthers();
  await until('it has the other', () => learned() !== undefined && learned() !== first);
  assert.ok(node.peers().some(({ id }) => id === boot.peerId) && node.peers().length === 2);
});

test('a peer whose score falls to the threshold is hung up and not let in again', async (t) => {
  const a = await started(t, 1);
  const b = await started(t, 2, { reservedNodes: [dialable(a)] });
  await until('they meet', () => a.peers().length === 1 && b.peers().length === 1);
  a.report(b.peerId, -60, 'test');
  assert.equal(a.peers()[0]?.score, -60);
  a.report(b.peerId, -60, 'test');
  await until('it is gone', () => a.peers().length === 0 && b.peers().length === 0, 3_000);
  await assert.rejects(
    until('it is back', () => a.peers().length > 0, 2_000),
    /not within/,
  );
});

test('inbound slots are bounded, but not for reserved peers', async (t) => {
  const b = await started(t, 2);
  const a = await started(t, 1, { inPeers: 1, reservedNodes: [dialable(b)] });
  await until('the reserved peer is there', () => a.peers().length === 1);
  const c = await started(t, 3, { bootnodes: [dialable(a)], outPeers: 1 });
  await until('the slot is taken', () => a.peers().length === 2);
  const d = await started(t, 4, { bootnodes: [dialable(a)], outPeers: 1 });
  await assert.rejects(
    until('a fourth gets in', () => d.peers().length > 0, 1_000),
    /not within/,
  );
  await c.stop();
  await until('the free slot is taken', () => d.peers().length === 1, 8_000);
});

test('with reserved peers only, nobody else gets in', async (t) => {
  const a = await started(t, 1, { reservedOnly: true });
  const b = await started(t, 2, { bootnodes: [dialable(a)] });
  await assert.rejects(
    until('b gets in', () => b.peers().length > 0, 1_000),
    /not within/,
  );
  a.addReserved(b.peerId);
  await until('b gets in', () => b.peers().length === 1);
  a.removeReserved(b.peerId);
  await until('b is out', () => b.peers().length === 0, 3_000);
});

test('a WebSocket frame that is malformed or too large closes its connection, and nothing else', async (t) => {
  const a = await started(t, 1, { listen: ['/ip4/127.0.0.1/tcp/0/ws'] });
  const [, port = '0'] = /tcp\/(\d+)/.exec(dialable(a)) ?? [];
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener('close', resolve, { once: true }));
  socket.send(new Uint8Array(MAX_FRAME_BYTES + 1));
  assert.equal((await closed).code, 1009, 'message too big');

  const key = Buffer.alloc(16).toString('base64');
  const upgrade = `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`;
  const raw = connect(Number(port), '127.0.0.1');
  raw.write(`${upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
  await once(raw, 'data');
  raw.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  raw.resume();
  await once(raw, 'close');

  const b = await started(t, 2, { bootnodes: [dialable(a)] });
  await until('the node lives', () => b.peers().length === 1);
});

test('garbage before, during and after the handshake leaves the node standing', async (t) => {
  const a = await started(t, 1);
  const [, port = '0'] = /tcp\/(\d+)/.exec(dialable(a)) ?? [];
  const bytes = (n: number, seed: number) =>
    Uint8Array.from({ length: n }, (_, i) => (i * 7 + seed * 31 + (i >> 3)) % 256);
  for (let i = 0; i < 8; i++) {
    const raw = connect(Number(port), '127.0.0.1');
    raw.on('error', () => {});
    raw.write(i % 2 === 0 ? bytes(2_000, i) : concat(utf8('\x13/multistream/1.0.0\n\x07/noise\n'), bytes(3_000, i)));
    setTimeout(() => raw.destroy(), 100);
    await new Promise((resolve) => raw.on('close', resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const bad = await hostile(t, 9, dialable(a));
  await until('it is let in', () => a.peers().length === 1);
  const protocols = ['/meshsub/1.2.0', '/ipfs/ping/1.0.0', '/ipfs/id/1.0.0'];
  for (let i = 0; i < 30 && bad.connection.status === 'open'; i++) {
    const stream = await bad.connection.newStream(protocols[i % 3] ?? '').catch(() => undefined);
    if (stream === undefined) continue;
    stream.send(concat(Uint8Array.of(120), bytes(120 + i, i)));
    await new Promise((resolve) => setTimeout(resolve, 5));
    stream.abort(new Error('enough'));
  }
  const b = await started(t, 2, { bootnodes: [dialable(a)] });
  await until('an honest node is let in', () => b.peers().some(({ id }) => id === a.peerId));
});
