/** # Slots author: an authority seals in its own slots and in no other, and in each of them once, whatever happens. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { equal, toHex } from '../../src/base/bytes.ts';
import { type AuthoringKey, SlotsAuthor, type SlotsAuthorEffect } from '../../src/consensus/slots-author.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { Header } from '../../src/primitives/header.ts';
import { readSlotSealed } from '../../src/primitives/slots.ts';
import { SlotsChain, START, slotsSpec, type Validator } from './slots-chain.ts';
import { SlotsNode } from './slots-node.ts';
import { refusalOf } from './world.ts';

before(async () => {
  await installFastPaths();
});

const world = new SlotsChain(slotsSpec({ epochSlots: 4 }));
const T = world.blockTimeMs;

/** An author at work: a node, the machine, and its disk. */
class Worker {
  readonly node: SlotsNode;
  readonly validator: Validator | undefined;
  readonly disk: { sealed?: number } = {};
  author: SlotsAuthor;
  ready: { hash: Uint8Array; bytes: Uint8Array }[] = [];

  constructor(validator: Validator | undefined, now: number, node = new SlotsNode(world)) {
    this.node = node;
    this.validator = validator;
    this.author = this.restarted(now);
  }

  restarted(now: number): SlotsAuthor {
    const keys = this.validator ? [this.validator.key as AuthoringKey] : [];
    const rules = { ...world.rules.consensus, slots: world.slots };
    const ready = () => this.ready;
    return new SlotsAuthor(now, { rules, store: this.node.store, keys, ready, lastSealed: this.disk.sealed });
  }

  /** A step, its `persist` performed; the blocks that leave. */
  step(now: number) {
    return this.perform(this.author.step(now, { type: 'tick' }));
  }

  perform(effects: readonly SlotsAuthorEffect[]) {
    return effects.flatMap((effect) => {
      if (effect.type === 'persist') this.disk.sealed = effect.slot;
      return effect.type === 'block' ? [effect.block] : [];
    });
  }
}

const slotOfBlock = ({ header }: { header: Uint8Array }): number => readSlotSealed(Header.dec(header)).slot;

test('authors who wake in their slots make a chain in which no slot is empty and none is used twice', () => {
  const workers = world.validators.map((validator) => new Worker(validator, START));
  const authors: string[] = [];
  const slots: number[] = [];
  for (let now = START; slots.length < 12; ) {
    now = Math.max(now + 1, Math.min(...workers.map(({ author }) => author.wakeAt() as number)));
    const made = workers.flatMap((worker) => worker.step(now));
    assert.ok(made.length <= 1);
    for (const block of made) {
      const { author, slot } = readSlotSealed(Header.dec(block.header));
      authors.push(toHex(author));
      slots.push(slot);
      for (const worker of workers) {
        worker.node.now = now;
        assert.equal(refusalOf(worker.node.give(block)), undefined);
        assert.deepEqual(worker.perform(worker.author.step(now, { type: 'head' })), []);
      }
    }
  }
  const first = world.slotOf(START) + 1;
  assert.deepEqual(
    slots,
    slots.map((_, i) => first + i),
  );
  assert.equal(new Set(authors).size, world.validators.length);
  const [one, ...others] = workers.map(({ node }) => node.store.best.hash);
  assert.ok(one && others.every((hash) => equal(hash, one)));
});

/** The first worker whose turn comes, at its time, nothing built yet. */
function due(): { worker: Worker; at: number } {
  const slot = world.slotOf(START) + 1;
  const owner = world.authorOf(slot, world.rules.genesis.hash);
  const worker = new Worker(owner, START);
  assert.equal(worker.author.wakeAt(), slot * T);
  return { worker, at: slot * T };
}

test('a slot is on disk before its block leaves', () => {
  const { worker, at } = due();
  const types = worker.author.step(at, { type: 'tick' }).map(({ type }) => type);
  assert.deepEqual(types, ['persist', 'block']);
});

test('a slot is sealed once: not on a new head, not after a restart, not after the clock was set back', () => {
  const { worker, at } = due();
  const [block] = worker.step(at);
  assert.ok(block);
  const sealed = slotOfBlock(block);
  // The block is lost: the head is still genesis, and the slot would be free.
  assert.deepEqual(worker.step(at + 1), []);
  assert.deepEqual(worker.perform(worker.author.step(at + T - 1, { type: 'head' })), []);
  for (const now of [at + 1, at - 10 * T]) {
    worker.author = worker.restarted(now);
    for (let time = now; time < at + T; time += T / 4) assert.deepEqual(worker.step(time), []);
    assert.ok((worker.author.wakeAt() as number) > sealed * T);
  }
  worker.author = worker.restarted(at);
  const later = worker.author.wakeAt() as number;
  const [next] = worker.step(later);
  assert.ok(next && slotOfBlock(next) > sealed);
});

test('without its memory it leaves out the slot in which it starts', () => {
  const { worker, at } = due();
  assert.equal(worker.step(at).length, 1);
  delete worker.disk.sealed;
  worker.author = worker.restarted(at + 1);
  for (let time = at + 1; time < at + T; time += T / 4) assert.deepEqual(worker.step(time), []);
});

test('a slot that passed is not made up for', () => {
  const { worker, at } = due();
  const slot = world.slotOf(at);
  const others = [...Array(8).keys()].map((n) => slot + 1 + n);
  const foreign = others.find((one) => world.authorOf(one, world.rules.genesis.hash) !== worker.validator);
  assert.ok(foreign !== undefined);
  assert.deepEqual(worker.step(foreign * T), []);
  assert.ok((worker.author.wakeAt() as number) > foreign * T);
});

test('it does not build on a block of its own slot or a later one', () => {
  const { worker, at } = due();
  const slot = world.slotOf(at);
  worker.node.now = at + 2 * T;
  assert.equal(refusalOf(worker.node.give(worker.node.make({ slot: slot + 1 }))), undefined);
  assert.deepEqual(worker.step(at), []);
  assert.ok((worker.author.wakeAt() as number) > (slot + 1) * T);
});

test('without a key of an authority it seals nothing, and looks again later', () => {
  const worker = new Worker(undefined, START);
  const wake = worker.author.wakeAt() as number;
  assert.ok(wake > START);
  for (let now = START; now < START + 10 * T; now += T / 2) assert.deepEqual(worker.step(now), []);
  assert.ok((worker.author.wakeAt() as number) > wake);
});

test('what is ready goes into the block, what is invalid back to the pool', () => {
  const { worker, at } = due();
  const good = new SlotsChain(world.spec).transfer(0, 1);
  const hash = (n: number) => new Uint8Array(32).fill(n);
  worker.ready = [
    { hash: hash(1), bytes: good },
    { hash: hash(2), bytes: good },
  ];
  const effects = worker.author.step(at, { type: 'tick' });
  assert.deepEqual(effects.at(-1), { type: 'invalid', hashes: [hash(2)] });
  const [block] = worker.perform(effects);
  assert.deepEqual(block?.extrinsics.slice(1), [good]);
});
