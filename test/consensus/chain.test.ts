/** # Chain: forks, reorganisations with their state, orphans, finality and restarts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, compare, equal, toHex } from '../../src/base/bytes.ts';
import { isBetter } from '../../src/consensus/choice.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import { metaOf } from '../../src/consensus/meta.ts';
import { ForkTree, MAX_CHILDREN } from '../../src/consensus/tree.ts';
import { MAX_PER_SENDER, MAX_WAITING } from '../../src/consensus/waiting.ts';
import { Header } from '../../src/primitives/header.ts';
import { MemoryStore } from '../../src/state/level/memory-store.ts';
import { MAX_UNSETTLED } from '../../src/state/store.ts';
import {
  effectOf,
  GENESIS,
  type MadeBlock,
  MINERS,
  type Miner,
  makeBlock,
  Node,
  note,
  noteIn,
  PEER,
  refusalOf,
  rulesFrom,
  START,
  T,
} from './world.ts';

const [, bob, carol] = MINERS;

/** A node with two blocks, and two branches on them, not yet given to it; each begins with a note of its own. */
function twoBranches(length: { readonly a: number; readonly b: number }) {
  const node = new Node();
  const fork = node.grow(2).at(-1) as MadeBlock;
  node.now = START + 1_000 * T;
  const branch = (miner: Miner, text: string, count: number): MadeBlock[] => {
    const first = makeBlock(node.store, fork.hash, { miner, extrinsics: [note(1, text)] });
    const builder = new Node();
    builder.now = node.now;
    for (const block of [...blocksOf(node), first]) builder.give(block);
    return [first, ...builder.grow(count - 1, first.hash, { miner })];
  };
  return { node, fork, a: branch(bob, 'bob was here', length.a), b: branch(carol, 'carol was here', length.b) };
}

/** The blocks of a node's best chain as they came. */
function blocksOf(node: Node): MadeBlock[] {
  const out: MadeBlock[] = [];
  for (let number = 1; number <= node.store.best.number; number++) {
    const hash = node.store.canonical(number) as Bytes;
    out.push(received(node, hash));
  }
  return out;
}

function received(node: Node, hash: Bytes): MadeBlock {
  const { store } = node;
  return {
    hash,
    header: store.header(hash) as Bytes,
    opening: store.opening(hash) as Bytes,
    extrinsics: store.body(hash) as Bytes[],
    origin: PEER,
    decoded: Header.dec(store.header(hash) as Bytes),
  };
}

test('a longer branch takes over with its state, and the way there is told', () => {
  const { node, a, b } = twoBranches({ a: 2, b: 3 });
  for (const block of a) node.give(block);
  assert.equal(noteIn(node.store.view(node.store.best.hash) as never, 1), 'bob was here');
  const effects = b.flatMap((block) => node.give(block));
  const head = effectOf(effects, 'head');
  assert.ok(head !== undefined);
  assert.deepEqual(
    head.retracted.map(({ number }) => number),
    [4, 3],
  );
  assert.deepEqual(
    head.enacted.map(({ number }) => number),
    [3, 4, 5],
  );
  assert.deepEqual(head.enacted[0]?.extrinsics, b[0]?.extrinsics);
  assert.deepEqual(head.retracted[1]?.extrinsics, a[0]?.extrinsics);
  assert.equal(noteIn(node.store.view(node.store.best.hash) as never, 1), 'carol was here');
  assert.ok(equal(node.store.canonical(3) as Bytes, (b[0] as MadeBlock).hash));
});

test('of two equal branches the one seen first stays, whoever mined it', () => {
  const { node, a, b } = twoBranches({ a: 1, b: 1 });
  for (const block of [...a, ...b]) node.give({ ...block, origin: block === b[0] ? { type: 'own' } : PEER });
  assert.ok(equal(node.store.best.hash, (a[0] as MadeBlock).hash), 'not even an own block displaces an equal one');
  const other = new Node();
  other.now = node.now;
  for (const block of blocksOf(node).slice(0, 2)) other.give(block);
  for (const block of [...b, ...a]) other.give(block);
  assert.ok(equal(other.store.best.hash, (b[0] as MadeBlock).hash));
});

test('of equal branches that came together the lower ticket wins', () => {
  const low = { totalDifficulty: 5n, arrival: 7n, ticket: Uint8Array.of(9, 1) };
  const high = { totalDifficulty: 5n, arrival: 7n, ticket: Uint8Array.of(0, 2) };
  assert.ok(isBetter(low, high) && !isBetter(high, low), 'tickets are little-endian integers');
  assert.ok(isBetter({ ...high, arrival: 6n }, low));
  assert.ok(isBetter({ ...high, totalDifficulty: 6n }, low));
  assert.ok(!isBetter(low, low));
});

test('orphans wait for their parent, ask their sender for it, and are imported when it comes', () => {
  const node = new Node();
  const source = new Node();
  const blocks = source.grow(4);
  node.now = source.now;
  const [first, second, third, last] = blocks as [MadeBlock, MadeBlock, MadeBlock, MadeBlock];
  for (const block of [last, third, second]) {
    const effects = node.give(block);
    assert.deepEqual(effectOf(effects, 'wanted')?.peer, 'peer');
    assert.equal(effectOf(effects, 'imported'), undefined);
  }
  assert.equal(node.chain.waitingCount, 3);
  const effects = node.give(first);
  assert.equal(effects.filter(({ type }) => type === 'imported').length, 4);
  assert.equal(node.store.best.number, 4);
});

test('an orphan whose parent never comes is given up after a minute', () => {
  const [, second] = new Node().grow(2);
  const node = new Node();
  node.give(second as MadeBlock);
  assert.equal(node.chain.waitingCount, 1);
  assert.equal(refusalOf(node.tick(node.now + 59_999)), undefined);
  assert.equal(refusalOf(node.tick(node.now + 1)), 'UnknownParent');
  assert.equal(node.chain.waitingCount, 0);
});

test('an orphan that shows less than a 64th of the work that could follow our head is not kept', () => {
  const source = new Node();
  source.grow(3);
  const [first, , third] = blocksOf(source) as [MadeBlock, MadeBlock, MadeBlock];
  let ticket = new Uint8Array(32);
  const node = new Node({ rules: { ...rulesFrom(1n << 40n), evaluate: () => ticket } });
  node.now = source.now;
  node.give(first);
  assert.equal(node.store.best.number, 1, 'the lowest ticket wins at any difficulty');
  ticket = new Uint8Array(32).fill(0xff);
  assert.equal(refusalOf(node.give(third)), 'TooLittleWork');
  assert.equal(node.chain.waitingCount, 0);
  ticket = new Uint8Array(32);
  assert.equal(refusalOf(node.give(third)), undefined);
  assert.equal(node.chain.waitingCount, 1);
});

test('a block has at most 64 children here; the next one is refused without blame', () => {
  const node = new Node();
  for (let i = 0; i < MAX_CHILDREN; i++) {
    assert.equal(refusalOf(node.give(makeBlock(node.store, GENESIS, { timestamp: START + i }))), undefined);
  }
  const effects = node.give(makeBlock(node.store, GENESIS, { timestamp: START + 100 }));
  assert.deepEqual(effectOf(effects, 'refused')?.error.code, 'TooManySiblings');
  assert.deepEqual(effectOf(effects, 'refused')?.blame, 'nobody');
});

test('a sender of many orphans evicts only his own', () => {
  const source = new Node();
  source.grow(3);
  const node = new Node();
  const honest = makeBlock(source.store, source.store.best.hash, { origin: { type: 'peer', peer: 'honest' } });
  node.give(honest);
  let evicted = 0;
  for (let i = 0; i < MAX_PER_SENDER + 10; i++) {
    const flood = makeBlock(source.store, source.store.best.hash, {
      any: true,
      timestamp: START + 4 * T + i,
      origin: { type: 'peer', peer: 'flooder' },
    });
    const effects = node.give(flood);
    for (const effect of effects) {
      if (effect.type !== 'refused') continue;
      evicted++;
      assert.deepEqual(effect.origin, { type: 'peer', peer: 'flooder' });
      assert.deepEqual([effect.error.code, effect.blame], ['TooManyWaiting', 'nobody']);
    }
  }
  assert.equal(evicted, 10);
  assert.ok(node.chain.waitingCount <= MAX_WAITING);
});

test('when a block is refused for good, so are the orphans that waited for it', () => {
  const source = new Node();
  source.grow(1);
  const bad = makeBlock(source.store, source.store.best.hash, {
    header: (header) => ({ ...header, stateRoot: new Uint8Array(32).fill(1) }),
  });
  const node = new Node();
  node.now = START + 100 * T;
  const child = makeBlock(source.store, source.store.best.hash, {
    header: (header) => ({ ...header, parentHash: bad.hash, number: 3 }),
  });
  node.give(received(source, source.store.best.hash));
  node.give(child);
  const codes = node.give(bad).flatMap((effect) => (effect.type === 'refused' ? [effect.error.code] : []));
  assert.deepEqual(codes, ['BadStateRoot', 'KnownBad']);
});

test('finality by depth settles in order, drops lost branches, and nothing below it is ever reorganized', () => {
  const { node: source, a, b, fork } = twoBranches({ a: 6, b: 7 });
  const node = new Node({ finality: new DepthFinality(3) });
  node.now = source.now;
  for (const block of [...blocksOf(source).slice(0, 2), b[0] as MadeBlock, ...a.slice(0, 3)]) node.give(block);
  assert.equal(node.store.settled.number, 2);
  assert.ok(node.store.number((b[0] as MadeBlock).hash) !== undefined);
  const effects = node.give(a[3] as MadeBlock);
  const finalized = effectOf(effects, 'finalized');
  assert.deepEqual(
    finalized?.blocks.map(({ number }) => number),
    [3],
  );
  assert.deepEqual(
    finalized?.dropped.map(({ hash }) => toHex(hash)),
    [toHex((b[0] as MadeBlock).hash)],
  );
  assert.deepEqual(effectOf(effects, 'flush')?.sync, true);
  for (const block of b.slice(1)) node.give(block);
  assert.equal(refusalOf(node.give(b[0] as MadeBlock)), 'BelowFinalized');
  assert.ok(equal(node.store.canonical(3) as Bytes, (a[0] as MadeBlock).hash));
  const deep = makeBlock(source.store, fork.decoded.parentHash, { miner: carol });
  assert.equal(refusalOf(node.give(deep)), 'BelowFinalized');
});

test('one node that finalizes sooner has the same state roots as one that never does', () => {
  const eager = new Node({ finality: new DepthFinality(1) });
  const blocks = eager.grow(8, undefined, { extrinsics: [] });
  const lazy = new Node({ finality: new DepthFinality(10_000) });
  lazy.now = eager.now;
  for (const block of blocks) assert.equal(refusalOf(lazy.give(block)), undefined);
  assert.deepEqual(lazy.store.view(lazy.store.best.hash)?.root, eager.store.view(eager.store.best.hash)?.root);
  assert.equal(eager.store.settled.number, 7);
  assert.equal(lazy.store.settled.number, 0);
});

test('a node that stops goes on where its records end: same head, same forks, same weights', async () => {
  const { node, a, b } = twoBranches({ a: 2, b: 3 });
  for (const block of [...a, ...b]) node.give(block);
  await node.store.flush(true);
  const again = new Node({ store: MemoryStore.load(node.store.records, 'archive') });
  assert.ok(equal(again.store.best.hash, node.store.best.hash));
  assert.equal(again.chain.best().totalDifficulty, node.chain.best().totalDifficulty);
  again.now = node.now;
  const [block] = again.grow(1);
  const arrival = (hash: Bytes): bigint => metaOf(again.store, hash).arrival;
  assert.ok(arrival((block as MadeBlock).hash) > arrival(node.store.best.hash), 'first seen survives a restart');
  assert.equal(refusalOf(again.give(makeBlock(again.store, (a[1] as MadeBlock).hash, { miner: bob }))), undefined);
});

test('a stop between import and head is repaired at the next start', () => {
  const { node, a, b } = twoBranches({ a: 1, b: 2 });
  for (const block of [...b, ...a]) node.give(block);
  node.store.setBest((a[0] as MadeBlock).hash);
  const again = new Node({ store: node.store });
  assert.ok(equal(again.store.best.hash, (b[1] as MadeBlock).hash));
});

test('an own block is announced, a peer’s is not; both are flushed', () => {
  const node = new Node();
  const own = node.give(makeBlock(node.store, GENESIS, { origin: { type: 'own' } }));
  assert.deepEqual(
    own.map(({ type }) => type),
    ['imported', 'announce', 'head', 'flush'],
  );
  node.now = START + 10 * T;
  const peers = node.give(makeBlock(node.store, node.store.best.hash));
  assert.deepEqual(
    peers.map(({ type }) => type),
    ['imported', 'head', 'flush'],
  );
});

test('while nothing becomes final a block that comes alone is synced, of those that come together one in five seconds', () => {
  const source = new Node();
  const blocks = source.grow(12);
  const node = new Node({ finality: new DepthFinality(1_000) });
  const syncedAfter = (waits: readonly number[]): boolean[] =>
    waits.map((wait) => {
      node.now += wait;
      return effectOf(node.give(blocks[node.store.best.number] as MadeBlock), 'flush')?.sync === true;
    });
  node.now = source.now + 3_600_000;
  assert.deepEqual(syncedAfter([0, 4_999, 1, 100]), [true, false, true, false]);
  assert.deepEqual(syncedAfter([6_000, 6_000, 2_500, 2_500]), [true, true, false, true]);
});

test('blocks that are too many to hold while nothing becomes final are refused, and come in when something has', () => {
  const source = new Node();
  const [first, second] = source.grow(2);
  const node = new Node();
  node.now = source.now;
  const { stats } = node.store;
  node.give(first as MadeBlock);
  node.store.stats = () => ({ ...stats.call(node.store), unsettled: MAX_UNSETTLED });
  const refused = effectOf(node.give(second as MadeBlock), 'refused');
  assert.deepEqual([refused?.error.code, refused?.blame], ['TooManyUnfinalized', 'nobody']);
  node.store.stats = stats;
  assert.equal(effectOf(node.give(second as MadeBlock), 'head')?.best.number, 2);
});

test('the tree of a store finds its forks again, and keeps one branch when that is finalized', () => {
  const { node, a, b } = twoBranches({ a: 2, b: 3 });
  for (const block of [...a, ...b]) node.give(block);
  const tree = ForkTree.from(node.store);
  assert.equal(tree.size, 1 + 2 + 5);
  const leaves = tree.leaves();
  assert.equal(leaves.length, 2);
  tree.finalize((b[0] as MadeBlock).hash);
  assert.equal(tree.size, 3);
  assert.equal(tree.get((a[0] as MadeBlock).hash), undefined);
  assert.ok(compare(tree.root.hash, (b[0] as MadeBlock).hash) === 0);
});
