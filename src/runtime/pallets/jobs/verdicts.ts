/**
 * # Verdicts: receipts, verdicts, and who is asked in the place of a silent checker.
 *
 * Always true: a checker's receipt stands on chain at least one block before his verdict shows what it binds; a segment
 * has one checker at a time, and keeps its place when he is replaced. What is judged here was checked before.
 */
import { must } from '../../../base/assert.ts';
import { type Bytes, equal } from '../../../base/bytes.ts';
import { creditCheck, damage } from '../rewards.ts';
import { checkersFor, jobWork, schedule } from './assignment.ts';
import { accept, clearDuties, endUnpaid, reject } from './endings.ts';
import { type Drawn, type Fragment, fragmentOf, type JobsScope, jobOf } from './state.ts';

/** Blocks that a checker has for one segment of a fragment before he is replaced. */
const CHECK_BLOCKS = 10;
/** Replaced checkers after which nobody can be found: the fragment ends unpaid, and its miner unharmed. */
const MAX_REDRAWS = 6;

/** Until when the checkers of a fragment are waited for: in turns, where one of them owes several segments. */
export function checkDue(at: JobsScope, fragment: Fragment): number {
  const turns = Math.ceil(fragment.drawn.length / checkersFor(at, fragment.miner).length);
  return at.block.number + CHECK_BLOCKS * turns;
}

/** Binds a checker to what he found before anyone sees it. */
export function takeReceipt(at: JobsScope, id: Bytes, segment: number, receipt: Bytes): void {
  change(at, id, segment, (d) => ({ ...d, receipt: { receipt, at: at.block.number } }));
}

/** Records a verdict; the last one, or the first that rejects, ends the fragment. */
export function takeVerdict(at: JobsScope, id: Bytes, segment: number, said: { accept: boolean; digest: Bytes }): void {
  const fragment = change(at, id, segment, (d) => ({ ...d, verdict: said.accept, digest: said.digest }));
  const job = jobOf(at, fragment.job);
  const mine = must(
    fragment.drawn.find((d) => d.segment === segment),
    'judged before',
  );
  creditCheck(at, mine.checker, jobWork(job, job.segment_steps));
  if (!fragment.drawn.some((d) => d.verdict === undefined && equal(d.checker, mine.checker))) {
    at.state.Duties.delete(mine.checker, id);
  }
  if (!said.accept) reject(at, id, fragment, segment);
  else if (fragment.drawn.every((d) => d.verdict === true)) accept(at, id, fragment);
}

function change(at: JobsScope, id: Bytes, segment: number, by: (d: Drawn) => Drawn): Fragment {
  const fragment = fragmentOf(at, id);
  const changed = { ...fragment, drawn: fragment.drawn.map((d) => (d.segment === segment ? by(d) : d)) };
  at.state.Fragments.put(id, changed);
  return changed;
}

/** Silent checkers are replaced by the next of the list and lose reputation; the segments stay (rule V). */
export function replaceCheckers(at: JobsScope, id: Bytes, fragment: Fragment): void {
  if (fragment.redraws >= MAX_REDRAWS) {
    endUnpaid(at, id, fragment, 'no checker answered');
    return;
  }
  clearDuties(at, id, fragment);
  const order = checkersFor(at, fragment.miner);
  const silent = new Map<string, Bytes>();
  const drawn = fragment.drawn.map((d) => {
    if (d.verdict !== undefined) return d;
    silent.set(d.checker.join(), d.checker);
    const place = order.findIndex((checker) => equal(checker.account, d.checker));
    const { account: checker } = must(order[(place + 1) % order.length], 'a chain with jobs has checkers');
    at.state.Duties.put(checker, id, undefined);
    at.emit.CheckerReplaced({ fragment: id, segment: d.segment, from: d.checker, to: checker });
    return { ...d, checker, receipt: undefined };
  });
  for (const checker of silent.values()) damage(at, checker, 'timeout');
  const next: Fragment = { ...fragment, drawn, redraws: fragment.redraws + 1 };
  schedule(at, id, next, checkDue(at, next));
}
