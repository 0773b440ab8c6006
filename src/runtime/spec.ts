/**
 * # Spec: the parameters of one chain as values, read once from the chain spec and passed down.
 *
 * Always true: two nodes with equal specs execute every block alike; nothing here differs between nodes of one chain.
 */
import { fixed, type Of, str, struct, tuple, u8, u32, vec } from '../codec/index.ts';

/** Where the part of a block's fees goes that its author does not get. */
export type FeeRest = 'burn' | Uint8Array;

export interface FeeSpec {
  /** Units for every extrinsic, whatever it does. */
  readonly base: bigint;
  /** Units per encoded byte. */
  readonly perByte: bigint;
  /** Units per 10^6 picoseconds of weight, before the multiplier. */
  readonly perMegaWeight: bigint;
  /** The block author's part of fee and tip, in parts of 10^9. */
  readonly authorPerbill: bigint;
  /** What takes the rest: nobody, or an account (the pool, the stakers' income). */
  readonly rest: FeeRest;
}

export interface RewardsSpec {
  /** Share of the pool that an era releases, of 2^64 (FEATURES.md 6.1). */
  readonly releaseFactor: bigint;
  /** Units; the least that an era releases while the pool lasts. */
  readonly tail: bigint;
  /** CU an era at which the release is whole. */
  readonly minWorkCu: bigint;
  /** What stake can add to a score, in parts of 10^9. */
  readonly betaPerbill: number;
  /** Parts of 10^9 of an era's release. */
  readonly split: { readonly train: bigint; readonly authors: bigint; readonly verify: bigint };
  /** CU of a reference fragment. */
  readonly referenceCu: bigint;
}

/** Who votes on finality and, on `slots` chains, authors: docs/spec/staking.md. */
export interface StakingSpec {
  /** Blocks of a session: longer than `settleDepth`, so that no lot is known when an election begins. */
  readonly sessionBlocks: number;
  readonly sessionsPerEra: number;
  /** Eras for which what was unbonded stays bound, and offences are judged: longer than any dispute. */
  readonly bondingEras: number;
  /** All seats, and those of them that fall by lot: 3 * lots < seats. */
  readonly seats: number;
  readonly lots: number;
  /** Units; the least bond of a candidate or a voter. */
  readonly minBond: bigint;
  readonly maxCandidates: number;
  readonly maxVoters: number;
  /** Pages of 256 voters that one block of an election reads. */
  readonly pagesPerBlock: number;
  /** Units of stake at which bootstrap seats are gone, and eras after which they are gone at the latest (rule E). */
  readonly bootstrapTarget: bigint;
  readonly bootstrapEras: number;
  /** Whether the pay of blocks is split among producers, losers and their voters (FEATURES.md 6.6). */
  readonly splitsPay: boolean;
  /** CU an era below which nobody's work counts as less in a boost. */
  readonly boostFloorCu: bigint;
}

export interface RuntimeSpec {
  readonly specName: string;
  readonly implName: string;
  readonly authoringVersion: number;
  readonly specVersion: number;
  readonly implVersion: number;
  readonly transactionVersion: number;
  /** SS58 address format: equals System.SS58Prefix and the chain's properties. */
  readonly ss58Format: number;
  /** Units; the least that an open account may hold. */
  readonly existentialDeposit: bigint;
  readonly blockTimeMs: number;
  readonly eraBlocks: number;
  /** Slots of an epoch, of engine `slots`: so long one shuffled order holds. */
  readonly epochSlots: number;
  /** Blocks after which runtime rules call a height settled (DECISIONS: dev 4, live 30). */
  readonly settleDepth: number;
  readonly initialDifficulty: bigint;
  /** The compute profile of the chain: 0, 1 or 2. */
  readonly profile: number;
  /** Picoseconds of weight that one block may hold. */
  readonly blockWeightPs: bigint;
  /** Bytes of extrinsics that one block may hold. */
  readonly blockLength: number;
  readonly fees: FeeSpec;
  readonly rewards: RewardsSpec;
  readonly staking: StakingSpec;
  /** Millionths of a reference fragment's work that a registration costs at least (ECONOMY.md rule E). */
  readonly registrationFloorMillionths: bigint;
}

/** What every chain shares unless its own spec says otherwise. */
export const DEFAULT_SPEC = {
  specName: 'maitoken',
  implName: 'maitoken-node',
  authoringVersion: 1,
  specVersion: 4,
  implVersion: 1,
  transactionVersion: 1,
  ss58Format: 42,
  // 0.001 of a token of 12 decimals: 10^8 tokens cannot open more than 10^11 accounts.
  existentialDeposit: 1_000_000_000n,
  blockTimeMs: 12_000,
  eraBlocks: 300,
  epochSlots: 300,
  settleDepth: 30,
  initialDifficulty: 60_000_000_000n,
  profile: 1,
  // 1.5 s of execution: an eighth of the block time, so that a slow verifier still keeps up (PERFORMANCE.md, G22).
  blockWeightPs: 1_500_000_000_000n,
  blockLength: 5 * 1_048_576,
  // A transfer of 145 bytes costs about 0.0007 of a token: 0.0001 base, 0.000145 length, 0.0004 weight.
  fees: {
    base: 100_000_000n,
    perByte: 1_000_000n,
    perMegaWeight: 1_000_000n,
    authorPerbill: 500_000_000n,
    rest: 'burn',
  },
  rewards: {
    releaseFactor: 364_652_699_800_105n,
    tail: 1_000_000_000_000n,
    minWorkCu: 36_000_000n,
    betaPerbill: 250_000_000,
    split: { train: 700_000_000n, authors: 150_000_000n, verify: 150_000_000n },
    referenceCu: 20_000n,
  },
  // Sessions of an hour, eras of six, a week of unbonding: as Kusama. Bootstrap seats for two years (rule E).
  staking: {
    sessionBlocks: 300,
    sessionsPerEra: 6,
    bondingEras: 28,
    seats: 21,
    lots: 0,
    minBond: 100_000_000_000_000n,
    maxCandidates: 1_000,
    maxVoters: 20_000,
    pagesPerBlock: 8,
    bootstrapTarget: 5_000_000_000_000_000_000n,
    bootstrapEras: 2_920,
    splitsPay: false,
    boostFloorCu: 20_000n,
  },
  registrationFloorMillionths: 2_000_000n,
} as const satisfies RuntimeSpec;

export const RuntimeVersion = struct(
  {
    spec_name: str,
    impl_name: str,
    authoring_version: u32,
    spec_version: u32,
    impl_version: u32,
    apis: vec(tuple(fixed(8), u32)),
    transaction_version: u32,
    system_version: u8,
  },
  { path: 'sp_version::RuntimeVersion' },
);
export type RuntimeVersion = Of<typeof RuntimeVersion>;
