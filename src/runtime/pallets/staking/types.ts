/** # Staking's types: what wallets decode under Substrate's names, and what an election keeps while it counts. */
import {
  bool,
  bytes,
  compact,
  compactU32,
  fixed,
  named,
  type Of,
  option,
  reshaped,
  struct,
  tuple,
  u16,
  u32,
  u64,
  u128,
  unit,
  variant,
  vec,
} from '../../../codec/index.ts';
import { MAX_APPROVALS, MAX_SEATS } from '../../election/ballots.ts';
import { AccountId, Balance } from '../../types.ts';

const PATH = 'pallet_staking';

/** Parts of 10^9. */
export const Perbill = named('sp_arithmetic::per_things::Perbill', u32);
const CompactPerbill = reshaped({ kind: 'compact', of: Perbill.shape }, compactU32);

/** As Substrate's MaxUnlockingChunks. */
export const MAX_CHUNKS = 32;
/** Entries of an exposure page. */
export const EXPOSURE_PAGE = 256;
/** Voters of a page of an election. */
export const VOTER_PAGE = 256;
/** Time locks of an account. */
export const MAX_PLEDGES = 16;

export const UnlockChunk = struct({ value: compact, era: compactU32 }, { path: `${PATH}::UnlockChunk` });
export type UnlockChunk = Of<typeof UnlockChunk>;

export const StakingLedger = struct(
  {
    stash: AccountId,
    total: compact,
    active: compact,
    unlocking: vec(UnlockChunk, MAX_CHUNKS),
    legacy_claimed_rewards: vec(u32, 0),
  },
  { path: `${PATH}::StakingLedger` },
);
export type StakingLedger = Of<typeof StakingLedger>;

export const RewardDestination = variant(
  { Staked: unit, Stash: unit, Controller: unit, Account: tuple(AccountId), None: unit },
  { path: `${PATH}::RewardDestination`, params: [{ name: 'AccountId', shape: AccountId.shape }] },
);
export type RewardDestination = Of<typeof RewardDestination>;

export const ValidatorPrefs = struct(
  { commission: CompactPerbill, blocked: bool },
  { path: `${PATH}::ValidatorPrefs` },
);
export type ValidatorPrefs = Of<typeof ValidatorPrefs>;

export const Nominations = struct(
  { targets: vec(AccountId, MAX_APPROVALS), submitted_in: u32, suppressed: bool },
  { path: `${PATH}::Nominations` },
);

export const ActiveEraInfo = struct({ index: u32, start: option(u64) }, { path: `${PATH}::ActiveEraInfo` });

const IndividualExposure = struct(
  { who: AccountId, value: compact },
  {
    path: 'sp_staking::IndividualExposure',
    params: [
      { name: 'AccountId', shape: AccountId.shape },
      { name: 'Balance', shape: u128.shape },
    ],
  },
);
export type IndividualExposure = Of<typeof IndividualExposure>;

export const ExposurePage = struct(
  { page_total: compact, others: vec(IndividualExposure, EXPOSURE_PAGE) },
  {
    path: 'sp_staking::ExposurePage',
    params: [
      { name: 'AccountId', shape: AccountId.shape },
      { name: 'Balance', shape: u128.shape },
    ],
  },
);

export const Overview = struct(
  { total: compact, own: compact, nominator_count: u32, page_count: u32 },
  { path: 'sp_staking::PagedExposureMetadata', params: [{ name: 'Balance', shape: u128.shape }] },
);

/** Blocks by validator, ascending. */
const PointsByValidator = named('BTreeMap', vec(tuple(AccountId, u32), MAX_SEATS), {
  params: [
    { name: 'K', shape: AccountId.shape },
    { name: 'V', shape: u32.shape },
  ],
});
export const EraRewardPoints = struct(
  { total: u32, individual: PointsByValidator },
  { path: `${PATH}::EraRewardPoints`, params: [{ name: 'AccountId', shape: AccountId.shape }] },
);

/** A candidate while an election counts: src/runtime/election/pieces.ts. */
export const StandingCodec = struct(
  {
    who: AccountId,
    bond: u128,
    approval: u128,
    supporters: u32,
    carried: u128,
    elected: bool,
    backing: u128,
  },
  { path: `${PATH}::Standing` },
);

/** A voter while an election counts. */
export const BallotCodec = struct(
  {
    who: AccountId,
    stake: u128,
    load: u128,
    choices: vec(u16, MAX_APPROVALS),
    edges: vec(u128, MAX_APPROVALS),
  },
  { path: `${PATH}::Ballot` },
);

const RunnerUp = struct({ who: AccountId, score: option(u128) }, { path: `${PATH}::RunnerUp` });
export const RoundCodec = struct(
  {
    who: AccountId,
    approval: u128,
    supporters: u32,
    score: option(u128),
    base: u128,
    carried: u128,
    stakePerSeat: u128,
    runnerUp: option(RunnerUp),
  },
  { path: `${PATH}::Round` },
);

/** Where a bag begins, and within it who came first: highest stakes first in the order of the state. */
export const BagKey = fixed(10);

const Seating = struct({ place: u16, score: u128, page: u32 }, { path: `${PATH}::Seating` });
const Phase = variant(
  {
    /** Takes voters, from the highest bag down; the key of the last one taken, empty before the first. */
    Voters: tuple(bytes),
    /** Puts a seat on its supporters, page by page. */
    Seating,
    /** Divides each voter's stake among the winners, page by page. */
    Sharing: tuple(u32),
    Done: unit,
    /** Too large, or out of order: those before stay. */
    Abandoned: unit,
  },
  { path: `${PATH}::ElectionPhase` },
);

export const Ongoing = struct(
  {
    /** The era whose seats are given. */
    era: u32,
    started_at: u32,
    phase: Phase,
    /** Seats by vote, those given, and at most how many voters are taken. */
    seats: u32,
    elected: vec(u16, MAX_SEATS),
    limit: u32,
    taken: u32,
    pages: u32,
    /** Stake of all ballots. */
    stake: u128,
  },
  { path: `${PATH}::Election` },
);
export type Ongoing = Of<typeof Ongoing>;

/** How an era's seats were given. */
const SeatKind = variant({ Voted: unit, Drawn: unit, Bootstrap: unit }, { path: `${PATH}::SeatKind` });
export const EraSeat = struct(
  { who: AccountId, kind: SeatKind, stake: u128, weight: u64 },
  { path: `${PATH}::EraSeat` },
);
export type EraSeat = Of<typeof EraSeat>;

/** Stake from an era on: what stood at its end and later, until the next entry. */
export const StakeSince = struct({ since: u32, stake: Balance }, { path: `${PATH}::StakeSince` });
export type StakeSince = Of<typeof StakeSince>;

export const Pledge = struct(
  {
    amount: Balance,
    /** amount * m(L) / 10^9. */
    shares: u128,
    days: u32,
    /** The block from which on it may be taken back. */
    until: u32,
    /** The accumulator up to which income was paid. */
    paid_at: u128,
  },
  { path: `${PATH}::Pledge` },
);
export type Pledge = Of<typeof Pledge>;

/** A slash of voters that waits for its turn. */
export const PendingSlash = struct(
  {
    validator: AccountId,
    /** The election whose exposures count. */
    source: u32,
    era: u32,
    before: Perbill,
    after: Perbill,
    page: u32,
    place: u32,
    reporter: option(AccountId),
  },
  { path: `${PATH}::PendingSlash` },
);
export type PendingSlash = Of<typeof PendingSlash>;

/** What an era's blocks earned: all of it, and what nobody took yet. */
export const EraPay = struct({ pot: Balance, left: Balance }, { path: `${PATH}::EraPay` });
export type EraPay = Of<typeof EraPay>;
/** What the parts of an era's pay are measured by: stakes of voters, votes for losers. */
export const VoteSums = struct(
  { winners_stake: u128, losers_votes: u128, losers_stake: u128 },
  { path: `${PATH}::VoteSums` },
);
export type VoteSums = Of<typeof VoteSums>;
export const EraVote = struct({ stake: u128, won: bool }, { path: `${PATH}::EraVote` });

/** Numbers of what waits: the first, and the one after the last. */
export const Queue = struct({ first: u32, next: u32 }, { path: `${PATH}::Queue` });
