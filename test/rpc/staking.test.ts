/** # staking_*: an election explains itself, and a pot says how it is divided. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../src/base/assert.ts';
import { toHex } from '../../src/base/bytes.ts';
import { seqPhragmen } from '../../src/runtime/election/phragmen.ts';
import { RewardsDeclared } from '../../src/runtime/pallets/rewards.ts';
import { noteAuthor } from '../../src/runtime/pallets/staking.ts';
import { newStore } from '../consensus/world.ts';
import { ERA, StakeChain, somebody, UNIT } from '../runtime/stake/stake-chain.ts';
import { call, startPort } from './stub.ts';

const V = Array.from({ length: 4 }, (_, i) => somebody(`validator ${i}`));
const voter = somebody('a voter');
const chain = new StakeChain({
  keyed: V,
  stakers: [
    ...V.map((who, i) => [who, BigInt(100 + i) * UNIT, 'Validator'] as const),
    [voter, 300n * UNIT, V.slice(0, 2)],
  ],
  staking: { splitsPay: true, seats: 3 },
  hook(at) {
    at.use(RewardsDeclared).state.AuthorsPot.put(600n * UNIT);
    // In turn: whoever authors nothing for an era loses its seat.
    noteAuthor(at, must(V[at.block.number % V.length], 'a validator').account);
  },
});
chain.to(ERA + 1);

test('the trace of an election is its rounds, and the split of a pot sums to it', async () => {
  const store = newStore();
  Object.defineProperty(store, 'view', { value: () => chain.tree });
  const port = await startPort({}, { store });
  try {
    const ask = async (method: string, params: readonly unknown[] = []) =>
      (await call(port.http, method, params)).result;
    const trace = (await ask('staking_electionTrace', [1])) as Trace;
    const votes = V.map((who, i) => ({ who: who.account, stake: BigInt(100 + i) * UNIT, approves: [who.account] }));
    const voters = [
      ...votes,
      { who: voter.account, stake: 300n * UNIT, approves: V.slice(0, 2).map((v) => v.account) },
    ];
    const candidates = V.map(({ account }) => account).sort((a, b) => Buffer.compare(a, b));
    const { rounds } = seqPhragmen({ seats: 3, candidates, voters });
    assert.deepEqual([trace.era, trace.source], [1, 1]);
    assert.deepEqual(
      trace.rounds.map((round) => [round.who, BigInt(round.approval), BigInt(round.score), round.runnerUp?.who]),
      rounds.map((round) => [
        toHex(round.who),
        round.approval,
        round.score,
        round.runnerUp && toHex(round.runnerUp.who),
      ]),
    );
    assert.deepEqual(
      trace.seats.map(({ who, kind }) => [who, kind]),
      rounds.map(({ who }) => [toHex(who), 'Voted']),
    );
    assert.deepEqual(await ask('staking_electionTrace'), trace);
    assert.equal(await ask('staking_electionTrace', [7]), null);

    const split = (await ask('staking_rewardSplit', [0])) as Split;
    const sum = (parts: Record<string, string | number>) =>
      Object.values(parts).reduce((all, one) => all + BigInt(one), 0n);
    assert.equal(BigInt(split.pot), 100n * UNIT * BigInt(ERA));
    assert.equal(sum(split.split), BigInt(split.pot));
    assert.equal(sum(split.claims), BigInt(split.left));
    assert.deepEqual([split.over, split.points.length], [true, V.length]);
    assert.equal(await ask('staking_rewardSplit', [5]), null);
    assert.deepEqual(port.faults, []);
  } finally {
    await port.stop();
  }
});

interface Trace {
  readonly era: number;
  readonly source: number;
  readonly rounds: readonly {
    readonly who: string;
    readonly approval: string;
    readonly score: string;
    readonly runnerUp: { readonly who: string } | null;
  }[];
  readonly seats: readonly { readonly who: string; readonly kind: string }[];
}

interface Split {
  readonly pot: string;
  readonly left: string;
  readonly over: boolean;
  readonly split: Record<string, string>;
  readonly claims: Record<string, string>;
  readonly points: readonly unknown[];
}
