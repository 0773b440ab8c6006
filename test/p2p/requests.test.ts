import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Network, RequestOptions } from '../../src/p2p/network.ts';
import { MAX_OUTBOUND_REQUESTS, REQUEST_LIMITS } from '../../src/p2p/wire.ts';
import { dialable, started, until } from './cluster.ts';
import { hostile } from './hostile.ts';

const SOON: RequestOptions = { timeoutMs: 5_000, maxBytes: 64 };

/** Two networks that know each other; the first one answers. */
async function pair(t: Parameters<typeof started>[0]): Promise<[Network, Network]> {
  const a = await started(t, 1);
  const b = await started(t, 2, { bootnodes: [dialable(a)] });
  await until('they meet', () => a.peers().length === 1 && b.peers().length === 1);
  return [a, b];
}

const code = (expected: string) => ({ name: 'RequestError', code: expected });

test('a question brings its answer, whatever their sizes', async (t) => {
  const [a, b] = await pair(t);
  const asked: [number, string][] = [];
  a.handle('sync', async (payload, from) => {
    asked.push([payload.length, from]);
    const length = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
    return new Uint8Array(length).fill(length % 251);
  });
  for (const [size, length] of [
    [4, 0],
    [4, 1],
    [200_000, 16_384],
    [4, 5_000_000],
  ] as const) {
    const question = new Uint8Array(size);
    new DataView(question.buffer).setUint32(0, length, true);
    const answer = await b.request(a.peerId, 'sync', question, { timeoutMs: 10_000, maxBytes: length });
    assert.equal(answer.length, length);
    assert.ok(answer.every((byte) => byte === length % 251));
  }
  assert.deepEqual(asked.at(2), [200_000, b.peerId]);
});

test('both sides can ask, over the one connection', async (t) => {
  const [a, b] = await pair(t);
  for (const network of [a, b]) network.handle('transactions', async () => new TextEncoder().encode(network.peerId));
  const [ofA, ofB] = await Promise.all([
    b.request(a.peerId, 'transactions', new Uint8Array(0), SOON),
    a.request(b.peerId, 'transactions', new Uint8Array(0), SOON),
  ]);
  assert.equal(new TextDecoder().decode(ofA), a.peerId);
  assert.equal(new TextDecoder().decode(ofB), b.peerId);
});

test('every way to get no answer has its name', async (t) => {
  const [a, b] = await pair(t);
  await assert.rejects(b.request(a.peerId, 'sync', new Uint8Array(0), SOON), code('Refused'), 'nobody handles it');
  a.handle('sync', async () => new Uint8Array(65));
  await assert.rejects(b.request(a.peerId, 'sync', new Uint8Array(0), SOON), code('TooLarge'));
  a.handle('sync', async () => {
    throw new RangeError('of ours');
  });
  await assert.rejects(b.request(a.peerId, 'sync', new Uint8Array(0), SOON), code('Refused'));
  a.handle('sync', async () => new Uint8Array(REQUEST_LIMITS.sync.maxResponse + 1));
  await assert.rejects(b.request(a.peerId, 'sync', new Uint8Array(0), SOON), code('Refused'), 'too long for anybody');
  a.handle('sync', () => new Promise(() => {}));
  const impatient = { timeoutMs: 200, maxBytes: 64 };
  await assert.rejects(b.request(a.peerId, 'sync', new Uint8Array(0), impatient), code('Timeout'));
  const large = new Uint8Array(REQUEST_LIMITS.sync.maxRequest + 1);
  await assert.rejects(b.request(a.peerId, 'sync', large, SOON), { name: 'P2pError', code: 'MessageTooLarge' });
  const cut = b.request(a.peerId, 'sync', new Uint8Array(0), SOON);
  setTimeout(() => void a.stop(), 50);
  await assert.rejects(cut, code('Disconnected'));
  await until('the loss is noticed', () => b.peers().length === 0);
  await assert.rejects(b.request(a.peerId, 'sync', new Uint8Array(0), SOON), code('Disconnected'));
});

test('many questions to one peer wait for their turn and are all answered', async (t) => {
  const [a, b] = await pair(t);
  let open = 0;
  let most = 0;
  a.handle('sync', async (payload) => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setTimeout(resolve, 5));
    open--;
    return payload;
  });
  const questions = Array.from({ length: 60 }, (_, i) => Uint8Array.of(i));
  const answers = await Promise.all(questions.map((question) => b.request(a.peerId, 'sync', question, SOON)));
  assert.deepEqual(answers, questions);
  assert.ok(most > 1 && most <= MAX_OUTBOUND_REQUESTS, `${most} at a time`);
});

test('a peer that asks beyond its quota is slowed down, not failed', async (t) => {
  const [a, b] = await pair(t);
  a.handle('blobs', async () => new Uint8Array(1));
  const { burst, perSecond } = REQUEST_LIMITS.blobs;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: burst + perSecond }, () => b.request(a.peerId, 'blobs', new Uint8Array(33), SOON)),
  );
  const took = performance.now() - start;
  assert.ok(took > 900, `${burst + perSecond} questions took ${took.toFixed(0)} ms`);
  assert.ok((a.peers()[0]?.score ?? -1) >= 0);
});

test('bytes that are no frame end the stream, cost score, and reach no handler', async (t) => {
  const a = await started(t, 1);
  let handled = 0;
  a.handle('sync', async () => {
    handled++;
    return new Uint8Array(0);
  });
  const bad = await hostile(t, 9, dialable(a));
  await until('it is let in', () => a.peers().length === 1);
  const score = (): number => a.peers()[0]?.score ?? Number.NaN;

  const inTime = await bad.send('sync', Uint8Array.of(0, 0, 0, 0));
  assert.deepEqual(inTime, Uint8Array.of(0, 0, 0, 0, 0), 'an empty question is a frame, and so is the empty answer');
  assert.equal(handled, 1);

  assert.ok((await bad.send('sync')) instanceof Error, 'nothing');
  assert.ok((await bad.send('sync', Uint8Array.of(1, 0))) instanceof Error, 'half a length');
  assert.ok((await bad.send('sync', Uint8Array.of(4, 0, 0, 0, 1))) instanceof Error, 'half a payload');
  assert.equal(score(), 0, 'a stream may be cut by anything');

  const before = process.memoryUsage().arrayBuffers;
  assert.ok((await bad.send('sync', Uint8Array.of(255, 255, 255, 255))) instanceof Error, '4 GiB announced');
  assert.ok(process.memoryUsage().arrayBuffers - before < 100_000_000, 'nothing was held for it');
  await until('that costs', () => score() <= -24);
  assert.ok((await bad.send('sync', Uint8Array.of(0, 0, 0, 0, 7))) instanceof Error, 'a byte too many');
  await until('that costs as well', () => score() <= -49);
  assert.ok((await bad.send('peers', Uint8Array.of(1, 0, 0, 0, 7))) instanceof Error, 'over the bound of its protocol');
  await until('and that', () => score() <= -74);
  assert.equal(handled, 1);
  for (let i = 0; i < 2; i++) await bad.send('sync', Uint8Array.of(255, 255, 255, 255)).catch(() => {});
  await until('it is banned', () => a.peers().length === 0);
});

test('a peer that holds streams open gets no more than its share', async (t) => {
  const a = await started(t, 1);
  const b = await started(t, 2, { bootnodes: [dialable(a)] });
  a.handle('sync', async (payload) => payload);
  const bad = await hostile(t, 9, dialable(a));
  await until('all are let in', () => a.peers().length === 2);
  const held = await Promise.allSettled(Array.from({ length: 40 }, () => bad.open('sync')));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const open = held.filter((one) => one.status === 'fulfilled' && one.value.status === 'open').length;
  assert.ok(open <= 16, `${open} open`);
  assert.deepEqual(await b.request(a.peerId, 'sync', Uint8Array.of(5), SOON), Uint8Array.of(5));
});

test('an answer that is garbage is named, and the asker goes on', async (t) => {
  const a = await started(t, 1);
  const bad = await hostile(t, 9, dialable(a));
  await until('it is let in', () => a.peers().length === 1);
  const answers: [string, readonly number[]][] = [
    ['Disconnected', []],
    ['Disconnected', [0, 2, 0, 0, 0, 1]],
    ['TooLarge', [0, 255, 255, 255, 255]],
    ['Malformed', [0, 1, 0, 0, 0, 1, 2]],
    ['Refused', [7, 0, 0, 0, 0]],
  ];
  for (const [expected, bytes] of answers) {
    await bad.answer('sync', (stream) => {
      if (bytes.length > 0) stream.send(Uint8Array.from(bytes));
      stream.close().catch(() => {});
    });
    await assert.rejects(a.request(bad.peerId, 'sync', Uint8Array.of(1), SOON), code(expected), expected);
  }
  await bad.answer('sync', () => {});
  const impatient = { timeoutMs: 300, maxBytes: 64 };
  await assert.rejects(a.request(bad.peerId, 'sync', Uint8Array.of(1), impatient), code('Timeout'));
  await bad.answer('sync', (stream) => stream.abort(new Error('reset')));
  await assert.rejects(a.request(bad.peerId, 'sync', Uint8Array.of(1), SOON), code('Disconnected'));
});
