/**
 * # Multisig: accounts that several people hold together.
 *
 * Always true: what runs in the name of such an account was approved by `threshold` of its signatories, each once. An
 * account is the hash of its signatories and threshold (Substrate's derivation): none is ever created. `Multisigs`
 * grows by deposits alone: whoever begins an operation pays for its entry until it ends.
 */
import { type Bytes, compare, concat, equal, utf8 } from '../../base/bytes.ts';
import { fixed, type Of, option, struct, u16, u32, vec } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import type { Link, RuntimeCall } from '../calls.ts';
import { storageDeposit } from '../deposits.ts';
import { DispatchResult, passOn, resultOf } from '../errors.ts';
import { constant, event, type Pallet, pallet, rules, type Scope } from '../pallet.ts';
import { map, twox64Concat } from '../storage.ts';
import { AccountId, Balance } from '../types.ts';
import { plus, rw, Weight, within } from '../weights.ts';
import { reserve, unreserve } from './balances.ts';

// An operation of 100 signatories is an entry of 3.3 KB, as on Polkadot.
const MAX_SIGNATORIES = 100;

/** The extrinsic that began an operation. */
const Timepoint = struct(
  { height: u32, index: u32 },
  { path: 'pallet_multisig::Timepoint', params: [{ name: 'BlockNumber', shape: u32.shape }] },
);
type Timepoint = Of<typeof Timepoint>;

const Operation = struct(
  { when: Timepoint, deposit: Balance, depositor: AccountId, approvals: vec(AccountId, MAX_SIGNATORIES) },
  { path: 'pallet_multisig::Multisig' },
);

const CallHash = fixed(32);
const members = { multisig: AccountId, call_hash: CallHash };

const Declared = pallet('Multisig', {
  index: 13,
  doc: 'Calls that several accounts make together.',
  constants: {
    DepositBase: constant('Reserved for an operation.', Balance, (spec) => storageDeposit(spec, 1, 88)),
    DepositFactor: constant('Reserved for each approval it needs.', Balance, (spec) => storageDeposit(spec, 0, 32)),
    MaxSignatories: constant('Signatories of an account.', u32, () => MAX_SIGNATORIES),
  },
  storage: {
    Multisigs: map(
      'Operations that wait for approvals.',
      [twox64Concat(AccountId, 'the account is a hash of its signatories'), CallHash],
      Operation,
    ),
  },
  events: {
    NewMultisig: event('An operation began.', { approving: AccountId, ...members }),
    MultisigApproval: event('An operation was approved.', { approving: AccountId, timepoint: Timepoint, ...members }),
    MultisigExecuted: event('An operation was executed.', {
      approving: AccountId,
      timepoint: Timepoint,
      ...members,
      result: DispatchResult,
    }),
    MultisigCancelled: event('An operation was given up.', {
      cancelling: AccountId,
      timepoint: Timepoint,
      ...members,
    }),
  },
  errors: {
    MinimumThreshold: 'The threshold is below 2.',
    AlreadyApproved: 'The signer approved this before, or no approval is missing.',
    TooFewSignatories: 'There are no other signatories.',
    TooManySignatories: 'There are more signatories than MaxSignatories.',
    SignatoriesOutOfOrder: 'The other signatories are not in ascending order, or one stands twice.',
    SenderInSignatories: 'The signer stands among the others.',
    NotFound: 'There is no such operation.',
    NotOwner: 'Only who began an operation may cancel it.',
    NoTimepoint: 'The operation began before: say when.',
    WrongTimepoint: 'The operation began at another time.',
    UnexpectedTimepoint: 'The operation begins now: no time may be said.',
    MaxWeightTooLow: 'The call weighs more than was allowed.',
  },
});
type At = Scope<typeof Declared>;

const OVERHEAD = rw(3, 3, 50_000_000n);

/** The account of these signatories, in ascending order, and threshold. */
export function multiAccount(signatories: readonly Bytes[], threshold: number): Bytes {
  return blake2_256(concat(utf8('modlpy/utilisuba'), vec(AccountId).enc([...signatories]), u16.enc(threshold)));
}

const parties = { threshold: u16, other_signatories: vec(AccountId) };

/** The pallet for a runtime: its calls hold calls of that runtime. */
export function multisig(link: Link): Pallet<typeof Declared> {
  const weightOf = (call: RuntimeCall): Weight => link.info(call).weight;
  return rules(Declared, {
    calls: {
      as_multi_threshold_1: {
        index: 0,
        doc: 'Makes a call in the name of an account that each of its signatories may use alone.',
        args: { other_signatories: parties.other_signatories, call: link.Call },
        weight: ({ call }) => plus(OVERHEAD, weightOf(call)),
        run(at, { other_signatories, call }) {
          const who = multiAccount(signatoriesOf(at, other_signatories), 1);
          const error = at.dispatch(call, { type: 'signed', who });
          if (error !== undefined) throw passOn(error);
          return plus(OVERHEAD, at.spent ?? weightOf(call));
        },
      },
      as_multi: {
        index: 1,
        doc: 'Approves a call; the approval that completes the threshold makes it.',
        args: { ...parties, maybe_timepoint: option(Timepoint), call: link.Call, max_weight: Weight },
        weight: ({ max_weight }) => plus(OVERHEAD, max_weight),
        run(at, { threshold, other_signatories, maybe_timepoint, call, max_weight }) {
          const account = accountOf(at, threshold, other_signatories);
          const call_hash = blake2_256(link.Call.enc(call));
          const approval = { account, call_hash, threshold, when: maybe_timepoint };
          if (!completes(at, approval)) {
            approve(at, approval);
            return OVERHEAD;
          }
          at.ensure(within(weightOf(call), max_weight), 'MaxWeightTooLow');
          const { when: timepoint } = close(at, account, call_hash);
          const result = resultOf(at.dispatch(call, { type: 'signed', who: account }));
          const took = plus(OVERHEAD, at.spent ?? weightOf(call));
          at.emit.MultisigExecuted({ approving: at.signer, timepoint, multisig: account, call_hash, result });
          return took;
        },
      },
      approve_as_multi: {
        index: 2,
        doc: 'Approves a call by its hash; one who knows the call makes it later.',
        args: { ...parties, maybe_timepoint: option(Timepoint), call_hash: CallHash, max_weight: Weight },
        weight: OVERHEAD,
        run(at, { threshold, other_signatories, maybe_timepoint, call_hash }) {
          const account = accountOf(at, threshold, other_signatories);
          approve(at, { account, call_hash, threshold, when: maybe_timepoint });
        },
      },
      cancel_as_multi: {
        index: 3,
        doc: 'Gives up an operation that the signer began.',
        args: { ...parties, timepoint: Timepoint, call_hash: CallHash },
        weight: OVERHEAD,
        run(at, { threshold, other_signatories, timepoint, call_hash }) {
          const account = accountOf(at, threshold, other_signatories);
          const { when, depositor } = at.some(at.state.Multisigs.get(account, call_hash), 'NotFound');
          at.ensure(equal(depositor, at.signer), 'NotOwner');
          at.ensure(sameTime(when, timepoint), 'WrongTimepoint');
          close(at, account, call_hash);
          at.emit.MultisigCancelled({ cancelling: at.signer, timepoint, multisig: account, call_hash });
        },
      },
    },
    invariant(at) {
      const { DepositBase, DepositFactor } = at.const;
      for (const [, { approvals, deposit, depositor }] of at.state.Multisigs.entries()) {
        if (!isAscending(approvals)) return 'approvals are out of order or double';
        if (!approvals.some((one) => equal(one, depositor))) return 'an operation that who began it did not approve';
        if (deposit < DepositBase + DepositFactor * BigInt(Math.max(2, approvals.length))) return 'too low a deposit';
      }
      return true;
    },
  });
}

interface Approval {
  readonly account: Bytes;
  readonly call_hash: Bytes;
  readonly threshold: number;
  /** When the operation began, as the signer says it; undefined where he begins it. */
  readonly when: Timepoint | undefined;
}

/** The operation that an approval is about, if it began; fails where the approval says another time. */
function operationOf(at: At, { account, call_hash, when }: Approval) {
  const found = at.state.Multisigs.get(account, call_hash);
  if (found === undefined) {
    at.ensure(when === undefined, 'UnexpectedTimepoint');
    return undefined;
  }
  at.ensure(sameTime(found.when, at.some(when, 'NoTimepoint')), 'WrongTimepoint');
  return found;
}

/** Whether the signer's approval is the last that was missing, or none is missing any more. */
function completes(at: At, approval: Approval): boolean {
  const found = operationOf(at, approval);
  if (found === undefined) return false;
  const more = found.approvals.some((one) => equal(one, at.signer)) ? 0 : 1;
  return found.approvals.length + more >= approval.threshold;
}

/** Counts the signer's approval; begins the operation where it is the first. */
function approve(at: At, approval: Approval): void {
  const { account, call_hash, threshold } = approval;
  const found = operationOf(at, approval);
  const approving = at.signer;
  if (found === undefined) {
    const deposit = at.const.DepositBase + at.const.DepositFactor * BigInt(threshold);
    reserve(at, approving, deposit);
    const when = { height: at.block.number, index: at.extrinsicIndex };
    at.state.Multisigs.put(account, call_hash, { when, deposit, depositor: approving, approvals: [approving] });
    at.emit.NewMultisig({ approving, multisig: account, call_hash });
    return;
  }
  const isNew = !found.approvals.some((one) => equal(one, approving));
  at.ensure(isNew && found.approvals.length < threshold, 'AlreadyApproved');
  const approvals = [...found.approvals, approving].sort(compare);
  at.state.Multisigs.put(account, call_hash, { ...found, approvals });
  at.emit.MultisigApproval({ approving, timepoint: found.when, multisig: account, call_hash });
}

/** Ends an operation and gives its deposit back. */
function close(at: At, account: Bytes, call_hash: Bytes) {
  const operation = at.some(at.state.Multisigs.take(account, call_hash), 'NotFound');
  unreserve(at, operation.depositor, operation.deposit);
  return operation;
}

/** The account of the signer and the others, which needs at least two of them. */
function accountOf(at: At, threshold: number, others: readonly Bytes[]): Bytes {
  at.ensure(threshold >= 2, 'MinimumThreshold');
  return multiAccount(signatoriesOf(at, others), threshold);
}

/** The signer among the others, in ascending order. */
function signatoriesOf(at: At, others: readonly Bytes[]): readonly Bytes[] {
  at.ensure(others.length > 0, 'TooFewSignatories');
  at.ensure(others.length < MAX_SIGNATORIES, 'TooManySignatories');
  at.ensure(isAscending(others), 'SignatoriesOutOfOrder');
  at.ensure(!others.some((one) => equal(one, at.signer)), 'SenderInSignatories');
  return [...others, at.signer].sort(compare);
}

function isAscending(accounts: readonly Bytes[]): boolean {
  return accounts.every((one, i) => i === 0 || compare(accounts[i - 1] ?? one, one) < 0);
}

function sameTime(a: Timepoint, b: Timepoint): boolean {
  return a.height === b.height && a.index === b.index;
}
