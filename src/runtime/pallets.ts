/**
 * # Pallets: what every chain is made of; presets add their own.
 *
 * Always true: the order of this list means nothing: pallets run in the order of their indices.
 */
import type { PalletSource } from './calls.ts';
import { Balances } from './pallets/balances.ts';
import { Identity } from './pallets/identity.ts';
import { multisig } from './pallets/multisig.ts';
import { Preimage } from './pallets/preimage.ts';
import { proxy } from './pallets/proxy.ts';
import { scheduler } from './pallets/scheduler.ts';
import { System } from './pallets/system.ts';
import { Timestamp } from './pallets/timestamp.ts';
import { TransactionPayment } from './pallets/transaction-payment.ts';
import { utility } from './pallets/utility.ts';
import { Vesting } from './pallets/vesting.ts';

/** Accounts, time, the token, fees, and what wallets do with calls. */
export const CORE_PALLETS: readonly PalletSource[] = [
  System,
  Timestamp,
  Balances,
  TransactionPayment,
  utility,
  multisig,
  proxy,
  Preimage,
  scheduler,
  Identity,
  Vesting,
];
