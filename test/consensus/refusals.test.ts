/** # Refusals: every way in which a block is wrong has its own code, and says whose fault it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, concat, equal } from '../../src/base/bytes.ts';
import { evaluateTicket, type TicketEvaluator } from '../../src/compute/pouw/ticket.ts';
import { BLOCK_FAULTS, type BlockFault } from '../../src/consensus/block-error.ts';
import { MAX_DRIFT_MS, MAX_HOLD_MS } from '../../src/consensus/rules.ts';
import { bareExtrinsic } from '../../src/primitives/extrinsic.ts';
import { Header } from '../../src/primitives/header.ts';
import { type PowPreRuntime, type PowSeal, readSealed, withPreRuntime, withSeal } from '../../src/primitives/pow.ts';
import { orderedRoot } from '../../src/state/trie/root.ts';
import {
  type BlockOptions,
  consensusRules,
  effectOf,
  GENESIS,
  type MadeBlock,
  MINERS,
  makeBlock,
  Node,
  note,
  refusalOf,
  rulesFrom,
  runtime,
  START,
  T,
} from './world.ts';

const [alice, bob] = MINERS;

/** A chain of three blocks, and a fourth made by `options` and changed by `change`. */
function fourth(options: BlockOptions, change: (block: MadeBlock) => Partial<MadeBlock> = () => ({})) {
  const node = new Node();
  node.grow(3);
  const made = makeBlock(node.store, node.store.best.hash, options);
  const block = { ...made, ...change(made) };
  const before = node.store.best.hash;
  const effects = node.give(block);
  assert.ok(equal(node.store.best.hash, before), 'a refused block changes nothing');
  assert.equal(effects.filter(({ type }) => type === 'imported').length, 0);
  const refused = effectOf(effects, 'refused');
  if (refused !== undefined) assert.equal(refused.blame, BLOCK_FAULTS[refused.error.code][2]);
  return refused?.error.code;
}

/** The header again with another seal or PreRuntime: what a forger can do without new work. */
function resealed(
  block: MadeBlock,
  change: { readonly seal?: Partial<PowSeal>; readonly preRuntime?: Partial<PowPreRuntime> },
): Partial<MadeBlock> {
  const { preRuntime, seal } = readSealed(block.decoded);
  const bare = { ...block.decoded, digest: block.decoded.digest.slice(0, -2) };
  const header = withSeal(withPreRuntime(bare, { ...preRuntime, ...change.preRuntime }), { ...seal, ...change.seal });
  return { header: Header.enc(header), decoded: header };
}

const flipped = (bytes: Bytes, at: number): Bytes => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

test('a good block is imported, becomes the head and is not announced again by who only passes it on', () => {
  const node = new Node();
  const [block] = node.grow(1);
  assert.ok(block !== undefined && equal(node.store.best.hash, block.hash));
  assert.deepEqual(
    node.said.map(({ type }) => type),
    ['imported', 'head', 'flush'],
  );
  const again = node.give(block);
  assert.deepEqual(again, [{ type: 'imported', hash: block.hash, number: 1, isNew: false }]);
});

const SEALS: readonly [code: BlockFault, options: BlockOptions, change?: (block: MadeBlock) => Partial<MadeBlock>][] = [
  ['UnknownAuthor', { author: new Uint8Array(32) }],
  ['ForeignFragment', { fragment: bob.fragment }],
  ['StepOutOfRange', { step: 0 }],
  ['StepOutOfRange', { step: 1_000_001 }],
  ['WrongTile', {}, (block) => resealed(block, { seal: { ti: 1 } })],
  ['WrongOpening', {}, (block) => ({ opening: flipped(block.opening, 0) })],
  ['WrongOpening', {}, () => ({ opening: new Uint8Array(0) })],
  [
    'BadSignature',
    {},
    (block) => resealed(block, { seal: { rootA: new Uint8Array(32), signature: new Uint8Array(64) } }),
  ],
  ['BadSignature', { signer: bob.key }],
  ['UnknownNode', {}, (block) => resealed(block, { preRuntime: { node: 7 } })],
  ['NotMinable', {}, (block) => resealed(block, { preRuntime: { node: 2, n: 48 } })],
  ['WrongShape', {}, (block) => resealed(block, { preRuntime: { n: 32 } })],
  ['WrongShape', {}, (block) => resealed(block, { preRuntime: { n: 17 } })],
  ['WrongProfile', {}, (block) => resealed(block, { preRuntime: { profile: 1, k: 1024 } })],
  ['WrongProfile', {}, (block) => resealed(block, { preRuntime: { profile: 9 } })],
  ['TooLittleWork', { any: true }],
];

for (const [code, options, change] of SEALS) {
  test(`a seal is refused as ${code}: ${BLOCK_FAULTS[code][0]} (${Object.keys(options).join() || 'forged'})`, () => {
    assert.equal(fourth(options, change), code);
  });
}

test('a ticket of somebody else is refused: his fragment, his signature and his ticket each protect it', () => {
  const thief = { author: bob.account };
  assert.equal(
    fourth({}, (block) => resealed(block, { preRuntime: thief })),
    'ForeignFragment',
  );
  assert.equal(
    fourth({}, (block) => resealed(block, { preRuntime: { ...thief, fragment: bob.fragment } })),
    'BadSignature',
  );
  // Even signed by the thief: the author is part of the key, so the same panels give another ticket.
  const node = new Node();
  node.grow(3);
  const stolen = makeBlock(node.store, node.store.best.hash);
  let missed = 0;
  for (let i = 0; i < 12; i++) {
    const bare = { ...stolen.decoded, digest: stolen.decoded.digest.slice(0, -2) };
    const { preRuntime, seal } = readSealed(stolen.decoded);
    const pre = withPreRuntime(bare, { ...preRuntime, ...thief, fragment: bob.fragment, step: 500 + i });
    const signature = bob.key.sign(concat(new TextEncoder().encode('cpow/1/seal'), seal.openingHash, preHashOf(pre)));
    const header = withSeal(pre, { ...seal, signature });
    const code = refusalOf(node.give({ ...stolen, header: Header.enc(header) }));
    if (code === 'TooLittleWork' || code === 'TargetMissed') missed++;
  }
  // At one ticket in 16 a few of twelve may win by themselves: that is drawing, not stealing.
  assert.ok(missed >= 8, `${missed} of 12 stolen tickets missed`);
});

function preHashOf(header: Header): Bytes {
  return readSealed(withSeal(header, blankSeal)).preHash;
}
const blankSeal: PowSeal = {
  ti: 0,
  tj: 0,
  s: 0,
  rootA: new Uint8Array(32),
  rootB: new Uint8Array(32),
  openingHash: new Uint8Array(32),
  signature: new Uint8Array(64),
};

test('a step that was passed wins no more; the next node of the same step does; another branch may use it', () => {
  const node = new Node();
  node.grow(2);
  // The win of block 3 is in the state of block 4: from then on its step is used.
  const [third] = node.grow(1);
  node.grow(1, undefined, { miner: bob });
  assert.ok(third !== undefined);
  const { step } = readSealed(third.decoded).preRuntime;
  const again = makeBlock(node.store, node.store.best.hash, { step });
  assert.equal(refusalOf(node.give(again)), 'ReusedStep');
  const earlier = makeBlock(node.store, node.store.best.hash, { step: step - 1 });
  assert.equal(refusalOf(node.give(earlier)), 'ReusedStep');
  const branch = makeBlock(node.store, third.decoded.parentHash, { step, timestamp: START + 4 * T + 7 });
  assert.equal(refusalOf(node.give(branch)), undefined);
  const nextNode = makeBlock(node.store, node.store.best.hash, { step, node: 1 });
  assert.equal(refusalOf(node.give(nextNode)), undefined);
});

test('the final step wins again and again', () => {
  const node = new Node();
  for (let i = 0; i < 4; i++) node.grow(1, undefined, { step: 1_000_000 });
  assert.equal(node.store.best.number, 4);
});

test('a ticket that a later block could have had is too weak for an earlier one', () => {
  const rules = rulesFrom(1n << 22n);
  const node = new Node({ rules });
  const [first] = node.grow(1, undefined, { rules });
  assert.ok(first !== undefined);
  // At the horizon of now the difficulty has fallen to 2^20, at the block's own time it is still 2^22.
  const codes = Array.from({ length: 8 }, () =>
    refusalOf(node.give(makeBlock(node.store, first.hash, { rules, difficulty: 1n << 20n }))),
  );
  assert.ok(codes.includes('TargetMissed'));
  assert.ok(codes.every((code) => code === 'TargetMissed' || code === undefined));
});

const BODIES: readonly [code: BlockFault, options: BlockOptions, change?: (block: MadeBlock) => Partial<MadeBlock>][] =
  [
    ['BadExtrinsicsRoot', { body: (extrinsics) => [...extrinsics, note(1)] }],
    ['BadExtrinsicsRoot', { body: () => [] }],
    ['BadStateRoot', { header: (header) => ({ ...header, stateRoot: new Uint8Array(32) }) }],
    ['BadDigest', { header: (header) => ({ ...header, digest: [{ type: 'RuntimeEnvironmentUpdated' }] }) }],
    ['WrongNumber', { header: (header) => ({ ...header, number: 5 }) }],
    ['BelowFinalized', { header: (header) => ({ ...header, number: 0 }) }],
    ['NotABlock', {}, (block) => ({ header: block.header.subarray(0, 50) })],
    ['NotABlock', {}, (block) => ({ header: concat(block.header, Uint8Array.of(0)) })],
    [
      'NotSealed',
      {},
      (block) => ({ header: Header.enc({ ...block.decoded, digest: block.decoded.digest.slice(0, -1) }) }),
    ],
    [
      'NotSealed',
      {},
      (block) => ({ header: Header.enc({ ...block.decoded, digest: block.decoded.digest.toReversed() }) }),
    ],
  ];

for (const [code, options, change] of BODIES) {
  test(`a block is refused as ${code}: ${BLOCK_FAULTS[code][0]}`, () => {
    assert.equal(fourth(options, change), code);
  });
}

test('an invalid extrinsic, a missing timestamp and a second one are each refused', () => {
  const node = new Node();
  node.grow(2, undefined, { extrinsics: [] });
  node.grow(1, undefined, { extrinsics: [note(1)] });
  const parent = node.store.best.hash;
  const withBody = (extrinsics: readonly Bytes[]) =>
    makeBlock(node.store, parent, {
      header: (header) => ({ ...header, extrinsicsRoot: orderedRoot(extrinsics) }),
      body: () => extrinsics,
      miner: bob,
    });
  const [timestamp] = makeBlock(node.store, parent).extrinsics as [Bytes];
  assert.equal(refusalOf(node.give(withBody([]))), 'NoTimestamp');
  assert.equal(refusalOf(node.give(withBody([note(2)]))), 'NoTimestamp');
  assert.equal(refusalOf(node.give(withBody([timestamp, note(1)]))), 'BadExecution');
  assert.equal(refusalOf(node.give(withBody([timestamp, timestamp]))), 'BadExecution');
  assert.equal(refusalOf(node.give(withBody([timestamp, Uint8Array.of(4, 9)]))), 'BadExecution');
});

test('a time at or before the parent is refused; one ahead of the clock is held until its time; one far ahead is not', () => {
  const node = new Node();
  const [, , third] = node.grow(3);
  assert.ok(third !== undefined);
  const parentTime = START + 3 * T;
  const stampedAs = (timestamp: number): MadeBlock => {
    // The runtime's builder refuses such times itself, so the body is made by hand.
    const set = { type: 'Timestamp', value: { type: 'set', value: { now: BigInt(timestamp) } } };
    const extrinsics = [bareExtrinsic(runtime.Call.enc(set)).bytes];
    return makeBlock(node.store, third.hash, {
      miner: bob,
      header: (header) => ({ ...header, extrinsicsRoot: orderedRoot(extrinsics) }),
      body: () => extrinsics,
    });
  };
  assert.equal(refusalOf(node.give(stampedAs(parentTime))), 'TimestampTooOld');
  assert.equal(refusalOf(node.give(stampedAs(1))), 'TimestampTooOld');
  node.now = parentTime;
  const far = makeBlock(node.store, third.hash, { timestamp: node.now + MAX_DRIFT_MS + MAX_HOLD_MS + 1 });
  assert.equal(refusalOf(node.give(far)), 'TimestampTooFar');
  const ahead = makeBlock(node.store, third.hash, { timestamp: node.now + MAX_DRIFT_MS + 5_000 });
  const held = node.give(ahead);
  assert.deepEqual(held, [{ type: 'held', hash: ahead.hash, until: node.now + 5_000 }]);
  assert.equal(node.chain.wakeAt(), node.now + 5_000);
  assert.deepEqual(node.tick(node.now + 4_999), []);
  assert.equal(effectOf(node.tick(node.now + 1), 'head')?.best.number, 4);
});

test('what was refused for good is remembered, and so is whatever stands on it', () => {
  const node = new Node();
  node.grow(2);
  const bad = makeBlock(node.store, node.store.best.hash, {
    header: (header) => ({ ...header, stateRoot: new Uint8Array(32) }),
  });
  assert.equal(refusalOf(node.give(bad)), 'BadStateRoot');
  assert.equal(refusalOf(node.give(bad)), 'KnownBad');
  assert.equal(node.chain.vet(node.now, bad.header, bad.opening), 'refused');
  const child = { ...bad.decoded, parentHash: bad.hash, number: 4 };
  assert.equal(node.chain.vet(node.now, Header.enc(child), bad.opening), 'refused');
});

test('a wrong body does not condemn the header: the right one is imported afterwards', () => {
  const node = new Node();
  node.grow(2);
  const good = makeBlock(node.store, node.store.best.hash);
  assert.equal(refusalOf(node.give({ ...good, extrinsics: [note(9)] })), 'BadExtrinsicsRoot');
  assert.equal(refusalOf(node.give({ ...good, opening: flipped(good.opening, 9) })), 'WrongOpening');
  assert.equal(refusalOf(node.give(good)), undefined);
  assert.equal(node.store.best.number, 3);
});

test('a seal that held when its header was vetted is not checked again with the body; another opening is', () => {
  let drawn = 0;
  const evaluate: TicketEvaluator = (at) => {
    drawn++;
    return evaluateTicket(at);
  };
  const node = new Node({ rules: { ...consensusRules, evaluate } });
  node.grow(2);
  const good = makeBlock(node.store, node.store.best.hash);
  drawn = 0;
  assert.equal(node.chain.vet(node.now, good.header, good.opening), 'fits');
  assert.equal(drawn, 1);
  assert.equal(refusalOf(node.give({ ...good, opening: flipped(good.opening, 9) })), 'WrongOpening');
  assert.equal(node.chain.vet(node.now, good.header, good.opening), 'fits');
  drawn = 0;
  assert.equal(refusalOf(node.give({ ...good, extrinsics: [note(9)] })), 'BadExtrinsicsRoot');
  assert.equal(drawn, 0);
  assert.equal(refusalOf(node.give(good)), undefined);
  assert.equal(drawn, 1, 'it is kept for one body');
});

test('a header is vetted without its body: fitting, orphaned, stale or refused', () => {
  const node = new Node();
  node.grow(3);
  const good = makeBlock(node.store, node.store.best.hash);
  const vet = (block: MadeBlock) => node.chain.vet(node.now, block.header, block.opening);
  assert.equal(vet(good), 'fits');
  assert.equal(vet({ ...good, opening: flipped(good.opening, 3) }), 'refused');
  assert.equal(vet(makeBlock(node.store, node.store.best.hash, { any: true })), 'stale');
  assert.equal(vet(makeBlock(node.store, node.store.best.hash, { signer: bob.key })), 'refused');
  assert.equal(node.chain.vet(node.now, new Uint8Array(3), good.opening), 'refused');
  node.give(good);
  assert.equal(vet(good), 'stale');
  const other = new Node();
  assert.equal(other.chain.vet(node.now, good.header, good.opening), 'orphan');
  assert.equal(equal(other.store.best.hash, GENESIS), true);
  assert.ok(alice.step > 0);
});
