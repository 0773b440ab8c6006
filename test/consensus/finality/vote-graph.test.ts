/** # The weight of votes on a tree; the cases named after finality-grandpa are from its src/vote_graph.rs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VoteGraph } from '../../../src/consensus/finality/vote-graph.ts';
import { VoterSet } from '../../../src/consensus/finality/voter-set.ts';
import { keyOf, Tree, votersOf } from './trees.ts';

const atLeast = (least: bigint) => (weight: bigint) => weight >= least;

function counted(tree: Tree, base: string, votes: readonly (readonly [string, bigint])[]): VoteGraph {
  const graph = new VoteGraph(tree.block(base), tree);
  for (const [block, weight] of votes) assert.ok(graph.add('prevote', tree.block(block), weight));
  return graph;
}

test('a supermajority is n - floor((n-1)/3) by weight', () => {
  const thresholds = [1, 2, 3, 4, 5, 6, 7, 10, 14, 27, 100].map((n) => Number(votersOf({ a: n }).threshold));
  assert.deepEqual(thresholds, [1, 2, 3, 3, 4, 5, 5, 7, 10, 19, 67]);
  assert.equal(votersOf({ a: 4, b: 7, e: 3 }).tolerated, 4n);
});

test('a set adds up the weights of one key, leaves out zeros, and is the same in any order', () => {
  const [a, b, c] = ['a', 'b', 'c'].map(keyOf) as [Uint8Array, Uint8Array, Uint8Array];
  const set = VoterSet.of([
    [b, 2n],
    [a, 1n],
    [c, 0n],
    [b, 3n],
  ]);
  assert.deepEqual(
    set?.voters.map(({ id, weight }) => [id, weight]),
    [
      [a, 1n],
      [b, 5n],
    ],
  );
  assert.deepEqual(
    [0n, 1n, 2n, 2n ** 64n - 1n].map((round) => set?.primary(round).id),
    [a, b, a, b],
  );
  assert.equal(VoterSet.of([]), undefined);
  assert.equal(VoterSet.of([[a, 0n]]), undefined);
  const most = 2n ** 64n - 1n;
  assert.equal(VoterSet.of([[a, most]])?.total, most);
  assert.equal(
    VoterSet.of([
      [a, most],
      [b, 1n],
    ]),
    undefined,
    'the sum must fit a u64',
  );
});

test('ghost_merge_at_node: two branches meet where a vote is', () => {
  const tree = new Tree().grow('genesis', 'A', 'B', 'C').grow('C', 'D1', 'E1', 'F1').grow('C', 'D2', 'E2', 'F2');
  const graph = counted(tree, 'genesis', [
    ['B', 0n],
    ['C', 100n],
    ['E1', 100n],
    ['F2', 100n],
  ]);
  assert.equal(tree.name(graph.ghost('prevote', atLeast(250n))), 'C');
  assert.equal(tree.name(graph.ghost('prevote', atLeast(250n), tree.block('B'))), 'C');
  assert.equal(tree.name(graph.ghost('prevote', atLeast(250n), tree.block('C'))), 'C');
});

test('ghost_merge_not_at_node_one_side_weighted: two branches meet where no vote is', () => {
  const tree = new Tree().grow('genesis', 'A', 'B', 'C', 'D', 'E', 'F');
  tree.grow('F', 'G1', 'H1', 'I1').grow('F', 'G2', 'H2', 'I2');
  const graph = counted(tree, 'genesis', [
    ['B', 0n],
    ['G1', 100n],
    ['H2', 150n],
  ]);
  for (const from of [undefined, 'F', 'C', 'B']) {
    const start = from === undefined ? undefined : tree.block(from);
    assert.equal(tree.name(graph.ghost('prevote', atLeast(250n), start)), 'F');
  }
});

test('ghost_introduce_branch: a vote between others changes nothing but its own weight', () => {
  const tree = new Tree().grow('genesis', 'A', 'B', 'C', 'D', 'E', 'F');
  tree.grow('E', 'EA', 'EB', 'EC', 'ED').grow('F', 'FA', 'FB', 'FC');
  const graph = counted(tree, 'genesis', [
    ['FC', 5n],
    ['ED', 7n],
  ]);
  assert.equal(tree.name(graph.ghost('prevote', atLeast(10n))), 'E');
  graph.add('prevote', tree.block('E'), 3n);
  assert.equal(tree.name(graph.ghost('prevote', atLeast(10n))), 'E');
  assert.equal(graph.weight('prevote', tree.block('D')), 15n);
  assert.equal(graph.weight('prevote', tree.block('EB')), 7n);
  assert.equal(graph.weight('precommit', tree.block('D')), 0n);
});

test('a vote for an unknown block, a wrong number or another branch is not counted', () => {
  const tree = new Tree().grow('genesis', 'A', 'B').grow('genesis', 'X', 'Y');
  const graph = new VoteGraph(tree.block('A'), tree);
  assert.ok(!graph.add('prevote', { hash: keyOf('nowhere'), number: 3 }, 1n));
  assert.ok(!graph.add('prevote', { hash: tree.block('B').hash, number: 4 }, 1n));
  assert.ok(!graph.add('prevote', tree.block('Y'), 1n));
  assert.ok(!graph.add('prevote', tree.block('genesis'), 1n));
  assert.ok(graph.add('prevote', tree.block('B'), 1n));
  assert.ok(!graph.add('prevote', { hash: tree.block('B').hash, number: 4 }, 1n), 'known here, still a wrong number');
  assert.equal(graph.weight('prevote', tree.block('A')), 1n);
});

test('who voted twice counts for every block, and once for each', () => {
  const tree = new Tree().grow('genesis', 'A').grow('genesis', 'B', 'C');
  const graph = counted(tree, 'genesis', [
    ['A', 3n],
    ['C', 4n],
  ]);
  graph.equivocate('prevote', 3n, tree.block('A'));
  const weights = ['genesis', 'A', 'B', 'C'].map((name) => graph.weight('prevote', tree.block(name)));
  assert.deepEqual(weights, [7n, 3n, 7n, 7n]);
  assert.equal(graph.equivocated('prevote'), 3n);
  assert.equal(graph.equivocated('precommit'), 0n);
});

/** A tree by the parents of its blocks, and votes of voters with weights. */
const worlds = fc
  .record({
    parents: fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
    weights: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 10 }),
    ballots: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 25 }),
  })
  .map(({ parents, weights, ballots }) => {
    const tree = new Tree('0');
    for (const [i, parent] of parents.entries()) tree.grow(`${parent % (i + 1)}`, `${i + 1}`);
    const votes = ballots.map(([voter, block]) => [voter % weights.length, `${block % (parents.length + 1)}`] as const);
    return { tree, weights, votes };
  });

test('the GHOST is that of a plain count, for any tree and any votes of voters who vote once or twice', () => {
  fc.assert(
    fc.property(worlds, ({ tree, weights, votes }) => {
      const { threshold, tolerated } = votersOf(Object.fromEntries(weights.map((weight, i) => [`v${i}`, weight])));
      const graph = new VoteGraph(tree.block('0'), tree);
      const said = new Map<number, Set<string>>();
      let double = 0n;
      for (const [voter, block] of votes) {
        const before = said.get(voter) ?? new Set();
        const weight = BigInt(weights[voter] as number);
        if (before.size === 0) graph.add('prevote', tree.block(block), weight);
        if (before.size === 1 && !before.has(block)) {
          double += weight;
          graph.equivocate('prevote', weight, tree.block([...before][0] as string));
        }
        said.set(voter, before.add(block));
      }
      const weightOf = (name: string) =>
        [...said].reduce((sum, [voter, blocks]) => {
          const counts = blocks.size > 1 || [...blocks].some((block) => tree.under(block, name));
          return counts ? sum + BigInt(weights[voter] as number) : sum;
        }, 0n);
      const heavy = [...tree.names.keys()].filter((name) => weightOf(name) >= threshold);
      for (const name of tree.names.keys()) assert.equal(graph.weight('prevote', tree.block(name)), weightOf(name));
      if (double > tolerated) return;
      const highest = heavy.sort((a, b) => tree.block(b).number - tree.block(a).number)[0];
      assert.equal(tree.name(graph.ghost('prevote', atLeast(threshold))), highest);
    }),
    { numRuns: 1_000 },
  );
});
