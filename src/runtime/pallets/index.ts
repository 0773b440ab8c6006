/** # Pallets: all that the runtime is made of, in the order of their indices and of their hooks. */
import type { PalletSource } from '../calls.ts';
import { CORE_PALLETS } from '../pallets.ts';
import { Certificates } from './certificates.ts';
import { ComputePow } from './compute-pow.ts';
import { grandpa, RECORD_ONLY } from './grandpa.ts';
import { Jobs } from './jobs.ts';
import { Rewards } from './rewards.ts';

export const PALLETS: readonly PalletSource[] = [
  ...CORE_PALLETS,
  grandpa(RECORD_ONLY),
  ComputePow,
  Jobs,
  Certificates,
  Rewards,
] as unknown as readonly PalletSource[];
