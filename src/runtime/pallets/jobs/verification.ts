/**
 * # Verification: claim, draw, reveal, opened wins.
 *
 * Always true: a claim comes before anyone, the miner included, can know what will be drawn; what a fragment reveals
 * hashes to what it claimed. What is judged here was checked before: nothing in this file fails.
 */
import { must } from '../../../base/assert.ts';
import { type Bytes, concat, equal, utf8 } from '../../../base/bytes.ts';
import { blake2_256 } from '../../../crypto/hash.ts';
import { Dice } from '../../dice.ts';
import { drawnSegments } from '../../economy.ts';
import type { TranscriptSizes } from '../../referee.ts';
import { beaconAt, ComputePowDeclared, type Win } from '../compute-pow.ts';
import { checkersFor, endTraining, isChecking, remember, replenish, schedule } from './assignment.ts';
import { conclude } from './endings.ts';
import { type Drawn, type Fragment, fragmentOf, type JobSpec, type JobsScope, jobOf } from './state.ts';
import { checkDue } from './verdicts.ts';

/** The beacon of this many blocks after the claim draws the segments (ECONOMY.md rule B). */
const DRAW_DELAY = 2;
/** Blocks for a reveal, and for opened wins, after the draw. */
export const REVEAL_BLOCKS = 20;

const NOTHING = new Uint8Array(32);

/**
 * The block in which a claim's segments are drawn: its beacon is settled then. At least 3 blocks after the claim, since
 * a block may be won with the fragment up to the second one, and what was won is drawn too.
 */
export function drawBlock(at: JobsScope, claimedAt: number): number {
  return claimedAt + DRAW_DELAY + Math.max(1, at.spec.settleDepth);
}

/** How many claimed fragments of a miner wait for a verdict. */
export function checkingOf(at: JobsScope, miner: Bytes): number {
  return at.state.Recent.get(miner).filter((id) => isChecking(fragmentOf(at, id))).length;
}

/** Records a claim; the miner gets his next fragment in the same block. */
export function claim(at: JobsScope, id: Bytes, said: { transcript: Bytes; state_root: Bytes; delta: Bytes }): void {
  const fragment = fragmentOf(at, id);
  const { transcript, state_root, delta } = said;
  const { number } = at.block;
  const claimed: Fragment = {
    ...fragment,
    status: { type: 'Claimed' },
    ended: number,
    claim: { transcript, state_root, delta, at: number },
  };
  schedule(at, id, claimed, drawBlock(at, number));
  endTraining(at, id, fragment.miner);
  remember(at, id, fragment.miner);
  at.emit.Claimed({ fragment: id, miner: fragment.miner });
  replenish(at, fragment.miner);
}

/** Draws the segments of a claim, and a checker for each: those in which a block was won, and as many as are due. */
export function draw(at: JobsScope, id: Bytes, fragment: Fragment): void {
  const { at: claimedAt } = must(fragment.claim, 'a claimed fragment has a claim');
  const job = jobOf(at, fragment.job);
  const { state } = at.use(ComputePowDeclared);
  const segments = job.steps / job.segment_steps;
  const dice = new Dice(blake2_256(concat(utf8('cpow/1/draw'), beaconAt(at, claimedAt + DRAW_DELAY), id)));
  const author = state.Authors.get(fragment.miner);
  const known = author?.genesis ? segments : (author?.accepted ?? 0);
  const chosen = dice.distinct(drawnSegments(known, segments), segments);
  const won = new Set(state.Wins.get(id).map((win) => Math.floor((win.step - 1) / job.segment_steps)));
  const extra = [...won].filter((segment) => !chosen.includes(segment)).sort((a, b) => a - b);
  const order = dice.shuffled(checkersFor(at, fragment.miner));
  const drawn: Drawn[] = [...chosen, ...extra].map((segment, i) => ({
    segment,
    checker: must(order[i % order.length], 'a chain with jobs has checkers').account,
    won: won.has(segment),
    start_root: NOTHING,
    end_root: NOTHING,
    receipt: undefined,
    verdict: undefined,
    digest: undefined,
  }));
  const reveal_by = at.block.number + REVEAL_BLOCKS;
  schedule(at, id, { ...fragment, status: { type: 'Drawn' }, drawn, reveal_by }, reveal_by + 1);
  at.emit.SegmentsDrawn({ fragment: id, segments: drawn.map((d) => d.segment) });
}

/** What a miner opens once the segments are drawn. */
export interface Reveal {
  readonly rs: Bytes;
  readonly rl: Bytes;
  readonly rg: Bytes;
  readonly states: readonly { readonly index: number; readonly root: Bytes; readonly path: Bytes[] }[];
}

function sizesOf(job: JobSpec): TranscriptSizes {
  return { steps: job.steps, segmentSteps: job.segment_steps, nodes: job.mined_nodes.length };
}

/** Whether the roots hash to the claimed transcript. */
export function matchesClaim(at: JobsScope, fragment: Fragment, { rs: rS, rl: rL, rg: rG }: Reveal): boolean {
  const { transcript } = must(fragment.claim, 'a drawn fragment has a claim');
  return equal(at.host.referee.transcript({ rS, rL, rG }), transcript);
}

/** Whether exactly S_0, S_M and both ends of each drawn segment are opened, ascending, and every path leads to rS. */
export function opensDrawn(at: JobsScope, fragment: Fragment, { rs, states }: Reveal): boolean {
  const job = jobOf(at, fragment.job);
  const wanted = statesToOpen(job, fragment);
  if (states.length !== wanted.length || states.some(({ index }, i) => index !== wanted[i])) return false;
  const last = states.at(-1);
  const { state_root } = must(fragment.claim, 'a drawn fragment has a claim');
  if (last === undefined || !equal(last.root, state_root)) return false;
  const sizes = sizesOf(job);
  return states.every(({ index, root, path }) => at.host.referee.opensState(sizes, rs, index, root, path));
}

/** Indices of the states that a reveal opens, ascending: S_0, S_M and both ends of every drawn segment. */
export function statesToOpen(job: JobSpec, { drawn }: Fragment): number[] {
  const ends = drawn.flatMap(({ segment }) => [segment, segment + 1]);
  return [...new Set([0, job.steps / job.segment_steps, ...ends])].sort((a, b) => a - b);
}

/** Records the roots with which checkers compare, and makes the checks due. */
export function reveal(at: JobsScope, id: Bytes, said: Reveal): void {
  const fragment = fragmentOf(at, id);
  const roots = new Map(said.states.map(({ index, root }) => [index, root]));
  const root = (index: number): Bytes => must(roots.get(index), 'the drawn states were opened');
  const drawn = fragment.drawn.map((d) => ({ ...d, start_root: root(d.segment), end_root: root(d.segment + 1) }));
  for (const { checker } of drawn) at.state.Duties.put(checker, id, undefined);
  const revealed: Fragment = {
    ...fragment,
    status: { type: 'Revealed' },
    drawn,
    origin: root(0),
    operands: said.rg,
  };
  schedule(at, id, revealed, checkDue(at, revealed));
  at.emit.Revealed({ fragment: id });
}

export interface OpenedWin {
  readonly step: number;
  readonly node: number;
  readonly root_a: Bytes;
  readonly root_b: Bytes;
  readonly path: Bytes[];
}

/** Whether every won block of the fragment is opened, in order of the wins, with operands of the transcript. */
export function opensWins(at: JobsScope, id: Bytes, fragment: Fragment, opened: readonly OpenedWin[]): boolean {
  const sizes = sizesOf(jobOf(at, fragment.job));
  const wins = distinctWins(at.use(ComputePowDeclared).state.Wins.get(id));
  if (opened.length !== wins.length) return false;
  return wins.every((win, i) => {
    const said = must(opened[i], 'as many as there are wins');
    if (said.step !== win.step || said.node !== win.node) return false;
    if (!equal(said.root_a, win.root_a) || !equal(said.root_b, win.root_b)) return false;
    const { operands } = fragment;
    return at.host.referee.opensOperands(sizes, operands, said, [said.root_a, said.root_b], said.path);
  });
}

/** Wins of one place in one with equal operands: the final step may win again and again, and is opened once. */
export function distinctWins(wins: readonly Win[]): Win[] {
  const same = (a: Win, b: Win): boolean =>
    a.step === b.step && a.node === b.node && equal(a.root_a, b.root_a) && equal(a.root_b, b.root_b);
  return wins.filter((win, i) => wins.findIndex((other) => same(other, win)) === i);
}

/** The operands of every won block stand in the transcript: what they earned vests with the fragment's acceptance. */
export function openWins(at: JobsScope, id: Bytes): void {
  const fragment = fragmentOf(at, id);
  const opened = { ...fragment, wins_opened: true };
  if (fragment.status.type === 'Accepted') conclude(at, id, opened, undefined);
  else at.state.Fragments.put(id, opened);
}
