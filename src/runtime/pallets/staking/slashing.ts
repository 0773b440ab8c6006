/**
 * # Slashing: what an offence costs, out of the stake that stood behind the seat when it was done.
 *
 * Always true: what is slashed is bonded now, or began to unbond in the era before that of the election or later; of
 * one era a validator and its voters lose at most what they had at stake, however many offences there were: a later one
 * adds only what it costs beyond the worst before. Units go to the treasury and a tenth to the reporter: none vanish.
 */
import { type Bytes, equal } from '../../../base/bytes.ts';
import { mulDivFloor, PERBILL } from '../../../base/fixed.ts';
import { credit } from '../balances.ts';
import { RewardsDeclared } from '../rewards/state.ts';
import { slashLedger } from './ledger.ts';
import { trimPledges } from './pledges.ts';
import type { StakingScope } from './state.ts';
import type { PendingSlash } from './types.ts';

/** Voters that are slashed in a block. */
export const SLASHED_PER_BLOCK = 64;
/** What one slash reads and writes at most: counted in test/runtime/stake/offences.test.ts. */
export const SLASH_READS = 40;
export const SLASH_WRITES = 30;
const REPORTER_PART = 10n;

/** min(1, (3k/n)^2) in parts of 10^9: alone it costs little, a third of all seats together lose everything. */
export function equivocationFraction(offenders: number, validators: number): bigint {
  const [k, n] = [3n * BigInt(offenders), BigInt(Math.max(1, validators))];
  return k >= n ? PERBILL : (k * k * PERBILL) / (n * n);
}

/**
 * Slashes a validator and whoever stood behind it in an era up to a fraction of what they had at stake. Costs at most
 * SLASH_READS and SLASH_WRITES.
 */
export function slashTo(
  at: StakingScope,
  offence: { readonly validator: Bytes; readonly era: number; readonly fraction: bigint; readonly reporter?: Bytes },
): void {
  const { validator, era, fraction, reporter } = offence;
  const before = BigInt(at.state.SlashedIn.get(era, validator));
  if (fraction <= before) return;
  at.state.SlashedIn.put(era, validator, Number(fraction));
  at.emit.SlashReported({ validator, fraction: Number(fraction), slash_era: era });
  const source = at.state.ErasSource.get(era) ?? era;
  const overview = at.state.ErasStakersOverview.get(source, validator);
  if (overview === undefined) return;
  take(at, { who: validator, stake: overview.own, before, after: fraction, source, reporter });
  if (overview.nominator_count === 0) return;
  const fractions = { before: Number(before), after: Number(fraction) };
  enqueue(at, { validator, source, era, ...fractions, page: 0, place: 0, reporter });
}

/** Puts a slash of voters in the queue, or adds it to one of the same seat and reporter that has not begun. */
function enqueue(at: StakingScope, slash: PendingSlash): void {
  const { era, validator, after, reporter } = slash;
  const index = at.state.SlashWaits.get(era, validator);
  const waiting = index === undefined ? undefined : at.state.Slashes.get(index);
  if (index !== undefined && waiting !== undefined && sameReporter(waiting.reporter, reporter)) {
    at.state.Slashes.put(index, { ...waiting, after });
    return;
  }
  const { first, next } = at.state.SlashQueue.get();
  at.state.Slashes.put(next, slash);
  at.state.SlashWaits.put(era, validator, next);
  at.state.SlashQueue.put({ first, next: next + 1 });
}

function sameReporter(a: Bytes | undefined, b: Bytes | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equal(a, b);
}

interface Taken {
  readonly who: Bytes;
  readonly stake: bigint;
  readonly before: bigint;
  readonly after: bigint;
  readonly source: number;
  readonly reporter: Bytes | undefined;
}

function take(at: StakingScope, { who, stake, before, after, source, reporter }: Taken): void {
  const amount = mulDivFloor(stake, after, PERBILL) - mulDivFloor(stake, before, PERBILL);
  const taken = slashLedger(at, who, amount, source);
  if (taken === 0n) return;
  trimPledges(at, who);
  const bounty = reporter === undefined ? 0n : taken / REPORTER_PART;
  const paid = bounty > 0n && reporter !== undefined && credit(at, reporter, bounty) ? bounty : 0n;
  at.use(RewardsDeclared).state.Treasury.mutate((held) => held + taken - paid);
}

/** Slashes voters that wait for it: at most SLASHED_PER_BLOCK. Returns how many. */
export function slashWaiting(at: StakingScope): number {
  let done = 0;
  while (done < SLASHED_PER_BLOCK) {
    const { first, next } = at.state.SlashQueue.get();
    const slash = at.state.Slashes.get(first);
    if (slash === undefined) {
      if (next > 0) at.state.SlashQueue.delete();
      break;
    }
    done += proceed(at, first, slash, SLASHED_PER_BLOCK - done);
  }
  return done;
}

/** Goes on with one slash. Returns how many voters were slashed, and 1 where there was nobody left. */
function proceed(at: StakingScope, index: number, slash: PendingSlash, room: number): number {
  const begins = slash.page === 0 && slash.place === 0;
  if (begins && at.state.SlashWaits.get(slash.era, slash.validator) === index)
    at.state.SlashWaits.delete(slash.era, slash.validator);
  const page = at.state.ErasStakersPaged.get(slash.source, slash.validator, slash.page);
  if (page === undefined) {
    at.state.Slashes.delete(index);
    at.state.SlashQueue.mutate((queue) => ({ ...queue, first: index + 1 }));
    return 1;
  }
  const turn = page.others.slice(slash.place, slash.place + room);
  const [before, after] = [BigInt(slash.before), BigInt(slash.after)];
  for (const { who, value } of turn) take(at, { ...slash, who, stake: value, before, after });
  const place = slash.place + turn.length;
  const over = place >= page.others.length;
  at.state.Slashes.put(index, { ...slash, page: slash.page + Number(over), place: over ? 0 : place });
  return Math.max(1, turn.length);
}
