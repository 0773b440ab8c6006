/**
 * # Verification: claim, draw, reveal, receipts, verdicts.
 *
 * Always true: a claim comes before anyone, the miner included, can know what will be drawn; a fragment is accepted only
 * when every drawn segment, and every segment that won a block, was executed again with the same result.
 */
import { must } from '../../../base/assert.ts';
import { type Bytes, concat, equal, fromLittleEndian, littleEndian, utf8 } from '../../../base/bytes.ts';
import { blake2_256 } from '../../../crypto/hash.ts';
import { drawnSegments } from '../../economy.ts';
import { beaconAt, ComputePowDeclared, want } from '../compute-pow.ts';
import { creditCheck, damage, forfeitAuthorPay, vestAuthorPay } from '../rewards.ts';
import { endMining, jobWork, replenish, schedule } from './assignment.ts';
import { countAccepted, countLost } from './rounds.ts';
import type { Checker, Drawn, Fragment, JobsScope } from './state.ts';

/** The beacon of this many blocks after the claim draws the segments (ECONOMY.md rule B). */
const DRAW_DELAY = 2;
/** Blocks for a reveal after the draw; blocks for a checker before he is replaced. */
const REVEAL_BLOCKS = 20;
const CHECK_BLOCKS = 10;
/** Replaced checkers after which nobody can be found: the fragment ends unpaid, and its miner unharmed. */
const MAX_REDRAWS = 6;

/** The block at which the segments of a claim are drawn. */
function drawBlock(at: JobsScope, claimedAt: number): number {
  return claimedAt + DRAW_DELAY + at.spec.settleDepth;
}

/** Looks at every fragment that is due in this block. */
export function workAgenda(at: JobsScope): void {
  for (const id of at.state.Agenda.take(at.block.number)) {
    const fragment = at.state.Fragments.get(id);
    // What was rescheduled since stands on the agenda of another block.
    if (!fragment || fragment.due !== at.block.number) continue;
    if (fragment.status.type === 'Claimed') draw(at, id, fragment);
    else if (fragment.status.type === 'Revealed') replaceCheckers(at, id, fragment);
    else if (fragment.status.type === 'Assigned' || fragment.status.type === 'Drawn') expire(at, id, fragment);
  }
}

/** Records a claim; the miner gets his next fragment in the same block. */
export function claim(at: JobsScope, id: Bytes, said: { transcript: Bytes; state_root: Bytes; delta: Bytes }): void {
  const fragment = must(at.state.Fragments.get(id), 'judged before');
  const { transcript, state_root, delta } = said;
  const claimed: Fragment = {
    ...fragment,
    status: { type: 'Claimed' },
    claim: { transcript, state_root, delta, at: at.block.number },
  };
  at.state.Fragments.put(id, schedule(at, claimed, id, drawBlock(at, at.block.number)));
  endMining(at, id);
  at.emit.Claimed({ fragment: id, miner: fragment.miner });
  replenish(at, fragment.miner);
}

function draw(at: JobsScope, id: Bytes, fragment: Fragment): void {
  const claimedAt = must(fragment.claim, 'a claimed fragment has a claim').at;
  const job = must(at.state.Jobs.get(fragment.job), 'a fragment has a job');
  const author = at.use(ComputePowDeclared).state.Authors.get(fragment.miner);
  const segments = job.steps / job.segment_steps;
  const seed = blake2_256(concat(utf8('cpow/1/draw'), beaconAt(at, claimedAt + DRAW_DELAY), id));
  const dice = new Dice(seed);
  const count = author?.genesis ? drawnSegments(segments, segments) : drawnSegments(author?.accepted ?? 0, segments);
  const chosen = dice.distinct(count, segments);
  const wins = at.use(ComputePowDeclared).state.Wins.get(id);
  const won = new Set(wins.map((win) => Math.floor((win.step - 1) / job.segment_steps)));
  const extra = [...won].filter((segment) => !chosen.includes(segment)).sort((a, b) => a - b);
  const order = checkersFor(at, fragment.miner, dice);
  const drawn: Drawn[] = [...chosen, ...extra].map((segment, i) => ({
    segment,
    checker: (order[i % order.length] as Checker).account,
    won: won.has(segment),
    start_root: new Uint8Array(32),
    end_root: new Uint8Array(32),
    receipt: undefined,
    verdict: undefined,
  }));
  const next: Fragment = { ...fragment, status: { type: 'Drawn' }, drawn };
  at.state.Fragments.put(id, schedule(at, next, id, at.block.number + REVEAL_BLOCKS));
  at.emit.SegmentsDrawn({ fragment: id, segments: drawn.map((d) => d.segment) });
}

/** The checkers in the order of the beacon, without the miner's own account where there is another. */
function checkersFor(at: JobsScope, miner: Bytes, dice: Dice): Checker[] {
  const all = at.state.Checkers.get();
  const others = all.filter((checker) => !equal(checker.account, miner));
  return dice.shuffled(others.length > 0 ? others : all);
}

/** What a miner opens once the segments are drawn. */
export interface Reveal {
  readonly rs: Bytes;
  readonly rl: Bytes;
  readonly rg: Bytes;
  readonly states: readonly { readonly index: number; readonly root: Bytes; readonly path: Bytes[] }[];
}

/** Checks the openings against the claim and records the roots that checkers compare with. */
export function reveal(at: JobsScope, id: Bytes, said: Reveal): void {
  const fragment = must(at.state.Fragments.get(id), 'judged before');
  const job = must(at.state.Jobs.get(fragment.job), 'a fragment has a job');
  const claimed = must(fragment.claim, 'a drawn fragment has a claim');
  const { referee } = at.host;
  const { rs: rS, rl: rL, rg: rG } = said;
  at.ensure(equal(referee.transcript({ rS, rL, rG }), claimed.transcript), 'BadTranscript');
  const sizes = { steps: job.steps, segmentSteps: job.segment_steps, nodes: job.mined_nodes.length };
  const roots = new Map<number, Bytes>();
  for (const { index, root, path } of said.states) {
    at.ensure(referee.opensState(sizes, rS, index, root, path), 'BadOpening');
    roots.set(index, root);
  }
  const last = at.some(roots.get(job.steps / job.segment_steps), 'Missing');
  at.ensure(equal(last, claimed.state_root), 'BadOpening');
  const origin = at.some(roots.get(0), 'Missing');
  const drawn = fragment.drawn.map((d) => ({
    ...d,
    start_root: at.some(roots.get(d.segment), 'Missing'),
    end_root: at.some(roots.get(d.segment + 1), 'Missing'),
  }));
  const next: Fragment = { ...fragment, status: { type: 'Revealed' }, drawn, origin, operands: rG };
  at.state.Fragments.put(id, schedule(at, next, id, at.block.number + CHECK_BLOCKS));
  at.emit.Revealed({ fragment: id });
}

export interface OpenedWin {
  readonly step: number;
  readonly node: number;
  readonly root_a: Bytes;
  readonly root_b: Bytes;
  readonly path: Bytes[];
}

/** Proves that the operands of every won block stand in the transcript; without it their pay is forfeit. */
export function openWins(at: JobsScope, id: Bytes, opened: readonly OpenedWin[]): void {
  const fragment = must(at.state.Fragments.get(id), 'judged before');
  const job = must(at.state.Jobs.get(fragment.job), 'a fragment has a job');
  const sizes = { steps: job.steps, segmentSteps: job.segment_steps, nodes: job.mined_nodes.length };
  for (const win of at.use(ComputePowDeclared).state.Wins.get(id)) {
    const said = at.some(
      opened.find((o) => o.step === win.step && o.node === win.node),
      'Missing',
    );
    at.ensure(equal(said.root_a, win.root_a) && equal(said.root_b, win.root_b), 'BadOpening');
    const opens = at.host.referee.opensOperands(sizes, fragment.operands, said, [said.root_a, said.root_b], said.path);
    at.ensure(opens, 'BadOpening');
  }
  at.state.Fragments.put(id, { ...fragment, wins_opened: true });
}

/** Binds a checker to what he found before anyone sees it. */
export function takeReceipt(at: JobsScope, id: Bytes, segment: number, receipt: Bytes): void {
  change(at, id, segment, (d) => ({ ...d, receipt: { receipt, at: at.block.number } }));
}

/** Records a verdict; the last one, or the first that rejects, ends the fragment. */
export function takeVerdict(at: JobsScope, id: Bytes, segment: number, accept: boolean): void {
  const fragment = change(at, id, segment, (d) => ({ ...d, verdict: accept }));
  const job = must(at.state.Jobs.get(fragment.job), 'a fragment has a job');
  const duty = must(
    fragment.drawn.find((d) => d.segment === segment),
    'judged before',
  );
  creditCheck(at, duty.checker, jobWork(job, job.segment_steps));
  if (!accept) rejectFragment(at, id, fragment, segment);
  else if (fragment.drawn.every((d) => d.verdict === true)) accepted(at, id, fragment);
}

function change(at: JobsScope, id: Bytes, segment: number, by: (d: Drawn) => Drawn): Fragment {
  return at.state.Fragments.mutate(id, (before) => {
    const fragment = must(before, 'judged before');
    return { ...fragment, drawn: fragment.drawn.map((d) => (d.segment === segment ? by(d) : d)) };
  });
}

function accepted(at: JobsScope, id: Bytes, fragment: Fragment): void {
  at.state.Fragments.put(id, { ...fragment, status: { type: 'Accepted' } });
  const pow = at.use(ComputePowDeclared);
  if (pow.state.Authors.has(fragment.miner)) {
    pow.state.Authors.mutate(fragment.miner, (author) => {
      const known = must(author, 'has was asked');
      return { ...known, accepted: known.accepted + 1, misses: 0, blocked_until: 0 };
    });
  }
  settleWins(at, id, fragment, fragment.wins_opened ? undefined : 'wins not opened');
  at.emit.Accepted({ fragment: id, miner: fragment.miner });
  countAccepted(at, id, { ...fragment, status: { type: 'Accepted' } });
}

function rejectFragment(at: JobsScope, id: Bytes, fragment: Fragment, segment: number): void {
  at.state.Fragments.put(id, { ...fragment, status: { type: 'Rejected' } });
  settleWins(at, id, fragment, 'fragment rejected');
  damage(at, fragment.miner, 'fraud');
  at.emit.Rejected({ fragment: id, miner: fragment.miner, segment });
  countLost(at, fragment, true);
}

/** Out of time. Overflow work costs nobody a reputation: nobody waited for it. */
function expire(at: JobsScope, id: Bytes, fragment: Fragment): void {
  const wasOpen = fragment.status.type === 'Assigned';
  at.state.Fragments.put(id, { ...fragment, status: { type: 'Expired' } });
  settleWins(at, id, fragment, 'fragment expired');
  if (wasOpen) endMining(at, id);
  if (!fragment.overflow) missed(at, fragment.miner);
  at.emit.Expired({ fragment: id, miner: fragment.miner });
  countLost(at, fragment, false);
  want(at, fragment.miner);
}

/** A missed deadline: a block-out that doubles up to 168 eras; a newcomer's second ends his registration (rules W, E). */
function missed(at: JobsScope, account: Bytes): void {
  const { state } = at.use(ComputePowDeclared);
  const author = state.Authors.get(account);
  if (!author) return;
  damage(at, account, 'timeout');
  const eras = Math.min(168, 2 ** Math.min(author.misses, 8));
  const next = {
    ...author,
    timeouts: author.timeouts + 1,
    misses: author.misses + 1,
    blocked_until: at.block.number + eras * at.spec.eraBlocks,
  };
  if (!author.genesis && author.accepted === 0 && next.timeouts >= 2) {
    state.Authors.delete(account);
    state.KeyOwner.delete(author.compute_key);
  } else {
    state.Authors.put(account, next);
  }
}

/** A checker who stays silent is replaced by the next of the list; the segment stays. */
function replaceCheckers(at: JobsScope, id: Bytes, fragment: Fragment): void {
  if (fragment.redraws >= MAX_REDRAWS) {
    at.state.Fragments.put(id, { ...fragment, status: { type: 'Expired' } });
    settleWins(at, id, fragment, 'no checker answered');
    at.emit.Expired({ fragment: id, miner: fragment.miner });
    countLost(at, fragment, false);
    return;
  }
  const all = at.state.Checkers.get();
  const others = all.filter((checker) => !equal(checker.account, fragment.miner));
  const from = others.length > 0 ? others : all;
  const drawn = fragment.drawn.map((d) => {
    if (d.verdict !== undefined) return d;
    const place = from.findIndex((checker) => equal(checker.account, d.checker));
    return { ...d, checker: (from[(place + 1) % from.length] as Checker).account, receipt: undefined };
  });
  const next: Fragment = { ...fragment, drawn, redraws: fragment.redraws + 1 };
  at.state.Fragments.put(id, schedule(at, next, id, at.block.number + CHECK_BLOCKS));
}

/** Pays or forfeits what the fragment's won blocks earned; `fault` says why it is forfeit. */
function settleWins(at: JobsScope, id: Bytes, fragment: Fragment, fault: string | undefined): void {
  const { state } = at.use(ComputePowDeclared);
  const wins = state.Wins.get(id);
  if (wins.length === 0) return;
  const pay = wins.reduce((sum, win) => sum + win.pay, 0n);
  if (fault === undefined) vestAuthorPay(at, fragment.miner, pay);
  else forfeitAuthorPay(at, fragment.miner, pay, fault);
  state.Wins.put(
    id,
    wins.map((win) => ({ ...win, pay: 0n })),
  );
}

/** Unbiased draws from a seed: BLAKE2b-256 of seed and counter, eight u32 each, rejected above the last whole multiple. */
class Dice {
  readonly #seed: Bytes;
  #block: Bytes = new Uint8Array(0);
  #counter = 0;
  #at = 0;

  constructor(seed: Bytes) {
    this.#seed = seed;
  }

  below(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const word = this.#word();
      if (word < limit) return word % n;
    }
  }

  distinct(count: number, n: number): number[] {
    return this.shuffled(Array.from({ length: n }, (_, i) => i)).slice(0, count);
  }

  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j] as T, out[i] as T];
    }
    return out;
  }

  #word(): number {
    if (this.#at === this.#block.length) {
      this.#block = blake2_256(concat(this.#seed, littleEndian(BigInt(this.#counter++), 4)));
      this.#at = 0;
    }
    const word = this.#block.subarray(this.#at, this.#at + 4);
    this.#at += 4;
    return Number(fromLittleEndian(word));
  }
}
