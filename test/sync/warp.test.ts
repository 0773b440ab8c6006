/**
 * # Warp: to the newest final block and its state, whoever is among the peers.
 *
 * Peers are scripted, the clock is virtual, messages are late and lost as the seed says; proofs, tries and the machine
 * are the real ones. Whatever liars do, what comes out is the true block with the true state.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../src/base/assert.ts';
import { type Bytes, toHex, utf8 } from '../../src/base/bytes.ts';
import { followProof, type WarpState } from '../../src/consensus/finality/warp.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import type { WarpProof } from '../../src/primitives/warp.ts';
import { StateTree } from '../../src/state/tree.ts';
import type {
  BlocksRequest,
  BlocksResponse,
  StateRequest,
  StateResponse,
  WarpRequest,
} from '../../src/sync/messages.ts';
import { StateResponse as StateAnswer, WarpResponse } from '../../src/sync/messages.ts';
import { Warp, type WarpEffect, type Warped, type WarpInput } from '../../src/sync/warp.ts';
import { type MadeChain, madeChain, verify } from '../consensus/finality/sets.ts';

await installFastPaths();

/** Four chunks of state: two thousand keys with 2 KiB each. */
const STATE = StateTree.from(
  Array.from({ length: 2_000 }, (_, i): [Bytes, Bytes] => {
    const key = blake2_256(utf8(`key ${i}`));
    return [key, new Uint8Array(2_048).fill(i)];
  }),
);
const BODY = [utf8('the time'), utf8('a transfer')];
const CHAIN = madeChain({ blocks: 83, session: 10, stateRoot: STATE.root, body: BODY });
/** Signed by the true voters of the first two sets, who went astray later. */
const ASTRAY = madeChain({ blocks: 193, session: 10, stateRoot: STATE.root, body: BODY, salt: 'astray', same: 20 });
const TOP = must(CHAIN.headers.at(-1), 'the newest header');

interface Answers {
  readonly claims: number;
  proof(ask: WarpRequest): WarpProof | undefined | 'mute';
  chunk(ask: StateRequest): StateResponse | 'mute';
  blocks(ask: BlocksRequest): BlocksResponse | 'mute';
}

function honest(chain: MadeChain = CHAIN, over: Partial<Answers> = {}): Answers {
  const hashes = chain.headers.map((header) => toHex(blake2_256(header)));
  return {
    claims: chain.headers.length - 1,
    proof: ({ setId }) => ({ fragments: chain.proof.slice(Number(setId)), finished: true }),
    chunk: ({ block, after }) => (toHex(block) === hashes.at(-1) ? STATE.chunk(after) : undefined),
    blocks: ({ from, fields, max }) => {
      const at = from.type === 'Hash' ? hashes.indexOf(toHex(from.value)) : from.value;
      const out: BlocksResponse = [];
      for (let number = at; number >= 0 && out.length < max; number--) {
        const header = must(chain.headers[number], 'a header');
        const body = (fields & 2) !== 0 ? [...BODY] : undefined;
        const opening = (fields & 4) !== 0 ? new Uint8Array(0) : undefined;
        const hash = blake2_256(header);
        out.push({ hash, header: (fields & 1) !== 0 ? header : undefined, body, opening, justification: undefined });
      }
      return out;
    },
    ...over,
  };
}

class Lab {
  now = 1_000;
  readonly peers: Readonly<Record<string, Answers>>;
  readonly machine: Warp<WarpState>;
  readonly reports = new Set<string>();
  readonly asked: Record<string, number> = {};
  warped: Warped | undefined;
  isDone = false;
  most = 0;
  private open = 0;
  private readonly loss: number;
  private readonly events: { at: number; run: () => void }[] = [];
  private seed: number;

  constructor(
    peers: Readonly<Record<string, Answers>>,
    options: { seed?: number; loss?: number; checkpoint?: number } = {},
  ) {
    const { seed = 1, loss = 0, checkpoint } = options;
    this.peers = peers;
    this.seed = seed;
    this.loss = loss;
    this.machine = new Warp({
      genesis: new Uint8Array(32),
      begin: CHAIN.begin,
      checkpoint:
        checkpoint === undefined
          ? undefined
          : { number: checkpoint, hash: blake2_256(must(CHAIN.headers[checkpoint], 'a header')) },
      follow: (from, proof) => {
        const verdict = followProof(from, proof, verify);
        return verdict.ok ? verdict : undefined;
      },
    });
    for (const peer of Object.keys(peers)) this.step({ type: 'connected', peer });
  }

  /** Runs until the warp is done, or this long. */
  run(ms: number): this {
    const end = this.now + ms;
    for (let steps = 0; !this.isDone && this.now < end; steps++) {
      assert.ok(steps < 20_000, 'it does not ask to be woken at once, for ever');
      this.events.sort((a, b) => a.at - b.at);
      const event = this.events[0];
      const wakeAt = this.machine.wakeAt() ?? end;
      if (event !== undefined && event.at <= Math.max(wakeAt, this.now)) {
        this.events.shift();
        this.now = Math.max(this.now, event.at);
        event.run();
      } else {
        this.now = Math.max(this.now + 1, Math.min(wakeAt, end));
        this.step({ type: 'tick' });
      }
    }
    return this;
  }

  private random(): number {
    this.seed = (Math.imul(this.seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.seed / 2 ** 32;
  }

  private step(input: WarpInput): void {
    for (const effect of this.machine.step(this.now, input)) this.perform(effect);
  }

  private perform(effect: WarpEffect): void {
    if (effect.type === 'report') {
      this.reports.add(`${effect.peer} ${effect.fault}`);
      return;
    }
    if (effect.type === 'done') {
      this.isDone = true;
      this.warped = effect.warped;
      return;
    }
    const { peer } = effect;
    const answers = must(this.peers[peer], 'a peer');
    if (effect.type === 'askStatus') {
      const status = {
        genesis: new Uint8Array(32),
        bestNumber: answers.claims,
        bestHash: new Uint8Array(32),
        totalDifficulty: 1n,
        finalizedNumber: answers.claims,
        finalizedHash: new Uint8Array(32),
        time: 0n,
      };
      this.later(() => this.step({ type: 'status', peer, status }));
      return;
    }
    this.asked[peer] = (this.asked[peer] ?? 0) + 1;
    this.open++;
    this.most = Math.max(this.most, this.open);
    const { request } = effect;
    const input = this.answerOf(effect, answers, request);
    const isLost = this.random() < this.loss;
    // What is not answered is over when its time is.
    if (input === undefined || isLost) this.events.push({ at: this.now + 8_000, run: () => void this.open-- });
    else {
      this.later(() => {
        this.open--;
        this.step(input);
      });
    }
  }

  private answerOf(
    effect: Exclude<WarpEffect, { type: 'report' | 'done' | 'askStatus' }>,
    answers: Answers,
    request: number,
  ): WarpInput | undefined {
    switch (effect.type) {
      case 'askProof': {
        const proof = answers.proof(effect.ask);
        return proof === 'mute'
          ? undefined
          : { type: 'proof', request, proof: WarpResponse.dec(WarpResponse.enc(proof)) };
      }
      case 'askState': {
        const chunk = answers.chunk(effect.ask);
        return chunk === 'mute'
          ? undefined
          : { type: 'chunk', request, chunk: StateAnswer.dec(StateAnswer.enc(chunk)) };
      }
      case 'askBlocks': {
        const blocks = answers.blocks(effect.ask);
        return blocks === 'mute' ? undefined : { type: 'blocks', request, blocks };
      }
    }
  }

  private later(run: () => void): void {
    this.events.push({ at: this.now + 20 + Math.floor(this.random() * 300), run });
  }
}

function assertThere(lab: Lab): void {
  const warped = must(lab.warped, `nothing after ${lab.now} ms, ${[...lab.reports]}`);
  assert.equal(toHex(warped.hash), toHex(blake2_256(TOP)));
  assert.deepEqual(warped.body, BODY);
  assert.deepEqual(warped.state.root, STATE.root);
  assert.ok(lab.most <= 4, `${lab.most} answers could have come at once`);
}

/** Everything that a peer can do wrong, and what it is reported for, if it can be known. */
const LIARS: Readonly<Record<string, readonly [Answers, ...string[]]>> = {
  mute: [honest(CHAIN, { claims: 84, proof: () => 'mute', chunk: () => 'mute', blocks: () => 'mute' })],
  empty: [honest(CHAIN, { proof: () => undefined, chunk: () => undefined, blocks: () => [] })],
  boaster: [honest(CHAIN, { claims: 1_000_000, chunk: () => 'mute', blocks: () => 'mute' }), 'ShortProof'],
  forger: [
    honest(CHAIN, {
      claims: 900,
      proof: () => ({ fragments: ASTRAY.proof.slice(4), finished: true }),
      chunk: ({ after }) => {
        const { entries, ...rest } = STATE.chunk(after);
        return { ...rest, entries: entries.toSpliced(3, 1) };
      },
      blocks: () => [
        { hash: blake2_256(TOP), header: undefined, body: [utf8('no')], opening: undefined, justification: undefined },
      ],
    }),
    'WrongProof',
  ],
  dripper: [
    honest(CHAIN, {
      proof: ({ setId }) => ({ fragments: CHAIN.proof.slice(Number(setId), Number(setId) + 1), finished: false }),
      chunk: ({ after }) => STATE.chunk(after, { bytes: 1, entries: 1 }),
    }),
  ],
  late: [
    honest(CHAIN, {
      claims: 40,
      proof: ({ setId }) => ({ fragments: CHAIN.proof.slice(Number(setId), 4), finished: true }),
    }),
  ],
};

test('with one honest peer it takes a proof, a state and a body', () => {
  const lab = new Lab({ a: honest() }).run(60_000);
  assertThere(lab);
  assert.deepEqual([...lab.reports], []);
  assert.equal(lab.asked.a, 1 + 4 + 1);
});

for (const [name, [liar, ...faults]] of Object.entries(LIARS)) {
  test(`beside a peer that is ${name} it arrives within two minutes`, () => {
    const lab = new Lab({ [name]: liar, good: honest() }).run(120_000);
    assertThere(lab);
    for (const fault of faults) assert.ok(lab.reports.has(`${name} ${fault}`), `${[...lab.reports]}`);
    assert.ok(![...lab.reports].some((report) => report.startsWith('good')), `${[...lab.reports]}`);
  });
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`seed ${seed}: among all of them, with a tenth of all answers lost, it arrives`, () => {
    const liars = Object.fromEntries(Object.entries(LIARS).map(([name, [answers]]) => [name, answers]));
    const lab = new Lab({ ...liars, good: honest(), fine: honest() }, { seed, loss: 0.1 }).run(600_000);
    assertThere(lab);
    const good = [...lab.reports].filter((report) => /^(good|fine)/.test(report));
    assert.ok(
      good.every((report) => report.endsWith('TimedOut')),
      `${good}`,
    );
  });
}

test('liars alone get nowhere: nothing comes out, and nobody is asked in a hurry', () => {
  const { mute, forger, empty, boaster } = LIARS;
  const lab = new Lab({ mute: mute?.[0], forger: forger?.[0], empty: empty?.[0], boaster: boaster?.[0] } as never);
  lab.run(600_000);
  assert.equal(lab.isDone, false);
  const questions = Object.values(lab.asked).reduce((sum, count) => sum + count, 0);
  assert.ok(questions < 600, `${questions} questions in ten minutes`);
});

test('voters of the past lead nobody astray who has a checkpoint, and lose their peers', () => {
  const peers = { past: honest(ASTRAY, { claims: 193 }), good: honest() };
  const lab = new Lab(peers, { checkpoint: 33 }).run(120_000);
  assertThere(lab);
  assert.ok(lab.reports.has('past OtherCheckpoint'), `${[...lab.reports]}`);
  assert.ok(![...lab.reports].some((report) => report.startsWith('good')), `${[...lab.reports]}`);
});

test('a proof that ends below the checkpoint is not enough', () => {
  const low = madeChain({ blocks: 33, session: 10, stateRoot: STATE.root, body: BODY });
  const lab = new Lab({ low: honest(low) }, { checkpoint: 60 }).run(60_000);
  assert.equal(lab.isDone, false);
});

test('a block whose state nobody keeps any more is given up for a newer one', () => {
  const old = honest(CHAIN, { chunk: () => undefined });
  const newer = madeChain({ blocks: 87, session: 10, stateRoot: STATE.root, body: BODY });
  const moves = { isNew: false };
  const peer: Answers = {
    claims: 83,
    proof: (ask) => (moves.isNew ? honest(newer) : old).proof(ask),
    chunk: (ask) => {
      moves.isNew = true;
      return honest(newer).chunk(ask);
    },
    blocks: (ask) => honest(newer).blocks(ask),
  };
  const lab = new Lab({ peer }).run(120_000);
  assert.equal(lab.warped?.number, 87);
});

test('where nobody has anything final but genesis, it says so', () => {
  const young = honest(CHAIN, { claims: 0, proof: () => ({ fragments: [], finished: true }) });
  const lab = new Lab({ young }).run(60_000);
  assert.ok(lab.isDone && lab.warped === undefined);
});
