/** # What one voter does with each thing it hears. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import type { SignedVote } from '../../../src/consensus/finality/round.ts';
import {
  Voter,
  type VoterEffect,
  type VoterInput,
  type VoterMemory,
  type VoterSetup,
} from '../../../src/consensus/finality/voter.ts';
import { type GrandpaStage, voteMessage } from '../../../src/primitives/justification.ts';
import { Headers } from './headers.ts';
import { keyOf, plainSignature, plainVerify, votersOf } from './trees.ts';

const T = 1_000;
const VOTERS = votersOf({ a: 1, b: 1, c: 1, d: 1 });

function vote(chain: Headers, voter: string, stage: GrandpaStage, block: string, round = 1n): SignedVote {
  const [target, id] = [chain.ref(block), keyOf(voter)];
  return { stage, target, round, setId: 0n, id, signature: plainSignature(id, voteMessage(stage, target, round, 0n)) };
}

const RELAY = { type: 'relay' } as const;

class Desk {
  readonly chain = new Headers().grow('0', 'A', 'B', 'C');
  readonly effects: VoterEffect[] = [];
  readonly voter: Voter;

  constructor(name: string, now = 0, over: Partial<VoterSetup> = {}) {
    const id = keyOf(name);
    const key = { publicKey: id, sign: (message: Uint8Array) => plainSignature(id, message) };
    const { chain } = this;
    const finalized = chain.ref('0');
    this.voter = new Voter(now, {
      setId: 0n,
      voters: VOTERS,
      gossipMs: T,
      key,
      chain,
      finalized,
      verify: plainVerify,
      ...over,
    });
  }

  step(now: number, input: VoterInput): readonly VoterEffect[] {
    const effects = this.voter.step(now, input);
    this.effects.push(...effects);
    return effects;
  }

  hear(now: number, ...said: readonly (readonly [string, GrandpaStage, string, bigint?])[]): readonly VoterEffect[] {
    return said.flatMap(([voter, stage, block, round]) =>
      this.step(now, { type: 'vote', peer: voter, vote: vote(this.chain, voter, stage, block, round) }),
    );
  }

  said(): string[] {
    return this.effects.flatMap((effect) =>
      effect.type === 'broadcast'
        ? [`${effect.vote.round} ${effect.vote.stage} ${this.chain.name(effect.vote.target)}`]
        : [],
    );
  }

  memory(): VoterMemory {
    const last = this.effects.findLast((effect) => effect.type === 'persist');
    return must(last?.type === 'persist' ? last.memory : undefined, 'something was persisted');
  }
}

const prevotes = (...names: string[]) => names.map((name) => [name, 'prevote', 'C'] as const);
const precommits = (...names: string[]) => names.map((name) => [name, 'precommit', 'C'] as const);

test('a voter prevotes after 2 T, precommits to the GHOST after 4 T, and finalizes with a supermajority', () => {
  const desk = new Desk('a');
  assert.equal(desk.voter.wakeAt(), 0);
  desk.step(0, { type: 'tick' });
  assert.deepEqual(desk.said(), []);
  assert.equal(desk.voter.wakeAt(), 2 * T);
  assert.deepEqual(
    desk.step(2 * T, { type: 'tick' }).map(({ type }) => type),
    ['persist', 'broadcast'],
  );
  desk.hear(3 * T, ...prevotes('b', 'c'));
  assert.deepEqual(desk.said(), ['1 prevote C']);
  desk.step(4 * T, { type: 'tick' });
  assert.ok(desk.said().includes('1 precommit C'));
  const effects = desk.hear(4 * T, ...precommits('b', 'c'));
  const final = effects.find((effect) => effect.type === 'finalize');
  assert.deepEqual(final?.type === 'finalize' && [final.block, final.own], [desk.chain.ref('C'), true]);
  assert.equal(desk.voter.round, 2n);
});

test('who follows without a key votes never, and finalizes all the same', () => {
  const desk = new Desk('stranger');
  assert.equal(desk.voter.wakeAt(), undefined);
  desk.step(9 * T, { type: 'tick' });
  const effects = desk.hear(9 * T, ...prevotes('a', 'b', 'c'), ...precommits('a', 'b', 'c'));
  assert.deepEqual(
    effects.map(({ type }) => type).filter((type) => type !== 'relay'),
    ['finalize'],
  );
});

test('a voter restarted from its memory says the same votes again and no others', () => {
  const desk = new Desk('a');
  desk.step(2 * T, { type: 'tick' });
  const again = new Desk('a', 9 * T, { memory: desk.memory() });
  again.chain.grow('C', 'D');
  again.step(9 * T, { type: 'tick' });
  assert.deepEqual(again.said(), ['1 prevote C'], 'though D is the best block now');
  again.hear(20 * T, ...prevotes('b', 'c'));
  assert.deepEqual([...new Set(again.said())], ['1 prevote C', '1 precommit C']);
  const third = new Desk('a', 30 * T, { memory: again.memory() });
  third.step(60 * T, { type: 'tick' });
  assert.deepEqual([...new Set(third.said())], ['1 prevote C', '1 precommit C']);
});

test('a voter with an old disk hears its own votes and keeps silent in those rounds', () => {
  const desk = new Desk('a', 0, { listens: true });
  desk.hear(1, ['a', 'prevote', 'B']);
  desk.step(2 * T, { type: 'tick' });
  desk.hear(5 * T, ...prevotes('b', 'c', 'd'));
  assert.deepEqual(desk.said(), []);
  desk.hear(5 * T, ...precommits('b', 'c', 'd'));
  assert.equal(desk.voter.round, 2n);
  desk.step(8 * T, { type: 'tick' });
  assert.deepEqual(desk.said(), [], 'it was heard at 1: so long it listens again');
  assert.equal(desk.voter.wakeAt(), 8 * T + 1);
  desk.step(8 * T + 1, { type: 'tick' });
  assert.deepEqual(desk.said(), ['2 prevote C']);
});

test('who has voted and hears another vote with its key says nothing more in the set, and tells it once', () => {
  for (const round of [1n, 2n]) {
    const desk = new Desk('a');
    desk.step(2 * T, { type: 'tick' });
    desk.hear(5 * T, ...prevotes('b', 'c', 'd'), ...precommits('b', 'c', 'd'));
    assert.deepEqual([desk.voter.round, [...new Set(desk.said())]], [2n, ['1 prevote C', '1 precommit C']]);
    // Of the round that was left as of the one that is open.
    for (const stage of ['prevote', 'precommit', 'prevote'] as const) desk.hear(5 * T, ['a', stage, 'B', round]);
    const told = desk.effects.flatMap((effect) => (effect.type === 'doppelganger' ? [effect.kind] : []));
    assert.deepEqual(told, ['twin']);
    for (const later of [2n, 3n]) {
      const all = (stage: GrandpaStage) => ['b', 'c', 'd'].map((name) => [name, stage, 'C', later] as const);
      desk.hear(10 * T, ...all('prevote'), ...all('precommit'));
    }
    desk.step(90 * T, { type: 'tick' });
    assert.deepEqual([desk.voter.round, new Set(desk.said()).size], [4n, 2]);
  }
});

test('a memory of a later set silences the voter of an earlier one', () => {
  const desk = new Desk('a');
  desk.step(2 * T, { type: 'tick' });
  const old = new Desk('a', 0, { memory: { ...desk.memory(), setId: 1n } });
  old.step(9 * T, { type: 'tick' });
  assert.deepEqual(old.said(), []);
});

test('what is news and holds is worth passing on, once; what is false or late is not', () => {
  const desk = new Desk('stranger');
  const real = vote(desk.chain, 'b', 'prevote', 'C');
  const forged = { ...real, target: desk.chain.ref('B') };
  const types = (heard: SignedVote) =>
    desk.step(1, { type: 'vote', peer: 'p', vote: heard }).map(({ type }) => type as string);
  assert.deepEqual(types(forged), ['report']);
  assert.deepEqual(types(real), ['relay']);
  assert.ok(desk.voter.has(real) && !desk.voter.has({ ...real, signature: forged.id }));
  assert.deepEqual(types(real), []);
  assert.deepEqual(types(vote(desk.chain, 'b', 'prevote', 'C', 2n)), ['relay'], 'of the next round');
  assert.deepEqual(types(vote(desk.chain, 'b', 'prevote', 'C', 2n)), []);
  assert.deepEqual(types({ ...real, setId: 1n }), [], 'of another set');
});

test('nothing at or below the watermark is signed, though the disk knows nothing of it', () => {
  const mark = (round: bigint, stage: GrandpaStage, setId = 0n) => ({
    mark: { id: keyOf('a'), setId, round, stage, votes: [] },
  });
  const said = (over: Partial<VoterSetup>): string[] => {
    const desk = new Desk('a', 0, over);
    desk.step(2 * T, { type: 'tick' });
    desk.hear(5 * T, ...prevotes('b', 'c', 'd'), ...precommits('b', 'c', 'd'));
    desk.step(7 * T, { type: 'tick' });
    return [...new Set(desk.said())];
  };
  const all = ['1 prevote C', '1 precommit C', '2 prevote C'];
  assert.deepEqual(said({}), all);
  assert.deepEqual(said(mark(1n, 'primaryPropose')), all);
  assert.deepEqual(said(mark(1n, 'prevote')), all.slice(1));
  assert.deepEqual(said(mark(1n, 'precommit')), all.slice(2));
  assert.deepEqual(said(mark(2n, 'prevote')), []);
  assert.deepEqual(said(mark(1n, 'primaryPropose', 1n)), []);
  assert.deepEqual(said({ ...mark(9n, 'precommit'), setId: 1n }), ['1 prevote C'], 'of an earlier set');
});

test('a voter whose disk is older than its mark says again what the mark says that it said', () => {
  const desk = new Desk('a');
  desk.step(2 * T, { type: 'tick' });
  desk.hear(5 * T, ...prevotes('b', 'c', 'd'), ...precommits('b', 'c', 'd'));
  desk.step(7 * T, { type: 'tick' });
  const all = ['1 prevote C', '1 precommit C', '2 prevote C'];
  assert.deepEqual([...new Set(desk.said())], all);
  const last = must(
    desk.effects.findLast((effect) => effect.type === 'persist'),
    'it has voted',
  );
  const old = new Desk('a', 20 * T, { mark: last.mark });
  old.chain.grow('C', 'D');
  old.step(20 * T, { type: 'tick' });
  assert.deepEqual(new Set(old.said()), new Set(all.slice(0, 2)), 'of the round in which it begins');
  // With two of the others his votes suffice: he is counted in both rounds.
  old.hear(21 * T, ...prevotes('b', 'c'), ...precommits('b', 'c'));
  assert.equal(old.voter.round, 2n);
  old.step(25 * T, { type: 'tick' });
  assert.deepEqual(new Set(old.said()), new Set(all), 'though D is the best block now');
  const own = vote(old.chain, 'a', 'prevote', 'C', 2n);
  assert.ok(old.voter.has(own));
  old.hear(26 * T, ['b', 'prevote', 'C', 2n], ['c', 'prevote', 'C', 2n], ['a', 'prevote', 'C', 2n]);
  assert.ok(old.said().includes('2 precommit C'), 'and goes on above the mark');
  assert.ok(old.effects.every(({ type }) => type !== 'doppelganger'));
});

test('votes for a block that is not here yet wait for it', () => {
  const ahead = new Headers().grow('0', 'A', 'B', 'C', 'D');
  const desk = new Desk('stranger');
  for (const stage of ['prevote', 'precommit'] as const) {
    for (const voter of ['a', 'b', 'c']) {
      const effects = desk.step(1, { type: 'vote', peer: voter, vote: vote(ahead, voter, stage, 'D') });
      assert.deepEqual(effects, [RELAY, { type: 'missing', block: ahead.ref('D'), peer: voter }]);
    }
  }
  desk.chain.grow('C', 'D');
  const [effect] = desk.step(2, { type: 'head' });
  assert.deepEqual(effect?.type === 'finalize' && effect.block, desk.chain.ref('D'));
});

test('who is two rounds behind asks, is answered with a record, and goes on in the round after it', () => {
  const ahead = new Desk('b');
  for (const round of [1n, 2n, 3n]) {
    const all = (stage: GrandpaStage) => ['a', 'c', 'd'].map((name) => [name, stage, 'C', round] as const);
    ahead.hear(Number(round), ...all('prevote'), ...all('precommit'));
  }
  assert.equal(ahead.voter.round, 4n);
  const behind = new Desk('a');
  const [asked] = behind.hear(1, ['b', 'prevote', 'C', 4n]);
  assert.deepEqual(asked, { type: 'askCatchUp', peer: 'b', round: 1n });
  assert.deepEqual(behind.hear(2, ['b', 'prevote', 'B', 4n]), [], 'one question of a peer in T');
  const [other] = behind.hear(2, ['c', 'prevote', 'C', 4n]);
  assert.deepEqual(other, { type: 'askCatchUp', peer: 'c', round: 1n });
  assert.deepEqual(behind.hear(2, ['d', 'prevote', 'C', 4n]), [], 'two questions in T');
  const [answer] = ahead.step(9, { type: 'catchUpAsked', peer: 'a', round: 1n });
  assert.ok(answer?.type === 'catchUp');
  const effects = behind.step(3, { type: 'catchUp', peer: 'b', record: answer.record });
  assert.equal(behind.voter.round, 4n);
  assert.ok(effects.some((effect) => effect.type === 'finalize'));
  assert.deepEqual(ahead.step(9, { type: 'catchUpAsked', peer: 'a', round: 4n }), [], 'nobody has left round 4');
});

test('a false record, a forged vote and a false proof are reported, and change nothing', () => {
  const desk = new Desk('a');
  const real = vote(desk.chain, 'b', 'prevote', 'C');
  const forged = { ...real, target: desk.chain.ref('B') };
  const report = (fault: string) => [{ type: 'report', peer: 'p', fault }];
  assert.deepEqual(desk.step(1, { type: 'vote', peer: 'p', vote: forged }), report('BadSignature'));
  const later = { ...real, round: 9n };
  assert.deepEqual(desk.step(1, { type: 'vote', peer: 'p', vote: later }), report('BadSignature'));
  assert.deepEqual(
    desk.step(1, { type: 'vote', peer: 'p', vote: vote(desk.chain, 'x', 'prevote', 'C') }),
    report('UnknownVoter'),
  );
  const record = { setId: 0n, round: 1n, votes: [forged] };
  assert.deepEqual(desk.step(1, { type: 'catchUp', peer: 'p', record }), report('BadSignature'));
  assert.deepEqual(desk.step(1, { type: 'justification', peer: 'p', bytes: new Uint8Array(9) }), report('Malformed'));
  assert.equal(desk.voter.round, 1n);
});

test('a proof of others finalizes, at once or when its block comes', () => {
  const maker = new Desk('stranger');
  maker.hear(1, ...prevotes('a', 'b', 'c'), ...precommits('a', 'b', 'c'));
  const made = maker.effects.find((effect) => effect.type === 'finalize');
  assert.ok(made?.type === 'finalize');
  const input = { type: 'justification', peer: 'p', bytes: made.justification } as const;
  const desk = new Desk('a');
  assert.deepEqual(desk.step(1, input), [RELAY, { ...made, own: false }]);
  assert.deepEqual(desk.step(1, input), [], 'once');
  const chain = new Headers().grow('0', 'A');
  const late = new Desk('a', 0, { chain });
  assert.deepEqual(late.step(1, input), [RELAY, { type: 'proven', block: made.block, peer: 'p' }]);
  assert.deepEqual(late.step(1, input), [], 'once');
  chain.grow('A', 'B', 'C');
  assert.deepEqual(late.step(2, { type: 'head' }), [{ ...made, own: false }]);
});

test('the primary names what the last round may have finalized, where that is not final', () => {
  const voters = votersOf({ a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 });
  // Two precommits for B and three for A: A is final, and with the two silent and two who vote twice B may become so.
  const votes = [
    ...['a', 'b', 'd', 'e', 'f'].map((name) => [name, 'prevote', 'B'] as const),
    ...['a', 'b'].map((name) => [name, 'precommit', 'B'] as const),
    ...['d', 'e', 'f'].map((name) => [name, 'precommit', 'A'] as const),
  ];
  // Round 2 of seven: c.
  const primary = new Desk('c', 0, { voters });
  const effects = primary.hear(1, ...votes);
  assert.deepEqual(primary.said(), ['1 prevote C', '1 precommit B', '2 primaryPropose B']);
  const final = effects.find((effect) => effect.type === 'finalize');
  assert.equal(final?.type === 'finalize' && primary.chain.name(final.block), 'A');
  const other = new Desk('g', 0, { voters });
  other.hear(1, ...votes);
  assert.deepEqual(other.said(), ['1 prevote C', '1 precommit B']);
});

test('a vote for a block that is not here says which block that is, and who brought the vote', () => {
  const desk = new Desk('a');
  const elsewhere = new Headers().grow('0', 'A', 'X');
  const said = vote(elsewhere, 'b', 'prevote', 'X');
  const effects = desk.step(0, { type: 'vote', peer: 'p', vote: said });
  assert.deepEqual(effects, [RELAY, { type: 'missing', block: said.target, peer: 'p' }]);
  // Said again it is no news, but the block is looked for again where it was not found in 4 T, in which voters repeat.
  const again = (now: number) => desk.step(now, { type: 'vote', peer: 'q', vote: said });
  const named = (now: number) => again(now).some(({ type }) => type === 'missing');
  assert.deepEqual([1, 4 * T - 1, 4 * T, 4 * T + 1, 8 * T].map(named), [false, false, true, false, true]);
  desk.chain.grow('A', 'X');
  desk.step(8 * T, { type: 'head' });
  assert.deepEqual(desk.step(8 * T, { type: 'vote', peer: 'q', vote: said }), []);
});

/** Votes of one voter for blocks that nobody has. */
function randomVotes(count: number, stage: GrandpaStage = 'prevote', round = 1n): SignedVote[] {
  const chain = new Headers().grow('0', 'A');
  for (let i = 0; i < count; i++) chain.grow('A', `X${i}`);
  return Array.from({ length: count }, (_, i) => vote(chain, 'b', stage, `X${i}`, round));
}

test('who votes for two blocks that are not here is convicted at once, and no more of his are looked for', () => {
  for (const [stage, round] of [['prevote', 1n] as const, ['precommit', 1n] as const, ['prevote', 2n] as const]) {
    const desk = new Desk('stranger');
    const votes = randomVotes(20, stage, round);
    for (const said of votes) desk.step(1, { type: 'vote', peer: 'p', vote: said });
    const of = <K extends VoterEffect['type']>(type: K) =>
      desk.effects.flatMap((effect) => (effect.type === type ? [effect as Extract<VoterEffect, { type: K }>] : []));
    const [first, second] = votes;
    assert.deepEqual(
      of('equivocation').map(({ proof }) => proof),
      [{ stage, round, setId: 0n, id: keyOf('b'), first, second }],
    );
    assert.equal(of('relay').length, 2, 'so that all hear both');
    assert.deepEqual(
      of('missing').map(({ block }) => block),
      // Of the next round none before it begins.
      round === 1n ? [first?.target, second?.target] : [],
    );
  }
});

test('a record for blocks that are not here makes us look for two of each voter and stage', () => {
  const desk = new Desk('a');
  const record = { setId: 0n, round: 5n, votes: randomVotes(16, 'precommit', 5n) };
  const effects = desk.step(1, { type: 'catchUp', peer: 'p', record });
  assert.deepEqual(
    effects.map(({ type }) => type),
    ['missing', 'equivocation', 'missing'],
  );
});

test('the signature of a vote that waits is checked once, however often it is repeated and whatever block comes', () => {
  let checked = 0;
  const verify = (...all: Parameters<typeof plainVerify>) => {
    checked++;
    return plainVerify(...all);
  };
  const desk = new Desk('stranger', 0, { verify });
  const [here, next] = [...randomVotes(1), ...randomVotes(1, 'prevote', 2n)] as [SignedVote, SignedVote];
  for (let now = 1; now < 20; now++) {
    for (const said of [here, next]) desk.step(now, { type: 'vote', peer: 'p', vote: said });
    desk.step(now, { type: 'head' });
  }
  assert.equal(checked, 2);
  desk.chain.grow('A', 'X0');
  desk.step(20, { type: 'head' });
  assert.ok(desk.voter.has(here));
  assert.equal(checked, 2);
});
