/** # Pallets: all that the runtime is made of, in the order of their indices and of their hooks. */
import type { PalletSource } from '../calls.ts';
import { CORE_PALLETS } from '../pallets.ts';
import { Certificates } from './certificates.ts';
import { ComputePow } from './compute-pow.ts';
import { grandpa } from './grandpa.ts';
import { Jobs } from './jobs.ts';
import { Offences } from './offences.ts';
import { Rewards } from './rewards.ts';
import { session } from './session.ts';
import { Slots } from './slots.ts';
import { planSession, Staking } from './staking.ts';
import { STAKED_ROLL, STAKED_VOTERS, tellVoters } from './voters.ts';

/** Of chains whose blocks are won by work. */
export const PALLETS: readonly PalletSource[] = [
  ...CORE_PALLETS,
  grandpa(STAKED_VOTERS, STAKED_ROLL),
  session({ manager: planSession, handlers: [tellVoters] }),
  Staking,
  Offences,
  ComputePow,
  Jobs,
  Certificates,
  Rewards,
] as unknown as readonly PalletSource[];

/** Of chains whose authorities take turns. */
export const SLOT_PALLETS: readonly PalletSource[] = [...PALLETS, Slots as unknown as PalletSource];
