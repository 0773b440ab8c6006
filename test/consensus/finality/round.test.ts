/** # One round of votes; the cases named after finality-grandpa are from its src/round.rs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Round, VoteResult } from '../../../src/consensus/finality/round.ts';
import type { GrandpaStage } from '../../../src/primitives/justification.ts';
import { keyOf, roundOn, Tree, voteFor, votersOf } from './trees.ts';

function forked(): Tree {
  const tree = new Tree().grow('genesis', 'A', 'B', 'C', 'D', 'E', 'F');
  return tree.grow('E', 'EA', 'EB', 'EC', 'ED').grow('F', 'FA', 'FB', 'FC');
}

const VOTERS = votersOf({ Alice: 4, Bob: 7, Eve: 3 });

function cast(tree: Tree, round: Round, stage: GrandpaStage, voter: string, block: string): VoteResult['type'] {
  return round.import(voteFor(tree, { voter, block, stage })).type;
}

test('estimate_is_valid: the estimate of prevotes alone is their GHOST, and no round ends by prevotes', () => {
  const tree = forked();
  const round = roundOn(tree, 'C', VOTERS);
  cast(tree, round, 'prevote', 'Alice', 'FC');
  assert.equal(round.state.ghost, undefined);
  cast(tree, round, 'prevote', 'Bob', 'ED');
  assert.equal(tree.name(round.state.ghost), 'E');
  assert.equal(tree.name(round.state.estimate), 'E');
  assert.ok(!round.state.completable);
  cast(tree, round, 'prevote', 'Eve', 'F');
  assert.equal(tree.name(round.state.ghost), 'E');
  assert.equal(tree.name(round.state.estimate), 'E');
});

test('finalization: a block is final with a supermajority of both stages', () => {
  const tree = forked();
  const round = roundOn(tree, 'C', VOTERS);
  cast(tree, round, 'precommit', 'Alice', 'FC');
  cast(tree, round, 'precommit', 'Bob', 'ED');
  assert.equal(round.state.finalized, undefined);
  cast(tree, round, 'prevote', 'Alice', 'FC');
  cast(tree, round, 'prevote', 'Bob', 'ED');
  cast(tree, round, 'prevote', 'Eve', 'EA');
  assert.equal(tree.name(round.state.finalized), 'E');
  cast(tree, round, 'precommit', 'Eve', 'EA');
  assert.equal(tree.name(round.state.finalized), 'EA');
});

test('equivocate_does_not_double_count: two votes are evidence, a third is nothing', () => {
  const tree = forked();
  const round = roundOn(tree, 'C', VOTERS);
  assert.equal(cast(tree, round, 'prevote', 'Eve', 'FC'), 'counted');
  const second = voteFor(tree, { voter: 'Eve', block: 'ED' });
  const result = round.import(second);
  assert.deepEqual(result, {
    type: 'equivocation',
    proof: {
      stage: 'prevote',
      round: 1n,
      setId: 0n,
      id: keyOf('Eve'),
      first: voteFor(tree, { voter: 'Eve', block: 'FC' }),
      second,
    },
  });
  assert.equal(cast(tree, round, 'prevote', 'Eve', 'F'), 'ignored');
  assert.equal(round.weight('prevote'), 3n);
  assert.equal(round.state.ghost, undefined);
  assert.equal(cast(tree, round, 'prevote', 'Bob', 'FA'), 'counted');
  assert.equal(tree.name(round.state.ghost), 'FA');
  assert.equal(round.votes('prevote').length, 3);
});

test('four voters who agree finalize, and the round is completable once no child can win', () => {
  const tree = new Tree().grow('genesis', 'A', 'B');
  const round = roundOn(tree, 'genesis', votersOf({ a: 1, b: 1, c: 1, d: 1 }));
  for (const voter of ['a', 'b', 'c']) cast(tree, round, 'prevote', voter, 'B');
  for (const voter of ['a', 'b']) cast(tree, round, 'precommit', voter, 'B');
  assert.equal(round.state.finalized, undefined);
  assert.ok(!round.state.completable);
  cast(tree, round, 'precommit', 'c', 'B');
  assert.equal(tree.name(round.state.finalized), 'B');
  assert.ok(round.state.completable);
});

test('where precommits are split the estimate falls to what can still win', () => {
  const tree = new Tree().grow('genesis', 'A', 'B', 'C');
  const round = roundOn(tree, 'genesis', votersOf({ a: 1, b: 1, c: 1, d: 1 }));
  for (const voter of ['a', 'b', 'c']) cast(tree, round, 'prevote', voter, 'C');
  cast(tree, round, 'precommit', 'a', 'C');
  cast(tree, round, 'precommit', 'b', 'A');
  cast(tree, round, 'precommit', 'c', 'A');
  // One silent and one who may yet vote twice: C could have 3 of 4, B and C are open.
  assert.equal(tree.name(round.state.estimate), 'C');
  assert.equal(tree.name(round.state.finalized), 'A');
  cast(tree, round, 'precommit', 'd', 'B');
  assert.equal(tree.name(round.state.estimate), 'B');
  assert.equal(tree.name(round.state.finalized), 'A');
  assert.ok(round.state.completable);
  assert.equal(cast(tree, round, 'precommit', 'c', 'B'), 'equivocation');
  assert.equal(tree.name(round.state.finalized), 'B');
});

test('a vote of another set, round or stranger, with a wrong signature or an unknown block, is refused by name', () => {
  const tree = forked();
  const round = roundOn(tree, 'C', VOTERS);
  const faultOf = (vote: Parameters<Round['import']>[0]) => {
    const result = round.import(vote);
    return result.type === 'refused' ? result.fault : result.type;
  };
  const good = voteFor(tree, { voter: 'Bob', block: 'E' });
  assert.equal(faultOf(voteFor(tree, { voter: 'Bob', block: 'E', setId: 1n })), 'OtherSet');
  assert.equal(faultOf(voteFor(tree, { voter: 'Bob', block: 'E', round: 2n })), 'OtherRound');
  assert.equal(faultOf(voteFor(tree, { voter: 'Mallory', block: 'E' })), 'UnknownVoter');
  const elsewhere = voteFor(tree, { voter: 'Bob', block: 'E', round: 2n });
  assert.equal(faultOf({ ...good, signature: elsewhere.signature }), 'BadSignature');
  assert.equal(faultOf({ ...good, stage: 'precommit' }), 'BadSignature');
  const nowhere = new Tree().grow('genesis', 'A', 'B', 'C', 'D', 'Z');
  assert.equal(faultOf(voteFor(nowhere, { voter: 'Bob', block: 'Z' })), 'UnknownBlock');
  assert.equal(round.weight('prevote'), 0n);
  assert.equal(faultOf(good), 'counted');
  assert.equal(faultOf(good), 'ignored');
  const forged = { ...voteFor(tree, { voter: 'Bob', block: 'F' }), signature: good.signature };
  assert.equal(faultOf(forged), 'BadSignature', 'nobody is made an equivocator by others');
});

test('a block that comes later makes its vote count', () => {
  const tree = new Tree().grow('genesis', 'A');
  const later = new Tree().grow('genesis', 'A', 'B');
  const round = roundOn(tree, 'genesis', votersOf({ a: 1 }));
  const vote = voteFor(later, { voter: 'a', block: 'B' });
  assert.deepEqual(round.import(vote), { type: 'refused', fault: 'UnknownBlock' });
  tree.grow('A', 'B');
  assert.deepEqual(round.import(vote), { type: 'counted' });
  assert.equal(tree.name(round.state.ghost), 'B');
});

test('a vote below the base is its voter’s word, for no block of the round', () => {
  const tree = forked();
  const round = roundOn(tree, 'C', VOTERS);
  assert.equal(cast(tree, round, 'prevote', 'Bob', 'A'), 'counted');
  assert.equal(cast(tree, round, 'prevote', 'Alice', 'E'), 'counted');
  assert.equal(round.state.ghost, undefined);
  assert.equal(cast(tree, round, 'prevote', 'Eve', 'E'), 'counted');
  assert.equal(round.state.ghost, undefined, 'seven of fourteen are not enough');
  assert.equal(cast(tree, round, 'prevote', 'Bob', 'D'), 'equivocation');
  assert.equal(tree.name(round.state.ghost), 'E');
});

test('only the primary proposes, and his first word stands', () => {
  const tree = forked();
  const round = roundOn(tree, 'C', VOTERS);
  // Round 1 of three voters in the order of their keys: Bob.
  assert.equal(cast(tree, round, 'primaryPropose', 'Alice', 'D'), 'refused');
  assert.equal(round.proposal, undefined);
  assert.equal(cast(tree, round, 'primaryPropose', 'Bob', 'D'), 'counted');
  assert.equal(cast(tree, round, 'primaryPropose', 'Bob', 'E'), 'ignored');
  assert.equal(tree.name(round.proposal), 'D');
  assert.equal(round.allVotes().length, 1);
});

test('what only an equivocator finalizes is not proven; what stands under it is', () => {
  const tree = new Tree().grow('genesis', 'A', 'B').grow('genesis', 'X').grow('genesis', 'Y');
  const round = roundOn(tree, 'genesis', votersOf({ a: 1, b: 1, c: 1, d: 1 }));
  for (const voter of ['a', 'b', 'c']) cast(tree, round, 'prevote', voter, 'B');
  cast(tree, round, 'precommit', 'a', 'B');
  cast(tree, round, 'precommit', 'b', 'B');
  cast(tree, round, 'precommit', 'd', 'X');
  cast(tree, round, 'precommit', 'd', 'Y');
  assert.equal(tree.name(round.state.finalized), 'B');
  assert.equal(tree.name(round.proven()?.target), 'genesis');
  cast(tree, round, 'precommit', 'c', 'A');
  assert.equal(tree.name(round.proven()?.target), 'A');
  assert.deepEqual(
    round.proven()?.precommits.map(({ id }) => id),
    ['a', 'b', 'c'].map(keyOf),
  );
});
