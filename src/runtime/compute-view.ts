/**
 * # Compute view: what consensus, miners, checkers and RPC read of the compute pallets, through any view of a state.
 *
 * Always true: reading changes nothing, and every figure shown to a person comes from here.
 */
import { type Bytes, compare, equal } from '../base/bytes.ts';
import { reader } from './access.ts';
import { ticketBoost, winsWithin, workIn } from './boost.ts';
import { eraOf } from './context.ts';
import { fitsProfile, registrationDifficulty } from './economy.ts';
import { Balances } from './pallets/balances.ts';
import { type Certificate, CertificatesDeclared } from './pallets/certificates.ts';
import { type Author, ComputePowDeclared, MAX_WINS, REGISTRATION_TICKETS, type Win } from './pallets/compute-pow.ts';
import { isMinable, jobWork, slabOf } from './pallets/jobs/assignment.ts';
import { type Fragment, type JobSpec, JobsDeclared, type Round, type RoundRecord } from './pallets/jobs/state.ts';
import { distinctWins, statesToOpen } from './pallets/jobs/verification.ts';
import { type Earned, type EraRecord, RewardsDeclared, scoreOf, stakeFor, standingIn } from './pallets/rewards.ts';
import { StakingDeclared } from './pallets/staking/state.ts';
import { System } from './pallets/system.ts';
import { TransactionPayment } from './pallets/transaction-payment.ts';
import type { RuntimeSpec } from './spec.ts';
import type { Readable } from './storage.ts';

const jobs = (view: Readable) => reader(JobsDeclared, view);
const pow = (view: Readable) => reader(ComputePowDeclared, view);
const staking = (view: Readable) => reader(StakingDeclared, view);
const rewards = (view: Readable) => reader(RewardsDeclared, view);
/** The block that led to this state. */
const heightOf = (view: Readable): number => reader(System.declared, view).Number.get();

/** A fragment with the id under which it stands. */
export type KnownFragment = Fragment & { readonly id: Bytes };

/** What the seal of a child block is checked against (COMPUTE-POW.md, Import). */
export interface SealFragment {
  readonly job: Bytes;
  /** H: the last step, which may win again and again. */
  readonly steps: number;
  readonly profile: number;
  readonly minedNodes: readonly {
    readonly m: number;
    readonly n: number;
    readonly k: number;
    readonly fits: boolean;
  }[];
  readonly lastWin: { readonly step: number; readonly node: number } | undefined;
}

/** The author's key, and its boost for a child of this state; undefined when the account is not registered. */
export function sealAuthor(
  view: Readable,
  account: Bytes,
  spec: RuntimeSpec,
): { computeKey: Bytes; boostPpm: number } | undefined {
  const author = pow(view).Authors.get(account);
  return author && { computeKey: author.compute_key, boostPpm: boostPpm(view, account, spec) };
}

function boostPpm(view: Readable, account: Bytes, spec: RuntimeSpec): number {
  const child = heightOf(view) + 1;
  const wins = winsWithin(pow(view).BoostedWins.get(account), eraOf(child, spec.eraBlocks));
  return ticketBoost({ staking: staking(view), rewards: rewards(view) }, spec, account, child, wins);
}

/** The fragment as a seal sees it; undefined unless it is open for this account. */
export function sealFragment(view: Readable, id: Bytes, account: Bytes): SealFragment | undefined {
  const state = jobs(view);
  if (!state.Open.get(account).some((open) => equal(open, id))) return undefined;
  const fragment = state.Fragments.get(id);
  const job = fragment && state.Jobs.get(fragment.job);
  if (!fragment || !job || !isMinable(fragment, heightOf(view))) return undefined;
  const wins = pow(view).Wins.get(id);
  if (wins.length >= MAX_WINS) return undefined;
  const last = wins.at(-1);
  const slab = slabOf(job.profile);
  return {
    job: fragment.job,
    steps: job.steps,
    profile: job.profile,
    minedNodes: job.mined_nodes.map((node) => ({ ...node, fits: fitsProfile(node, slab) })),
    lastWin: last && { step: last.step, node: last.node },
  };
}

/** Everything a miner has to do on this state. */
export interface Work {
  readonly registered: boolean;
  /** Fragments with which blocks can be won, and those that wait for a verdict. */
  readonly fragments: readonly KnownFragment[];
  /** Per fragment whose segments are drawn: the states to open, ascending, ends included. */
  readonly reveals: readonly { readonly fragment: Bytes; readonly states: readonly number[] }[];
  readonly openWins: readonly { readonly fragment: Bytes; readonly wins: readonly Win[] }[];
}

/** The work of a miner. At most MAX_OPEN + MAX_RECENT fragments. */
export function workFor(view: Readable, account: Bytes): Work {
  const state = jobs(view);
  const fragments = fragmentsOf(view, account);
  const due = fragments.filter(({ reveal_by }) => reveal_by > heightOf(view));
  const reveals = due
    .filter((fragment) => fragment.status.type === 'Drawn')
    .map((fragment) => {
      const job = state.Jobs.get(fragment.job) as JobSpec;
      return { fragment: fragment.id, states: statesToOpen(job, fragment) };
    });
  const openWins = due
    .filter((f) => (f.status.type === 'Revealed' || f.status.type === 'Accepted') && !f.wins_opened)
    .map((fragment) => ({ fragment: fragment.id, wins: distinctWins(pow(view).Wins.get(fragment.id)) }))
    .filter(({ wins }) => wins.length > 0);
  return { registered: pow(view).Authors.has(account), fragments, reveals, openWins };
}

/** A miner's fragments: those that win blocks, those that wait for a verdict, and the last decided ones. */
export function fragmentsOf(view: Readable, account: Bytes): KnownFragment[] {
  const state = jobs(view);
  const height = heightOf(view);
  const found = new Map<string, KnownFragment>();
  for (const id of state.Recent.get(account)) found.set(id.join(), { ...(state.Fragments.get(id) as Fragment), id });
  for (const id of state.Open.get(account)) {
    const fragment = state.Fragments.get(id);
    if (fragment && isMinable(fragment, height)) found.set(id.join(), { ...fragment, id });
  }
  return [...found.values()];
}

export interface SegmentDuty {
  readonly fragment: KnownFragment;
  readonly segment: number;
  readonly startRoot: Bytes;
  readonly endRoot: Bytes;
  /** This duty also verifies S_0, S_M and the delta. */
  readonly first: boolean;
  readonly receiptAt: number | undefined;
  /** Blocks won within the segment: their operand roots must be those that re-execution finds. */
  readonly wins: readonly Win[];
}

export interface MergeDuty {
  readonly job: Bytes;
  readonly r: number;
  readonly theta: Bytes;
  readonly outer: Bytes;
  /** Delta blobs of the accepted fragments, in the order in which they are summed. */
  readonly deltas: readonly { readonly fragment: Bytes; readonly k: number; readonly delta: Bytes }[];
}

/** What a checker owes on this state. */
export function dutiesFor(view: Readable, checker: Bytes): { segments: SegmentDuty[]; merges: MergeDuty[] } {
  const state = jobs(view);
  const segments: SegmentDuty[] = [];
  const owed = [...state.Duties.keys(checker)].map(([, id]) => ({ ...(state.Fragments.get(id) as Fragment), id }));
  // What its miner waits for longest comes first.
  owed.sort((a, b) => a.due - b.due || compare(a.id, b.id));
  for (const fragment of owed) {
    const { id } = fragment;
    const perSegment = (state.Jobs.get(fragment.job) as JobSpec).segment_steps;
    const wins = pow(view).Wins.get(id);
    fragment.drawn.forEach((drawn, i) => {
      if (!equal(drawn.checker, checker) || drawn.verdict !== undefined) return;
      segments.push({
        fragment,
        segment: drawn.segment,
        startRoot: drawn.start_root,
        endRoot: drawn.end_root,
        first: i === 0,
        receiptAt: drawn.receipt?.at,
        wins: wins.filter((win) => Math.floor((win.step - 1) / perSegment) === drawn.segment),
      });
    });
  }
  return { segments, merges: mergesFor(view, checker) };
}

function mergesFor(view: Readable, checker: Bytes): MergeDuty[] {
  const state = jobs(view);
  if (!state.Checkers.get().some((other) => equal(other.account, checker))) return [];
  return state.JobIds.get().flatMap((job) => {
    const round = state.Rounds.get(job);
    if (round?.phase.type !== 'Merge') return [];
    if (state.MergeVotes.get(job, round.r).some((vote) => equal(vote.checker, checker))) return [];
    const deltas = round.accepted.map((fragment) => {
      const known = state.Fragments.get(fragment) as Fragment;
      return { fragment, k: known.k, delta: (known.claim as NonNullable<Fragment['claim']>).delta };
    });
    return [{ job, r: round.r, theta: round.theta, outer: round.outer, deltas }];
  });
}

export const allJobs = (view: Readable): { id: Bytes; job: JobSpec; round: Round; cu: bigint }[] => {
  const state = jobs(view);
  return state.JobIds.get().map((id) => {
    const job = state.Jobs.get(id) as JobSpec;
    return { id, job, round: state.Rounds.get(id) as Round, cu: jobWork(job, job.steps) };
  });
};
export const roundRecord = (view: Readable, job: Bytes, r: number): RoundRecord | undefined =>
  jobs(view).History.get(job, r);
export const fragmentById = (view: Readable, id: Bytes): Fragment | undefined => jobs(view).Fragments.get(id);
export const winsOf = (view: Readable, id: Bytes): Win[] => pow(view).Wins.get(id);
export const authorOf = (view: Readable, account: Bytes): Author | undefined => pow(view).Authors.get(account);
export const certificateById = (view: Readable, id: bigint): Certificate | undefined =>
  reader(CertificatesDeclared, view).Certificates.get(id);

/** The last `limit` certificates of an account, or of everyone; newest first. */
export function certificates(
  view: Readable,
  account: Bytes | undefined,
  limit: number,
): (Certificate & { id: bigint })[] {
  const state = reader(CertificatesDeclared, view);
  const out: (Certificate & { id: bigint })[] = [];
  const ids = account
    ? [...state.ByAccount.keys(account)].map((key) => key[1]).sort((a, b) => (a < b ? 1 : -1))
    : downFrom(state.NextId.get());
  for (const id of ids) {
    if (out.length >= limit) break;
    const certificate = state.Certificates.get(id);
    if (certificate) out.push({ ...certificate, id });
  }
  return out;
}

function* downFrom(next: bigint): Generator<bigint> {
  for (let id = next - 1n; id >= 0n; id--) yield id;
}

/** What a newcomer must show now (rule E): tickets, and the difficulty of each. */
export function registrationTerms(view: Readable, spec: RuntimeSpec): { tickets: number; difficulty: bigint } {
  const price = pow(view).RegistrationPrice.get();
  return {
    tickets: REGISTRATION_TICKETS,
    difficulty: registrationDifficulty(price, spec.rewards.referenceCu, BigInt(REGISTRATION_TICKETS)),
  };
}

export interface Explained {
  readonly era: number;
  readonly work: bigint;
  readonly stake: bigint;
  readonly reputation: bigint;
  readonly score: bigint;
  readonly scores: bigint;
  /** CU executed again in the era. */
  readonly checked: bigint;
  /** What the era earned: undefined where it is not the last one that earned the account something. */
  readonly eraCompute: bigint | undefined;
  readonly eraCheck: bigint | undefined;
  /** What this account earned in all, by role. */
  readonly earned: Earned;
  readonly paid: bigint;
  readonly free: bigint;
  readonly locked: bigint;
  readonly pending: bigint;
}

/** Why an account is paid what it is paid. Exact for its last paid era; the streamed work of the last 24 otherwise. */
export function explain(view: Readable, spec: RuntimeSpec, account: Bytes, era: number): Explained {
  const state = rewards(view);
  const entry = state.Ledger.get(account);
  const said = entry?.era === era ? entry : undefined;
  const work = said?.work ?? workIn(state, account, era);
  const stake = said?.stake ?? stakeFor(staking(view), spec, account, (era + 1) * spec.eraBlocks + 1);
  const kappa = state.Eras.get(era)?.kappa ?? state.Kappa.get();
  const reputation = said?.reputation ?? standingIn(state.Reputation.get(account), era);
  const earned = state.Earned.get(account);
  const { data } = reader(System.declared, view).Account.get(account);
  const due = state.Due.get(account);
  return {
    era,
    work,
    stake,
    reputation,
    score: said?.score ?? scoreOf({ reputation, betaPerbill: BigInt(spec.rewards.betaPerbill), work, stake, kappa }),
    scores: state.Eras.get(era)?.scores ?? 0n,
    checked: said?.checked ?? state.Checked.get(era, account),
    eraCompute: said?.compute,
    eraCheck: said?.check,
    earned,
    paid: earned.compute + earned.author + earned.check,
    free: data.free,
    locked: data.frozen,
    pending: (state.Pending.get(account) ?? 0n) + (due === undefined ? 0n : due.compute + due.check),
  };
}

export const eraRecord = (view: Readable, era: number): EraRecord | undefined => rewards(view).Eras.get(era);
export const poolLeft = (view: Readable): bigint => rewards(view).Pool.get();

export interface SupplyAudit {
  readonly pool: bigint;
  readonly free: bigint;
  readonly reserved: bigint;
  readonly pending: bigint;
  readonly held: bigint;
  readonly treasury: bigint;
  readonly burned: bigint;
  readonly sum: bigint;
  readonly genesis: bigint;
  readonly exact: boolean;
}

/** Counts every unit of the state (DECISIONS.md section 6): by listing all accounts and all holdings. */
export function supplyAudit(view: Readable): SupplyAudit {
  let free = 0n;
  let reserved = 0n;
  for (const [, { data }] of reader(System.declared, view).Account.entries()) {
    free += data.free;
    reserved += data.reserved;
  }
  const state = rewards(view);
  let pending = 0n;
  for (const [, amount] of state.Pending.entries()) pending += amount;
  for (const [, { compute, check }] of state.Due.entries()) pending += compute + check;
  let won = 0n;
  for (const [, wins] of pow(view).Wins.entries()) for (const win of wins) won += win.pay;
  const balances = reader(Balances.declared, view);
  const [pool, treasury, burned] = [state.Pool.get(), state.Treasury.get(), balances.Burned.get()];
  const fees = heldFees(view);
  const held = won + fees + staking(view).Income.get() + staking(view).PayHeld.get();
  const genesis = balances.GenesisIssuance.get();
  const sum = pool + free + reserved + pending + held + treasury + burned;
  // The totals that rules go by are counted as well: a unit planted in one of them is not money yet, but it would be.
  const totals =
    pending === state.PendingTotal.get() + state.DueTotal.get() &&
    won === state.Held.get() &&
    sum - burned === balances.TotalIssuance.get() &&
    owedFees(view) === reader(TransactionPayment.declared, view).OwedTotal.get();
  return { pool, free, reserved, pending, held, treasury, burned, sum, genesis, exact: sum === genesis && totals };
}

/** Fees of the present block and those whose author has no open account yet. */
function heldFees(view: Readable): bigint {
  return reader(TransactionPayment.declared, view).Collected.get() + owedFees(view);
}

function owedFees(view: Readable): bigint {
  let sum = 0n;
  for (const [, amount] of reader(TransactionPayment.declared, view).Owed.entries()) sum += amount;
  return sum;
}
