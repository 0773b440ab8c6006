/**
 * # Offences: what validators did that they must not, told once and answered for once.
 *
 * Always true: one validator answers once for one kind in one time slot; a report counts as long as everything that
 * stood behind the seat is still bound, and is forgotten with its session. Proof is the affair of whoever reports:
 * nothing here can be called from outside.
 */
import { assert } from '../../base/assert.ts';
import { type Bytes, concat, equal, utf8 } from '../../base/bytes.ts';
import { boundedBytes, bytes, fixed, hash, type Of, option, struct, tuple, u32, unit, vec } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import type { Chain } from '../chain.ts';
import { MAX_SEATS } from '../election/ballots.ts';
import { event, pallet, rules, type Scope } from '../pallet.ts';
import { identity, map, twox64Concat, value } from '../storage.ts';
import { AccountId } from '../types.ts';
import { rw, type Weight } from '../weights.ts';
import { disableValidator, SessionDeclared, sessionOf } from './session.ts';
import { eraOfSession } from './staking/eras.ts';
import { equivocationFraction, SLASH_READS, SLASH_WRITES, slashTo } from './staking/slashing.ts';
import { StakingDeclared, type StakingScope } from './staking/state.ts';
import { retire } from './staking/voters.ts';

/** What can be reported. Names are padded with spaces to 16 characters where they are stored. */
export type OffenceKind = 'grandpa:equivoc' | 'slots:equivoc';
const KIND_BYTES = 16;
/** A round and a set id, or a slot. */
const MAX_SLOT = 32;
/** Reports of past sessions that are forgotten in a block. */
const FORGOTTEN_PER_BLOCK = 16;

const Report = struct(
  { offender: AccountId, session: u32, kind: fixed(KIND_BYTES), time_slot: bytes, reporter: option(AccountId) },
  { path: 'pallet_offences::Report' },
);
export type Report = Of<typeof Report>;

const SESSION = twox64Concat(u32, 'sessions are counted by the chain');
const ID = identity(hash, 'an id is a hash');

const Declared = pallet('Offences', {
  index: 9,
  doc: 'What validators are answerable for.',
  storage: {
    Reports: map('Every report that still counts, by kind, time slot and offender.', ID, Report),
    ConcurrentReportsIndex: map(
      'Who offended alike in one time slot.',
      tuple(fixed(KIND_BYTES), boundedBytes(MAX_SLOT)),
      vec(hash, MAX_SEATS),
      [],
    ),
    ReportsBySession: map('Reports about a session.', [SESSION, ID], unit),
    Forgotten: value('Reports about sessions before this one are forgotten.', u32, 0),
  },
  events: {
    Offence: event('Somebody offended in this time slot.', { kind: fixed(KIND_BYTES), timeslot: bytes }),
  },
});
type At = Scope<typeof Declared>;
export const OffencesDeclared = Declared;

export const Offences = rules(Declared, {
  hooks: {
    on_initialize(at) {
      const forgotten = forgetReports(at);
      return forgotten === 0 ? rw(2, 0) : rw(2 + 2 * forgotten, 1 + 3 * forgotten);
    },
  },
  invariant(at) {
    let counted = 0;
    for (const [[session, id]] of at.state.ReportsBySession.entries()) {
      if (at.state.Reports.get(id)?.session !== session) return 'a report is not in its session';
      counted++;
    }
    let reports = 0;
    for (const [id, { kind, time_slot, offender }] of at.state.Reports.entries()) {
      if (!equal(idOf(kind, time_slot, offender), id)) return 'a report under another id';
      if (!at.state.ConcurrentReportsIndex.get([kind, time_slot]).some((one) => equal(one, id)))
        return 'a report is not in its time slot';
      reports++;
    }
    return counted === reports || 'reports are missing';
  },
});

/** What was proven. */
export interface OffenceReport {
  readonly kind: OffenceKind;
  /** The session in which it was done. */
  readonly session: number;
  /** At most 32 bytes that tell apart when it was done: the same for all who offended together. */
  readonly timeSlot: Bytes;
  readonly offenders: readonly Bytes[];
  /** Gets a tenth of what is slashed. */
  readonly reporter?: Bytes | undefined;
}

/** What a report of one offender reads and writes at most besides slashes. */
const REPORT_READS = 16;
const REPORT_WRITES = 14;
/** Who is slashed by a report at most: beyond a third of all seats those before have lost everything already. */
const MOST_RAISED = Math.floor((MAX_SEATS - 1) / 3) + 1;
/** What `reportOffence` costs at most with one offender. */
export const OFFENCE_WEIGHT = weightOf(MOST_RAISED);

function weightOf(slashes: number): Weight {
  return rw(REPORT_READS + slashes * SLASH_READS, REPORT_WRITES + slashes * SLASH_WRITES);
}

/**
 * Slashes the offenders and those who stood behind them, disables them (below) and takes them out of the next election.
 * Returns what it took of OFFENCE_WEIGHT; undefined where nothing of it is new, or all of it too old. For pallets that
 * checked a proof.
 */
export function reportOffence(chain: Chain, report: OffenceReport): Weight | undefined {
  const at = chain.use(Declared);
  const staking = chain.use(StakingDeclared);
  assert(report.timeSlot.length <= MAX_SLOT, 'a time slot of at most 32 bytes');
  if (isTooOld(staking, report.session)) {
    staking.emit.OldSlashingReportDiscarded({ session_index: report.session });
    return undefined;
  }
  const kind = padded(report.kind);
  const fresh = distinct(report.offenders).filter((who) => !at.state.Reports.has(idOf(kind, report.timeSlot, who)));
  if (fresh.length === 0) return undefined;
  const { before, added } = keep(at, report, kind, fresh);
  const validators = at.use(SessionDeclared).state.HistoricalSessions.get(report.session)?.[1] ?? 0;
  const fraction = equivocationFraction(before.length + added.length, validators);
  // Those before pay the difference; where they have lost everything there is none.
  const raised = before.length === 0 || fraction > equivocationFraction(before.length, validators);
  const slashed = (raised ? [...before, ...added] : added).flatMap((id) => at.state.Reports.get(id) ?? []);
  for (const { offender, session, reporter } of slashed) {
    // Sessions of one set of voters may be of several eras: each answers for its own.
    const era = eraOfSession(staking, session);
    const by = reporter === undefined ? {} : { reporter };
    if (!isTooOld(staking, session)) slashTo(staking, { validator: offender, era, fraction, ...by });
  }
  for (const offender of fresh) expel(staking, offender);
  at.emit.Offence({ kind, timeslot: report.timeSlot });
  return weightOf(slashed.length);
}

/** Whether part of what stood behind the seat may be free already, or the session is none that was. */
function isTooOld(at: StakingScope, session: number): boolean {
  const [first, end] = at.use(SessionDeclared).state.StoredRange.get() ?? [0, 0];
  const now = eraOfSession(at, sessionOf(at.block.number, at.spec.staking));
  return session < first || session >= end || now - eraOfSession(at, session) >= at.spec.staking.bondingEras - 1;
}

/** Writes new reports down; gives the ids of the time slot that were there before, and those added. */
function keep(at: At, report: OffenceReport, kind: Bytes, fresh: readonly Bytes[]) {
  const { session, timeSlot, reporter } = report;
  const added = fresh.map((offender) => {
    const id = idOf(kind, timeSlot, offender);
    at.state.Reports.put(id, { offender, session, kind, time_slot: timeSlot, reporter });
    at.state.ReportsBySession.put(session, id, undefined);
    return id;
  });
  const before = at.state.ConcurrentReportsIndex.get([kind, timeSlot]);
  at.state.ConcurrentReportsIndex.put([kind, timeSlot], [...before, ...added]);
  return { before, added };
}

/** Disabled for the session: no turns in the epochs that follow, though it votes. No candidate, no bootstrap seat. */
function expel(at: StakingScope, offender: Bytes): void {
  disableValidator(at, offender);
  retire(at, offender);
  at.state.Bootstrap.mutate((list) => list.filter((who) => !equal(who, offender)));
}

function idOf(kind: Bytes, timeSlot: Bytes, offender: Bytes): Bytes {
  return blake2_256(concat(kind, bytes.enc(timeSlot), offender));
}

function padded(kind: OffenceKind): Bytes {
  return utf8(kind.padEnd(KIND_BYTES));
}

function distinct(accounts: readonly Bytes[]): Bytes[] {
  return accounts.filter((who, i) => accounts.findIndex((other) => equal(other, who)) === i);
}

/** Forgets reports about sessions that are not kept any more: at most FORGOTTEN_PER_BLOCK. Returns how many. */
function forgetReports(at: At): number {
  const first = at.use(SessionDeclared).state.StoredRange.get()?.[0] ?? 0;
  const session = at.state.Forgotten.get();
  if (session >= first) return 0;
  let left = FORGOTTEN_PER_BLOCK;
  for (const [, id] of at.state.ReportsBySession.keys(session)) {
    if (left-- === 0) return FORGOTTEN_PER_BLOCK;
    const report = at.state.Reports.take(id);
    at.state.ReportsBySession.delete(session, id);
    if (report !== undefined) dropFromSlot(at, id, [report.kind, report.time_slot]);
  }
  at.state.Forgotten.put(session + 1);
  return FORGOTTEN_PER_BLOCK - left;
}

function dropFromSlot(at: At, id: Bytes, slot: [Bytes, Bytes]): void {
  const left = at.state.ConcurrentReportsIndex.get(slot).filter((one) => !equal(one, id));
  if (left.length > 0) at.state.ConcurrentReportsIndex.put(slot, left);
  else at.state.ConcurrentReportsIndex.delete(slot);
}
