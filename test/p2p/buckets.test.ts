/** # Whom a node calls: addresses of one network are cheap together, so they count as one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bucketOf, LOCAL, MAX_PER_BUCKET } from '../../src/p2p/buckets.ts';
import { Dialer, MAX_ANCHORS, type Slots } from '../../src/p2p/dialer.ts';

const SLOTS = 8;

/** Numbers in [0, 1) that a seed decides (mulberry32). */
function lots(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const at = (host: string) => `/ip4/${host}/tcp/30333`;

/** A node in a world where whoever is called answers, unless `answers` says no. */
function node(random: () => number, answers: (peer: string) => boolean = () => true) {
  const dialer = new Dialer(random);
  const outbound = new Map<string, string>();
  const slots = (): Slots => ({
    connected: (peer) => outbound.has(peer),
    banned: () => false,
    free: SLOTS - outbound.size,
    outbound: [...outbound].map(([peer, address]) => ({ peer, address })),
  });
  return {
    dialer,
    outbound,
    slots,
    tick(now: number) {
      for (const { peer, addresses } of dialer.due(now, slots())) {
        const address = answers(peer) ? addresses[0] : undefined;
        if (address !== undefined) outbound.set(peer, address);
        dialer.ended(peer, address !== undefined, now, address);
      }
    },
    leave(peer: string, now: number) {
      outbound.delete(peer);
      dialer.lost(peer, now);
    },
    held: (kind: string) => [...outbound.keys()].filter((peer) => peer.startsWith(kind)).length,
  };
}

/** 1,000 addresses in three /16s, and 20 in as many. */
const EVIL = Array.from({ length: 1_000 }, (_, i) => ({
  peer: `evil${i}`,
  address: at(`${60 + (i % 3)}.1.${i >> 8}.${i & 255}`),
}));
const HONEST = Array.from({ length: 20 }, (_, i) => ({ peer: `honest${i}`, address: at(`${100 + i}.7.1.1`) }));

test('1,000 addresses in three networks never hold half of the slots, whenever they are told', () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = lots(seed);
    const { dialer, tick, leave, outbound, held } = node(random);
    const tell = (list: typeof EVIL) => {
      for (const { peer, address } of list) dialer.add(peer, address, 'discovered');
    };
    // The attacker speaks first, last, or on both sides of the honest ones.
    if (seed % 3 !== 0) tell(EVIL);
    tell(HONEST);
    if (seed % 3 !== 1) tell(EVIL);
    for (let now = 0; now < 30_000; now += 500) {
      tick(now);
      // Honest connections break now and then; the attacker's never do, and he goes on telling.
      const honest = [...outbound.keys()].filter((peer) => peer.startsWith('honest'));
      const lost = honest[Math.floor(random() * honest.length)];
      if (lost !== undefined && random() < 0.2) leave(lost, now);
      tell(EVIL.slice(0, 16));
      tick(now);
      assert.ok(held('evil') <= 3, `seed ${seed}: ${[...outbound.keys()]}`);
    }
    assert.ok(held('honest') >= SLOTS / 2, `seed ${seed}: ${[...outbound.keys()]}`);
  }
});

test('where only three networks are known six slots are filled, and two stay free for others', () => {
  const { dialer, tick, outbound } = node(lots(1));
  for (const { peer, address } of EVIL) dialer.add(peer, address, 'discovered');
  for (let now = 0; now < 10_000; now += 250) tick(now);
  assert.equal(outbound.size, 3 * MAX_PER_BUCKET);
  dialer.add('bootnode', at('60.1.0.1'), 'bootnode');
  dialer.add('reserved', at('60.1.0.2'), 'reserved');
  tick(10_000);
  assert.ok(outbound.has('bootnode') && outbound.has('reserved'), 'whom the operator named is in no bucket');
});

test('a flood of addresses pushes out neither those of other networks nor those who answered', () => {
  const { dialer, tick } = node(lots(2));
  for (const { peer, address } of HONEST) dialer.add(peer, address, 'discovered');
  tick(0);
  for (const { peer, address } of EVIL) dialer.add(peer, address, 'discovered');
  // Anybody can tell of addresses that are not his: one in each of 1,000 networks.
  for (let i = 0; i < 1_000; i++) dialer.add(`lie${i}`, at(`${1 + (i >> 8)}.${i & 255}.1.1`), 'discovered');
  assert.equal(dialer.size, 256);
  const later: string[] = [];
  const empty: Slots = { connected: () => false, banned: () => false, free: 300, outbound: [] };
  for (let now = 60_000; now < 120_000; now += 250) {
    for (const { peer } of dialer.due(now, empty)) {
      later.push(peer);
      dialer.ended(peer, false, now);
    }
  }
  const answered = new Set(later.filter((peer) => peer.startsWith('honest')));
  assert.ok(answered.size >= SLOTS, `${answered.size} of those who answered are still known`);
});

test('the nodes of a devnet share one address, and are all called', () => {
  for (const host of ['127.0.0.1', '10.1.2.3', '192.168.7.7']) {
    const { dialer, tick, outbound } = node(lots(3));
    for (let i = 0; i < SLOTS; i++) dialer.add(`peer${i}`, `/ip4/${host}/tcp/${30_333 + i}`, 'discovered');
    for (let now = 0; now < 5_000; now += 250) tick(now);
    assert.equal(outbound.size, SLOTS);
  }
});

test('a peer that claims addresses in several networks is called in one of them at a time', () => {
  const dialer = new Dialer(lots(4));
  for (const host of ['60.1.1.1', '60.1.1.2', '61.1.1.1']) dialer.add('p', at(host), 'discovered');
  const open: Slots = { connected: () => false, banned: () => false, free: 8, outbound: [] };
  const [call] = dialer.due(0, open);
  assert.equal(new Set(call?.addresses.map(bucketOf)).size, 1);
  const full = ['a', 'b'].map((peer) => ({ peer, address: at('60.1.9.9') }));
  dialer.ended('p', false, 0);
  assert.deepEqual(
    dialer.due(60_000, { ...open, outbound: full }).map(({ addresses }) => addresses),
    [[at('61.1.1.1')]],
    'not where two are connected',
  );
});

test('what peers tell does not take the place of the address at which a peer answered', () => {
  const { dialer, tick, outbound } = node(lots(5));
  dialer.add('p', at('60.1.1.1'), 'discovered');
  tick(0);
  for (let i = 0; i < 10; i++) dialer.add('p', at(`61.1.1.${i}`), 'discovered');
  outbound.clear();
  const seen = new Set<string>();
  for (let now = 60_000; now < 600_000 && seen.size < 4; now += 250) {
    for (const call of dialer.due(now, { connected: () => false, banned: () => false, free: 1, outbound: [] })) {
      for (const address of call.addresses) seen.add(address);
      dialer.ended(call.peer, false, now);
    }
  }
  assert.ok(seen.has(at('60.1.1.1')));
});

test('anchors are called before bootnodes, bootnodes in no fixed order, and both before hearsay', () => {
  const first = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const { dialer, outbound, tick } = node(lots(seed));
    for (let i = 0; i < 50; i++) dialer.add(`told${i}`, at(`${60 + i}.1.1.1`), 'discovered');
    for (let i = 0; i < 10; i++) dialer.add(`boot${i}`, at(`20.1.1.${i}`), 'bootnode');
    for (let i = 0; i < MAX_ANCHORS - 1; i++) dialer.add(`anchor${i}`, at(`${120 + i}.1.1.1`), 'anchor');
    tick(0);
    const called = [...outbound.keys()];
    assert.ok(called.slice(0, 7).every((peer) => peer.startsWith('anchor')));
    first.add(called[7] as string);
  }
  assert.ok(first.size > 3 && [...first].every((peer) => peer.startsWith('boot')), [...first].join());
});

test('an anchor that is gone is forgotten, unless it is a bootnode too', () => {
  const { dialer, tick } = node(lots(6), () => false);
  dialer.add('gone', at('60.1.1.1'), 'anchor');
  dialer.add('both', at('60.1.1.2'), 'anchor');
  dialer.add('both', at('60.1.1.2'), 'bootnode');
  for (let now = 0; now < 600_000; now += 250) tick(now);
  assert.equal(dialer.size, 1);
  assert.equal(dialer.isLearned('both'), false);
});

test('a learned peer makes way only while slots are full and another could be called', () => {
  const { dialer, tick, slots, leave, outbound } = node(lots(7));
  dialer.add('boot', at('20.1.1.1'), 'bootnode');
  dialer.add('friend', at('20.1.1.2'), 'reserved');
  for (let i = 0; i < 6; i++) dialer.add(`told${i}`, at(`${60 + i}.1.1.1`), i === 0 ? 'anchor' : 'discovered');
  tick(0);
  assert.equal(outbound.size, SLOTS);
  assert.equal(dialer.makeWay(1_000, slots()), undefined, 'nobody else is known');
  dialer.add('boot2', at('20.1.1.3'), 'bootnode');
  assert.equal(dialer.makeWay(1_000, { ...slots(), free: 1 }), undefined, 'there is room');
  const leaving = dialer.makeWay(1_000, slots()) ?? '';
  assert.match(leaving, /^told/);
  leave(leaving, 1_000);
  for (let now = 1_000; now < 100_000; now += 250) tick(now);
  assert.ok(outbound.has('boot2') && !outbound.has(leaving), 'another has its slot');
});

test('an attacker who holds all slots loses them to whoever else is known, one at a time', () => {
  const { dialer, tick, slots, leave, held } = node(lots(8));
  for (let i = 0; i < 300; i++) dialer.add(`evil${i}`, at(`${60 + (i % 4)}.1.1.${i >> 2}`), 'discovered');
  for (let now = 0; now < 5_000; now += 250) tick(now);
  assert.equal(held('evil'), SLOTS);
  for (const { peer, address } of HONEST) dialer.add(peer, address, 'discovered');
  let turns = 0;
  for (let now = 60_000; held('honest') < SLOTS / 2; now += 60_000) {
    const leaving = dialer.makeWay(now, slots());
    if (leaving !== undefined) leave(leaving, now);
    tick(now + 250);
    assert.ok(turns++ < 20);
  }
});

test('a bucket is a /16 of IPv4, a /32 of IPv6, or all names; what no stranger can serve is in none', () => {
  const cases: [string, string][] = [
    ['/ip4/203.0.113.7/tcp/1', 'ip4 203.0'],
    ['/ip4/203.0.1.1/tcp/1/ws', 'ip4 203.0'],
    ['/ip4/203.1.1.1/tcp/1', 'ip4 203.1'],
    ['/ip6/2001:db8:1::1/tcp/1', 'ip6 2001:db8'],
    ['/ip6/2001:0db8:ffff::/tcp/1', 'ip6 2001:db8'],
    ['/ip6/::ffff:203.0.113.9/tcp/1', 'ip4 203.0'],
    ['/ip6/::ffff:cb00:7109/tcp/1', 'ip4 203.0'],
    ['/ip6zone/x/ip6/2001:db8::1/tcp/1', 'ip6 2001:db8'],
    ['/dns4/a.example.org/tcp/1', 'named'],
    ['/dnsaddr/b.example.org', 'named'],
    ...['/ip4/127.0.0.1', '/ip4/10.0.0.1', '/ip6/::1', '/ip6/0:0:0:0:0:0:0:1', '/ip6/fd12::1', '/ip6/fe80::1'].map(
      (host): [string, string] => [`${host}/tcp/1`, LOCAL],
    ),
    ['/ip6/::ffff:127.0.0.1/tcp/1', LOCAL],
  ];
  for (const [address, bucket] of cases) assert.equal(bucketOf(address), bucket, address);
  fc.assert(
    fc.property(fc.string(), fc.ipV6(), (text, ip) => {
      assert.ok(bucketOf(`/ip6/${text}/tcp/1`).length > 0);
      assert.ok(bucketOf(`/ip6/${ip}/tcp/1`).length > 0);
    }),
  );
});
