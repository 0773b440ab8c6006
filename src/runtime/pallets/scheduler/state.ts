/** # Scheduler's state: agendas by block, as Substrate's pallet of the same name keeps them. */
import {
  boundedBytes,
  fixed,
  hash,
  type Of,
  option,
  struct,
  tuple,
  u8,
  u32,
  variant,
  vec,
} from '../../../codec/index.ts';
import { DispatchResult } from '../../errors.ts';
import { OriginCaller } from '../../origins.ts';
import { constant, event, pallet, type Scope } from '../../pallet.ts';
import { map, twox64Concat, value } from '../../storage.ts';
import { AccountId } from '../../types.ts';
import { Weight } from '../../weights.ts';

export const MAX_SCHEDULED_PER_BLOCK = 50;
/** A longer call is kept as a preimage. */
export const MAX_INLINE = 128;

export const TaskName = fixed(32);
/** A block, and the place in its agenda. */
export const TaskAddress = tuple(u32, u32);
export type TaskAddress = Of<typeof TaskAddress>;
/** Blocks between two runs, and how many are left. */
export const Period = tuple(u32, u32);

const BoundedCall = variant(
  { Legacy: struct({ hash }), Inline: boundedBytes(MAX_INLINE), Lookup: struct({ hash, len: u32 }) },
  { path: 'frame_support::traits::preimages::Bounded', params: [{ name: 'T' }, { name: 'H' }] },
);
export type BoundedCall = Of<typeof BoundedCall>;

const Scheduled = struct(
  {
    maybe_id: option(TaskName),
    priority: u8,
    call: BoundedCall,
    maybe_periodic: option(Period),
    origin: OriginCaller,
  },
  {
    path: 'pallet_scheduler::Scheduled',
    params: [
      { name: 'Name', shape: TaskName.shape },
      { name: 'Call', shape: BoundedCall.shape },
      { name: 'BlockNumber', shape: u32.shape },
      { name: 'PalletsOrigin', shape: OriginCaller.shape },
      { name: 'AccountId', shape: AccountId.shape },
    ],
  },
);
export type Scheduled = Of<typeof Scheduled>;

const RetryConfig = struct(
  { total_retries: u8, remaining: u8, period: u32 },
  { path: 'pallet_scheduler::RetryConfig', params: [{ name: 'Period', shape: u32.shape }] },
);
export type RetryConfig = Of<typeof RetryConfig>;

const task = { task: TaskAddress, id: option(TaskName) };

export const SchedulerDeclared = pallet('Scheduler', {
  index: 15,
  doc: 'Makes calls in later blocks.',
  constants: {
    MaximumWeight: constant('What scheduled calls may weigh in a block.', Weight, (spec) => ({
      // Transactions keep the other half.
      ref_time: spec.blockWeightPs / 2n,
      proof_size: 0xffff_ffff_ffff_ffffn,
    })),
    MaxScheduledPerBlock: constant('Calls on the agenda of a block.', u32, () => MAX_SCHEDULED_PER_BLOCK),
  },
  storage: {
    IncompleteSince: value('The first block whose agenda was not worked off.', u32),
    Agenda: map(
      'Calls by the block in which they are due.',
      twox64Concat(u32, 'only the chain itself schedules'),
      vec(option(Scheduled), MAX_SCHEDULED_PER_BLOCK),
      [],
    ),
    Retries: map('How a call that fails is tried again.', TaskAddress, RetryConfig),
    Lookup: map('Where a named call stands.', twox64Concat(TaskName, 'only the chain itself schedules'), TaskAddress),
  },
  events: {
    Scheduled: event('A call was put on an agenda.', { when: u32, index: u32 }),
    Canceled: event('A call was taken off its agenda.', { when: u32, index: u32 }),
    Dispatched: event('A call was made.', { ...task, result: DispatchResult }),
    RetrySet: event('A call will be tried again where it fails.', { ...task, period: u32, retries: u8 }),
    RetryCancelled: event('A call will not be tried again.', task),
    CallUnavailable: event('A call is not known by its hash, and was dropped.', task),
    PeriodicFailed: event('The agenda of the next run is full: the call is not made again.', task),
    RetryFailed: event('The agenda of the next try is full: the call is not tried again.', task),
    PermanentlyOverweight: event('A call weighs more than any block may, and was dropped.', task),
    AgendaIncomplete: event('Some calls of this block are made later.', { when: u32 }),
  },
  errors: {
    FailedToSchedule: 'A call of this name is scheduled.',
    NotFound: 'There is no such call on an agenda.',
    TargetBlockNumberInPast: 'The block is not a later one.',
  },
});
export type SchedulerScope = Scope<typeof SchedulerDeclared>;
