import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, concat, equal, toHex, utf8 } from '../../../src/base/bytes.ts';
import { blake2_256 } from '../../../src/crypto/hash.ts';
import { jobsCall } from '../../../src/miner/work-call.ts';
import { receiptOf } from '../../../src/primitives/fragment.ts';
import * as compute from '../../../src/runtime/compute-view.ts';
import { BARE_FAULTS } from '../../../src/runtime/pallets/bare.ts';
import type { Applied } from '../../../src/runtime/runtime.ts';
import {
  ComputeChain,
  eventsOf,
  type Habits,
  type Person,
  person,
  SEGMENTS,
  TRAINING_BLOCKS,
  training,
  whose,
  word,
} from '../compute-chain.ts';

const applied: Applied = { applied: true, error: undefined };
const refused = (type: string): Applied =>
  ({
    applied: false,
    error: { type: 'Invalid', value: { type } },
    kind: type === 'Future' ? 'future' : 'invalid',
  }) as Applied;
const faulty = (code: number): Applied => ({
  applied: false,
  error: { type: 'Invalid', value: { type: 'Custom', value: [code] } },
  kind: 'invalid',
});

/** A chain in which the first author has just claimed his first fragment. */
function claimed(options: ConstructorParameters<typeof ComputeChain>[0] = {}) {
  const chain = new ComputeChain(options);
  const [author] = chain.authors as [Person];
  chain.run(TRAINING_BLOCKS - 1);
  const { id } = must(
    chain.fragments(author).find((f) => f.status.type === 'Assigned' && !f.overflow),
    'a real fragment',
  );
  const { outcomes } = chain.block([chain.claim(author, id)]);
  assert.deepEqual(outcomes, [applied]);
  return { chain, author, id, at: chain.number, fragment: () => must(chain.jobs.Fragments.get(id), 'it is kept') };
}
const onlyFirst: Habits = { claims: () => false };

/** A chain in which it was drawn as well; `blocks` are won with it first. */
function drawn(options: ConstructorParameters<typeof ComputeChain>[0] = {}) {
  const at = claimed(options);
  at.chain.run(6, { ...onlyFirst, reveals: false });
  assert.equal(at.fragment().status.type, 'Drawn');
  return at;
}

function revealed(options: ConstructorParameters<typeof ComputeChain>[0] = {}) {
  const at = drawn(options);
  at.chain.run(1, { ...onlyFirst, receipts: () => false });
  assert.equal(at.fragment().status.type, 'Revealed');
  return at;
}

/** The order of 0 .. n - 1 that a seed gives, as docs/spec/fragment.md says it. */
function dealt(seed: Bytes, lengths: readonly number[]): number[][] {
  const words: number[] = [];
  for (let counter = 0; counter < 8; counter++) {
    const block = new DataView(blake2_256(concat(seed, word(counter))).buffer);
    for (let i = 0; i < 8; i++) words.push(block.getUint32(4 * i, true));
  }
  return lengths.map((n) => {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = must(words.shift(), 'a word') % (i + 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    return order;
  });
}

test('segments and checkers are drawn from the beacon of two blocks after the claim, once it is settled', () => {
  const { chain, id, at, fragment } = claimed();
  const { settleDepth } = chain.runtime.spec;
  const events = chain.run(1 + settleDepth, onlyFirst);
  assert.equal(fragment().status.type, 'Claimed', 'not before');
  assert.deepEqual(eventsOf(events, 'Jobs', 'SegmentsDrawn'), []);
  chain.run(1, { ...onlyFirst, reveals: false });
  assert.equal(chain.number, at + 2 + settleDepth);
  assert.equal(fragment().status.type, 'Drawn');
  const beacon = must(chain.pow.Beacon.get(at + 2), 'a beacon');
  const [segments = [], checkers = []] = dealt(blake2_256(concat(utf8('cpow/1/draw'), beacon, id)), [SEGMENTS, 3]);
  const first = fragment().drawn.slice(0, 3);
  assert.deepEqual(
    first.map((d) => d.segment),
    segments.slice(0, 3),
    'three segments for an author of the genesis',
  );
  const all = chain.jobs.Checkers.get();
  fragment().drawn.forEach((d, i) => {
    assert.ok(equal(d.checker, must(all[checkers[i % 3] as number], 'a checker').account));
  });
});

test('the beacon is a hash chain over winning tickets', () => {
  const chain = new ComputeChain();
  chain.run(3);
  const { ticket } = chain.head;
  const before = must(chain.pow.Beacon.get(2), 'beacon of block 2');
  assert.equal(chain.pow.Beacon.get(3), undefined, 'a block does not know its own ticket');
  chain.run(1);
  assert.deepEqual(chain.pow.Beacon.get(3), blake2_256(concat(before, must(ticket, 'a ticket'))));
});

test('every segment that won a block is drawn in addition, and the wins of the grace blocks too', () => {
  const chain = new ComputeChain();
  const [author] = chain.authors as [Person];
  const { id } = must(chain.fragments(author)[0], 'a fragment');
  // One block in each segment, the last of them after the claim.
  for (const step of [1, 6, 11]) chain.block([], { author, fragment: id, step, node: 1 });
  chain.block([chain.claim(author, id)], { author, fragment: id, step: 20, node: 0 });
  chain.block([], { author, fragment: id, step: 20, node: 0 });
  chain.block([], { author, fragment: id, step: 20, node: 0 });
  assert.equal(compute.sealFragment(chain.view, id, author.account), undefined);
  chain.run(4, { ...onlyFirst, reveals: false });
  const fragment = must(chain.jobs.Fragments.get(id), 'it is kept');
  assert.deepEqual(
    chain.pow.Wins.get(id).map(({ height, step }) => [height, step]),
    [1, 6, 11, 20, 20, 20].map((step, i) => [i + 1, step]),
  );
  assert.deepEqual(fragment.drawn.map((d) => d.segment).toSorted(), [0, 1, 2, 3]);
  assert.ok(fragment.drawn.every((d) => d.won));
});

test('a newcomer’s first fragments are drawn more closely than those of whoever has shown work', () => {
  const drawnOf = (accepted: number): number => {
    const chain = new ComputeChain();
    const [author, winner] = chain.authors as [Person, Person];
    chain.run(1, { ...onlyFirst, winner });
    const known = must(compute.authorOf(chain.view, author.account), 'an author');
    chain.plantAuthor(author, { ...known, genesis: false, accepted });
    const { id } = must(chain.fragments(author)[0], 'a fragment');
    chain.block([chain.claim(author, id)], chain.winOf(winner));
    chain.run(6, { ...onlyFirst, reveals: false, winner });
    return must(chain.jobs.Fragments.get(id), 'it is kept').drawn.length;
  };
  assert.deepEqual([0, 1, 9].map(drawnOf), [SEGMENTS, 3, 3]);
});

test('a fragment is accepted when every drawn segment was executed again with the same result', () => {
  const { chain, author, id, fragment } = revealed();
  assert.deepEqual(fragment().origin, training(id).stateRoot(0));
  for (const { segment, start_root, end_root } of fragment().drawn) {
    assert.deepEqual(start_root, training(id).stateRoot(segment));
    assert.deepEqual(end_root, training(id).stateRoot(segment + 1));
  }
  chain.run(1, onlyFirst);
  assert.ok(fragment().drawn.every((d) => d.receipt?.at === chain.number && d.verdict === undefined));
  const events = chain.run(1, onlyFirst);
  assert.equal(fragment().status.type, 'Accepted');
  assert.ok(fragment().drawn.every((d) => d.verdict === true && d.digest !== undefined));
  assert.ok(equal(eventsOf(events, 'Jobs', 'Accepted')[0]?.miner as Bytes, author.account));
  const { accepted, misses } = must(compute.authorOf(chain.view, author.account), 'an author');
  assert.deepEqual([accepted, misses], [1, 0]);
  assert.deepEqual(compute.dutiesFor(chain.view, must(chain.checkers[0], 'a checker').account).segments, []);
});

test('a rejected fragment halves its miner’s reputation, frees its slot and earns nothing', () => {
  const { chain, author, id, fragment } = revealed();
  chain.plantReputation(author.account, 800_000_000n);
  const first = must(fragment().drawn[0], 'a drawn segment');
  const slots = () => must(chain.jobs.Rounds.get(fragment().job), 'a round').outstanding;
  chain.run(1, onlyFirst);
  const before = slots();
  chain.run(1, { ...onlyFirst, verdicts: (_, duty) => (duty.segment === first.segment ? false : undefined) });
  assert.equal(fragment().status.type, 'Rejected');
  assert.equal(chain.rewards.Reputation.get(author.account).perbill, 400_000_000n);
  assert.equal(slots(), before - 1);
  assert.equal(must(chain.jobs.Rounds.get(fragment().job), 'a round').rejected, 1);
  chain.run(60);
  assert.equal(chain.certificates.ByFragment.get(id), undefined);
});

test('a checker who stays silent is replaced by the next one, and the segment stays', () => {
  const { chain, fragment } = revealed();
  const silent = must(fragment().drawn[0], 'a drawn segment');
  const habits: Habits = { ...onlyFirst, receipts: (who) => !equal(who.account, silent.checker) };
  // Ten blocks for a segment, twenty where one of the three owes two.
  assert.equal(fragment().due - chain.number, fragment().drawn.length > 3 ? 20 : 10);
  chain.run(fragment().due - chain.number - 1, habits);
  assert.ok(equal(must(fragment().drawn[0], 'a segment').checker, silent.checker));
  const events = chain.run(1, habits);
  const now = must(fragment().drawn[0], 'a segment');
  assert.equal(now.segment, silent.segment);
  const order = chain.checkers.map(({ account }) => toHex(account));
  const next = order[(order.indexOf(toHex(silent.checker)) + 1) % order.length];
  assert.equal(toHex(now.checker), next);
  assert.ok(eventsOf(events, 'Jobs', 'CheckerReplaced').every((e) => equal(e.from as Bytes, silent.checker)));
  chain.run(2, habits);
  assert.equal(fragment().status.type, 'Accepted');
});

test('where no checker ever answers, a fragment ends unpaid and its miner unharmed', () => {
  const { chain, author, fragment } = revealed();
  const habits: Habits = { ...onlyFirst, receipts: () => false };
  chain.run(200, habits, () => fragment().redraws === 6 && fragment().due === chain.number + 1);
  const timeouts = () => must(compute.authorOf(chain.view, author.account), 'an author').timeouts;
  const before = timeouts();
  chain.run(1, habits);
  assert.equal(fragment().status.type, 'Expired');
  assert.equal(timeouts(), before);
});

test('a fragment that is not revealed in 20 blocks expires, and its miner is blocked out', () => {
  const { chain, author, fragment } = drawn();
  const { reveal_by } = fragment();
  assert.equal(reveal_by, chain.number + 20);
  chain.run(20, { ...onlyFirst, reveals: false });
  assert.equal(fragment().status.type, 'Drawn');
  chain.run(1, { ...onlyFirst, reveals: false });
  assert.equal(fragment().status.type, 'Expired');
  assert.equal(compute.authorOf(chain.view, author.account)?.timeouts, 1);
});

test('a claim is taken from the miner of the fragment, once, on this chain, until the deadline', () => {
  const { chain, author, id } = claimed();
  const [, other] = chain.authors as [Person, Person];
  const args = { transcript: word(0), state_root: id, delta: id };
  const free = must(
    chain.fragments(author).find((f) => f.status.type === 'Assigned'),
    'a fragment to claim',
  ).id;
  const claim = chain.claim(author, free);
  const flipped = claim.slice();
  flipped[flipped.length - 1] = (flipped[flipped.length - 1] as number) ^ 1;
  const said = { ...args, fragment: free, transcript: id };
  const { outcomes } = chain.block([
    chain.claim(author, id),
    chain.claim(other, free),
    jobsCall('claim', said, other.key, chain.genesis),
    jobsCall('claim', said, author.key, id),
    flipped,
    chain.claim(author, blake2_256(id)),
    claim,
    claim,
  ]);
  assert.deepEqual(outcomes, [
    refused('Stale'),
    faulty(BARE_FAULTS.NotYours),
    faulty(BARE_FAULTS.NotYours),
    refused('BadProof'),
    refused('BadProof'),
    refused('Future'),
    applied,
    refused('Stale'),
  ]);
});

test('the pool is told of a bare call what the block would be told, and one tag for each subject', () => {
  const { chain, author, id } = claimed();
  const [next] = chain.fragments(author).filter((f) => f.status.type === 'Assigned');
  const judged = (call: Bytes) => chain.runtime.validate(chain.view, call, chain.at);
  const once = judged(chain.claim(author, must(next, 'a fragment').id));
  assert.ok(once.ok && once.propagate && once.requires.length === 0);
  assert.deepEqual(once.provides, [concat(utf8('cpow/claim/'), must(next, 'a fragment').id)]);
  const again = judged(chain.claim(author, id));
  assert.ok(!again.ok && again.error.value.type === 'Stale');
});

test('a reveal opens what was drawn and nothing else, and hashes to the claim', () => {
  const { chain, author, id, fragment } = drawn();
  const wanted = must(compute.workFor(chain.view, author.account).reveals[0], 'a reveal').states;
  const { states: rs, losses: rl, operands: rg } = training(id).roots();
  const open = (index: number) => ({ index, root: training(id).stateRoot(index), path: training(id).openState(index) });
  const states = wanted.map(open);
  const reveal = (changes: Record<string, unknown>): Bytes =>
    chain.call(author, 'reveal', { fragment: id, rs, rl, rg, states, ...changes });
  const swapped = states.map((s, i) => (i === 1 ? { ...s, root: id } : s));
  const { outcomes } = chain.block([
    reveal({ rl: rs }),
    reveal({ states: states.slice(1) }),
    reveal({ states: states.slice(0, -1) }),
    reveal({ states: [...states, ...states] }),
    reveal({ states: states.toReversed() }),
    reveal({ states: swapped }),
    chain.reveal(must(chain.authors[1], 'another'), id, wanted),
    chain.call(author, 'open_wins', { fragment: id, wins: [] }),
    reveal({}),
    reveal({}),
  ]);
  assert.deepEqual(outcomes, [
    faulty(BARE_FAULTS.BadTranscript),
    faulty(BARE_FAULTS.BadOpening),
    faulty(BARE_FAULTS.BadOpening),
    faulty(BARE_FAULTS.BadOpening),
    faulty(BARE_FAULTS.BadOpening),
    faulty(BARE_FAULTS.BadOpening),
    faulty(BARE_FAULTS.NotYours),
    refused('Future'),
    applied,
    refused('Stale'),
  ]);
  assert.equal(fragment().status.type, 'Revealed');
});

test('a verdict comes after its receipt, from the same checker, and shows what the receipt bound', () => {
  const { chain, id, fragment } = revealed();
  const duty = must(fragment().drawn[0], 'a drawn segment');
  const checker = whose(chain.checkers, duty.checker);
  const other = must(
    chain.checkers.find((one) => one !== checker),
    'another checker',
  );
  const { segment } = duty;
  const verdict = (digest: Bytes, salt: Bytes, who = checker): Bytes =>
    chain.call(who, 'verdict', { fragment: id, segment, accept: true, digest, salt });
  const [digest, salt] = [blake2_256(utf8('digest')), blake2_256(utf8('salt'))];
  const receipt = receiptOf(checker.account, salt, digest);
  const early = chain.block([
    verdict(digest, salt),
    chain.call(other, 'receipt', { fragment: id, segment, receipt }),
    chain.call(checker, 'receipt', { fragment: id, segment: SEGMENTS, receipt }),
    chain.call(checker, 'receipt', { fragment: id, segment, receipt }),
    chain.call(checker, 'receipt', { fragment: id, segment, receipt: id }),
    verdict(digest, salt),
  ]);
  assert.deepEqual(early.outcomes, [
    refused('Future'),
    faulty(BARE_FAULTS.NotYours),
    refused('Stale'),
    applied,
    refused('Stale'),
    refused('Future'),
  ]);
  const late = chain.block([
    verdict(salt, salt),
    verdict(digest, digest),
    verdict(digest, salt, other),
    verdict(digest, salt),
    verdict(digest, salt),
  ]);
  assert.deepEqual(late.outcomes, [
    faulty(BARE_FAULTS.BadReceipt),
    faulty(BARE_FAULTS.BadReceipt),
    faulty(BARE_FAULTS.NotYours),
    applied,
    refused('Stale'),
  ]);
  assert.deepEqual(fragment().drawn[0]?.digest, digest, 'the digest stays on record');
  assert.notDeepEqual(receiptOf(other.account, salt, digest), receipt, 'a copied receipt binds nobody');
});

test('a key that is nobody’s moves nothing', () => {
  const { chain, id, fragment } = revealed();
  const stranger = person('a stranger');
  const { segment } = must(fragment().drawn[0], 'a segment');
  const { outcomes } = chain.block([
    chain.receipt(stranger, id, segment),
    chain.merge(stranger, fragment().job, 0, 1),
    chain.claim(stranger, must(chain.fragments(must(chain.authors[0], 'an author')).at(-1), 'a fragment').id),
  ]);
  assert.deepEqual(outcomes, [faulty(BARE_FAULTS.NotYours), refused('Future'), faulty(BARE_FAULTS.NotYours)]);
});
