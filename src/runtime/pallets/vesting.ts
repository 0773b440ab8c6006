/**
 * # Vesting: what an account owns and may spend only little by little.
 *
 * Always true: of an account's free units at least what its schedules still lock is locked; `vest` unlocks what its
 * blocks have freed since. A list has at most 28 schedules, each worth at least `MinVestedTransfer` when it was made:
 * nobody fills another's list for nothing.
 */
import type { Bytes } from '../../base/bytes.ts';
import { equal, utf8 } from '../../base/bytes.ts';
import { max } from '../../base/fixed.ts';
import { type Of, struct, u32, u128, vec } from '../../codec/index.ts';
import { constant, event, pallet, rules, type Scope } from '../pallet.ts';
import { map } from '../storage.ts';
import { AccountId, Balance, lookup, MultiAddress } from '../types.ts';
import { rw } from '../weights.ts';
import { Balances, lock, transfer, unlock } from './balances.ts';

const VESTING_LOCK = 'vesting ';
const MAX_SCHEDULES = 28;
/** Existential deposits that a schedule is worth at least. */
const MIN_DEPOSITS = 100n;

const VestingInfo = struct(
  { locked: Balance, per_block: Balance, starting_block: u32 },
  {
    path: 'pallet_vesting::vesting_info::VestingInfo',
    params: [
      { name: 'Balance', shape: u128.shape },
      { name: 'BlockNumber', shape: u32.shape },
    ],
  },
);
type VestingInfo = Of<typeof VestingInfo>;

const Declared = pallet('Vesting', {
  index: 18,
  doc: 'Unlocks units block by block.',
  constants: {
    MinVestedTransfer: constant(
      'The least that a schedule locks.',
      Balance,
      (spec) => spec.existentialDeposit * MIN_DEPOSITS,
    ),
    MaxVestingSchedules: constant('Schedules of one account.', u32, () => MAX_SCHEDULES),
  },
  storage: { Vesting: map('Schedules of an account.', AccountId, vec(VestingInfo, MAX_SCHEDULES)) },
  events: {
    VestingCreated: event('An account has a new schedule.', { account: AccountId, schedule_index: u32 }),
    VestingUpdated: event('So much of an account is locked by schedules.', { account: AccountId, unvested: Balance }),
    VestingCompleted: event('Nothing of an account is locked by schedules any more.', { account: AccountId }),
  },
  errors: {
    NotVesting: 'The account has no schedule.',
    AtMaxVestingSchedules: 'The account has as many schedules as it may have.',
    AmountLow: 'The schedule locks less than MinVestedTransfer.',
    ScheduleIndexOutOfBounds: 'The account has no schedule of this number.',
    InvalidScheduleParams: 'The schedule would never unlock, or there is none of this number.',
  },
});
type At = Scope<typeof Declared>;

// A list of 28 schedules is a kilobyte: reading it costs more than a transfer's accounts.
const WEIGHT = rw(4, 4, 100_000_000n);

export const Vesting = rules(Declared, {
  calls: {
    vest: {
      index: 0,
      doc: 'Unlocks what the signer’s schedules have freed by now.',
      args: {},
      weight: WEIGHT,
      run(at) {
        settle(at, at.signer, schedulesOf(at, at.signer));
      },
    },
    vest_other: {
      index: 1,
      doc: 'As `vest`, for another account.',
      args: { target: MultiAddress },
      weight: WEIGHT,
      run(at, { target }) {
        settle(at, lookup(target), schedulesOf(at, lookup(target)));
      },
    },
    vested_transfer: {
      index: 2,
      doc: 'Moves units to `target` that it may spend as the schedule says.',
      args: { target: MultiAddress, schedule: VestingInfo },
      weight: WEIGHT,
      run(at, { target, schedule }) {
        vestedTransfer(at, at.signer, lookup(target), schedule);
      },
    },
    force_vested_transfer: {
      index: 3,
      doc: 'As `vested_transfer`, from any account.',
      args: { source: MultiAddress, target: MultiAddress, schedule: VestingInfo },
      weight: WEIGHT,
      origin: 'root',
      run(at, { source, target, schedule }) {
        vestedTransfer(at, lookup(source), lookup(target), schedule);
      },
    },
    merge_schedules: {
      index: 4,
      doc: 'Makes one schedule of two of the signer’s, which ends when the later one would.',
      args: { schedule1_index: u32, schedule2_index: u32 },
      weight: WEIGHT,
      run(at, { schedule1_index, schedule2_index }) {
        if (schedule1_index !== schedule2_index) merge(at, at.signer, schedule1_index, schedule2_index);
      },
    },
    force_remove_vesting_schedule: {
      index: 5,
      doc: 'Ends a schedule: what it still locks is free.',
      args: { target: MultiAddress, schedule_index: u32 },
      weight: WEIGHT,
      origin: 'root',
      run(at, { target, schedule_index }) {
        const schedules = schedulesOf(at, lookup(target));
        at.ensure(schedule_index < schedules.length, 'InvalidScheduleParams');
        settle(at, lookup(target), schedules.toSpliced(schedule_index, 1));
      },
    },
  },
  invariant(at) {
    for (const [who, schedules] of at.state.Vesting.entries()) {
      if (schedules.length === 0) return 'an empty list of schedules';
      if (schedules.some(({ locked, per_block }) => locked === 0n || per_block === 0n)) return 'a void schedule';
      if (lockOf(at, who) < lockedNow(at, schedules)) return 'schedules lock more than is locked';
    }
    for (const [who] of at.use(Balances).state.Locks.entries()) {
      if (lockOf(at, who) > 0n && !at.state.Vesting.has(who)) return 'a lock without a schedule';
    }
    return true;
  },
});

/** What a schedule still locks in a block. */
function lockedAt({ locked, per_block, starting_block }: VestingInfo, block: number): bigint {
  return max(0n, locked - BigInt(Math.max(0, block - starting_block)) * per_block);
}

function lockedNow(at: At, schedules: readonly VestingInfo[]): bigint {
  return schedules.reduce((sum, one) => sum + lockedAt(one, at.block.number), 0n);
}

/** What Balances locks for this pallet. */
function lockOf(at: At, who: Bytes): bigint {
  const id = utf8(VESTING_LOCK);
  return (
    at
      .use(Balances)
      .state.Locks.get(who)
      .find((one) => equal(one.id, id))?.amount ?? 0n
  );
}

function schedulesOf(at: At, who: Bytes): VestingInfo[] {
  return at.some(at.state.Vesting.get(who), 'NotVesting');
}

/** Keeps the schedules that still lock something, and locks that much. */
function settle(at: At, account: Bytes, schedules: readonly VestingInfo[]): void {
  const left = schedules.filter((one) => lockedAt(one, at.block.number) > 0n);
  if (left.length > 0) {
    const unvested = lockedNow(at, left);
    at.state.Vesting.put(account, left);
    lock(at, VESTING_LOCK, account, unvested);
    at.emit.VestingUpdated({ account, unvested });
  } else {
    at.state.Vesting.delete(account);
    unlock(at, VESTING_LOCK, account);
    at.emit.VestingCompleted({ account });
  }
}

function vestedTransfer(at: At, source: Bytes, target: Bytes, schedule: VestingInfo): void {
  at.ensure(schedule.locked >= at.const.MinVestedTransfer, 'AmountLow');
  at.ensure(schedule.per_block > 0n, 'InvalidScheduleParams');
  const schedules = at.state.Vesting.get(target) ?? [];
  at.ensure(schedules.length < MAX_SCHEDULES, 'AtMaxVestingSchedules');
  transfer(at, source, target, schedule.locked, 'expendable');
  at.emit.VestingCreated({ account: target, schedule_index: schedules.length });
  settle(at, target, [...schedules, schedule]);
}

function merge(at: At, who: Bytes, first: number, second: number): void {
  const schedules = schedulesOf(at, who);
  const both = [first, second].map((index) => at.some(schedules[index], 'ScheduleIndexOutOfBounds'));
  const others = schedules.filter((_, index) => index !== first && index !== second);
  const merged = mergedOf(both, at.block.number);
  settle(at, who, merged === undefined ? others : [...others, merged]);
}

/** One schedule for what two still lock: as Substrate merges, from now or the later start to the later end. */
function mergedOf(both: readonly VestingInfo[], now: number): VestingInfo | undefined {
  const running = both.filter((one) => endOf(one) > BigInt(now));
  const [only] = running;
  if (running.length < 2) return only;
  const locked = running.reduce((sum, one) => sum + lockedAt(one, now), 0n);
  const starting_block = Math.max(now, ...running.map((one) => one.starting_block));
  const end = running.reduce((last, one) => max(last, endOf(one)), 0n);
  const blocks = max(1n, end - BigInt(starting_block));
  return { locked, per_block: max(1n, locked / blocks), starting_block };
}

/** The first block in which a schedule locks nothing. */
function endOf({ locked, per_block, starting_block }: VestingInfo): bigint {
  return BigInt(starting_block) + (locked + per_block - 1n) / per_block;
}
