/** # Whom a node asks that is behind: who is ahead answers it, though others say so too and answer nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import type { Bytes } from '../../../src/base/bytes.ts';
import type { FinalityView } from '../../../src/consensus/finality/finality.ts';
import { Grandpa } from '../../../src/consensus/finality/grandpa.ts';
import { GadgetMessage } from '../../../src/consensus/finality/message.ts';
import { Questions } from '../../../src/consensus/finality/questions.ts';
import type { SignedVote } from '../../../src/consensus/finality/round.ts';
import { voteMessage } from '../../../src/primitives/justification.ts';
import { Headers } from './headers.ts';
import { keyOf, plainSignature, plainVerify } from './trees.ts';

const T = 1_000;

/** A gadget that has no key, and whom it asked what when. */
class Desk {
  readonly asked: [number, string, GadgetMessage['type']][] = [];
  private readonly chain = new Headers().grow('0', 'A');
  private readonly gadget = new Grandpa({
    setAt: () => ({ setId: 3n, authorities: ['a', 'b', 'c', 'd'].map((name): [Bytes, bigint] => [keyOf(name), 1n]) }),
    gossipMs: T,
    keys: () => [],
    markOf: () => undefined,
    verify: plainVerify,
    keepEvery: 8,
  });
  private readonly view: FinalityView = {
    best: this.chain.ref('A'),
    finalized: this.chain.ref('0'),
    ancestor: (of, number) => this.chain.ancestor(of, number),
    bestOn: (block) => this.chain.bestOn(block),
    header: this.chain.header,
    justification: () => undefined,
    record: () => undefined,
  };

  hear(now: number, peer: string, message: GadgetMessage): void {
    const input = { type: 'message', peer, message: GadgetMessage.enc(message) } as const;
    for (const effect of this.gadget.step(now, input, this.view)) {
      if (effect.type === 'tell') this.asked.push([now, effect.peer, GadgetMessage.dec(effect.message).type]);
    }
  }

  get round(): bigint {
    const [, current] = must(this.gadget.state(), 'a set').rounds;
    return must(current, 'a round').number;
  }

  /** A vote of a set and round, which need not be signed for a set that is not ours. */
  vote(setId: bigint, round: bigint, voter = 'a'): SignedVote {
    const [target, id] = [this.chain.ref('A'), keyOf(voter)];
    const signature = plainSignature(id, voteMessage('prevote', target, round, setId));
    return { stage: 'prevote', target, round, setId, id, signature };
  }

  says(now: number, peer: string, vote: SignedVote): void {
    this.hear(now, peer, { type: 'Vote', value: { repeat: now, vote } });
  }

  /** When a peer was asked, and how many questions there were in all. */
  of(peer: string): number[] {
    return this.asked.flatMap(([now, who]) => (who === peer ? [now] : []));
  }
}

test('a keyless peer who says that it is sets ahead, and answers nothing, keeps nobody else from being asked', () => {
  const desk = new Desk();
  // Ten times in T before anybody else speaks, who does so twice in 4 T.
  for (let now = 0; now < 20 * T; now += T / 10) {
    desk.says(now, 'liar', desk.vote(2n ** 64n - 1n, 1n));
    if (now % (2 * T) === T / 2) desk.says(now, 'honest', desk.vote(4n, 1n));
  }
  assert.equal(desk.of('honest')[0], T / 2);
  assert.ok(desk.of('honest').length >= 9, `${desk.of('honest')}`);
  assert.ok(desk.of('liar').length <= 20);
  assert.ok(desk.asked.every(([, , type]) => type === 'AskProof'));
});

test('a keyless peer who repeats votes of later rounds keeps nobody else from being asked for a record', () => {
  const desk = new Desk();
  for (let now = 0; now < 20 * T; now += T / 10) {
    desk.says(now, 'liar', desk.vote(3n, 9n));
    if (now % (2 * T) === T / 2) desk.says(now, 'honest', desk.vote(3n, 9n));
  }
  assert.equal(desk.of('honest')[0], T / 2);
  assert.ok(desk.of('honest').length >= 9, `${desk.of('honest')}`);
  assert.ok(desk.asked.every(([, , type]) => type === 'AskCatchUp'));
});

test('the records of both who were asked are read, once each', () => {
  const desk = new Desk();
  for (const peer of ['x', 'y', 'z']) desk.says(1, peer, desk.vote(3n, 9n));
  assert.deepEqual([desk.of('x'), desk.of('y'), desk.of('z')], [[1], [1], []]);
  const votes = ['a', 'b', 'c'].flatMap((name) =>
    (['prevote', 'precommit'] as const).map((stage): SignedVote => {
      const vote = { ...desk.vote(3n, 5n, name), stage };
      return { ...vote, signature: plainSignature(vote.id, voteMessage(stage, vote.target, 5n, 3n)) };
    }),
  );
  const record = { type: 'CatchUp', value: { setId: 3n, round: 5n, votes } } as const;
  desk.hear(2, 'z', record);
  assert.equal(desk.round, 1n, 'nobody asked him');
  desk.hear(2, 'y', { ...record, value: { ...record.value, votes: votes.slice(1, 2) } });
  desk.hear(2, 'y', record);
  assert.equal(desk.round, 1n, 'he was asked once');
  desk.hear(2, 'x', record);
  assert.equal(desk.round, 6n);
});

test('those who speak are asked in turn, two in T, whoever speaks how often', () => {
  const questions = new Questions(T);
  const peers = ['a', 'b', 'c', 'd', 'e'];
  const asked = new Map(peers.map((peer): [string, number[]] => [peer, []]));
  for (let now = 0; now < 25 * T; now += T / 5) {
    // One shouts before each of the others.
    for (const speaker of ['a', 'a', peers[(now / 200) % 5] as string]) {
      const peer = questions.next(now, speaker);
      if (peer !== undefined) asked.get(peer)?.push(now);
    }
  }
  for (const [peer, times] of asked) assert.ok(times.length >= 9 && times.length <= 11, `${peer}: ${times}`);
  const all = [...asked.values()].flat().sort((a, b) => a - b);
  for (const [i, at] of all.entries()) assert.ok(i < 2 || at - (all[i - 2] as number) >= T);
});

test('who is alone is asked once in T, and who has not spoken for 8 T not at all', () => {
  const questions = new Questions(T);
  const asked = (times: readonly number[], peer: string) => times.map((now) => questions.next(now, peer));
  assert.deepEqual(asked([0, 1, T - 1, T, 2 * T - 1], 'a'), ['a', undefined, undefined, 'a', undefined]);
  // a is the first in turn once more, and was asked in this T no more.
  assert.deepEqual(asked([10 * T - 2], 'b'), ['a']);
  assert.deepEqual(asked([10 * T - 1], 'b'), ['b']);
  assert.deepEqual(asked([11 * T, 12 * T], 'b'), ['b', 'b']);
});

test('at most 64 peers are known, and those who speak no more make room', () => {
  const questions = new Questions(T);
  for (let i = 0; i < 1_000; i++) questions.next(0, `liar ${i}`);
  const asked = Array.from({ length: 100 }, (_, i) => questions.next(T + i * (T / 10), 'honest'));
  assert.ok(asked.includes('honest'));
});
