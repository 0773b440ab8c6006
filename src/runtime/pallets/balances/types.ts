/** # Balances' types: locks, reserves and holds as wallets decode them. */
import { type Codec, fixed, type Of, struct, u128, unit, variant } from '../../../codec/index.ts';
import { Balance } from '../../types.ts';

const Reasons = variant({ Fee: unit, Misc: unit, All: unit }, { path: 'pallet_balances::types::Reasons' });
const LockId = fixed(8);

export const BalanceLock = struct(
  { id: LockId, amount: Balance, reasons: Reasons },
  { path: 'pallet_balances::types::BalanceLock', params: [{ name: 'Balance', shape: u128.shape }] },
);
export type BalanceLock = Of<typeof BalanceLock>;

export const ReserveData = struct(
  { id: LockId, amount: Balance },
  {
    path: 'pallet_balances::types::ReserveData',
    params: [
      { name: 'ReserveIdentifier', shape: LockId.shape },
      { name: 'Balance', shape: u128.shape },
    ],
  },
);

/** Which pallet holds units of an account, and why. Indices are those of the pallets. */
export const HoldReason = variant(
  {
    Staking: [8, variant({ Staking: unit }, { path: 'pallet_staking::pallet::HoldReason' })],
    Preimage: [14, variant({ Preimage: unit }, { path: 'pallet_preimage::pallet::HoldReason' })],
  },
  { path: 'maitoken_runtime::RuntimeHoldReason' },
);
export type HoldReason = Of<typeof HoldReason>;

// Pallets here lock; wallets look for the map of freezes all the same.
export const FreezeReason = variant({}, { path: 'maitoken_runtime::RuntimeFreezeReason' });

/** An amount and what it is for. */
export function idAmount<T>(reason: Codec<T>) {
  return struct(
    { id: reason, amount: Balance },
    {
      path: 'frame_support::traits::tokens::misc::IdAmount',
      params: [
        { name: 'Id', shape: reason.shape },
        { name: 'Balance', shape: u128.shape },
      ],
    },
  );
}

export const AdjustmentDirection = variant(
  { Increase: unit, Decrease: unit },
  { path: 'pallet_balances::types::AdjustmentDirection' },
);

/** Where units go that leave another account's reserve. */
export const BalanceStatus = variant(
  { Free: unit, Reserved: unit },
  { path: 'frame_support::traits::tokens::misc::BalanceStatus' },
);
