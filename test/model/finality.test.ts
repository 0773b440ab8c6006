/** # The model of finality: of every view it says what round.ts says, and it holds; in full: `npm run test:model`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Round } from '../../src/consensus/finality/round.ts';
import type { VoteStage } from '../../src/consensus/finality/vote-graph.ts';
import { roundOn, Tree, voteFor, votersOf } from '../consensus/finality/trees.ts';
import { check, missing, table } from './checker.ts';

const absent = missing();
if (absent !== undefined) console.error(`notice: ${absent}`);
const skip = absent ?? false;

const NAMES = ['a', 'b', 'c', 'd'];
const NO_BLOCK = 5;
const TREE = new Tree('0').grow('0', '1', '2').grow('0', '3', '4');

/** Brings in votes as the model writes them: 0 is none, 6 two votes, else the block plus one. */
function hear(round: Round, stage: VoteStage, choices: readonly number[]): Round {
  choices.forEach((choice, i) => {
    const blocks = choice === 6 ? [1, 3] : choice === 0 ? [] : [choice - 1];
    for (const block of blocks) round.import(voteFor(TREE, { voter: NAMES[i] as string, stage, block: `${block}` }));
  });
  return round;
}

function fresh(): Round {
  return roundOn(TREE, '0', votersOf({ a: 1, b: 1, c: 1, d: 1 }));
}

const numbers = (line: string): number[] => [...line.matchAll(/\d+/g)].map(([digits]) => Number(digits));

test('GHOST, estimate and completability of every view of four voters are what round.ts says', { skip }, () => {
  const lines = table();
  const [ghosts, estimates] = ['ghost', 'estimate'].map((word) => lines.filter((line) => line.startsWith(word)));
  // Four voters who may be silent, vote for one of five blocks, or one of them twice, in any order: 126 + 56.
  assert.equal(ghosts?.length, 182);
  assert.equal(estimates?.length, 182 * 5);
  for (const line of ghosts as string[]) {
    const [a = 0, b = 0, c = 0, d = 0, ghost] = numbers(line);
    const { state } = hear(fresh(), 'prevote', [a, b, c, d]);
    assert.equal(Number(TREE.name(state.ghost) ?? NO_BLOCK), ghost, line);
  }
  for (const line of estimates as string[]) {
    const [a = 0, b = 0, c = 0, d = 0, under = 0, estimate, completable] = numbers(line);
    const round = hear(fresh(), 'prevote', [under + 1, under + 1, under + 1, under + 1]);
    const { state } = hear(round, 'precommit', [a, b, c, d]);
    assert.equal(Number(TREE.name(state.estimate) ?? NO_BLOCK), estimate, line);
    assert.equal(Number(state.completable), completable, line);
  }
});

test('without a crash no state of four voters and two rounds breaks a claim', { skip }, () => {
  const { holds, states } = check({ claim: 'all', switches: ['CRASHES=0'], plain: true });
  assert.ok(holds);
  assert.ok(states > 100_000, `${states} states`);
});

test('with one voter gone and another that crashes and returns both rounds complete', { skip }, () => {
  assert.ok(check({ claim: 'rounds_complete', switches: ['LIAR_GONE'], plain: true }).holds);
});

test('a model whose voters forget their votes in a crash is found out', { skip }, () => {
  assert.equal(check({ claim: 'said_once', switches: ['AMNESIA'], plain: true }).holds, false);
});
