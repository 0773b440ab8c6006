import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Dialer, type Slots } from '../../src/p2p/dialer.ts';
import { located, scope, tell, told } from '../../src/p2p/discovery.ts';
import { BAN_THRESHOLD, isLoopback, PeerBook } from '../../src/p2p/peer-book.ts';
import { Quota } from '../../src/p2p/quota.ts';

const MINUTE = 60_000;
const limits = { inPeers: 2, reservedOnly: false, perIp: 3 };
const open: Slots = { connected: () => false, banned: () => false, free: 8, outbound: [] };

test('a score is forgiven with time, in either direction', () => {
  const book = new PeerBook(limits);
  book.report('p', -50, 0);
  assert.equal(book.score('p', 0), -50);
  assert.equal(book.score('p', 5 * MINUTE), -20);
  assert.equal(book.score('p', 60 * MINUTE), 0);
  book.report('p', 1_000, 60 * MINUTE);
  assert.equal(book.score('p', 60 * MINUTE), 50, 'trust is bounded');
  assert.equal(book.score('p', 120 * MINUTE), 0);
  assert.equal(book.report('p', Number.NaN, 0), false);
  assert.equal(book.score('p', 120 * MINUTE), 0);
});

test('a ban ends by itself, and each next one is twice as long', () => {
  const book = new PeerBook(limits);
  let now = 0;
  for (const length of [1, 2, 4, 8, 16, 32, 60, 60]) {
    assert.equal(book.report('p', BAN_THRESHOLD, now), true);
    assert.equal(book.refuseInbound('p', 0, now + length * MINUTE - 1), 'banned');
    now += length * MINUTE;
    assert.equal(book.banned('p', now), false);
    assert.equal(book.score('p', now), 0, 'it starts anew');
  }
  now += 61 * MINUTE;
  book.report('p', BAN_THRESHOLD, now);
  assert.equal(book.banned('p', now + MINUTE), false, 'an hour later the past is forgotten');
});

test('a flood of identities keeps the lists within their bound', () => {
  const book = new PeerBook(limits);
  for (let i = 0; i < 3_000; i++) {
    book.report(`scored ${i}`, -10, 0);
    book.report(`banned ${i}`, -1_000, 0);
  }
  const scored = Array.from({ length: 3_000 }, (_, i) => book.score(`scored ${i}`, 0)).filter((score) => score < 0);
  const banned = Array.from({ length: 3_000 }, (_, i) => book.banned(`banned ${i}`, 0)).filter(Boolean);
  assert.equal(scored.length, 1_024);
  assert.equal(banned.length, 1_024);
  assert.equal(book.score('scored 2999', 0), -10, 'the newest stay');
});

test('sockets of one address are bounded, and those of this machine are not', () => {
  const book = new PeerBook(limits);
  for (let i = 0; i < 3; i++) assert.equal(book.openSocket('203.0.113.7'), true);
  assert.equal(book.openSocket('203.0.113.7'), false);
  assert.equal(book.openSocket('203.0.113.8'), true);
  book.closeSocket('203.0.113.7');
  assert.equal(book.openSocket('203.0.113.7'), true);
  for (let i = 0; i < 100; i++) assert.equal(book.openSocket('127.0.0.1'), true);
  assert.deepEqual(['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.1', '128.0.0.1'].map(isLoopback), [
    true,
    true,
    true,
    false,
    false,
  ]);
});

test('slots are for strangers; reserved peers need none, unless they are banned', () => {
  const book = new PeerBook(limits);
  book.reserved.add('friend');
  assert.equal(book.refuseInbound('stranger', 1, 0), undefined);
  assert.equal(book.refuseInbound('stranger', 2, 0), 'no inbound slot');
  assert.equal(book.refuseInbound('friend', 2, 0), undefined);
  book.report('friend', BAN_THRESHOLD, 0);
  assert.equal(book.refuseInbound('friend', 0, 0), 'banned');
  const closed = new PeerBook({ ...limits, reservedOnly: true });
  assert.equal(closed.refuseInbound('stranger', 0, 0), 'reserved only');
});

test('over any span a key passes at most its burst and its rate', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 200 }),
      (perSecond, burst, gaps) => {
        const quota = new Quota();
        const passed: number[] = [];
        let now = 0;
        for (const gap of gaps) {
          now += gap;
          if (quota.take('k', { perSecond, burst }, now) === 0) passed.push(now);
        }
        for (let i = 0; i < passed.length; i++) {
          for (let j = i; j < passed.length; j++) {
            const span = (passed[j] as number) - (passed[i] as number);
            assert.ok(j - i + 1 <= burst + (span * perSecond) / 1_000 + 1);
          }
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('a key that waits is told how long, and keys that rest are forgotten', () => {
  const quota = new Quota();
  const rate = { perSecond: 10, burst: 2 };
  assert.deepEqual(
    Array.from({ length: 5 }, () => quota.take('k', rate, 0, 250)),
    [0, 0, 100, 200, Number.POSITIVE_INFINITY],
  );
  assert.equal(quota.take('k', rate, 400, 0), 0, 'what was refused took nothing');
  for (let i = 0; i < 10_000; i++) quota.take(`k${i}`, rate, 1_000);
  assert.equal(quota.size, 4_096);
  quota.take('late', rate, 5_000);
  assert.equal(quota.size, 1);
});

test('reserved peers and bootnodes are called for ever, at most every few seconds', () => {
  const dialer = new Dialer(() => 0.5);
  dialer.add('r', '/r', 'reserved');
  let now = 0;
  const waits: number[] = [];
  for (let i = 0; i < 50; i++) {
    while (dialer.due(now, open).length === 0) now += 10;
    waits.push(now);
    dialer.ended('r', false, now);
  }
  const gaps = waits.slice(1).map((at, i) => at - (waits[i] as number));
  assert.deepEqual(gaps.slice(0, 3), [500, 1_000, 2_000]);
  assert.equal(Math.max(...gaps), 5_000);
  dialer.proved('r');
  dialer.lost('r', now + 60_000);
  assert.equal(dialer.due(now + 60_250, open).length, 1, 'a lost peer is called again at once');
});

test('discovered peers are dropped when they do not answer, and bounded in number', () => {
  const dialer = new Dialer(() => 0);
  dialer.add('d', '/d', 'discovered');
  let calls = 0;
  for (let now = 0; now < 3_600_000 && dialer.size > 0; now += 100) {
    for (const { peer } of dialer.due(now, open)) {
      calls++;
      dialer.ended(peer, false, now);
    }
  }
  assert.equal(calls, 6);
  for (let i = 0; i < 1_000; i++) dialer.add(`d${i}`, `/d${i}`, 'discovered');
  assert.equal(dialer.size, 256);
  dialer.add('b', '/b', 'bootnode');
  assert.equal(dialer.size, 257);
});

test('free slots bound the calls to strangers, and a call under way takes its slot', () => {
  const dialer = new Dialer(() => 0);
  for (let i = 0; i < 5; i++) dialer.add(`d${i}`, `/d${i}`, 'discovered');
  dialer.add('r', '/r', 'reserved');
  const peers = (free: number): string[] => dialer.due(0, { ...open, free }).map(({ peer }) => peer);
  assert.deepEqual(peers(2), ['r', 'd0', 'd1']);
  assert.deepEqual(peers(2), []);
  assert.deepEqual(peers(3), ['d2']);
  assert.deepEqual(dialer.due(0, { ...open, banned: () => true }), []);
});

test("the operator's address of a peer stays the first that is called", () => {
  const dialer = new Dialer(() => 0);
  dialer.add('b', '/operator', 'bootnode');
  for (let i = 0; i < 10; i++) dialer.add('b', `/told/${i}`, 'discovered');
  const [target] = dialer.due(0, open);
  assert.deepEqual(target?.addresses, ['/operator', '/told/9', '/told/8', '/told/7']);
});

test('addresses are told only to those who can reach them', () => {
  const id = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5';
  const at = (host: string) => located(`/ip4/${host}/tcp/30333/p2p/${id}`);
  const known = [at('127.0.0.1'), at('192.168.1.2'), at('203.0.113.1')];
  const hosts = (ip: string) => told(tell(known, { peer: 'asker', ip }))?.map(({ address }) => address.split('/')[2]);
  assert.deepEqual(hosts('127.0.0.1'), ['127.0.0.1', '192.168.1.2', '203.0.113.1']);
  assert.deepEqual(hosts('10.9.9.9'), ['192.168.1.2', '203.0.113.1']);
  assert.deepEqual(hosts('198.51.100.4'), ['203.0.113.1']);
  assert.deepEqual(told(tell(known, { peer: id, ip: '127.0.0.1' })), [], 'nobody is told of itself');
  assert.deepEqual(
    ['fe80::1', 'fd00::1', '172.16.0.1', '172.32.0.1', 'example.org', ''].map(scope),
    [1, 1, 1, 2, 2, 0],
  );
});

test('no list of peers makes the reader throw, or grow', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const known = told(bytes);
      assert.ok(known === undefined || known.length <= 16);
    }),
    { numRuns: 2_000 },
  );
});
