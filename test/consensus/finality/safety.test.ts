/** # What rounds promise on any tree, for any votes, while no more than the tolerated weight votes twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Round, RoundState, SignedVote } from '../../../src/consensus/finality/round.ts';
import type { VoteStage } from '../../../src/consensus/finality/vote-graph.ts';
import type { VoterSet } from '../../../src/consensus/finality/voter-set.ts';
import { keyOf, roundOn, Tree, voteFor, votersOf } from './trees.ts';

interface Said {
  readonly voter: string;
  readonly stage: VoteStage;
  readonly block: string;
}

/** Draws of a case: numbers that it takes its choices from, so that a failing case shrinks. */
class Draws {
  private at = 0;
  private readonly numbers: readonly number[];

  constructor(numbers: readonly number[]) {
    this.numbers = numbers;
  }

  below(n: number): number {
    const number = this.numbers[this.at % this.numbers.length] as number;
    // A full turn of the list starts it anew one step on: short lists stay varied.
    this.at++;
    return (number + Math.floor(this.at / this.numbers.length)) % n;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j] as T, out[i] as T];
    }
    return out;
  }
}

const draws = fc.array(fc.nat(), { minLength: 40, maxLength: 160 }).map((numbers) => new Draws(numbers));

/** Few branches, so that votes meet. */
function treeOf(draw: Draws): Tree {
  const tree = new Tree('0');
  const size = 2 + draw.below(9);
  for (let i = 1; i <= size; i++) tree.grow(`${draw.below(3) === 0 ? draw.below(i) : i - 1}`, `${i}`);
  return tree;
}

interface Crowd {
  readonly voters: VoterSet;
  readonly names: readonly string[];
  /** Of no more than the tolerated weight together. */
  readonly faulty: ReadonlySet<string>;
}

function crowdOf(draw: Draws): Crowd {
  const names = Array.from({ length: 4 + draw.below(4) }, (_, i) => `v${i}`);
  const weights = Object.fromEntries(names.map((name) => [name, 1 + draw.below(3)]));
  const voters = votersOf(weights);
  const faulty = new Set<string>();
  let left = Number(voters.tolerated);
  for (const name of draw.shuffled(names)) {
    const weight = weights[name] as number;
    if (weight > left) continue;
    left -= weight;
    faulty.add(name);
  }
  return { voters, names, faulty };
}

/** Two votes for any blocks of a faulty one, or one, or none. */
function mischief(draw: Draws, voter: string, stage: VoteStage, blocks: readonly string[]): Said[] {
  return Array.from({ length: draw.below(3) }, () => ({ voter, stage, block: draw.of(blocks) }));
}

/** Nobody forges here, and signing costs more than all the rest. */
function unsigned(tree: Tree, { voter, stage, block }: Said, round: bigint): SignedVote {
  const { hash, number } = tree.block(block);
  return { stage, target: { hash, number }, round, setId: 0n, id: keyOf(voter), signature: new Uint8Array(64) };
}

function heard(tree: Tree, voters: VoterSet, votes: readonly Said[], number = 1n): Round {
  const round = roundOn(tree, '0', voters, { round: number, verify: () => true });
  for (const said of votes) round.import(unsigned(tree, said, number));
  return round;
}

function named(tree: Tree, state: RoundState): readonly (string | boolean | undefined)[] {
  return [tree.name(state.ghost), tree.name(state.estimate), tree.name(state.finalized), state.completable];
}

/** Votes of a round in which each honest voter votes once, for any block: safety asks no more of them. */
function anyVotes(draw: Draws, tree: Tree, { names, faulty }: Crowd): Said[] {
  const blocks = [...tree.names.keys()];
  return names.flatMap((voter) =>
    (['prevote', 'precommit'] as const).flatMap((stage) =>
      faulty.has(voter) ? mischief(draw, voter, stage, blocks) : [{ voter, stage, block: draw.of(blocks) }],
    ),
  );
}

test('finalized <= estimate <= GHOST, and a completable round only lowers its estimate, never below what it finalizes', () => {
  let completable = 0;
  fc.assert(
    fc.property(draws, (draw) => {
      const [tree, crowd] = [treeOf(draw), crowdOf(draw)];
      const round = roundOn(tree, '0', crowd.voters);
      let last = round.state;
      for (const said of draw.shuffled(anyVotes(draw, tree, crowd))) {
        round.import(voteFor(tree, said));
        const [ghost, estimate, finalized] = named(tree, round.state) as string[];
        if (estimate !== undefined) assert.ok(tree.under(ghost as string, estimate));
        if (finalized !== undefined) assert.ok(tree.under(estimate as string, finalized));
        if (last.ghost !== undefined) assert.ok(tree.under(ghost as string, tree.name(last.ghost) as string));
        if (last.finalized !== undefined) {
          assert.ok(tree.under(finalized as string, tree.name(last.finalized) as string));
        }
        if (last.completable) {
          completable++;
          assert.ok(round.state.completable, 'completable rounds stay so');
          assert.ok(tree.under(tree.name(last.estimate) as string, estimate as string));
        }
        last = round.state;
      }
    }),
    { numRuns: 1_500 },
  );
  assert.ok(completable > 200, `${completable} votes came after a round was completable`);
});

test('the order of votes changes nothing that a round says', () => {
  fc.assert(
    fc.property(draws, (draw) => {
      const [tree, crowd] = [treeOf(draw), crowdOf(draw)];
      const votes = anyVotes(draw, tree, crowd);
      const [a, b] = [heard(tree, crowd.voters, votes), heard(tree, crowd.voters, draw.shuffled(votes))];
      assert.deepEqual(named(tree, a.state), named(tree, b.state));
    }),
    { numRuns: 500 },
  );
});

test('a voter is only ever kept twice a stage, whatever he sends', () => {
  fc.assert(
    fc.property(draws, fc.integer({ min: 1, max: 60 }), (draw, count) => {
      const tree = treeOf(draw);
      const round = roundOn(tree, '0', votersOf({ a: 1, b: 1, c: 1 }));
      const blocks = [...tree.names.keys()];
      for (let i = 0; i < count; i++) {
        const stage = draw.of(['prevote', 'precommit', 'primaryPropose'] as const);
        round.import(voteFor(tree, { voter: draw.of(['a', 'b', 'c']), stage, block: draw.of(blocks) }));
      }
      assert.ok(round.votes('prevote').length <= 6 && round.votes('precommit').length <= 6);
      assert.ok(round.allVotes().length <= 13);
    }),
    { numRuns: 200 },
  );
});

/** Votes of a round in which most honest voters like the same block, and precommit to the GHOST that they see. */
function fashion(
  draw: Draws,
  tree: Tree,
  crowd: Crowd,
  number: bigint,
  floorOf: (voter: string) => string | undefined,
) {
  const blocks = [...tree.names.keys()];
  const liked = draw.of(blocks);
  const honest = crowd.names.filter((name) => !crowd.faulty.has(name) && floorOf(name) !== undefined);
  const prevotes = honest.map((voter): Said => {
    const open = blocks.filter((block) => tree.under(block, floorOf(voter) as string));
    return { voter, stage: 'prevote', block: open.includes(liked) && draw.below(5) > 0 ? liked : draw.of(open) };
  });
  for (const voter of crowd.faulty) prevotes.push(...mischief(draw, voter, 'prevote', blocks));
  const precommits = honest.flatMap((voter): Said[] => {
    const part = prevotes.filter(() => draw.below(8) > 0);
    const ghost = tree.name(heard(tree, crowd.voters, part, number).state.ghost);
    return ghost === undefined || !tree.under(ghost, floorOf(voter) as string)
      ? []
      : [{ voter, stage: 'precommit', block: ghost }];
  });
  for (const voter of crowd.faulty) precommits.push(...mischief(draw, voter, 'precommit', blocks));
  return [...prevotes, ...precommits];
}

/** Two rounds of voters who each hear only part of what is said, and what the two finalized in truth. */
function twoRounds(draw: Draws, heedsEstimate: boolean) {
  const [tree, crowd] = [treeOf(draw), crowdOf(draw)];
  const votes = fashion(draw, tree, crowd, 1n, () => '0');
  // What a voter knew when he left the first round; he leaves it only when it is completable.
  const floors = new Map<string, string>();
  for (const voter of crowd.names) {
    const part = votes.filter(() => draw.below(6) > 0);
    const { state } = heard(tree, crowd.voters, part);
    if (state.completable) floors.set(voter, heedsEstimate ? (tree.name(state.estimate) as string) : '0');
  }
  const later = fashion(draw, tree, crowd, 2n, (voter) => floors.get(voter));
  const first = tree.name(heard(tree, crowd.voters, votes).state.finalized) ?? '0';
  const second = tree.name(heard(tree, crowd.voters, later, 2n).state.finalized) ?? '0';
  return { tree, first, second };
}

test('two rounds never finalize conflicting blocks, whatever the tolerated weight does and whoever misses what', () => {
  let both = 0;
  fc.assert(
    fc.property(draws, (draw) => {
      const { tree, first, second } = twoRounds(draw, true);
      if (first !== '0' && second !== '0') both++;
      assert.ok(tree.onOneBranch(first, second), `${first} and ${second}`);
    }),
    { numRuns: 2_500 },
  );
  assert.ok(both > 20, `${both} cases finalized above the base in both rounds`);
});

test('were the estimate forgotten, the same search would find a conflict', () => {
  const found = fc.check(
    fc.property(draws, (draw) => {
      const { tree, first, second } = twoRounds(draw, false);
      return tree.onOneBranch(first, second);
    }),
    { numRuns: 5_000, endOnFailure: true },
  );
  assert.ok(found.failed);
});

test('two views of one round never finalize conflicting blocks', () => {
  fc.assert(
    fc.property(draws, (draw) => {
      const [tree, crowd] = [treeOf(draw), crowdOf(draw)];
      const votes = anyVotes(draw, tree, crowd);
      const [a, b] = [0, 1].map(() => {
        const part = votes.filter(() => draw.below(8) > 0);
        return tree.name(heard(tree, crowd.voters, part).state.finalized);
      });
      if (a !== undefined && b !== undefined) assert.ok(tree.onOneBranch(a, b));
    }),
    { numRuns: 1_500 },
  );
});
