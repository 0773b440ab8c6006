/** # Votes that lie far apart, as after a long standstill: they stop nobody, and what they cannot prove is proven later. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { justify, verifyJustification } from '../../../src/consensus/finality/justification.ts';
import { Round, type SignedVote } from '../../../src/consensus/finality/round.ts';
import { Voter } from '../../../src/consensus/finality/voter.ts';
import {
  GrandpaJustification,
  type GrandpaStage,
  MAX_ANCESTRY,
  MAX_PROOF_BYTES,
  voteMessage,
} from '../../../src/primitives/justification.ts';
import type { BlockRef } from '../../../src/state/store.ts';
import { Headers } from './headers.ts';
import { keyOf, plainSignature, plainVerify, votersOf } from './trees.ts';

const VOTERS = votersOf({ a: 1, b: 1, c: 1, d: 1 });
/** The blocks 1 to 4,200 above block 0, more than a proof may lead over. */
const FAR = MAX_ANCESTRY + 104;
const CHAIN = new Headers().grow('0', ...Array.from({ length: FAR }, (_, i) => `${i + 1}`));
const BASE = CHAIN.ref('0');
const HASHES = Array.from({ length: FAR + 1 }, (_, i) => CHAIN.ref(`${i}`));
/** The chain by its heights: walks over thousands of headers are not what is tested. */
const TREE = {
  ancestor: (of: Uint8Array, number: number): BlockRef | undefined => {
    const at = CHAIN.header(of)?.number;
    return at === undefined || number > at ? undefined : HASHES[number - BASE.number];
  },
  bestOn: (): BlockRef | undefined => HASHES[FAR],
  header: CHAIN.header,
};

function vote(voter: string, stage: GrandpaStage, block: number, round = 1n): SignedVote {
  const [target, id] = [must(HASHES[block], 'a block'), keyOf(voter)];
  return { stage, target, round, setId: 0n, id, signature: plainSignature(id, voteMessage(stage, target, round, 0n)) };
}

/** A round in which all prevoted for the newest block, and precommitted to these. */
function roundOf(precommits: readonly (readonly [string, number])[]): Round {
  const round = new Round({ round: 1n, setId: 0n, voters: VOTERS, base: BASE, tree: TREE, verify: plainVerify });
  for (const voter of ['a', 'b', 'c', 'd']) round.import(vote(voter, 'prevote', FAR));
  for (const [voter, block] of precommits) round.import(vote(voter, 'precommit', block));
  return round;
}

function headersOf(bytes: Uint8Array): number {
  const verdict = verifyJustification(bytes, { voters: VOTERS, setId: 0n, verify: plainVerify });
  assert.ok(verdict.ok);
  return GrandpaJustification.dec(bytes).votesAncestries.length;
}

test('a vote far above the others is not in the proof, which needs no header up to it', () => {
  const made = must(
    justify(
      roundOf([
        ['a', FAR],
        ['b', 7],
        ['c', 5],
        ['d', 5],
      ]),
      TREE.header,
    ),
    'a proof',
  );
  assert.deepEqual(made.target, HASHES[5]);
  assert.equal(headersOf(made.bytes), 2);
});

test('of the two votes of one who votes twice the nearer one is named', () => {
  const made = must(
    justify(
      roundOf([
        ['a', FAR],
        ['a', 6],
        ['c', 5],
        ['d', 5],
      ]),
      TREE.header,
    ),
    'a proof',
  );
  assert.deepEqual([made.target, headersOf(made.bytes)], [HASHES[5], 1]);
});

test('nothing is proven that would need more headers, or more bytes, than a proof may have', () => {
  for (const far of [FAR, MAX_ANCESTRY, 3_000]) {
    const round = roundOf([
      ['a', far],
      ['b', 1],
      ['c', 1],
    ]);
    assert.deepEqual(round.state.finalized, HASHES[1]);
    assert.equal(justify(round, TREE.header), undefined, `${far}`);
  }
  const made = must(
    justify(
      roundOf([
        ['a', 500],
        ['b', 1],
        ['c', 1],
      ]),
      TREE.header,
    ),
    'a proof',
  );
  assert.equal(headersOf(made.bytes), 499);
  assert.ok(made.bytes.length <= MAX_PROOF_BYTES);
});

test('a round whose votes lie too far apart to prove anything ends, and the next one finalizes', () => {
  const voter = new Voter(0, {
    setId: 0n,
    voters: VOTERS,
    gossipMs: 1_000,
    chain: TREE,
    finalized: BASE,
    verify: plainVerify,
  });
  const hear = (one: SignedVote) =>
    voter
      .step(1, { type: 'vote', peer: 'p', vote: one })
      .flatMap((effect) => (effect.type === 'finalize' ? [effect] : []));
  for (const name of ['a', 'b', 'c', 'd']) assert.deepEqual(hear(vote(name, 'prevote', FAR)), []);
  // One heard of few prevotes and precommitted low; one is silent.
  for (const [name, block] of [['a', 1] as const, ['b', FAR] as const, ['c', FAR] as const]) {
    assert.deepEqual(hear(vote(name, 'precommit', block)), []);
  }
  assert.deepEqual(voter.rounds[0]?.state.finalized, HASHES[1]);
  assert.equal(voter.round, 2n, 'though what it finalized is not proven');
  for (const name of ['a', 'b', 'c']) assert.deepEqual(hear(vote(name, 'prevote', FAR, 2n)), []);
  for (const name of ['a', 'b']) assert.deepEqual(hear(vote(name, 'precommit', FAR, 2n)), []);
  const [final] = hear(vote('c', 'precommit', FAR, 2n));
  assert.deepEqual(final?.block, HASHES[FAR]);
  assert.equal(headersOf(must(final, 'a proof').justification), 0);
});

test('the late vote of who was silent proves what a round could not', () => {
  const round = roundOf([
    ['a', 1],
    ['b', FAR],
    ['c', FAR],
  ]);
  assert.equal(justify(round, TREE.header), undefined);
  round.import(vote('d', 'precommit', FAR));
  assert.deepEqual(justify(round, TREE.header)?.target, HASHES[FAR]);
});

test('what cannot be proven is not tried again with every vote that is repeated, but with every one that is new', () => {
  let steps = 0;
  const chain = {
    ...TREE,
    ancestor: (of: Uint8Array, number: number) => {
      steps++;
      return TREE.ancestor(of, number);
    },
  };
  const [setId, voters, gossipMs] = [0n, VOTERS, 1_000];
  const voter = new Voter(0, { setId, voters, gossipMs, chain, finalized: BASE, verify: plainVerify });
  const hear = (one: SignedVote) => {
    steps = 0;
    return voter.step(1, { type: 'vote', peer: 'p', vote: one }).some(({ type }) => type === 'finalize');
  };
  for (const name of ['a', 'b', 'c']) hear(vote(name, 'prevote', 2_000));
  for (const name of ['a', 'b']) hear(vote(name, 'precommit', 2_000));
  // Two votes for blocks that nobody has: he counts for every block, and proves none.
  for (const salt of [1, 2]) {
    const target = { hash: new Uint8Array(32).fill(salt), number: 2_000 };
    const signature = plainSignature(keyOf('d'), voteMessage('precommit', target, 1n, 0n));
    hear({ ...vote('d', 'precommit', 0), target, signature });
  }
  hear(vote('d', 'precommit', 0));
  voter.step(1, { type: 'head' });
  assert.deepEqual(voter.rounds.find(({ number }) => number === 1n)?.state.finalized, HASHES[2_000]);
  for (let i = 0; i < 3; i++) {
    assert.ok(!hear(vote('a', 'precommit', 2_000)));
    assert.ok(steps < 50, `${steps} for a vote that is known`);
  }
  assert.ok(hear(vote('c', 'precommit', 1_900)));
});
