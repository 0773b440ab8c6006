/**
 * # Staking, declared: bonds, votes, elections and what past eras were made of.
 *
 * Always true: what an account bonded is held for it in Balances; every list has a bound, and what past eras left is
 * forgotten after the bonding duration.
 */
import { u32, u64, u128, unit, vec } from '../../../codec/index.ts';
import { MAX_APPROVALS, MAX_CANDIDATES, MAX_SEATS } from '../../election/ballots.ts';
import { constant, event, pallet, type Scope } from '../../pallet.ts';
import { identity, map, twox64Concat, value } from '../../storage.ts';
import { AccountId, Balance } from '../../types.ts';
import * as types from './types.ts';

const ERA = twox64Concat(u32, 'eras are counted by the chain');
const COUNT = twox64Concat(u32, 'pages are counted by the chain');
/** Snapshots kept of one account: one for each era that may be asked for, and the one before. */
export const MAX_SNAPSHOTS = 64;
const NO_VOTES = { winners_stake: 0n, losers_votes: 0n, losers_stake: 0n };
const NO_PREFS = { commission: 0, blocked: false };
const NO_POINTS = { total: 0, individual: [] };

export const StakingDeclared = pallet('Staking', {
  index: 8,
  doc: 'Bonds, votes and elections.',
  constants: {
    SessionsPerEra: constant('Sessions of an era.', u32, (s) => s.staking.sessionsPerEra),
    BondingDuration: constant('Eras until unbonded units are free.', u32, (s) => s.staking.bondingEras),
    MinBond: constant('The least bond of a validator or nominator.', Balance, (s) => s.staking.minBond),
    Seats: constant('Seats of an era.', u32, (s) => s.staking.seats),
    SeatsByLot: constant('Seats of them that fall by lot.', u32, (s) => s.staking.lots),
    MaxCandidates: constant('Validators that may stand.', u32, (s) => s.staking.maxCandidates),
    MaxVoters: constant('Voters of an election: the richest.', u32, (s) => s.staking.maxVoters),
    MaxNominations: constant('Validators that one account may nominate.', u32, () => MAX_APPROVALS),
    MaxUnlockingChunks: constant('Amounts that may unbond at once.', u32, () => types.MAX_CHUNKS),
    MaxExposurePageSize: constant('Nominators on a page of an exposure.', u32, () => types.EXPOSURE_PAGE),
    HistoryDepth: constant('Eras whose stakers are kept.', u32, (s) => s.staking.bondingEras),
  },
  storage: {
    Bonded: map('The account that decides over a bond: itself.', AccountId, AccountId),
    Ledger: map('What an account bonded, and what it unbonds.', AccountId, types.StakingLedger),
    Payee: map('Where an account is paid.', AccountId, types.RewardDestination),
    Validators: map('Who stands for election.', AccountId, types.ValidatorPrefs, NO_PREFS),
    CounterForValidators: value('How many stand.', u32, 0),
    Nominators: map('Who votes for others.', AccountId, types.Nominations),
    CounterForNominators: value('How many vote for others.', u32, 0),
    CurrentEra: value('The latest era for which there are seats.', u32),
    ActiveEra: value('The present era.', types.ActiveEraInfo),
    ErasStartSessionIndex: map('The first session of an era.', ERA, u32),
    ErasSource: map('The era by whose election an era has its seats.', ERA, u32),
    ErasStakersOverview: map('The stake behind a seat.', [ERA, AccountId], types.Overview),
    ErasStakersPaged: map('Who is behind a seat, by page.', [ERA, AccountId, COUNT], types.ExposurePage),
    ErasTotalStake: map('Stake behind all seats of an era.', ERA, Balance, 0n),
    ErasSeats: map('Seats of an era, and how they were given.', ERA, vec(types.EraSeat, MAX_SEATS), []),
    ErasRounds: map('Why each seat by vote was given: the trace.', ERA, vec(types.RoundCodec, MAX_SEATS), []),
    ErasRewardPoints: map('Blocks that each validator authored.', ERA, types.EraRewardPoints, NO_POINTS),
    ErasActive: map('Who else was heard in an era.', [ERA, AccountId], unit),
    HeardWeight: value('Weight of those who were heard by votes in the present era.', Balance, 0n),
    LastHeard: value('The last era in which as much weight was heard as finality takes.', u32),
    Forgotten: value('Eras before this one are forgotten.', u32, 0),

    TotalBonded: value('Sum of what is bonded and not being unbonded.', Balance, 0n),
    StakeAt: map('Active stake by era.', AccountId, vec(types.StakeSince, MAX_SNAPSHOTS), []),
    TotalStakeAt: value('TotalBonded by era.', vec(types.StakeSince, MAX_SNAPSHOTS), []),

    Voters: map('Who votes, the richest bag first.', identity(types.BagKey, 'counted by the chain'), AccountId),
    VoterKeys: map('Where a voter stands in Voters.', AccountId, types.BagKey),
    CounterForVoters: value('How many vote.', u32, 0),
    NextVoter: value('Tells voters of one bag apart.', u64, 0n),
    /** Grows while voters are taken, a few blocks an era, by at most the calls of these blocks. */
    Moving: map('Voters whose bag changes once all voters are taken.', AccountId, unit),

    Election: value('The election under way.', types.Ongoing),
    ElectionCandidates: value('Who stands in it.', vec(types.StandingCodec, MAX_CANDIDATES), []),
    ElectionPages: map('Its voters.', COUNT, vec(types.BallotCodec, types.VOTER_PAGE)),

    Bootstrap: value('Who holds seats until enough is bonded (rule E).', vec(AccountId, MAX_SEATS), []),

    Pledges: map('Time locks of an account.', AccountId, vec(types.Pledge, types.MAX_PLEDGES), []),
    PledgeShares: value('Shares of all time locks.', u128, 0n),
    PledgedTotal: value('Units of all time locks.', Balance, 0n),
    IncomePerShare: value('Income of a share since genesis, times 10^18.', u128, 0n),
    Income: value('Income of time locks that is not paid yet.', Balance, 0n),

    SlashedIn: map('Parts of 10^9 that a validator lost for an era.', [ERA, AccountId], types.Perbill, 0),
    Slashes: map('Slashes of voters that wait, in order.', COUNT, types.PendingSlash),
    SlashQueue: value('The first slash that waits, and the number of the next.', types.Queue, { first: 0, next: 0 }),

    ErasPay: map('What the blocks of an era earned.', ERA, types.EraPay),
    ErasVoteSums: map('What the parts of that are measured by.', ERA, types.VoteSums, NO_VOTES),
    ErasVotes: map('Votes of an era, for its pay.', [ERA, AccountId], types.EraVote),
    ErasLosers: map('Votes for who got no seat, for its pay.', [ERA, AccountId], u128),
    ErasClaimed: map('Who was paid for an era.', [ERA, AccountId], unit),
    PayHeld: value('Sum of what is left in ErasPay.', Balance, 0n),
  },
  events: {
    EraPaid: event('An era ended; so much was set aside for its stakers.', {
      era_index: u32,
      validator_payout: Balance,
      remainder: Balance,
    }),
    Rewarded: event('A staker was paid.', { stash: AccountId, dest: types.RewardDestination, amount: Balance }),
    Slashed: event('A staker was slashed.', { staker: AccountId, amount: Balance }),
    SlashReported: event('A validator was reported.', {
      validator: AccountId,
      fraction: types.Perbill,
      slash_era: u32,
    }),
    OldSlashingReportDiscarded: event('What was reported is too old to be slashed.', { session_index: u32 }),
    StakersElected: event('Seats of the next era were given.', {}),
    Bonded: event('Units were bonded.', { stash: AccountId, amount: Balance }),
    Unbonded: event('Units began to unbond.', { stash: AccountId, amount: Balance }),
    Withdrawn: event('Unbonded units are free.', { stash: AccountId, amount: Balance }),
    Kicked: event('A validator gave a nomination up.', { nominator: AccountId, stash: AccountId }),
    StakingElectionFailed: event('No seats could be given: those before stay.', {}),
    Chilled: event('An account neither validates nor votes any more.', { stash: AccountId }),
    ValidatorPrefsSet: event('An account stands for election.', { stash: AccountId, prefs: types.ValidatorPrefs }),
    SilentLeft: event('A validator that was not heard for an era stands no more.', { stash: AccountId }),
    Pledged: event('Units were locked for a time.', { stash: AccountId, amount: Balance, days: u32 }),
    PledgeEnded: event('A time lock ended.', { stash: AccountId, amount: Balance }),
  },
  errors: {
    NotController: 'The account bonded nothing.',
    NotStash: 'The account does not stand for election.',
    AlreadyBonded: 'The account has bonded before: bond_extra.',
    EmptyTargets: 'A nomination names somebody.',
    DuplicateTarget: 'A nomination names each validator once.',
    InsufficientBond: 'Less would be bonded than is needed.',
    NoMoreChunks: 'Too many amounts unbond at once.',
    NoUnlockChunk: 'Nothing unbonds.',
    TooManyTargets: 'A nomination names more validators than it may.',
    BadTarget: 'Who is nominated does not stand, or takes no nominations.',
    TooManyValidators: 'As many stand as may.',
    InvalidEraToReward: 'The era is not over, is forgotten, or pays nothing.',
    AlreadyClaimed: 'The account was paid for this era.',
    NothingDue: 'The account is owed nothing.',
    Pledged: 'A time lock binds these units.',
    BadDuration: 'A time lock lasts 30 to 1,460 days.',
    TooManyPledges: 'The account has as many time locks as it may have.',
    NoPledge: 'The account has no time lock of this number that ended.',
  },
});
export type StakingScope = Scope<typeof StakingDeclared>;
