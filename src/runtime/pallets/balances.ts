/**
 * # Balances: one token, counted once.
 *
 * Always true: what accounts hold free and reserved, and what pallets hold besides, sums to `TotalIssuance`;
 * `TotalIssuance + Burned` is what genesis made; nobody holds a crumb under `ExistentialDeposit`. Nothing here mints.
 * The rules of when an account opens, closes and may spend are those of Substrate's pallet of the same name.
 *
 * A pallet is declared (balances/state.ts: storage, constants, events, errors), and then behaves: here are its calls,
 * its part of genesis and what holds after every block. How units move is in balances/moves.ts. In a call `at` is the
 * world through this pallet: `at.signer`, `at.state`, `at.const`, `at.emit`, and `at.use` for another pallet's.
 */
import { bool, compact, tuple, vec } from '../../codec/index.ts';
import type { Chain } from '../chain.ts';
import { rules } from '../pallet.ts';
import { AccountId, Balance, lookup, MultiAddress } from '../types.ts';
import { rw } from '../weights.ts';
import { burnFrom, deposit, reducible, setFree, transfer } from './balances/moves.ts';
import { heldOf, lockedTotal, unreserve } from './balances/reserves.ts';
import { BalancesDeclared } from './balances/state.ts';
import { AdjustmentDirection } from './balances/types.ts';
import { System } from './system.ts';

export { burn, credit, deposit, reducibleOf, transfer, withdraw } from './balances/moves.ts';
export {
  changeReserve,
  hold,
  lock,
  release,
  repatriate,
  reserve,
  slash,
  slashHeld,
  slashReserved,
  unlock,
  unreserve,
} from './balances/reserves.ts';

/** Picoseconds of a transfer beside its reads and writes. */
const TRANSFER_PS = 50_000_000n;

export const Balances = rules(BalancesDeclared, {
  // Indices are Substrate's, which has given up 1 and 7. Calls of the origin `root` are for a governance to come: no
  // account can make them.
  calls: {
    transfer_allow_death: {
      index: 0,
      doc: 'Moves `value` to `dest`; an account that keeps less than the existential deposit is closed.',
      args: { dest: MultiAddress, value: compact },
      weight: rw(2, 2, TRANSFER_PS),
      run(at, { dest, value }) {
        transfer(at, at.signer, lookup(dest), value, 'expendable');
      },
    },
    force_transfer: {
      index: 2,
      doc: 'Moves `value` from `source` to `dest`, as `source` could.',
      args: { source: MultiAddress, dest: MultiAddress, value: compact },
      weight: rw(3, 3, TRANSFER_PS),
      origin: 'root',
      run(at, { source, dest, value }) {
        transfer(at, lookup(source), lookup(dest), value, 'expendable');
      },
    },
    transfer_keep_alive: {
      index: 3,
      doc: 'Moves `value` to `dest`; refused where that would close the sender.',
      args: { dest: MultiAddress, value: compact },
      weight: rw(2, 2, TRANSFER_PS),
      run(at, { dest, value }) {
        transfer(at, at.signer, lookup(dest), value, 'preserve');
      },
    },
    transfer_all: {
      index: 4,
      doc: 'Moves all that can be spent to `dest`; with `keep_alive` the sender stays open.',
      args: { dest: MultiAddress, keep_alive: bool },
      weight: rw(2, 2, TRANSFER_PS),
      run(at, { dest, keep_alive }) {
        const keep = keep_alive ? 'preserve' : 'expendable';
        transfer(at, at.signer, lookup(dest), reducible(at, at.signer, keep), keep);
      },
    },
    force_unreserve: {
      index: 5,
      doc: 'Frees up to `amount` of what `who` has in reserve and no pallet holds.',
      args: { who: MultiAddress, amount: Balance },
      weight: rw(2, 1, TRANSFER_PS),
      origin: 'root',
      run(at, { who, amount }) {
        unreserve(at, lookup(who), amount);
      },
    },
    upgrade_accounts: {
      index: 6,
      doc: 'Changes nothing: every account of this chain was opened in the present form.',
      args: { who: vec(AccountId) },
      weight: ({ who }) => rw(who.length, 0),
      run() {},
    },
    force_set_balance: {
      index: 8,
      doc: 'Burns what `who` has free beyond `new_free`; a balance cannot be raised, for nothing mints.',
      args: { who: MultiAddress, new_free: compact },
      weight: rw(3, 3, TRANSFER_PS),
      origin: 'root',
      run(at, { who, new_free }) {
        setFree(at, lookup(who), new_free);
      },
    },
    force_adjust_total_issuance: {
      index: 9,
      doc: 'Fails: the issuance is what accounts and pallets hold.',
      args: { direction: AdjustmentDirection, delta: compact },
      weight: rw(0, 0),
      origin: 'root',
      run(at, { delta }) {
        at.ensure(delta > 0n, 'DeltaZero');
        at.fail('IssuanceDeactivated');
      },
    },
    burn: {
      index: 10,
      doc: 'Destroys `value` of the signer’s own; with `keep_alive` the signer stays open.',
      args: { value: compact, keep_alive: bool },
      weight: rw(3, 3, TRANSFER_PS),
      run(at, { value, keep_alive }) {
        burnFrom(at, at.signer, value, keep_alive ? 'preserve' : 'expendable');
      },
    },
  },
  genesis: {
    config: { balances: vec(tuple(AccountId, Balance)) },
    build(at, { balances }) {
      for (const [who, amount] of balances) deposit(at, who, amount);
    },
    // After every pallet's `build`: what they hold by then, pool and bonds included, is all there will ever be.
    close(at) {
      const issuance = inAccounts(at) + at.holdings();
      at.state.TotalIssuance.put(issuance);
      at.state.GenesisIssuance.put(issuance);
    },
  },
  invariant(at) {
    const issuance = at.state.TotalIssuance.get();
    if (issuance + at.state.Burned.get() !== at.state.GenesisIssuance.get()) return 'units appeared or vanished';
    if (inAccounts(at) + at.holdings() !== issuance) return 'accounts and holdings do not sum to TotalIssuance';
    for (const [who, { consumers, data }] of at.use(System).state.Account.entries()) {
      if (data.free > 0n && data.free < at.const.ExistentialDeposit && data.reserved === 0n) return 'a crumb is held';
      if (data.frozen !== lockedTotal(at.state.Locks.get(who))) return 'frozen is not the largest lock';
      if (data.frozen + data.reserved > 0n && consumers === 0) return 'a bound account could close';
      if (heldOf(at.state.Holds.get(who)) > data.reserved) return 'more is held than is reserved';
    }
    return true;
  },
});

/** Units in System.Account. */
function inAccounts(chain: Chain): bigint {
  let sum = 0n;
  for (const [, { data }] of chain.use(System).state.Account.entries()) sum += data.free + data.reserved;
  return sum;
}
