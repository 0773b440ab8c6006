/** # Pool: what an extrinsic lives through from submission to finality, and what a flood does not do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, toHex } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { BAN_MS } from '../../src/pool/bans.ts';
import { DEFAULT_LIMITS, type Entry, Graph } from '../../src/pool/graph.ts';
import { MAX_PARKED, PARKED_BLOCKS } from '../../src/pool/parked.ts';
import { Pool } from '../../src/pool/pool.ts';
import { FINALITY_TIMEOUT_BLOCKS } from '../../src/pool/watch.ts';
import { account, bare, notices, places, signed, submit, World } from './world.ts';

test('extrinsics of one account become ready in the order of their nonces, however they arrive', () => {
  const world = new World();
  const [zero, one, two] = [0, 1, 2].map((nonce) => signed({ who: 'alice', nonce })) as [Bytes, Bytes, Bytes];
  assert.deepEqual(notices(submit(world, two, { watch: 'two' }).effects, 'two'), ['future']);
  submit(world, one, { watch: 'one' });
  assert.deepEqual(places(world, [zero, one, two]), [-1, -1, -1]);
  const { effects } = submit(world, zero, { watch: 'zero' });
  assert.deepEqual(
    ['zero', 'one', 'two'].flatMap((watch) => notices(effects, watch)),
    ['ready', 'ready', 'ready'],
  );
  assert.deepEqual(places(world, [zero, one, two]), [0, 1, 2]);
});

test('a higher tip goes first, but never before what it requires; equals go by arrival', () => {
  const world = new World();
  const slow = signed({ who: 'alice', nonce: 0, tip: 1n });
  const rich = signed({ who: 'alice', nonce: 1, tip: 100n });
  const middle = signed({ who: 'bob', nonce: 0, tip: 10n });
  const twin = signed({ who: 'charlie', nonce: 0, tip: 10n });
  for (const extrinsic of [slow, rich, middle, twin]) submit(world, extrinsic);
  assert.deepEqual(places(world, [middle, twin, slow, rich]), [0, 1, 2, 3]);
});

test('one that replaces another needs a higher tip, and the other is told who took its place', () => {
  const world = new World();
  const old = signed({ who: 'alice', nonce: 0, tip: 5n });
  submit(world, old, { watch: 'old' });
  const low = submit(world, signed({ who: 'alice', nonce: 0, tip: 5n, call: Uint8Array.of(9) }));
  assert.equal(low.code, 1014);
  assert.match(low.data ?? '', /too low priority/);
  const better = signed({ who: 'alice', nonce: 0, tip: 6n });
  const { effects } = submit(world, better);
  const told = effects.find((effect) => effect.type === 'notice');
  assert.deepEqual(told?.event, { type: 'usurped', by: blake2_256(better) });
  assert.deepEqual(places(world, [old, better]), [-1, 0]);
});

test('every refusal has the code and the words that wallets know', () => {
  const world = new World();
  assert.equal(submit(world, Uint8Array.of(1, 2, 3)).code, 1001);
  world.nonces.set(toHex(account('alice')), 1);
  const stale = submit(world, signed({ who: 'alice', nonce: 0 }));
  assert.deepEqual([stale.code, stale.data], [1010, 'Transaction is outdated']);
  const poor = signed({ who: 'poor', nonce: 0 });
  world.refused.set(toHex(poor), 'Payment');
  const unpaid = submit(world, poor);
  assert.deepEqual([unpaid.code, unpaid.data], [1010, 'Inability to pay some fees (e.g. account balance too low)']);
  const twice = signed({ who: 'bob', nonce: 0 });
  submit(world, twice);
  assert.deepEqual([submit(world, twice).code, submit(world, twice).data], [1013, toHex(blake2_256(twice))]);
});

test('an extrinsic that becomes invalid is told so, and banned for half an hour', () => {
  const world = new World();
  const extrinsic = signed({ who: 'alice', nonce: 0 });
  submit(world, extrinsic, { watch: 'w' });
  world.refused.set(toHex(extrinsic), 'Payment');
  assert.deepEqual(notices(world.enact([]).effects, 'w'), ['invalid']);
  world.refused.clear();
  assert.equal(submit(world, extrinsic, { now: BAN_MS - 1 }).code, 1012);
  assert.equal(submit(world, extrinsic, { now: BAN_MS }).code, undefined);
});

test('when one becomes invalid, what came after it waits again', () => {
  const world = new World();
  const first = signed({ who: 'alice', nonce: 0 });
  const second = signed({ who: 'alice', nonce: 1 });
  submit(world, first);
  submit(world, second, { watch: 'second' });
  world.refused.set(toHex(first), 'Payment');
  assert.deepEqual(notices(world.enact([]).effects, 'second'), ['future']);
  assert.deepEqual(world.pool.counts.future, 1);
});

test('a watch sees block, retraction, block again and finality, and then no more', () => {
  const world = new World();
  const extrinsic = signed({ who: 'alice', nonce: 0 });
  submit(world, extrinsic, { watch: 'w' });
  const { block, effects } = world.enact([extrinsic]);
  assert.deepEqual(notices(effects, 'w'), ['inBlock']);
  assert.equal(world.pool.counts.ready, 0);
  assert.deepEqual(notices(world.replace(block, []), 'w'), ['retracted', 'ready']);
  assert.equal(world.pool.counts.ready, 1);
  const again = world.enact([extrinsic]);
  assert.deepEqual(notices(again.effects, 'w'), ['inBlock']);
  const finalized = world.pool.step(0, { type: 'finalized', blocks: [again.block.hash] });
  assert.deepEqual(notices(finalized, 'w'), ['finalized']);
  assert.deepEqual(notices(world.replace(again.block, []), 'w'), []);
});

test('one that is in both branches is retracted and in a block, and never waits between', () => {
  const world = new World();
  const extrinsic = signed({ who: 'alice', nonce: 0 });
  submit(world, extrinsic, { watch: 'w' });
  const { block } = world.enact([extrinsic]);
  assert.deepEqual(notices(world.replace(block, [extrinsic]), 'w'), ['retracted', 'inBlock']);
  assert.equal(world.pool.counts.ready, 0);
});

test('bare extrinsics of a lost branch come back, unless the new branch has their like', () => {
  const world = new World();
  const [claim, reveal] = [bare('claim'), bare('reveal')];
  submit(world, claim);
  submit(world, reveal);
  const { block } = world.enact([claim, reveal]);
  assert.equal(world.pool.counts.ready, 0);
  world.replace(block, [bare('claim', 'another miner of this claim')]);
  assert.deepEqual(places(world, [claim, reveal]), [-1, 0]);
});

test('a bare extrinsic that comes too early is tried again with each block, without blaming who sent it', () => {
  const world = new World();
  const reveal = bare('reveal');
  world.refused.set(toHex(reveal), 'Future');
  const gossip = () => world.pool.step(0, { type: 'gossip', peer: 'p', extrinsics: [reveal] });
  assert.deepEqual(gossip(), []);
  const { validations } = world;
  assert.deepEqual(gossip(), []);
  assert.equal(world.validations, validations, 'a parked one is not looked at for each sender');
  world.enact([]);
  assert.deepEqual(places(world, [reveal]), [-1]);
  world.refused.clear();
  assert.deepEqual(world.enact([]).effects, [{ type: 'gossip', extrinsics: [reveal], repeat: 0 }]);
  assert.deepEqual(places(world, [reveal]), [0]);
});

test('what a lost branch made possible waits for it to become possible again', () => {
  const world = new World();
  const [claim, reveal] = [bare('claim'), bare('reveal')];
  submit(world, claim);
  const first = world.enact([claim]);
  submit(world, reveal, { watch: 'w' });
  world.refused.set(toHex(reveal), 'Future');
  assert.deepEqual(notices(world.replace(first.block, []), 'w'), ['future']);
  assert.deepEqual(places(world, [claim, reveal]), [0, -1]);
  world.refused.clear();
  assert.deepEqual(notices(world.enact([claim]).effects, 'w'), ['ready']);
});

test('a parked extrinsic is forgotten after 64 blocks, and no more than 64 are parked', () => {
  const world = new World();
  const early = Array.from({ length: MAX_PARKED + 1 }, (_, i) => bare(`early ${i}`));
  for (const extrinsic of early) world.refused.set(toHex(extrinsic), 'Future');
  world.pool.step(0, { type: 'gossip', peer: 'p', extrinsics: early });
  const before = world.validations;
  world.enact([]);
  assert.equal(world.validations - before, MAX_PARKED);
  for (let i = 0; i < PARKED_BLOCKS; i++) world.enact([]);
  const after = world.validations;
  world.enact([]);
  assert.equal(world.validations, after);
});

test('a block with a foreign extrinsic of the same nonce usurps ours and frees what waited', () => {
  const world = new World();
  const ours = signed({ who: 'alice', nonce: 0, call: Uint8Array.of(7) });
  const later = signed({ who: 'alice', nonce: 2 });
  submit(world, ours, { watch: 'ours' });
  submit(world, later, { watch: 'later' });
  const { effects } = world.enact([signed({ who: 'alice', nonce: 0 }), signed({ who: 'alice', nonce: 1 })]);
  assert.deepEqual(notices(effects, 'ours'), ['usurped']);
  assert.deepEqual(notices(effects, 'later'), ['ready']);
});

test('a builder that takes its time goes through what was ready when it began, whatever a block takes out meanwhile', () => {
  const world = new World();
  const waiting = [0, 1, 2].map((nonce) => signed({ who: 'alice', nonce }));
  for (const extrinsic of waiting) submit(world, extrinsic);
  const taken = world.pool.ready();
  const got = [taken.next().value?.bytes];
  world.enact(waiting.slice(0, 2));
  submit(world, signed({ who: 'bob', nonce: 0, tip: 9n }));
  for (const { bytes } of taken) got.push(bytes);
  assert.deepEqual(got, waiting);
});

test('an extrinsic without finality for 512 blocks ends its watch', () => {
  const world = new World();
  const extrinsic = signed({ who: 'alice', nonce: 0 });
  submit(world, extrinsic, { watch: 'w' });
  world.enact([extrinsic]);
  for (let i = 1; i < FINALITY_TIMEOUT_BLOCKS; i++) assert.deepEqual(notices(world.enact([]).effects, 'w'), []);
  assert.deepEqual(notices(world.enact([]).effects, 'w'), ['finalityTimeout']);
});

test('a mortal extrinsic leaves when its era is over', () => {
  const world = new World();
  world.longevity = 3n;
  const extrinsic = signed({ who: 'alice', nonce: 1 });
  submit(world, extrinsic, { watch: 'w' });
  for (let i = 0; i < 2; i++) world.enact([]);
  assert.equal(world.pool.counts.future, 1);
  assert.deepEqual(notices(world.enact([]).effects, 'w'), ['invalid']);
});

test('the next nonce counts what is ready, not what waits for something else', () => {
  const world = new World();
  for (const nonce of [0, 1, 3]) submit(world, signed({ who: 'alice', nonce }));
  assert.equal(world.pool.nextNonce(account('alice'), 0), 2);
  assert.equal(world.pool.nextNonce(account('bob'), 7), 7);
});

test('a peer is only blamed for what can never be valid, and only asked to slow down when it floods', () => {
  const world = new World();
  const faults = (extrinsics: readonly Bytes[], now = 0): string[] =>
    world.pool
      .step(now, { type: 'gossip', peer: 'p', extrinsics })
      .flatMap((effect) => (effect.type === 'report' ? [effect.fault] : []));
  assert.deepEqual(faults([Uint8Array.of(1)]), ['NotAnExtrinsic']);
  const forged = signed({ who: 'alice', nonce: 0 });
  world.refused.set(toHex(forged), 'BadProof');
  assert.deepEqual(faults([forged]), ['NeverValid']);
  assert.deepEqual(faults([forged]), [], 'a banned one is not looked at again');
  const stale = signed({ who: 'bob', nonce: 0 });
  world.refused.set(toHex(stale), 'Stale');
  assert.deepEqual(faults([stale]), []);
  const before = world.validations;
  const many = Array.from({ length: 1_200 }, (_, nonce) => signed({ who: 'dave', nonce, call: Uint8Array.of(8) }));
  assert.deepEqual(faults(many), ['TooMany'], 'one report for a batch');
  assert.ok(world.validations - before <= 1_000, 'validation costs are bounded');
  assert.deepEqual(faults([signed({ who: 'erin', nonce: 0 })], 1_000), []);
});

test('what becomes ready is gossiped once, in batches', () => {
  const world = new World();
  const extrinsics = Array.from({ length: 300 }, (_, nonce) => signed({ who: 'alice', nonce }));
  const effects = world.pool.step(0, { type: 'gossip', peer: 'p', extrinsics });
  const sizes = effects.flatMap((effect) => (effect.type === 'gossip' ? [effect.extrinsics.length] : []));
  assert.deepEqual(sizes, [256, 44]);
  assert.deepEqual(world.pool.step(0, { type: 'gossip', peer: 'q', extrinsics }), []);
});

test('what a lost branch gives back is gossiped again, under another number than the first time', () => {
  const world = new World();
  const extrinsic = signed({ who: 'alice', nonce: 0 });
  const news = submit(world, extrinsic).effects.find(({ type }) => type === 'gossip');
  assert.deepEqual(news, { type: 'gossip', extrinsics: [extrinsic], repeat: 0 });
  world.enact([]);
  const { block } = world.enact([extrinsic]);
  const again = world.replace(block, []).find(({ type }) => type === 'gossip');
  assert.deepEqual(again, { type: 'gossip', extrinsics: [extrinsic], repeat: world.number });
});

test('what a client sent is told again at every fourth height while it waits; what peers sent is not', () => {
  const world = new World();
  const [mine, foreign] = [signed({ who: 'alice', nonce: 0 }), signed({ who: 'bob', nonce: 0 })];
  submit(world, mine);
  world.pool.step(0, { type: 'gossip', peer: 'p', extrinsics: [foreign] });
  for (let height = 1; height <= 8; height++) {
    const again = { type: 'gossip', extrinsics: [mine], repeat: height };
    assert.deepEqual(world.enact([]).effects, height % 4 === 0 ? [again] : []);
  }
  world.enact([mine]);
  for (let height = 10; height <= 12; height++) assert.deepEqual(world.enact([]).effects, []);
});

test('a gossip message holds a megabyte, or one extrinsic that is larger', () => {
  const world = new World();
  const sizes = [600_000, 600_000, 300_000, 2_000_000, 10];
  const extrinsics = sizes.map((size, nonce) => signed({ who: 'alice', nonce, call: new Uint8Array(size) }));
  const effects = world.pool.step(0, { type: 'gossip', peer: 'p', extrinsics });
  assert.deepEqual(
    effects.flatMap((effect) => (effect.type === 'gossip' ? [effect.extrinsics] : [])),
    [extrinsics.slice(0, 1), extrinsics.slice(1, 3), extrinsics.slice(3, 4), extrinsics.slice(4)],
  );
});

test('a full pool drops the cheapest: a flood of cheap ones never drives out a dear one', () => {
  const world = new World();
  const pool = new Pool(world, { ...DEFAULT_LIMITS, readyCount: 10, perSender: 100 });
  const send = (extrinsic: Bytes) => pool.step(0, { type: 'submit', request: 1, extrinsic })[0];
  for (let i = 0; i < 10; i++) send(signed({ who: `honest ${i}`, nonce: 0, tip: 10n }));
  for (let i = 0; i < 50; i++) {
    const answer = send(signed({ who: `spammer ${i}`, nonce: 0, tip: 9n }));
    assert.ok(answer?.type === 'answer' && 'error' in answer.outcome && answer.outcome.error.code === 1016);
  }
  const dear = send(signed({ who: 'dear', nonce: 0, tip: 11n }));
  assert.ok(dear?.type === 'answer' && 'hash' in dear.outcome);
  assert.equal(pool.counts.ready, 10);
});

test('one account cannot fill the pool', () => {
  const world = new World();
  const pool = new Pool(world, { ...DEFAULT_LIMITS, perSender: 5, futurePerSender: 2 });
  const codes = [0, 1, 2, 3, 4, 5, 6].map((nonce) => {
    const [answer] = pool.step(0, { type: 'submit', request: 1, extrinsic: signed({ who: 'alice', nonce }) });
    return answer?.type === 'answer' && 'error' in answer.outcome ? answer.outcome.error.code : 0;
  });
  assert.deepEqual(codes, [0, 0, 0, 0, 0, 1016, 1016]);
  const future = [5, 6, 7].map((nonce) => {
    const [answer] = pool.step(0, { type: 'submit', request: 1, extrinsic: signed({ who: 'bob', nonce }) });
    return answer?.type === 'answer' && 'error' in answer.outcome ? answer.outcome.error.code : 0;
  });
  assert.deepEqual(future, [0, 0, 1016]);
});

test('an account at its limit may still replace what waits, ready or future, by a higher tip', () => {
  const world = new World();
  const pool = new Pool(world, { ...DEFAULT_LIMITS, perSender: 4, futurePerSender: 2 });
  const send = (nonce: number, tip: bigint): number => {
    const [answer] = pool.step(0, { type: 'submit', request: 1, extrinsic: signed({ who: 'alice', nonce, tip }) });
    return answer?.type === 'answer' && 'error' in answer.outcome ? answer.outcome.error.code : 0;
  };
  assert.deepEqual(
    [0, 1, 5, 6, 7].map((nonce) => send(nonce, 1n)),
    [0, 0, 0, 0, 1016],
  );
  assert.deepEqual(
    [0, 6].map((nonce) => send(nonce, 2n)),
    [0, 0],
  );
  assert.deepEqual(
    [0, 6].map((nonce) => send(nonce, 1n)),
    [1014, 1014],
  );
  assert.deepEqual(
    [2, 7].map((nonce) => send(nonce, 9n)),
    [1016, 1016],
    'a new one needs a place, whatever it pays',
  );
  assert.deepEqual([pool.counts.ready, pool.counts.future], [2, 2]);
});

test('who falls out of a full pool is told dropped, and is not banned for it', () => {
  const world = new World();
  const pool = new Pool(world, { ...DEFAULT_LIMITS, readyCount: 2 });
  const send = (extrinsic: Bytes, watch?: string) =>
    pool.step(0, { type: 'submit', request: 1, extrinsic, ...(watch === undefined ? {} : { watch }) });
  const cheap = signed({ who: 'alice', nonce: 0, tip: 1n });
  send(cheap, 'cheap');
  send(signed({ who: 'alice', nonce: 1, tip: 50n }), 'next');
  const effects = send(signed({ who: 'bob', nonce: 0, tip: 10n }));
  assert.deepEqual(notices(effects, 'cheap'), ['dropped']);
  assert.deepEqual(notices(effects, 'next'), ['future'], 'what needed it waits for it');
  assert.deepEqual(notices(send(signed({ who: 'dave', nonce: 0, tip: 20n })), 'cheap'), [], 'its watch has ended');
  const [answer] = send(cheap);
  assert.ok(answer?.type === 'answer' && 'error' in answer.outcome && answer.outcome.error.code === 1016);
});

test('one that waits for its predecessor is replaced by a higher tip too', () => {
  const world = new World();
  submit(world, signed({ who: 'alice', nonce: 3, tip: 1n }), { watch: 'old' });
  assert.equal(submit(world, signed({ who: 'alice', nonce: 3, tip: 1n, call: Uint8Array.of(9) })).code, 1014);
  const better = signed({ who: 'alice', nonce: 3, tip: 2n });
  const { effects } = submit(world, better, { watch: 'better' });
  assert.deepEqual(
    effects.flatMap((effect) => (effect.type === 'notice' && effect.watch === 'old' ? [effect.event] : [])),
    [{ type: 'usurped', by: blake2_256(better) }],
  );
  assert.deepEqual(notices(effects, 'better'), ['future']);
  assert.equal(world.pool.counts.future, 1);
});

test('when a block is lost, what came after its transactions waits behind them again', () => {
  const world = new World();
  const [zero, one, two] = [0, 1, 2].map((nonce) => signed({ who: 'alice', nonce })) as [Bytes, Bytes, Bytes];
  submit(world, zero);
  const { block } = world.enact([zero]);
  submit(world, two, { watch: 'two' });
  submit(world, one, { watch: 'one' });
  const effects = world.replace(block, []);
  assert.deepEqual(places(world, [zero, one, two]), [0, 1, 2]);
  assert.deepEqual([...notices(effects, 'one'), ...notices(effects, 'two')], [], 'they were ready and still are');
  assert.equal(world.pool.nextNonce(account('alice'), 0), 3);
});

test('a transaction whose nonce the heavier branch has used is retracted and invalid', () => {
  const world = new World();
  const ours = signed({ who: 'alice', nonce: 0 });
  submit(world, ours, { watch: 'w' });
  const { block } = world.enact([ours]);
  const other = signed({ who: 'alice', nonce: 0, call: Uint8Array.of(7) });
  assert.deepEqual(notices(world.replace(block, [other]), 'w'), ['retracted', 'invalid']);
  assert.deepEqual(world.pool.counts, { ready: 0, future: 0, bytes: 0 });
});

test('a watch hears of the finality of its own block only, and nothing once it is closed', () => {
  const world = new World();
  const [mine, other] = [signed({ who: 'alice', nonce: 0 }), signed({ who: 'bob', nonce: 0 })];
  submit(world, mine, { watch: 'mine' });
  submit(world, other, { watch: 'closed' });
  world.pool.step(0, { type: 'unwatch', watch: 'closed' });
  const first = world.enact([]);
  const second = world.enact([mine, other]);
  assert.deepEqual(notices(second.effects, 'closed'), []);
  assert.deepEqual(world.pool.step(0, { type: 'finalized', blocks: [first.block.hash] }), []);
  const told = world.pool.step(0, { type: 'finalized', blocks: [second.block.hash] });
  assert.deepEqual(told, [{ type: 'notice', watch: 'mine', event: { type: 'finalized', block: second.block.hash } }]);
});

/** An entry of the graph with tags that are small numbers. */
function entry(seq: number, of: { requires: number[]; provides: number[]; priority: number; sender: number }): Entry {
  return {
    key: `e${seq}`,
    hash: Uint8Array.of(seq),
    bytes: new Uint8Array(10),
    sender: `s${of.sender}`,
    priority: BigInt(of.priority),
    requires: of.requires.map((tag) => `t${tag}`),
    provides: of.provides.map((tag) => `t${tag}`),
    validTill: 100,
    propagate: true,
    ours: true,
    seq,
  };
}

const anyEntry = fc.record({
  requires: fc.uniqueArray(fc.nat(4), { maxLength: 2 }),
  provides: fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 2 }),
  priority: fc.nat(20),
  sender: fc.nat(3),
});
const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ insert: anyEntry }) },
  { weight: 1, arbitrary: fc.record({ remove: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ settle: fc.nat(60) }) },
);

test('whatever comes and goes, the graph keeps its bounds, its tags and its order', () => {
  const limits = {
    readyCount: 6,
    readyBytes: 1_000,
    futureCount: 4,
    futureBytes: 1_000,
    perSender: 7,
    futurePerSender: 3,
  };
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 80 }), (steps) => {
      const graph = new Graph(limits);
      const fromChain = new Set<string>();
      steps.forEach((step, seq) => {
        if ('insert' in step) graph.insert(entry(seq, step.insert));
        else if ('remove' in step) graph.remove(`e${step.remove}`);
        else {
          const settled = graph.get(`e${step.settle}`);
          graph.settle(`e${step.settle}`);
          for (const tag of settled?.provides ?? []) fromChain.add(tag);
          graph.satisfy(settled?.provides ?? []);
        }
        const { ready, future } = graph.counts;
        assert.ok(ready <= limits.readyCount && future <= limits.futureCount);
        const order = [...graph.bestFirst()];
        assert.equal(order.length, ready, 'every ready entry is reached');
        const given = new Set<string>();
        for (const one of order) {
          const inPool = order.filter((other) => other.provides.some((tag) => one.requires.includes(tag)));
          assert.ok(
            inPool.every((other) => other.provides.every((tag) => given.has(tag))),
            'requirements first',
          );
          for (const tag of one.requires) assert.ok(given.has(tag) || fromChain.has(tag), 'met by pool or chain');
          for (const tag of one.provides) assert.ok(!given.has(tag), 'one provider a tag');
          for (const tag of one.provides) given.add(tag);
        }
      });
    }),
    { numRuns: 1000 },
  );
});

test('whatever arrives in whatever order, what is ready can be applied as it stands', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ who: fc.constantFrom('a', 'b', 'c'), nonce: fc.nat(6), tip: fc.nat(5), call: fc.nat(3) }), {
        maxLength: 60,
      }),
      fc.nat(3),
      (specs, blocks) => {
        const world = new World();
        const send = (spec: (typeof specs)[number]) =>
          submit(world, signed({ ...spec, tip: BigInt(spec.tip), call: Uint8Array.of(spec.call) }));
        specs.forEach(send);
        for (let i = 0; i < blocks; i++) {
          const taken = [...world.pool.ready()].slice(0, 4).map(({ bytes }) => bytes);
          const { block } = world.enact(taken);
          if (i % 2 === 0) world.replace(block, taken.slice(0, 2));
        }
        const next = new Map(world.nonces);
        for (const { bytes } of world.pool.ready()) {
          const spec = specs.find((one) =>
            Buffer.from(signed({ ...one, tip: BigInt(one.tip), call: Uint8Array.of(one.call) })).equals(bytes),
          );
          assert.ok(spec !== undefined);
          const key = toHex(account(spec.who));
          assert.equal(spec.nonce, next.get(key) ?? 0);
          next.set(key, spec.nonce + 1);
        }
      },
    ),
    { numRuns: 150 },
  );
});
