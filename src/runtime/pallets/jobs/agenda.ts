/**
 * # Agenda: what the chain does about fragments of its own accord, a bounded part of it in each block.
 *
 * Always true: every fragment stands on the agenda once, under the block at which something becomes due; what a block
 * does not get to is first in the next one. Checks have a list of their own, so that thousands of idle identities,
 * whose fragments run out all the time, cannot keep anyone's work from being checked.
 */
import type { Bytes } from '../../../base/bytes.ts';
import { expire, forget } from './endings.ts';
import { putOff } from './standstill.ts';
import { type Fragment, fragmentOf, type JobsScope, type StatusName } from './state.ts';
import { replaceCheckers } from './verdicts.ts';
import { draw } from './verification.ts';

/** Fragments that are taken up in a block from either list: 64 that run out and are replaced cost 10 ms. */
export const AGENDA_PER_BLOCK = 64;

/** Looks at the fragments that are due in this block, the longest due first. */
export function workAgenda(at: JobsScope): void {
  const { Checks, Deadlines } = at.state;
  for (const id of [...dueNow(at, Checks.keys()), ...dueNow(at, Deadlines.keys())]) {
    const fragment = fragmentOf(at, id);
    // A registration that lapsed earlier in this loop may have ended it.
    if (fragment.due > at.block.number || putOff(at, id, fragment)) continue;
    TAKE_UP[fragment.status.type](at, id, fragment);
  }
}

function dueNow({ block }: JobsScope, agenda: Iterable<[number, Bytes]>): Bytes[] {
  const due: Bytes[] = [];
  for (const [height, id] of agenda) {
    if (height > block.number || due.length === AGENDA_PER_BLOCK) break;
    due.push(id);
  }
  return due;
}

const TAKE_UP = {
  Claimed: draw,
  Revealed: replaceCheckers,
  Assigned: expire,
  Drawn: expire,
  Accepted: forget,
  Rejected: forget,
  Expired: forget,
} as const satisfies Record<StatusName, (at: JobsScope, id: Bytes, fragment: Fragment) => void>;
