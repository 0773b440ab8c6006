/**
 * # Chain spec: everything on which nodes of one chain must agree, read once and passed down as values.
 *
 * Always true: two nodes with equal specs compute the same genesis hash. The human form follows Substrate's
 * (`genesis.runtimeGenesis.patch`), the raw form holds the storage itself (`genesis.raw.top`); tools edit the human
 * form and derive the raw one again.
 */
import { z } from 'zod';
import { MAX_APPROVALS, MAX_CANDIDATES, MAX_SEATS, MAX_VOTERS } from '../runtime/election/ballots.ts';
import { MAX_AUTHORITIES } from '../runtime/pallets/grandpa/state.ts';
import { DEFAULT_SPEC, type RuntimeSpec } from '../runtime/spec.ts';

const { staking: defaults } = DEFAULT_SPEC;

const hexBytes = z.string().regex(/^0x([0-9a-f]{2})*$/, 'lower-case hex with 0x');
const hash = z.string().regex(/^0x[0-9a-f]{64}$/, '32 bytes as lower-case hex');
/** Amounts and difficulties exceed 2^53: strings in files, bigint in the program. */
const amount = z.union([z.string().regex(/^\d+$/), z.number().int().nonnegative()]).transform((v) => BigInt(v));
const address = z.string().min(40).max(70);
const u32 = z.number().int().min(0).max(0xffff_ffff);

const PublicJob = z.strictObject({
  index: u32,
  stepGraph: hash,
  evalGraph: hash,
  initRoot: hash,
  /** f32 bits; 0: not measured. */
  initLoss: u32.default(0),
  dataset: hash,
  holdout: hash,
  recordBytes: u32,
  nRecords: u32,
  nHoldout: u32,
  params: u32,
  steps: u32,
  segmentSteps: u32,
  batch: u32,
  profile: z.number().int().min(0).max(2),
  minedNodes: z.array(z.strictObject({ m: u32, n: u32, k: u32 })).max(512),
  lrKnots: z
    .array(z.strictObject({ step: u32, bits: u32 }))
    .min(1)
    .max(64),
  outerLr: u32,
  outerMomentum: u32,
  fragmentsPerRound: u32,
  stagger: u32,
  gatePpm: u32,
});

const SessionKeys = z.strictObject({ grandpa: hash, authoring: hash, compute: hash });
const GenesisVote = z.union([
  z.enum(['Idle', 'Validator']),
  z.strictObject({ Nominator: z.array(address).min(1).max(MAX_APPROVALS) }),
]);

const RuntimeGenesis = z.strictObject({
  balances: z.strictObject({ balances: z.array(z.tuple([address, amount])).max(10_000) }),
  computePow: z.strictObject({
    authors: z.array(z.strictObject({ account: address, computeKey: hexBytes })).max(1_024),
  }),
  jobs: z.strictObject({
    publicJobs: z.array(PublicJob).max(16),
    checkers: z.array(z.strictObject({ account: address, computeKey: hexBytes })).max(64),
  }),
  rewards: z.strictObject({ pool: amount }),
  /** Who votes on finality from block 0 on, where no session says: address or key, and weight. */
  grandpa: z
    .strictObject({ authorities: z.array(z.tuple([z.union([address, hash]), amount])).max(MAX_AUTHORITIES) })
    .optional(),
  /** Account, the same account, keys of its node: docs/spec/staking.md. */
  session: z
    .strictObject({
      keys: z
        .array(z.tuple([address, address, SessionKeys]))
        .max(1_024)
        .default([]),
    })
    .optional(),
  staking: z
    .strictObject({
      stakers: z
        .array(z.tuple([address, amount, GenesisVote]))
        .max(10_000)
        .default([]),
      bootstrap: z.array(address).max(MAX_SEATS).default([]),
    })
    .optional(),
  /** Of engine `slots`: who takes turns, by account and authoring key. */
  slots: z
    .strictObject({
      authorities: z
        .array(z.tuple([address, hash]))
        .min(1)
        .max(1_024),
    })
    .optional(),
});

/** Who votes on finality; what is left out is as in DEFAULT_SPEC. */
const Staking = z
  .strictObject({
    sessionBlocks: u32.min(1).default(defaults.sessionBlocks),
    sessionsPerEra: u32.min(1).default(defaults.sessionsPerEra),
    bondingEras: u32.min(3).max(10_000).default(defaults.bondingEras),
    seats: u32.min(1).max(MAX_SEATS).default(defaults.seats),
    lots: u32.max(MAX_SEATS).default(defaults.lots),
    minBond: amount.default(defaults.minBond),
    maxCandidates: u32.min(1).max(MAX_CANDIDATES).default(defaults.maxCandidates),
    maxVoters: u32.min(1).max(MAX_VOTERS).default(defaults.maxVoters),
    pagesPerBlock: u32.min(1).max(64).default(defaults.pagesPerBlock),
    bootstrapTarget: amount.default(defaults.bootstrapTarget),
    bootstrapEras: u32.default(defaults.bootstrapEras),
    splitsPay: z.boolean().default(defaults.splitsPay),
    boostFloorCu: amount.default(defaults.boostFloorCu),
  })
  .refine(({ seats, lots }) => 3 * lots < seats, 'lots: less than a third of seats')
  .refine(({ minBond }) => minBond > 0n, 'minBond: above 0');

/** Numbers of the economy; the reason of each stands in genesis/README.md. */
const Economy = z.strictObject({
  existentialDeposit: amount,
  fees: z.strictObject({ base: amount, perByte: amount, perMegaWeight: amount, authorPerbill: amount }),
  /** An era releases pool * releaseFactor >> 64, at least the tail (FEATURES.md 6.1). */
  releaseFactor: amount,
  tail: amount,
  minWorkCu: amount,
  betaPerbill: u32,
  splitPerbill: z.strictObject({ train: amount, authors: amount, verify: amount }),
  /** CU of the reference fragment, and the least registration price in millionths of it. */
  referenceCu: amount,
  registrationFloorMillionths: amount,
});

const Consensus = z.strictObject({
  authoring: z.enum(['computePow', 'slots']),
  finality: z.enum(['depth', 'grandpa']),
  finalityDepth: u32,
  settleDepth: u32,
  blockTimeMs: u32.min(100),
  eraBlocks: u32.min(1),
  /** Of engine `slots`: how long one order of turns holds; an era's blocks, if it says nothing. */
  epochSlots: u32.min(1).optional(),
  initialDifficulty: amount,
  profile: z.number().int().min(0).max(2),
  /** SHA-256 of the canonical kernels: another build would be another engine. */
  kernels: hash,
});

const Spec = z.strictObject({
  name: z.string().min(1).max(64),
  id: z.string().regex(/^[a-z0-9_-]{1,32}$/),
  chainType: z.union([z.enum(['Development', 'Local', 'Live']), z.strictObject({ Custom: z.string() })]),
  bootNodes: z.array(z.string()).max(64),
  telemetryEndpoints: z.array(z.unknown()).nullable(),
  protocolId: z.string().max(64).nullable(),
  properties: z.strictObject({ ss58Format: u32, tokenDecimals: u32, tokenSymbol: z.string().min(1).max(12) }),
  codeSubstitutes: z.record(z.string(), z.string()),
  specVersion: u32,
  /** A block that is known to be of this chain: no chain without it is followed. Changes no genesis. */
  checkpoint: z.strictObject({ number: u32.min(1), hash }).optional(),
  consensus: Consensus,
  economy: Economy,
  staking: Staking.optional(),
  genesis: z.union([
    z.strictObject({ runtimeGenesis: z.strictObject({ patch: RuntimeGenesis }) }),
    z.strictObject({
      raw: z.strictObject({ top: z.record(hexBytes, hexBytes), childrenDefault: z.strictObject({}) }),
    }),
  ]),
});

export const ChainSpecSchema = Spec.refine(
  ({ staking, consensus }) => (staking ?? defaults).sessionBlocks > consensus.settleDepth,
  'staking.sessionBlocks: more than consensus.settleDepth, or lots were known before an election begins',
);

export type ChainSpec = z.output<typeof ChainSpecSchema>;
export type PublicJobConfig = z.output<typeof PublicJob>;

/** What a wrong spec is refused with: the first faulty field by path. */
export class ChainSpecError extends Error {
  override readonly name = 'ChainSpecError';
}

/** Parses the text of a spec file; `source` names it in errors. */
export function parseChainSpec(text: string, source: string): ChainSpec {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ChainSpecError(`--chain ${source}: not JSON`);
  }
  const parsed = ChainSpecSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = deepest(parsed.error.issues);
  throw new ChainSpecError(`--chain ${source}: field ${path.join('.') || '(top)'}: ${message}`);
}

type Issue = z.core.$ZodIssue;

/** The first fault; of a choice between forms, the one that lies deepest: the form that was meant. */
function deepest(issues: readonly Issue[]): { readonly path: readonly PropertyKey[]; readonly message: string } {
  const [first] = issues;
  if (first?.code !== 'invalid_union') return first ?? { path: [], message: 'invalid' };
  const faults = first.errors.map(deepest);
  const meant = faults.reduce((a, b) => (b.path.length > a.path.length ? b : a), { path: [], message: first.message });
  return { path: [...first.path, ...meant.path], message: meant.message };
}

/** The runtime's parameters on this chain. */
export function runtimeSpec({ consensus, economy, properties, specVersion, staking }: ChainSpec): RuntimeSpec {
  const { releaseFactor, tail, minWorkCu, betaPerbill, splitPerbill: split, referenceCu } = economy;
  return {
    ...DEFAULT_SPEC,
    specVersion,
    ss58Format: properties.ss58Format,
    existentialDeposit: economy.existentialDeposit,
    blockTimeMs: consensus.blockTimeMs,
    eraBlocks: consensus.eraBlocks,
    epochSlots: consensus.epochSlots ?? consensus.eraBlocks,
    settleDepth: consensus.settleDepth,
    initialDifficulty: consensus.initialDifficulty,
    profile: consensus.profile,
    fees: { ...economy.fees, rest: 'burn' },
    rewards: { releaseFactor, tail, minWorkCu, betaPerbill, split, referenceCu },
    staking: staking ?? DEFAULT_SPEC.staking,
    registrationFloorMillionths: economy.registrationFloorMillionths,
  };
}

/** A spec as the text of a file: amounts as decimal strings, two spaces of indentation. */
export function encodeSpec(spec: ChainSpec): string {
  const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);
  return `${JSON.stringify(spec, plain, 2)}\n`;
}
