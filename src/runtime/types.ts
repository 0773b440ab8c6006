/** # Types: values that wallets know by their Substrate names and paths (docs/spec/runtime.md). */
import type { Bytes } from '../base/bytes.ts';
import { named, type Of, struct, u32, u128 } from '../codec/index.ts';
import { AccountId as AccountCodec, MultiAddress } from '../primitives/account.ts';
import { dispatchError } from './errors.ts';

/** 32 bytes: a public key, the hash of one, or a name that no key has. */
export const AccountId = AccountCodec;
export type AccountId = Bytes;
export { MultiAddress };

/** Units of the native token. */
export const Balance = u128;
export type Balance = Of<typeof Balance>;

/** What each account holds of the native token; `frozen` lies inside `free`. */
export const AccountData = struct(
  { free: Balance, reserved: Balance, frozen: Balance, flags: named('pallet_balances::types::ExtraFlags', u128) },
  { path: 'pallet_balances::types::AccountData' },
);
export type AccountData = Of<typeof AccountData>;

/** An account: 80 bytes. It exists while anything provides for it; `consumers` keep it from closing. */
export const AccountInfo = struct(
  { nonce: u32, consumers: u32, providers: u32, sufficients: u32, data: AccountData },
  {
    path: 'frame_system::AccountInfo',
    params: [
      { name: 'Nonce', shape: u32.shape },
      { name: 'AccountData', shape: AccountData.shape },
    ],
  },
);
export type AccountInfo = Of<typeof AccountInfo>;

/** The account that an address names; CannotLookup for the forms that this chain does not keep. */
export function lookup(address: MultiAddress): AccountId {
  if (address.type !== 'Id') throw dispatchError('CannotLookup');
  return address.value;
}
