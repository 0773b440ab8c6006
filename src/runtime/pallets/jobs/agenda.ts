/**
 * # Agenda: what the chain does about fragments of its own accord, a bounded part of it in each block.
 *
 * Always true: every fragment stands on the agenda once, under the block at which something becomes due; what a block
 * does not get to is first in the next one.
 */
import type { Bytes } from '../../../base/bytes.ts';
import { expire, forget } from './endings.ts';
import { type Fragment, fragmentOf, type JobsScope, type StatusName } from './state.ts';
import { replaceCheckers } from './verdicts.ts';
import { draw } from './verification.ts';

/** Fragments that are taken up in a block. */
export const AGENDA_PER_BLOCK = 64;

/** Looks at the fragments that are due in this block, the longest due first. */
export function workAgenda(at: JobsScope): void {
  for (const id of dueNow(at)) {
    const fragment = fragmentOf(at, id);
    // A registration that lapsed earlier in this loop may have ended it.
    if (fragment.due <= at.block.number) TAKE_UP[fragment.status.type](at, id, fragment);
  }
}

function dueNow(at: JobsScope): Bytes[] {
  const due: Bytes[] = [];
  for (const [height, id] of at.state.Agenda.keys()) {
    if (height > at.block.number || due.length === AGENDA_PER_BLOCK) break;
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
