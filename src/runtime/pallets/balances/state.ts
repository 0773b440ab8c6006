/**
 * # Balances' state: what the pallet keeps and says. No event says that units were made, for none ever are.
 */
import { u32, vec } from '../../../codec/index.ts';
import { constant, event, pallet, type Scope } from '../../pallet.ts';
import { map, value } from '../../storage.ts';
import { AccountId, Balance } from '../../types.ts';
import { BalanceLock, BalanceStatus, FreezeReason, HoldReason, idAmount, ReserveData } from './types.ts';

export const MAX_LOCKS = 50;
const MAX_NAMED = 50;

export const BalancesDeclared = pallet('Balances', {
  index: 5,
  doc: 'Holds and moves the native token.',
  constants: {
    ExistentialDeposit: constant('The least an open account may hold.', Balance, (spec) => spec.existentialDeposit),
    MaxLocks: constant('Locks that one account may have.', u32, () => MAX_LOCKS),
    MaxReserves: constant('Named reserves that one account may have.', u32, () => MAX_NAMED),
    MaxFreezes: constant('Freezes that one account may have: pallets here lock.', u32, () => 0),
  },
  storage: {
    TotalIssuance: value('Units in existence: in accounts and held by pallets.', Balance, 0n),
    InactiveIssuance: value('Units that do not count in votes.', Balance, 0n),
    GenesisIssuance: value('Units that genesis made.', Balance, 0n),
    Burned: value('Units destroyed since genesis.', Balance, 0n),
    Locks: map('What an account may not spend, and why.', AccountId, vec(BalanceLock, MAX_LOCKS), []),
    Reserves: map('Named parts of what an account holds in reserve.', AccountId, vec(ReserveData, MAX_NAMED), []),
    Holds: map('What of the reserve is held, and why.', AccountId, vec(idAmount(HoldReason), MAX_NAMED), []),
    Freezes: map('Unused here: pallets lock.', AccountId, vec(idAmount(FreezeReason), MAX_NAMED), []),
  },
  events: {
    Endowed: event('An account was opened with a balance.', { account: AccountId, free_balance: Balance }),
    DustLost: event('An account closed; the crumb it held was burned.', { account: AccountId, amount: Balance }),
    Transfer: event('`amount` moved.', { from: AccountId, to: AccountId, amount: Balance }),
    BalanceSet: event('The free balance of an account was set.', { who: AccountId, free: Balance }),
    Reserved: event('`amount` went from free to reserved.', { who: AccountId, amount: Balance }),
    Unreserved: event('`amount` went from reserved to free.', { who: AccountId, amount: Balance }),
    ReserveRepatriated: event('Reserved units of one account went to another.', {
      from: AccountId,
      to: AccountId,
      amount: Balance,
      destination_status: BalanceStatus,
    }),
    Deposit: event('A pallet paid `amount` to an account.', { who: AccountId, amount: Balance }),
    Withdraw: event('A pallet took `amount` from an account.', { who: AccountId, amount: Balance }),
    Slashed: event('`amount` was taken as a penalty.', { who: AccountId, amount: Balance }),
    Burned: event('An account destroyed `amount` of its own.', { who: AccountId, amount: Balance }),
    Rescinded: event('`amount` was destroyed.', { amount: Balance }),
    Locked: event('`amount` more may not be spent.', { who: AccountId, amount: Balance }),
    Unlocked: event('`amount` may be spent again.', { who: AccountId, amount: Balance }),
    Held: event('`amount` went from free to held.', { reason: HoldReason, who: AccountId, amount: Balance }),
    Released: event('`amount` went from held to free.', { reason: HoldReason, who: AccountId, amount: Balance }),
  },
  errors: {
    InsufficientBalance: 'The account has less than this free.',
    IssuanceDeactivated: 'Nothing makes or removes units but what is burned: issuance cannot be set.',
    DeadAccount: 'The account that would receive is not open.',
    DeltaZero: 'The issuance would stay as it is.',
    TooManyLocks: 'The account has as many locks as it may have.',
  },
});

export type BalancesScope = Scope<typeof BalancesDeclared>;

/** Whether an account must stay open after it paid. */
export type Preservation = 'expendable' | 'preserve';
