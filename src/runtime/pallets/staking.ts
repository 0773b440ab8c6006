/**
 * # Staking: bonds give votes, votes give seats, seats can be lost.
 *
 * Always true: what is bonded is held in Balances and nowhere else; a unit votes once; whoever has a seat in an era
 * answers with what was bonded in it. Elections and slashes work in pieces: no block does more than its share.
 * Source: docs/spec/staking.md.
 */
import { type Bytes, compare, equal } from '../../base/bytes.ts';
import { min } from '../../base/fixed.ts';
import { compact, compactU32, type Of, tuple, u32, unit, variant, vec } from '../../codec/index.ts';
import { building, ConfigError } from '../config.ts';
import { MAX_APPROVALS, MAX_SEATS } from '../election/ballots.ts';
import { type CallRule, type Fields, rules } from '../pallet.ts';
import { AccountId, Balance, lookup, MultiAddress } from '../types.ts';
import { plus, rw } from '../weights.ts';
import { Balances, reducibleOf } from './balances.ts';
import { brokenElection, holdElection } from './staking/election.ts';
import { brokenSeats } from './staking/eras.ts';
import { brokenExposures, forgetOld } from './staking/exposures.ts';
import { bondMore, brokenLedgers, eraNow, ledgerOf, rebond, unbond, withdrawUnbonded } from './staking/ledger.ts';
import { brokenPay, claimPay } from './staking/pay.ts';
import { brokenPledges, endPledge, payIncome, pledge } from './staking/pledges.ts';
import { SLASH_READS, SLASH_WRITES, slashWaiting } from './staking/slashing.ts';
import { StakingDeclared, type StakingScope } from './staking/state.ts';
import { MAX_CHUNKS, RewardDestination, ValidatorPrefs } from './staking/types.ts';
import { moveWaiting, placeVoter, retire } from './staking/voters.ts';
import { System } from './system.ts';

export { noteActive, planSession, presenceOf } from './staking/eras.ts';
export { noteAuthor } from './staking/pay.ts';
export { shareIncome } from './staking/pledges.ts';
export { StakingDeclared } from './staking/state.ts';

/** Ledger, hold, account, snapshot and bag: what a change of a bond reads and writes. */
const BOND = rw(12, 12);
/** What forgetting an entry or moving a voter costs. */
const PIECE_READS = 4;
const PIECE_WRITES = 4;

const GenesisVote = variant({ Idle: unit, Validator: unit, Nominator: vec(AccountId, MAX_APPROVALS) });

export const Staking = rules(StakingDeclared, {
  calls: { ...bondCalls(), ...voteCalls(), ...payCalls() },
  hooks: {
    on_initialize(at) {
      const slashed = slashWaiting(at);
      const pieces = moveWaiting(at) + forgetOld(at);
      const election = holdElection(at);
      const chores = plus(
        rw(8 + pieces * PIECE_READS, pieces * PIECE_WRITES),
        rw(slashed * SLASH_READS, slashed * SLASH_WRITES),
      );
      return election === undefined ? chores : { ...chores, ref_time: chores.ref_time + election.ref_time };
    },
  },
  genesis: {
    config: {
      stakers: vec(tuple(AccountId, Balance, GenesisVote)),
      bootstrap: vec(AccountId, MAX_SEATS),
    },
    build(at, { stakers, bootstrap }) {
      at.state.Bootstrap.put(bootstrap);
      const each = (build: (who: Bytes, bond: bigint, vote: Of<typeof GenesisVote>) => void) => {
        for (const [i, staker] of stakers.entries()) building(`staking.stakers[${i}]`, () => build(...staker));
      };
      each((who, bond) => {
        if (at.state.Ledger.has(who)) throw new ConfigError('staking.stakers', 'an account occurs twice');
        bondMore(at, who, bond);
      });
      each((who, _, vote) => vote.type === 'Validator' && stand(at, who, NO_COMMISSION));
      each((who, _, vote) => vote.type === 'Nominator' && nominate(at, who, vote.value));
    },
  },
  holdings: ({ state }) => state.Income.get() + state.PayHeld.get(),
  invariant: isSound,
});

const NO_COMMISSION: ValidatorPrefs = { commission: 0, blocked: false };

function bondCalls() {
  return calls({
    bond: call({
      index: 0,
      doc: 'Bonds `value` of the signer’s; the account is stash and controller in one.',
      args: { value: compact, payee: RewardDestination },
      weight: BOND,
      run(at, { value, payee }) {
        at.ensure(!at.state.Ledger.has(at.signer), 'AlreadyBonded');
        bondMore(at, at.signer, value);
        at.state.Payee.put(at.signer, payee);
      },
    }),
    bond_extra: call({
      index: 1,
      doc: 'Bonds up to `max_additional` more, as much as is free.',
      args: { max_additional: compact },
      weight: BOND,
      run(at, { max_additional }) {
        ledgerOf(at, at.signer);
        const free = reducibleOf(at, at.use(System).state.Account.get(at.signer), 'preserve');
        bondMore(at, at.signer, min(free, max_additional));
      },
    }),
    unbond: call({
      index: 2,
      doc: 'Begins to unbond up to `value`; it is free after the bonding duration and a withdrawal.',
      args: { value: compact },
      weight: BOND,
      run(at, { value }) {
        unbond(at, at.signer, value);
      },
    }),
    withdraw_unbonded: call({
      index: 3,
      doc: 'Frees what has unbonded. There are no slashing spans: the argument is not read.',
      args: { num_slashing_spans: u32 },
      weight: BOND,
      run(at) {
        withdrawUnbonded(at, at.signer);
      },
    }),
    set_payee: call({
      index: 7,
      doc: 'Says where the signer is paid.',
      args: { payee: RewardDestination },
      weight: rw(1, 1),
      run(at, { payee }) {
        ledgerOf(at, at.signer);
        at.state.Payee.put(at.signer, payee);
      },
    }),
    rebond: call({
      index: 19,
      doc: 'Bonds up to `value` of what unbonds again.',
      args: { value: compact },
      weight: rw(12 + MAX_CHUNKS, 12),
      run(at, { value }) {
        rebond(at, at.signer, value);
      },
    }),
    pledge: call({
      index: 40,
      doc: 'Locks `amount` of the signer’s bond for 30 to 1,460 days: it earns the more the longer it is locked.',
      args: { amount: compact, days: compactU32 },
      weight: rw(5, 3),
      run(at, { amount, days }) {
        pledge(at, at.signer, amount, days);
      },
    }),
    end_pledge: call({
      index: 41,
      doc: 'Ends the signer’s time lock of this number, whose time is over, and pays its income.',
      args: { index: compactU32 },
      weight: rw(7, 6),
      run(at, { index }) {
        endPledge(at, at.signer, index);
      },
    }),
  });
}

function voteCalls() {
  return calls({
    validate: call({
      index: 4,
      doc: 'Stands for election.',
      args: { prefs: ValidatorPrefs },
      weight: rw(8, 7),
      run(at, { prefs }) {
        stand(at, at.signer, prefs);
      },
    }),
    nominate: call({
      index: 5,
      doc: 'Votes for those who may hold a seat: each once, at most 16.',
      args: { targets: vec(MultiAddress) },
      weight: ({ targets }) => rw(8 + Math.min(targets.length, MAX_APPROVALS), 7),
      run(at, { targets }) {
        at.ensure(targets.length <= MAX_APPROVALS, 'TooManyTargets');
        nominate(at, at.signer, targets.map(lookup));
      },
    }),
    chill: call({
      index: 6,
      doc: 'Neither stands for election nor votes any more; what is bonded stays.',
      args: {},
      weight: rw(7, 6),
      run(at) {
        ledgerOf(at, at.signer);
        retire(at, at.signer);
      },
    }),
    kick: call({
      index: 21,
      doc: 'Gives up the nominations of accounts for the signer.',
      args: { who: vec(MultiAddress) },
      weight: ({ who }) => rw(1 + 8 * who.length, 7 * who.length),
      run(at, { who }) {
        at.ensure(at.state.Validators.has(at.signer), 'NotStash');
        for (const nominator of who.map(lookup)) dropNomination(at, nominator, at.signer);
      },
    }),
  });
}

function payCalls() {
  return calls({
    claim: call({
      index: 42,
      doc: 'Pays `who` all that it is owed for the blocks of an era that is over.',
      args: { who: AccountId, era: u32 },
      weight: rw(12, 7),
      run(at, { who, era }) {
        claimPay(at, who, era);
      },
    }),
    claim_income: call({
      index: 43,
      doc: 'Pays the income of the signer’s time locks.',
      args: {},
      weight: rw(5, 4),
      run(at) {
        at.ensure(at.state.Pledges.has(at.signer), 'NoPledge');
        payIncome(at, at.signer);
      },
    }),
  });
}

// The types of a call's arguments follow from its codecs: these two say so once for all calls of this pallet.
function call<A extends Fields>(rule: CallRule<typeof StakingDeclared, A>): CallRule<typeof StakingDeclared, A> {
  return rule;
}

function calls<C>(of: C): C {
  return of;
}

function stand(at: StakingScope, who: Bytes, prefs: ValidatorPrefs): void {
  at.ensure(ledgerOf(at, who).active >= at.const.MinBond, 'InsufficientBond');
  if (!at.state.Validators.has(who)) {
    at.ensure(at.state.CounterForValidators.get() < at.spec.staking.maxCandidates, 'TooManyValidators');
    if (at.state.Nominators.has(who)) {
      at.state.Nominators.delete(who);
      at.state.CounterForNominators.mutate((n) => n - 1);
    }
    at.state.CounterForValidators.mutate((n) => n + 1);
  }
  at.state.Validators.put(who, prefs);
  placeVoter(at, who);
  at.emit.ValidatorPrefsSet({ stash: who, prefs });
}

function nominate(at: StakingScope, who: Bytes, targets: readonly Bytes[]): void {
  at.ensure(ledgerOf(at, who).active >= at.const.MinBond, 'InsufficientBond');
  at.ensure(targets.length > 0, 'EmptyTargets');
  const ordered = [...targets].sort(compare);
  at.ensure(
    ordered.every((target, i) => i === 0 || !equal(target, ordered[i - 1] as Bytes)),
    'DuplicateTarget',
  );
  const before = at.state.Nominators.get(who)?.targets ?? [];
  for (const target of targets) {
    const kept = before.some((one) => equal(one, target));
    const isOpen = kept || !at.state.Validators.get(target).blocked;
    at.ensure(at.state.Validators.has(target) && isOpen, 'BadTarget');
  }
  if (at.state.Validators.has(who)) {
    at.state.Validators.delete(who);
    at.state.CounterForValidators.mutate((n) => n - 1);
  }
  if (!at.state.Nominators.has(who)) at.state.CounterForNominators.mutate((n) => n + 1);
  at.state.Nominators.put(who, { targets: [...targets], submitted_in: eraNow(at), suppressed: false });
  placeVoter(at, who);
}

function dropNomination(at: StakingScope, nominator: Bytes, stash: Bytes): void {
  const vote = at.state.Nominators.get(nominator);
  if (vote === undefined || !vote.targets.some((target) => equal(target, stash))) return;
  const targets = vote.targets.filter((target) => !equal(target, stash));
  if (targets.length > 0) at.state.Nominators.put(nominator, { ...vote, targets });
  else retire(at, nominator);
  at.emit.Kicked({ nominator, stash });
}

function isSound(at: StakingScope): boolean | string {
  const held = (who: Bytes) =>
    at
      .use(Balances)
      .state.Holds.get(who)
      .reduce((sum, { id, amount }) => (id.type === 'Staking' ? sum + amount : sum), 0n);
  const checks = [brokenVoters, brokenElection, brokenExposures, brokenSeats, brokenPledges, brokenPay];
  for (const check of checks) {
    const said = check(at);
    if (said !== true) return said;
  }
  return brokenLedgers(at, held);
}

/** True, or what is broken: the counters and the list of voters. */
function brokenVoters(at: StakingScope): string | true {
  const validators = [...at.state.Validators.keys()];
  const nominators = [...at.state.Nominators.keys()];
  if (validators.length !== at.state.CounterForValidators.get()) return 'CounterForValidators is wrong';
  if (nominators.length !== at.state.CounterForNominators.get()) return 'CounterForNominators is wrong';
  if (nominators.some((who) => at.state.Validators.has(who))) return 'an account votes twice';
  let listed = 0;
  for (const [key, who] of at.state.Voters.entries()) {
    const own = at.state.VoterKeys.get(who);
    if (own === undefined || !equal(own, key)) return 'a voter stands in the list twice';
    listed++;
  }
  if (listed !== at.state.CounterForVoters.get()) return 'CounterForVoters is wrong';
  const absent = [...validators, ...nominators].filter((who) => !at.state.VoterKeys.has(who));
  return absent.every((who) => at.state.Moving.has(who)) || 'a voter is not in the list';
}
