/**
 * # Agenda: where a call stands, and how it comes and goes.
 *
 * Always true: an agenda ends with a call that is due; a name and a retry point to a call that stands there. Nothing
 * here throws: agendas are worked off where nobody could be told.
 */
import type { Bytes } from '../../../base/bytes.ts';
import { keepBytes, keepOn, keptBytes, letGo } from '../preimage.ts';
import {
  type BoundedCall,
  MAX_INLINE,
  MAX_SCHEDULED_PER_BLOCK,
  type RetryConfig,
  type Scheduled,
  type SchedulerScope,
  type TaskAddress,
} from './state.ts';

/** An encoded call as an agenda holds it: itself, or by the hash of bytes that are kept. */
export function bound(at: SchedulerScope, encoded: Bytes): BoundedCall {
  if (encoded.length <= MAX_INLINE) return { type: 'Inline', value: encoded };
  return { type: 'Lookup', value: { hash: keepBytes(at, encoded), len: encoded.length } };
}

/** The encoded call, if it is still known. */
export function encodedOf(at: SchedulerScope, { type, value }: BoundedCall): Bytes | undefined {
  if (type === 'Inline') return value;
  return type === 'Lookup' ? keptBytes(at, value.hash, value.len) : undefined;
}

/** Forgets what an agenda needed of a call. */
function drop(at: SchedulerScope, { type, value }: BoundedCall): void {
  if (type === 'Lookup') letGo(at, value.hash);
}

/** Puts a call on the agenda of a block, at its end or into a gap; undefined where it is full. */
export function place(at: SchedulerScope, when: number, task: Scheduled): TaskAddress | undefined {
  const agenda = at.state.Agenda.get(when);
  const gap = agenda.indexOf(undefined);
  const index = agenda.length < MAX_SCHEDULED_PER_BLOCK ? agenda.length : gap;
  if (index < 0) return undefined;
  at.state.Agenda.put(when, agenda.toSpliced(index, 1, task));
  if (task.maybe_id !== undefined) at.state.Lookup.put(task.maybe_id, [when, index]);
  at.emit.Scheduled({ when, index });
  return [when, index];
}

/** Takes a call off its agenda; undefined where there is none. */
export function take(at: SchedulerScope, [when, index]: TaskAddress): Scheduled | undefined {
  const agenda = at.state.Agenda.get(when);
  const task = agenda[index];
  if (task === undefined) return undefined;
  const left = agenda.toSpliced(index, 1, undefined);
  while (left.length > 0 && left.at(-1) === undefined) left.pop();
  if (left.length > 0) at.state.Agenda.put(when, left);
  else at.state.Agenda.delete(when);
  if (task.maybe_id !== undefined) forget(at, task.maybe_id, [when, index]);
  return task;
}

/** Forgets a name, unless another call has it by now. */
function forget(at: SchedulerScope, id: Bytes, [when, index]: TaskAddress): void {
  const [block, position] = at.state.Lookup.get(id) ?? [];
  if (block === when && position === index) at.state.Lookup.delete(id);
}

/** Takes a call off its agenda for good. */
export function cancel(at: SchedulerScope, address: TaskAddress): boolean {
  const task = take(at, address);
  if (task === undefined) return false;
  at.state.Retries.delete(address);
  drop(at, task.call);
  at.emit.Canceled({ when: address[0], index: address[1] });
  return true;
}

/** What follows a call that was made: its next try where it failed, its next run where there is one. */
export function follow(at: SchedulerScope, address: TaskAddress, task: Scheduled, failed: boolean): void {
  const retry = at.state.Retries.take(address);
  const report = { task: address, id: task.maybe_id };
  if (failed && retry !== undefined && !tryAgain(at, task, retry)) at.emit.RetryFailed(report);
  const [period, count] = task.maybe_periodic ?? [0, 0];
  const maybe_periodic: [number, number] | undefined = count > 1 ? [period, count - 1] : undefined;
  const next = count > 0 ? later(at, period, { ...task, maybe_periodic }) : undefined;
  if (next === undefined) drop(at, task.call);
  else if (retry !== undefined) at.state.Retries.put(next, retry);
  if (next === undefined && count > 0) at.emit.PeriodicFailed(report);
}

/** Schedules one more try of a call that failed, without its name and its further runs; false where none fits. */
function tryAgain(at: SchedulerScope, task: Scheduled, retry: RetryConfig): boolean {
  if (retry.remaining === 0) return true;
  const next = later(at, retry.period, { ...task, maybe_id: undefined, maybe_periodic: undefined });
  if (next === undefined) return false;
  if (task.call.type === 'Lookup') keepOn(at, task.call.value.hash);
  at.state.Retries.put(next, { ...retry, remaining: retry.remaining - 1 });
  return true;
}

const LAST_BLOCK = 0xffff_ffff;

function later(at: SchedulerScope, blocks: number, task: Scheduled): TaskAddress | undefined {
  const when = at.block.number + Math.max(1, blocks);
  return when > LAST_BLOCK ? undefined : place(at, when, task);
}

/** Drops a call that cannot be made. */
export function giveUp(at: SchedulerScope, address: TaskAddress, task: Scheduled): void {
  take(at, address);
  at.state.Retries.delete(address);
  drop(at, task.call);
}
