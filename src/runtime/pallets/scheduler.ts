/**
 * # Scheduler: calls that are made in later blocks.
 *
 * Always true: only the chain itself (`root`) schedules, so nothing but governance makes the maps grow; an agenda holds
 * at most 50 calls, and those of a block weigh at most `MaximumWeight`: what does not fit is made in the next ones, in
 * the order of priority (lowest first) and place.
 */
import { option, tryDecode, u8, u32 } from '../../codec/index.ts';
import type { Link, RuntimeCall } from '../calls.ts';
import { dispatchError, resultOf } from '../errors.ts';
import { originOf } from '../origins.ts';
import { type Pallet, rules } from '../pallet.ts';
import { plus, rw, type Weight, within } from '../weights.ts';
import { bound, cancel, encodedOf, follow, giveUp, place, take } from './scheduler/agenda.ts';
import {
  Period,
  type Scheduled,
  SchedulerDeclared,
  type SchedulerScope,
  TaskAddress,
  TaskName,
} from './scheduler/state.ts';

const AGENDA_WEIGHT = rw(2, 1, 20_000_000n);
const TASK_WEIGHT = rw(3, 5, 30_000_000n);
const CALL_WEIGHT = rw(3, 5, 50_000_000n);

/** The pallet for a runtime: its calls hold calls of that runtime. */
export function scheduler(link: Link): Pallet<typeof SchedulerDeclared> {
  const task = { maybe_periodic: option(Period), priority: u8, call: link.Call };
  const common = { weight: CALL_WEIGHT, origin: 'root' } as const;
  const schedule = (at: SchedulerScope, when: number, args: Plan): void => {
    const { maybe_id, maybe_periodic, priority, call } = args;
    at.ensure(when > at.block.number && when <= 0xffff_ffff, 'TargetBlockNumberInPast');
    at.ensure(maybe_id === undefined || !at.state.Lookup.has(maybe_id), 'FailedToSchedule');
    const placed = place(at, when, {
      maybe_id,
      priority,
      call: bound(at, link.Call.enc(call)),
      maybe_periodic: runsAfterThis(maybe_periodic),
      origin: { type: 'system', value: { type: 'Root' } },
    });
    if (placed === undefined) throw dispatchError('Exhausted');
  };
  return rules(SchedulerDeclared, {
    calls: {
      schedule: {
        index: 0,
        doc: 'Makes a call in a later block.',
        args: { when: u32, ...task },
        ...common,
        run: (at, { when, ...rest }) => schedule(at, when, { ...rest, maybe_id: undefined }),
      },
      cancel: {
        index: 1,
        doc: 'Takes a call off its agenda.',
        args: { when: u32, index: u32 },
        ...common,
        run: (at, { when, index }) => at.ensure(cancel(at, [when, index]), 'NotFound'),
      },
      schedule_named: {
        index: 2,
        doc: 'Makes a call in a later block, under a name.',
        args: { id: TaskName, when: u32, ...task },
        ...common,
        run: (at, { id, when, ...rest }) => schedule(at, when, { ...rest, maybe_id: id }),
      },
      cancel_named: {
        index: 3,
        doc: 'Takes a call off its agenda by its name.',
        args: { id: TaskName },
        ...common,
        run: (at, { id }) => at.ensure(cancel(at, at.some(at.state.Lookup.get(id), 'NotFound')), 'NotFound'),
      },
      schedule_after: {
        index: 4,
        doc: 'Makes a call after so many blocks.',
        args: { after: u32, ...task },
        ...common,
        run: (at, { after, ...rest }) => schedule(at, dueAfter(at, after), { ...rest, maybe_id: undefined }),
      },
      schedule_named_after: {
        index: 5,
        doc: 'Makes a call after so many blocks, under a name.',
        args: { id: TaskName, after: u32, ...task },
        ...common,
        run: (at, { id, after, ...rest }) => schedule(at, dueAfter(at, after), { ...rest, maybe_id: id }),
      },
      set_retry: {
        index: 6,
        doc: 'Tries a call again where it fails, so often and after so many blocks.',
        args: { task: TaskAddress, retries: u8, period: u32 },
        ...common,
        run: (at, { task: address, retries, period }) => setRetry(at, address, retries, period),
      },
      set_retry_named: {
        index: 7,
        doc: 'As `set_retry`, by name.',
        args: { id: TaskName, retries: u8, period: u32 },
        ...common,
        run: (at, { id, retries, period }) =>
          setRetry(at, at.some(at.state.Lookup.get(id), 'NotFound'), retries, period),
      },
      cancel_retry: {
        index: 8,
        doc: 'Does not try a call again.',
        args: { task: TaskAddress },
        ...common,
        run: (at, { task: address }) => cancelRetry(at, address),
      },
      cancel_retry_named: {
        index: 9,
        doc: 'As `cancel_retry`, by name.',
        args: { id: TaskName },
        ...common,
        run: (at, { id }) => cancelRetry(at, at.some(at.state.Lookup.get(id), 'NotFound')),
      },
    },
    hooks: { on_initialize: (at) => workOff(at, link) },
    invariant,
  });
}

interface Plan {
  readonly maybe_id: Uint8Array | undefined;
  readonly maybe_periodic: [number, number] | undefined;
  readonly priority: number;
  readonly call: RuntimeCall;
}

/** What is left to do after the first of several runs. */
function runsAfterThis(periodic: [number, number] | undefined): [number, number] | undefined {
  const [period, count] = periodic ?? [0, 0];
  return period > 0 && count > 1 ? [period, count - 1] : undefined;
}

function dueAfter(at: SchedulerScope, blocks: number): number {
  return at.block.number + blocks + 1;
}

function setRetry(at: SchedulerScope, address: TaskAddress, retries: number, period: number): void {
  const task = at.some(at.state.Agenda.get(address[0])[address[1]], 'NotFound');
  at.state.Retries.put(address, { total_retries: retries, remaining: retries, period });
  at.emit.RetrySet({ task: address, id: task.maybe_id, period, retries });
}

function cancelRetry(at: SchedulerScope, address: TaskAddress): void {
  at.ensure(at.state.Retries.has(address), 'NotFound');
  at.state.Retries.delete(address);
  at.emit.RetryCancelled({ task: address, id: undefined });
}

/** Makes the calls that are due, oldest agenda first, until the block's share of weight is used; returns the weight. */
function workOff(at: SchedulerScope, link: Link): Weight {
  const now = at.block.number;
  const unfinished = at.state.IncompleteSince.get();
  if (unfinished !== undefined) at.state.IncompleteSince.delete();
  const budget = { used: AGENDA_WEIGHT };
  // As many agendas as fit: an empty one weighs as well.
  for (let when = unfinished ?? now; when <= now; when++) {
    const fits = within(plus(budget.used, AGENDA_WEIGHT), at.const.MaximumWeight);
    if (fits && workOffOne(at, link, when, budget)) continue;
    at.state.IncompleteSince.put(when);
    at.emit.AgendaIncomplete({ when });
    break;
  }
  return budget.used;
}

interface Budget {
  used: Weight;
}

/** Whether every call of an agenda was made or dropped. */
function workOffOne(at: SchedulerScope, link: Link, when: number, budget: Budget): boolean {
  budget.used = plus(budget.used, AGENDA_WEIGHT);
  const agenda = at.state.Agenda.get(when);
  const order = agenda
    .flatMap((task, index) => (task === undefined ? [] : [{ task, index }]))
    .sort((a, b) => a.task.priority - b.task.priority || a.index - b.index);
  for (const { task, index } of order) {
    // A call that was made before may have cancelled this one.
    const stands = at.state.Agenda.get(when)[index] !== undefined;
    if (stands && !make(at, link, [when, index], task, budget)) return false;
  }
  return true;
}

/** Makes one call, or drops it where no block could; false where it must wait for the next block. */
function make(at: SchedulerScope, link: Link, address: TaskAddress, task: Scheduled, budget: Budget): boolean {
  const report = { task: address, id: task.maybe_id };
  const encoded = encodedOf(at, task.call);
  // An older runtime may have known a call that this one does not.
  const call = encoded && tryDecode(link.Call, encoded);
  if (call === undefined) {
    giveUp(at, address, task);
    at.emit.CallUnavailable(report);
    return true;
  }
  const weight = plus(TASK_WEIGHT, link.info(call).weight);
  if (!within(plus(budget.used, weight), at.const.MaximumWeight)) {
    if (within(plus(AGENDA_WEIGHT, AGENDA_WEIGHT, weight), at.const.MaximumWeight)) return false;
    giveUp(at, address, task);
    at.emit.PermanentlyOverweight(report);
    return true;
  }
  take(at, address);
  budget.used = plus(budget.used, weight);
  const error = at.dispatch(call, originOf(task.origin));
  at.emit.Dispatched({ ...report, result: resultOf(error) });
  follow(at, address, task, error !== undefined);
  return true;
}

function invariant(at: SchedulerScope): true | string {
  const first = at.state.IncompleteSince.get() ?? at.block.number + 1;
  for (const [when, agenda] of at.state.Agenda.entries()) {
    if (agenda.at(-1) === undefined) return 'an agenda ends with a gap';
    if (when < first) return 'a call was forgotten';
  }
  for (const [id, [when, index]] of at.state.Lookup.entries()) {
    const task = at.state.Agenda.get(when)[index];
    if (task?.maybe_id?.join() !== id.join()) return 'a name points to another call';
  }
  for (const [[when, index]] of at.state.Retries.entries()) {
    if (at.state.Agenda.get(when)[index] === undefined) return 'a retry of no call';
  }
  return true;
}
