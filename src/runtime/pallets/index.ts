/** # Pallets: all that the runtime is made of, in the order of their indices and of their hooks. */

import type { PalletSource } from '../calls.ts';
import { Balances } from './balances.ts';
import { Certificates } from './certificates.ts';
import { ComputePow } from './compute-pow.ts';
import { Jobs } from './jobs.ts';
import { Rewards } from './rewards.ts';
import { System } from './system.ts';
import { Timestamp } from './timestamp.ts';
import { TransactionPayment } from './transaction-payment.ts';
import { utility } from './utility.ts';

export const PALLETS: readonly PalletSource[] = [
  System,
  Timestamp,
  Balances,
  TransactionPayment,
  utility,
  ComputePow,
  Jobs,
  Certificates,
  Rewards,
] as unknown as readonly PalletSource[];
