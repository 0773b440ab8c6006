/** # Slots: authorities take turns, and whatever is not such a turn is refused by its own code. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, concat, equal, toHex } from '../../src/base/bytes.ts';
import { BLOCK_FAULTS, type BlockFault } from '../../src/consensus/block-error.ts';
import { parentBlock } from '../../src/consensus/meta.ts';
import { MAX_DRIFT_MS, MAX_HOLD_MS } from '../../src/consensus/rules.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { type DigestItem, POW_ENGINE } from '../../src/primitives/digest.ts';
import { Header, headerHash } from '../../src/primitives/header.ts';
import { readSlotSealed, slotVrfMessage } from '../../src/primitives/slots.ts';
import { reader, readStorage } from '../../src/runtime/access.ts';
import { ComputePowDeclared, FIRST_BEACON } from '../../src/runtime/pallets/compute-pow.ts';
import { RewardsDeclared } from '../../src/runtime/pallets/rewards.ts';
import { SlotsDeclared } from '../../src/runtime/pallets/slots.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { authorOf, epochAt, turnsOf } from '../../src/runtime/slots.ts';
import { storageKey } from '../../src/runtime/storage.ts';
import { draw, NAMES, PEER, type SlotBlock, type SlotBlockOptions, SlotsChain, slotsSpec } from './slots-chain.ts';
import { SlotsNode } from './slots-node.ts';
import { effectOf, refusalOf } from './world.ts';

before(async () => {
  await installFastPaths();
});

const world = new SlotsChain();
const T = world.blockTimeMs;

test('blocks of the generator are taken by a node, and lead it to the same state', () => {
  const made = new SlotsChain();
  const node = new SlotsNode(made, 8);
  for (const block of made.grow(12, 2)) {
    node.now = block.timestamp;
    assert.equal(refusalOf(node.give(block)), undefined);
  }
  assert.ok(equal(node.store.best.hash, made.store.best.hash));
  assert.deepEqual([node.store.best.number, node.store.settled.number], [12, 4]);
  assert.equal(node.chain.best().totalDifficulty, 12n);
});

/** A chain of two blocks, and a third made by `options` and changed by `change`. */
function third(options: SlotBlockOptions, change: (block: SlotBlock) => Partial<SlotBlock> = () => ({})) {
  const node = new SlotsNode(world);
  node.grow(2);
  const made = node.make(options);
  const block = { ...made, ...change(made) };
  node.now = Math.max(node.now, made.timestamp);
  return { node, block };
}

/** The slot after the head of such a chain, whose it is, and whose it is not. */
const base = new SlotsNode(world);
const [, head] = base.grow(2);
assert.ok(head);
const next = head.slot + 1;
const owner = world.authorOf(next, head.hash, base.store);
const stranger = world.validators.find((one) => one !== owner);
assert.ok(stranger);

const foreignDraw = (by = owner, slot = next) => {
  const view = base.store.view(head.hash);
  assert.ok(view);
  return draw(by.key, slotVrfMessage(world.slots.epoch(view, slot).randomness, slot));
};
const pow = (type: 'PreRuntime' | 'Seal'): DigestItem => ({
  type,
  value: { engine: POW_ENGINE, data: new Uint8Array(120) },
});
const withItems = (change: (digest: readonly DigestItem[]) => readonly DigestItem[]) => (header: Header) => ({
  ...header,
  digest: change(header.digest),
});

const REFUSALS: readonly [BlockFault, string, SlotBlockOptions, ((block: SlotBlock) => Partial<SlotBlock>)?][] = [
  ['NotSealed', 'no turn', { header: withItems(() => []) }],
  ['NotSealed', 'two turns', { header: withItems((digest) => [...digest, ...digest]) }],
  ['NotSealed', 'a turn and a win', { header: withItems((digest) => [...digest, pow('PreRuntime')]) }],
  ['NotSealed', 'a seal by work before its own', { header: withItems((digest) => [...digest, pow('Seal')]) }],
  ['WrongOpening', 'an opening, of nothing', {}, () => ({ opening: new Uint8Array(1) })],
  ['SlotTooOld', 'the slot of its parent', { slot: next - 1 }],
  ['SlotTooOld', 'a slot before that of its parent', { slot: next - 2 }],
  ['WrongTurn', 'another author', { author: stranger }],
  ['BadSignature', 'sealed with another key', { sealer: stranger.key }],
  ['BadVrf', 'drawn with another key', { drawn: foreignDraw(stranger) }],
  ['BadVrf', 'drawn for another slot', { drawn: foreignDraw(owner, next + 1) }],
  ['BadVrf', 'an output that is no point', { drawn: { ...foreignDraw(), output: new Uint8Array(32).fill(0xff) } }],
  ['WrongSlot', 'a time before its slot', { timestamp: next * T - 1 }],
  ['WrongSlot', 'a time after its slot', { timestamp: (next + 1) * T }],
  ['BadExtrinsicsRoot', 'another body', {}, ({ extrinsics }) => ({ extrinsics: [...extrinsics, ...extrinsics] })],
  ['BadStateRoot', 'another state', { header: (header) => ({ ...header, stateRoot: new Uint8Array(32) }) }],
  ['WrongNumber', 'a height too many', { header: (header) => ({ ...header, number: 4 }) }],
];

for (const [code, what, options, change] of REFUSALS) {
  test(`${what}: refused as ${code}: ${BLOCK_FAULTS[code][0]}`, () => {
    const { node, block } = third(options, change);
    const refused = effectOf(node.give(block), 'refused');
    assert.deepEqual([refused?.error.code, refused?.blame], [code, BLOCK_FAULTS[code][2]]);
    // A header that can never be valid is not asked for its body, and nothing stands on it.
    const ofHeader = !['WrongSlot', 'BadExtrinsicsRoot', 'BadStateRoot'].includes(code);
    const vetted = node.chain.vet(node.now, block.header, block.opening);
    assert.equal(vetted, ofHeader || refused?.blame === 'block' ? 'refused' : 'fits');
    assert.equal(node.store.best.number, 2);
  });
}

test('a slot that has not come is held, one further away refused, and nobody is to blame', () => {
  const { node, block } = third({});
  // A quarter of a slot before it: else it would end the turns between the parent and it before they came.
  node.now = block.slot * T - T / 4 - 1;
  assert.deepEqual(effectOf(node.give(block), 'held')?.until, node.now + 1);
  node.now++;
  const effects = [...node.chain.step(node.now, { type: 'tick' })];
  while (node.chain.wakeAt() === 0) effects.push(...node.chain.step(node.now, { type: 'tick' }));
  assert.equal(effectOf(effects, 'head')?.best.number, 3);
  const far = node.make({ slot: block.slot + 40 });
  node.now = far.slot * T - MAX_DRIFT_MS - MAX_HOLD_MS - 1;
  assert.equal(node.chain.vet(node.now, far.header, far.opening), 'stale');
  const refused = effectOf(node.give(far), 'refused');
  assert.deepEqual([refused?.error.code, refused?.blame], ['TimestampTooFar', 'nobody']);
  node.now = far.timestamp;
  assert.equal(refusalOf(node.give(far)), undefined);
});

test('slots may stay empty', () => {
  const { node, block } = third({ slot: next + 3 });
  assert.equal(refusalOf(node.give(block)), undefined);
  assert.equal(node.store.best.number, 3);
});

test('a seal of the same author and slot on another chain counts on that one only', () => {
  const other = new SlotsChain(slotsSpec({ epochSlots: 21 }));
  assert.ok(!equal(other.rules.genesis.hash, world.rules.genesis.hash));
  const { node, block } = third({});
  const { preHash, signature } = readSlotSealed(block.decoded);
  assert.ok(equal(readSlotSealed(Header.dec(block.header)).preHash, preHash));
  const { digest } = other.make({ slot: block.slot }).decoded;
  const foreign = { ...block.decoded, digest: [...block.decoded.digest.slice(0, -1), ...digest.slice(-1)] };
  assert.ok(!equal(readSlotSealed(foreign).signature, signature));
  assert.equal(refusalOf(node.give({ ...block, header: Header.enc(foreign) })), 'BadSignature');
});

test('an orphan waits if an authority sealed it, whosever turn it was on its branch; other seals do not', () => {
  const node = new SlotsNode(world);
  const [first, second] = new SlotsNode(world).grow(2);
  assert.ok(first && second);
  node.now = second.timestamp;
  assert.ok(effectOf(node.give(second), 'wanted'));
  assert.equal(node.chain.waitingCount, 1);
  const unknown = third({ sealer: stranger.purse }).block;
  const refused = effectOf(node.give(unknown), 'refused');
  assert.deepEqual([refused?.error.code, refused?.blame], ['UnknownAuthority', 'nobody']);
  assert.equal(refusalOf(node.give({ ...unknown, opening: new Uint8Array(9) })), 'WrongOpening');
  assert.equal(refusalOf(node.give(first)), undefined);
  assert.ok(equal(node.store.best.hash, second.hash));
});

test('the longest chain wins, of equals the first seen; D is 1', () => {
  const node = new SlotsNode(world);
  const short = node.grow(2);
  const rival = node.grow(2, { slot: (short.at(-1) as SlotBlock).slot + 1 }, world.rules.genesis.hash);
  assert.ok(equal(node.store.best.hash, (short.at(-1) as SlotBlock).hash));
  const [winner] = node.grow(1, {}, (rival.at(-1) as SlotBlock).hash);
  assert.ok(winner && equal(node.store.best.hash, winner.hash));
  assert.equal(node.chain.best().totalDifficulty, 3n);
  assert.ok(equal(node.store.canonical(1) as Bytes, (rival[0] as SlotBlock).hash));
});

test('the beacon is a hash chain over what authors drew', () => {
  const node = new SlotsNode(world);
  const [first, second] = node.grow(2);
  assert.ok(first && second);
  const view = node.store.view(second.hash);
  assert.ok(view);
  const { output } = readSlotSealed(first.decoded);
  const beacon = readStorage(view, ComputePowDeclared.storage.Beacon, 1);
  assert.deepEqual(beacon, blake2_256(concat(FIRST_BEACON, output)));
});

test('an author may not win by work in a slot: such items are refused before they are paid', () => {
  const { node, block } = third({ header: withItems((digest) => [pow('PreRuntime'), ...digest]) });
  assert.equal(refusalOf(node.give(block)), 'NotSealed');
});

test('an epoch has an order of its own, fixed by what was drawn before the epoch ahead of it', () => {
  const short = new SlotsChain(slotsSpec({ epochSlots: 4 }));
  const epochs = new Map<number, { readonly randomness: string; readonly order: string }>();
  let foretold: string | undefined;
  for (const { slot, hash } of short.grow(17)) {
    const view = short.store.view(hash);
    assert.ok(view);
    const current = readStorage(view, SlotsDeclared.storage.Current);
    const ahead = readStorage(view, SlotsDeclared.storage.Next);
    assert.ok(current && ahead);
    assert.equal(current.index, epochAt(slot, 4));
    const known = epochs.get(current.index);
    const randomness = toHex(current.randomness);
    // Nothing that is drawn in an epoch moves its own order, nor that of the next one.
    if (known) assert.deepEqual([known.randomness, toHex(ahead.randomness)], [randomness, foretold]);
    else if (foretold !== undefined) assert.equal(randomness, foretold);
    foretold = toHex(ahead.randomness);
    const order = turnsOf(current).map(({ account }) => toHex(account));
    epochs.set(current.index, { randomness, order: order.join() });
  }
  const seen = [...epochs.values()];
  assert.ok(seen.length >= 5);
  // The first two orders follow from genesis.
  assert.equal(new Set(seen.slice(1).map(({ randomness }) => randomness)).size, seen.length - 1);
  assert.ok(new Set(seen.map(({ order }) => order)).size > 2);
});

test('epochs without blocks are passed over, with the order that was fixed before them', () => {
  const short = new SlotsChain(slotsSpec({ epochSlots: 4 }));
  const node = new SlotsNode(short);
  const [block] = node.grow(1);
  assert.ok(block);
  const before = node.store.view(block.hash);
  const ahead = before && readStorage(before, SlotsDeclared.storage.Next);
  const [later] = node.grow(1, { slot: block.slot + 40 });
  assert.ok(later);
  const after = node.store.view(later.hash);
  const current = after && readStorage(after, SlotsDeclared.storage.Current);
  assert.equal(current?.index, epochAt(later.slot, 4));
  assert.deepEqual(current?.randomness, ahead?.randomness);
  assert.deepEqual(after && readStorage(after, SlotsDeclared.storage.PastEpochs), [0, epochAt(block.slot, 4)]);
});

test('every slot has exactly one author, and in any n slots that follow one another each of n has one', () => {
  const authorities = fc.integer({ min: 1, max: 40 }).map((count) =>
    Array.from({ length: count }, (_, i) => ({
      account: new Uint8Array(32).fill(i),
      key: new Uint8Array(32).fill(i),
    })),
  );
  const randomness = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const property = fc.property(authorities, randomness, fc.maxSafeNat(), (list, seed, from) => {
    const epoch = { randomness: seed, authorities: list };
    const first = Math.min(from, Number.MAX_SAFE_INTEGER - list.length);
    const turns = list.map((_, i) => authorOf(epoch, first + i)?.account[0]);
    assert.deepEqual(
      turns.toSorted((a, b) => Number(a) - Number(b)),
      list.map((_, i) => i),
    );
  });
  fc.assert(property, { numRuns: 200 });
});

test('over an epoch of a chain all take turns', () => {
  const short = new SlotsChain(slotsSpec({ epochSlots: NAMES.length }));
  const byEpoch = new Map<number, Set<string>>();
  for (const { slot, decoded } of short.grow(3 * NAMES.length)) {
    const epoch = epochAt(slot, NAMES.length);
    byEpoch.set(epoch, (byEpoch.get(epoch) ?? new Set()).add(toHex(readSlotSealed(decoded).author)));
  }
  const whole = [...byEpoch.values()].slice(1, -1);
  assert.ok(whole.length > 0);
  for (const authors of whole) assert.equal(authors.size, NAMES.length);
});

test('a slot that its author fills with headers does not keep others from building on the same block', () => {
  const node = new SlotsNode(world);
  node.grow(2);
  const parent = node.store.best.hash;
  const fill = (slot: number, n: number) =>
    node.give(node.make({ slot, timestamp: slot * T + n, origin: PEER }, parent));
  node.now = (next + 2) * T;
  for (let n = 0; n < 64; n++) assert.equal(refusalOf(fill(next, n)), undefined);
  assert.equal(refusalOf(fill(next, 64)), 'TooManySiblings');
  assert.equal(refusalOf(fill(next + 1, 0)), undefined);
});

test('fees of a block go to who took the turn, and every invariant holds after each block, supply included', () => {
  const made = new SlotsChain();
  const { runtime } = made.rules;
  const paid = new Map<string, bigint>();
  let [parent, view] = [made.store.genesis.hash, made.rules.genesis.state];
  let earner: Bytes | undefined;
  for (const { decoded, extrinsics } of made.grow(6, 12)) {
    const { info } = parentBlock(made.store, parent);
    const done = runtime.execute(view, { header: decoded, extrinsics }, info, { check: true });
    assert.ok(done.ok);
    if (earner) {
      const before = readStorage(view, System.storage.Account, earner).data.free;
      const after = readStorage(done.tree, System.storage.Account, earner).data.free;
      assert.ok(after > before);
      paid.set(toHex(earner), after);
    }
    earner = readSlotSealed(decoded).author;
    [parent, view] = [headerHash(decoded), done.tree];
  }
  assert.ok(paid.size > 1);
});

test('the authors’ part of what the pool releases is paid for turns, a block’s share each, at once', () => {
  // Nobody works on this chain, so its pot is put there by hand.
  const { genesis } = world.rules;
  const pot = RewardsDeclared.storage.AuthorsPot;
  const entries = [...genesis.state.entries(), [storageKey(pot), pot.codec.enc(20_000n * 10n ** 12n)] as const];
  const top = Object.fromEntries(entries.map(([key, value]) => [toHex(key), toHex(value)]));
  const made = new SlotsChain({ ...world.spec, genesis: { raw: { top, childrenDefault: {} } } });
  const [, , third, fourth] = made.grow(4);
  assert.ok(third && fourth);
  const earned = (hash: Bytes): bigint[] => {
    const view = made.store.view(hash);
    assert.ok(view);
    const state = reader(RewardsDeclared, view);
    assert.equal(state.Held.get(), 0n);
    return made.validators.map(({ account }) => state.Earned.get(account).author);
  };
  const { author } = readSlotSealed(third.decoded);
  const before = earned(third.hash);
  // A twentieth, times the reputation of who has not computed yet (rule R): a quarter.
  const share = 250n * 10n ** 12n;
  const paid = earned(fourth.hash).map((sum, i) => sum - (before[i] ?? 0n));
  assert.deepEqual(
    paid,
    made.validators.map(({ account }) => (equal(account, author) ? share : 0n)),
  );
});
