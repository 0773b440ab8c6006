/**
 * # Standstill: while finality stands still no fragment runs out of time, and none is drawn from (ECONOMY.md rule F).
 *
 * Always true: what is held stays on the agenda and is looked at again; once finality goes on a claim is drawn from a
 * beacon that nobody knew when it was held last, and a miner has as long to reveal as ever.
 */
import { must } from '../../../base/assert.ts';
import type { Bytes } from '../../../base/bytes.ts';
import { standsStill } from '../staking/standstill.ts';
import { schedule } from './assignment.ts';
import type { Fragment, JobsScope, StatusName } from './state.ts';
import { drawBlock, REVEAL_BLOCKS } from './verification.ts';

/** So long a fragment may still be trained once finality goes on. */
const MORE_BLOCKS = 20;

const HELD: Partial<Record<StatusName, (at: JobsScope, fragment: Fragment) => readonly [Fragment, due: number]>> = {
  Assigned(at, fragment) {
    const deadline = at.block.number + MORE_BLOCKS;
    return [{ ...fragment, deadline }, deadline + 1];
  },
  Claimed(at, fragment) {
    const { number } = at.block;
    const claim = { ...must(fragment.claim, 'a claimed fragment has a claim'), at: number };
    return [{ ...fragment, claim }, drawBlock(at, number)];
  },
  Drawn(at, fragment) {
    const reveal_by = at.block.number + REVEAL_BLOCKS;
    return [{ ...fragment, reveal_by }, reveal_by + 1];
  },
};

/** Puts off what is due of a fragment while finality stands still; false where that goes on. */
export function putOff(at: JobsScope, id: Bytes, fragment: Fragment): boolean {
  const put = HELD[fragment.status.type];
  if (put === undefined || !standsStill(at)) return false;
  schedule(at, id, ...put(at, fragment));
  return true;
}
