import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, equal } from '../../../src/base/bytes.ts';
import * as compute from '../../../src/runtime/compute-view.ts';
import { microLoss, passesGate } from '../../../src/runtime/pallets/jobs/rounds.ts';
import {
  ComputeChain,
  eventsOf,
  FRAGMENT_CU,
  type Habits,
  type Person,
  SEGMENTS,
  smallJob,
  TRAINING_BLOCKS,
  training,
} from '../compute-chain.ts';

const bitsOf = (loss: number): number => {
  const out = new DataView(new ArrayBuffer(4));
  out.setFloat32(0, loss);
  return out.getUint32(0);
};
const oneJob = { jobs: [smallJob(0)] };

/** The only job of a chain, and its round. */
function only(chain: ComputeChain) {
  const [job] = compute.allJobs(chain.view);
  return must(job, 'a job');
}

/** A chain whose only job has its two fragments and waits for the merge. */
function closed(): ComputeChain {
  const chain = new ComputeChain(oneJob);
  chain.run(60, { merges: false }, () => only(chain).round.phase.type === 'Merge');
  return chain;
}

test('a fragment goes from assignment to certificate in no more time than its rules ask for', () => {
  const chain = new ComputeChain(oneJob);
  const when = new Map<string, number>();
  while (chain.number < 30) {
    for (const { type, value } of chain.live().events) {
      const name = `${type}.${value.type}`;
      if (!when.has(name)) when.set(name, chain.number);
    }
  }
  // Assigned in genesis, trained for eight blocks; nobody waits a block longer than the rules ask.
  assert.deepEqual(
    ['Claimed', 'SegmentsDrawn', 'Revealed', 'Accepted', 'RoundClosed', 'RoundEnded', 'RoundOpened'].map((event) =>
      when.get(`Jobs.${event}`),
    ),
    [8, 14, 15, 17, 17, 18, 19],
  );
  assert.equal(when.get('Certificates.Minted'), 18);
});

test('a round moves the model when floor(V/2) + 1 checkers found the same, and the next one opens in the next block', () => {
  const chain = closed();
  const [a, b, c] = chain.checkers as [Person, Person, Person];
  const { id, round } = only(chain);
  const loss = bitsOf(3);
  const first = chain.block([chain.merge(a, id, 0, loss), chain.merge(a, id, 0, loss)]);
  assert.deepEqual(
    first.outcomes.map((o) => o.applied),
    [true, false],
    'one vote each',
  );
  chain.block([chain.merge(b, id, 0, loss, 'another model')]);
  assert.equal(only(chain).round.phase.type, 'Merge', 'two votes, but not equal ones');
  const { events } = chain.block([chain.merge(c, id, 0, loss)]);
  const record = must(compute.roundRecord(chain.view, id, 0), 'a record');
  assert.deepEqual(
    [record.outcome.type, record.accepted, record.rejected, record.loss, record.cu],
    ['Final', 2, 0, loss, 2n * FRAGMENT_CU],
  );
  assert.equal(eventsOf(events, 'Certificates', 'Minted').length, 2);
  const next = only(chain).round;
  assert.deepEqual([next.r, next.phase.type, next.loss], [1, 'Waiting', loss]);
  assert.notDeepEqual(next.theta, round.theta);
  assert.deepEqual(next.theta, record.theta);
  chain.run(1);
  assert.equal(only(chain).round.phase.type, 'Train');
  assert.deepEqual(only(chain).round.randomness, chain.pow.Beacon.get(chain.number - 4), 'randomness is settled');
});

test('twenty blocks without agreement roll a round back, and its fragments are paid all the same', () => {
  const chain = closed();
  const { round } = only(chain);
  const [a, b, c] = chain.checkers as [Person, Person, Person];
  const { id } = only(chain);
  chain.block([a, b, c].map((who, i) => chain.merge(who, id, 0, bitsOf(3), `model ${i}`)));
  const events = chain.run(19, { merges: false, claims: () => false });
  assert.deepEqual(eventsOf(events, 'Jobs', 'RoundEnded'), [], 'not before');
  const [ended] = eventsOf(chain.run(1, { merges: false }), 'Jobs', 'RoundEnded');
  assert.deepEqual(ended?.outcome, { type: 'Rollback' });
  for (const fragment of round.accepted) assert.notEqual(chain.certificates.ByFragment.get(fragment), undefined);
  assert.deepEqual(only(chain).round.theta, round.theta, 'the model stays');
  assert.equal(only(chain).round.r, 1);
});

test('the gate keeps a model from getting worse than its job allows; the work is paid', () => {
  // 2 % above 3 is 3.06.
  const chain = new ComputeChain(oneJob);
  chain.run(120, { loss: (r) => bitsOf(r === 1 ? 3.07 : r === 2 ? 3.05 : 3) }, () => only(chain).round.r === 3);
  const outcomes = [0, 1, 2].map((r) => compute.roundRecord(chain.view, only(chain).id, r));
  assert.deepEqual(
    outcomes.map((r) => r?.outcome.type),
    ['Final', 'Rollback', 'Final'],
  );
  assert.deepEqual(outcomes[1]?.theta, outcomes[0]?.theta);
  assert.equal(outcomes[1]?.loss, bitsOf(3));
  assert.ok(chain.certificates.NextId.get() >= 6n);
});

test('a loss that is no number never passes, not even the first', () => {
  for (const loss of [Number.NaN, Number.POSITIVE_INFINITY, -1]) assert.ok(!passesGate(0, bitsOf(loss), 1_000_000));
  assert.ok(passesGate(0, bitsOf(5), 0));
  assert.ok(passesGate(bitsOf(2), bitsOf(2), 0));
  assert.ok(!passesGate(bitsOf(2), bitsOf(2.01), 4_999));
  assert.ok(passesGate(bitsOf(2), bitsOf(2.01), 5_000));
  assert.equal(microLoss(bitsOf(1.5)), 1_500_000n);
  assert.equal(microLoss(bitsOf(2 ** -149)), 0n);
});

test('a fragment accepted after its round closed is paid and not merged', () => {
  const chain = new ComputeChain({ ...oneJob, authors: 3 });
  const slow = must(
    chain.authors.find((who) => chain.fragments(who).every((f) => f.overflow)),
    'an author without a slot',
  );
  const [late] = chain.fragments(slow);
  chain.run(16, { claims: (who) => who !== slow });
  const round = only(chain).round.r;
  // The claim comes before the round closes, the verdict after it.
  chain.run(1, { claims: (who) => who !== slow });
  const { id } = must(late, 'a fragment');
  const block = chain.block([...chain.work(), chain.claim(slow, id)]);
  assert.ok(block.outcomes.at(-1)?.applied);
  const events = chain.run(12, {});
  const record = must(compute.roundRecord(chain.view, only(chain).id, round), 'the round ended');
  assert.equal(record.accepted, 2);
  assert.equal(chain.jobs.Fragments.get(id)?.status.type, 'Accepted');
  assert.notEqual(chain.certificates.ByFragment.get(id), undefined);
  const minted = eventsOf(events, 'Certificates', 'Minted').filter((e) => equal(e.miner as Bytes, slow.account));
  assert.equal(minted.length, 1);
});

test('overflow work that is accepted in time is merged like any other', () => {
  const chain = new ComputeChain({ ...oneJob, authors: 3 });
  const spare = must(
    chain.authors.find((who) => chain.fragments(who).every((f) => f.overflow)),
    'an author without a slot',
  );
  const { id } = must(chain.fragments(spare)[0], 'an overflow fragment');
  chain.block([chain.claim(spare, id)]);
  chain.run(11, { claims: () => false });
  assert.equal(chain.jobs.Fragments.get(id)?.status.type, 'Accepted');
  assert.deepEqual(only(chain).round.accepted, [id]);
});

test('accepted fragments are merged in the order of their index', () => {
  const chain = new ComputeChain(oneJob);
  const byK = chain.authors
    .flatMap((who) => chain.fragments(who).map((f) => ({ who, f })))
    .filter(({ f }) => !f.overflow)
    .toSorted((a, b) => b.f.k - a.f.k);
  const habits: Habits = { claims: () => false, merges: false };
  for (const { who, f } of byK) {
    chain.block([...chain.work(habits), chain.claim(who, f.id)]);
    chain.run(2, habits);
  }
  chain.run(15, habits);
  const ids = byK.toReversed().map(({ f }) => f.id);
  assert.deepEqual(only(chain).round.accepted, ids);
  const [duty] = compute.dutiesFor(chain.view, must(chain.checkers[0], 'a checker').account).merges;
  assert.deepEqual(
    duty?.deltas.map((d) => d.fragment),
    ids,
  );
});

test('a round in which nothing is accepted begins again under other randomness', () => {
  const chain = new ComputeChain(oneJob, false);
  const before = only(chain).round;
  const events = chain.run(240, { claims: () => false });
  assert.equal(eventsOf(events, 'Jobs', 'RoundOpened').length, 1);
  const { round } = only(chain);
  assert.deepEqual([round.r, round.theta, round.phase.type], [before.r, before.theta, 'Train']);
  assert.notDeepEqual(round.randomness, before.randomness);
});

test('a round with one fragment of two closes after 240 blocks with what it has', () => {
  const chain = new ComputeChain({ ...oneJob, authors: 1 }, false);
  const [author] = chain.authors as [Person];
  let once = true;
  const habits: Habits = {
    claims: () => {
      const first = once;
      once = false;
      return first;
    },
  };
  chain.run(239, habits);
  assert.deepEqual([only(chain).round.phase.type, only(chain).round.accepted.length], ['Train', 1]);
  chain.run(2, habits);
  assert.equal(compute.roundRecord(chain.view, only(chain).id, 0)?.accepted, 1);
  assert.equal(compute.certificates(chain.view, author.account, 10).length, 1);
});

test('a certificate says what was verified, by whom and with which receipt, and nobody can move it', () => {
  const chain = new ComputeChain(oneJob);
  chain.run(TRAINING_BLOCKS + 12);
  const [author] = chain.authors as [Person];
  const [certificate] = compute.certificates(chain.view, author.account, 1);
  assert.ok(certificate);
  const { verification, fragment } = certificate;
  const known = must(chain.jobs.Fragments.get(fragment), 'the fragment is kept');
  assert.deepEqual(
    verification.segments,
    known.drawn.map((d) => d.segment),
  );
  assert.deepEqual(
    verification.receipts,
    known.drawn.map((d) => d.receipt?.receipt),
  );
  assert.ok(verification.segments.length >= 3);
  assert.deepEqual([certificate.cu, certificate.kind, certificate.round], [FRAGMENT_CU, 0, 0]);
  assert.deepEqual(certificate.output_root, training(fragment).stateRoot(SEGMENTS));
  assert.deepEqual(certificate.input_root, known.theta);
});
