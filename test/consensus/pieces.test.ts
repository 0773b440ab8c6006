/** # Pieces: a block is executed some of it a step, and what comes in between two steps is looked at in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, equal, toHex } from '../../src/base/bytes.ts';
import type { ChainEffect } from '../../src/consensus/chain.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import type { Finality } from '../../src/consensus/finality/finality.ts';
import { effectOf, GENESIS, type MadeBlock, MINERS, makeBlock, Node, note, noteIn, refusalOf, START } from './world.ts';

const [alice, bob, carol] = MINERS;
const NOTES = 24;
const long = (first = 1): Bytes[] => Array.from({ length: NOTES }, (_, i) => note(first + i));

/** One step, without waiting for what it leaves to do. */
function step(node: Node, block?: MadeBlock): readonly ChainEffect[] {
  return node.chain.step(node.now, block === undefined ? { type: 'tick' } : { type: 'block', block });
}

/** Steps until the machine rests; what it said, step by step. */
function rest(node: Node): (readonly ChainEffect[])[] {
  const out: (readonly ChainEffect[])[] = [];
  while (node.chain.wakeAt() === 0) out.push(step(node));
  return out;
}

function later(options: ConstructorParameters<typeof Node>[0] = {}): Node {
  const node = new Node(options);
  node.now = START + 1_000_000;
  return node;
}

test('a long block takes many steps, an empty one few, and neither is known before its last', () => {
  const node = later();
  const empty = makeBlock(node.store, GENESIS, { miner: alice });
  const full = makeBlock(node.store, GENESIS, { miner: bob, extrinsics: long() });
  const steps = (block: MadeBlock): number => {
    const said = [step(node, block)];
    assert.equal(node.chain.waitingCount, 1);
    while (node.chain.wakeAt() === 0) {
      assert.ok(!node.chain.knows(block.hash));
      said.push(step(node));
    }
    assert.ok(said.slice(0, -1).every((effects) => effects.length === 0));
    assert.ok(said.at(-1)?.some((effect) => effect.type === 'imported'));
    assert.equal(node.chain.waitingCount, 0);
    return said.length;
  };
  const [few, many] = [steps(empty), steps(full)];
  assert.ok(few <= 6, `${few}`);
  assert.ok(many >= NOTES / 4, `${many}`);
});

test('a block of our own that comes in the middle of another is the next one, before what peers sent earlier', () => {
  const node = later();
  const [first, second] = [alice, bob].map((miner) => makeBlock(node.store, GENESIS, { miner, extrinsics: long() }));
  const ours = makeBlock(node.store, GENESIS, { miner: carol, origin: { type: 'own' } });
  for (const block of [first, second, ours]) step(node, block);
  const imported = rest(node)
    .flat()
    .flatMap((effect) => (effect.type === 'imported' ? [toHex(effect.hash)] : []));
  assert.deepEqual(
    imported,
    [first, ours, second].map((block) => toHex((block as MadeBlock).hash)),
  );
});

test('a second copy of the block in work is not answered twice', () => {
  const node = later();
  const block = makeBlock(node.store, GENESIS, { extrinsics: long() });
  const said = [...step(node, block), ...step(node), ...step(node, block), ...rest(node).flat()];
  assert.equal(said.filter(({ type }) => type === 'imported').length, 1);
  assert.equal(refusalOf(said), undefined);
  assert.equal(effectOf(node.give(block), 'imported')?.isNew, false);
});

/** Finalizes block 1 of the best chain when a message says so. */
class OnMessage implements Finality {
  step(...[, input, view]: Parameters<Finality['step']>): ReturnType<Finality['step']> {
    const block = input.type === 'message' ? view.ancestor(view.best.hash, 1) : undefined;
    return block === undefined ? [] : [{ type: 'finalize', block }];
  }

  wakeAt(): undefined {
    return undefined;
  }
}

test('a block whose parent is dropped by finality while it is executed is refused, whenever that happens', () => {
  const source = later();
  const [a1] = source.grow(1, GENESIS, { miner: alice }) as [MadeBlock];
  const [b1] = source.grow(1, GENESIS, { miner: bob }) as [MadeBlock];
  const [a2] = source.grow(1, a1.hash, { miner: alice }) as [MadeBlock];
  const b2 = makeBlock(source.store, b1.hash, { miner: bob, extrinsics: long() });
  const finalize = { type: 'finality', peer: 'peer', message: new Uint8Array() } as const;
  const run = (pause: number): string | undefined => {
    const node = later({ finality: new OnMessage() });
    for (const block of [a1, b1, a2]) node.give(block);
    step(node, b2);
    for (let i = 0; i < pause && node.chain.wakeAt() === 0; i++) step(node);
    if (node.chain.wakeAt() !== 0) return undefined;
    const said = [...node.chain.step(node.now, finalize), ...rest(node).flat()];
    assert.equal(effectOf(said, 'finalized')?.blocks.length, 1);
    assert.equal(node.chain.waitingCount, 0);
    assert.ok(equal(node.store.best.hash, a2.hash) && !node.chain.knows(b2.hash));
    return refusalOf(said);
  };
  let pauses = 0;
  for (let code = run(0); code !== undefined; code = run(++pauses)) assert.equal(code, 'BelowFinalized');
  assert.ok(pauses >= NOTES / 4);
});

test('a tick in the middle of a block gives up orphans whose parent never came, and the block is imported', () => {
  const source = later();
  source.grow(1, GENESIS, { miner: bob });
  const orphan = makeBlock(source.store, source.store.best.hash, { miner: bob });
  const node = later();
  node.give(orphan);
  assert.equal(node.chain.waitingCount, 1);
  const block = makeBlock(node.store, GENESIS, { extrinsics: long() });
  step(node, block);
  node.now += 61_000;
  assert.equal(refusalOf(step(node)), 'UnknownParent');
  assert.ok(
    rest(node)
      .flat()
      .some(({ type }) => type === 'imported'),
  );
  assert.equal(noteIn(node.store.view(block.hash) as never, NOTES), 'hello');
});

test('in whatever portions it is stepped between inputs, the same blocks are answered alike and have the same states', () => {
  const source = later();
  const a = source.grow(3, GENESIS, { miner: alice, extrinsics: [] });
  const b = [makeBlock(source.store, GENESIS, { miner: bob, extrinsics: long() })];
  source.give(b[0] as MadeBlock);
  b.push(...source.grow(1, (b[0] as MadeBlock).hash, { miner: bob, extrinsics: long(100) }));
  const wrong = makeBlock(source.store, (a[0] as MadeBlock).hash, {
    miner: carol,
    extrinsics: long(),
    header: (header) => ({ ...header, stateRoot: new Uint8Array(32).fill(9) }),
  });
  const blocks = [...a, ...b, wrong];
  const answers = (node: Node, said: readonly ChainEffect[]): string[] => {
    const line = (effect: ChainEffect): string[] => {
      if (effect.type === 'refused') return [`${toHex(effect.hash)} ${effect.error.code}`];
      if (effect.type !== 'imported') return [];
      return [`${toHex(effect.hash)} ${effect.isNew} ${toHex((node.store.view(effect.hash) as { root: Bytes }).root)}`];
    };
    return said.flatMap(line).sort();
  };
  const alone = later({ finality: new DepthFinality(100) });
  const expected = answers(
    alone,
    blocks.flatMap((block) => alone.give(block)),
  );
  assert.equal(expected.length, blocks.length);
  const order = fc.shuffledSubarray(blocks, { minLength: blocks.length });
  fc.assert(
    fc.property(order, fc.array(fc.nat(12), { minLength: blocks.length }), (given, pauses) => {
      const node = later({ finality: new DepthFinality(100) });
      const said: ChainEffect[] = [];
      for (const [index, block] of given.entries()) {
        said.push(...step(node, block));
        const most = pauses[index] ?? 0;
        for (let i = 0; i < most && node.chain.wakeAt() === 0; i++) said.push(...step(node));
      }
      said.push(...rest(node).flat());
      assert.deepEqual(answers(node, said), expected);
      assert.equal(node.chain.best().totalDifficulty, alone.chain.best().totalDifficulty);
    }),
    { numRuns: 25 },
  );
});
