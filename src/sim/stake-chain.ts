/**
 * # Stake chain: a chain of turns with the whole runtime, and the people who live on it.
 *
 * Always true: pallets, engine and digests are those of a real chain of slots; sessions and eras are short, so that ten
 * minutes see eight elections. Who may misbehave has so little at stake that he is below a third of every set in which
 * one honest node has a seat, whoever lost his: that is what finality asks for. What costs time and decides nothing is
 * made cheap: ed25519 signatures of keys and draws of turns are hashes. Accounts and seals sign as they do anywhere.
 */

import { must } from '../base/assert.ts';
import { type Bytes, concat, equal, toHex, utf8 } from '../base/bytes.ts';
import type { AuthoringKey } from '../consensus/slots-author.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { type Keypair, keypairFromSeed } from '../crypto/keypair.ts';
import { ss58Encode } from '../crypto/ss58.ts';
import type { Verifier } from '../crypto/verify.ts';
import type { VrfVerifier } from '../crypto/vrf.ts';
import type { PalletSource } from '../runtime/calls.ts';
import { genesisOf } from '../runtime/genesis.ts';
import { type Host, SIGNATURES } from '../runtime/host.ts';
import { SLOT_PALLETS } from '../runtime/pallets/index.ts';
import type { SessionKeys } from '../runtime/pallets/session/keys.ts';
import type { Referee } from '../runtime/referee.ts';
import { createRuntime, type Runtime } from '../runtime/runtime.ts';
import { DEFAULT_SPEC, type RuntimeSpec } from '../runtime/spec.ts';
import type { Genesis } from '../state/chain/load.ts';
import { StateTree } from '../state/tree.ts';
import { BLOCK_MS, isSigned, MAX_NODES, type Member, remembering, signVote, type WorldChanges } from './world.ts';

export const UNIT = 1_000_000_000_000n;
const ENDOWMENT = 10_000n * UNIT;
/** Two sessions of six blocks are an era: 72 s while nothing goes wrong. */
const SESSION_BLOCKS = 6;
const SESSIONS_PER_ERA = 2;
/** What an honest validator bonds, one a little more than the next; whoever may misbehave; and who votes for others. */
const BOND = 1_000n;
const WEAK_BOND = 100n;
const VOTER_BOND = 60n;
const MIN_BOND = 10n;
const VOTERS = 4;
/** Keys that a node has from the start, of which one set counts at a time. */
const KEY_SETS = 3;

/** Somebody with a wallet. */
export interface Person {
  readonly name: string;
  readonly account: Bytes;
  readonly wallet: Keypair;
}

/** The keys with which a node signs for a while. */
export interface KeySet {
  readonly keys: SessionKeys;
  readonly authoring: Keypair;
}

/** A validator with his node. */
export interface StakeMember extends Member, Person {
  readonly keySets: readonly [KeySet, ...KeySet[]];
}

function person(name: string): Person {
  const wallet = keypairFromSeed('ed25519', blake2_256(utf8(`${name}//wallet`)));
  return { name, account: wallet.accountId, wallet };
}

function keySet(name: string, number: number): KeySet {
  const authoring = keypairFromSeed('sr25519', blake2_256(utf8(`${name}//authoring/${number}`)));
  const [grandpa, compute] = ['grandpa', 'compute'].map((use) => blake2_256(utf8(`${name}//${use}/${number}`)));
  const keys = { grandpa: must(grandpa, 'a key'), authoring: authoring.publicKey, compute: must(compute, 'a key') };
  return { keys, authoring };
}

function member(index: number): StakeMember {
  const name = `n${index}`;
  const [first, ...others] = Array.from({ length: KEY_SETS }, (_, number) => keySet(name, number));
  const keySets = [must(first, 'a set of keys'), ...others] as const;
  const voteKeys = [keySets[0].keys.grandpa, ...others.map(({ keys }) => keys.grandpa)] as const;
  return { ...person(name), keySets: [...keySets], voteKeys: [...voteKeys] };
}

const MEMBERS = Array.from({ length: MAX_NODES }, (_, index) => member(index));
/** Who votes for validators. */
export const ELECTORS = Array.from({ length: VOTERS }, (_, index) => person(`voter ${index}`));
/** Who trains, each with the compute key that is his name; the last is not registered at first. */
export const MINERS = Array.from({ length: 3 }, (_, index) => ({
  ...person(`miner ${index}`),
  key: blake2_256(utf8(`miner ${index}//compute`)),
}));
/** Who checks what they trained. */
export const CHECKERS = Array.from({ length: 3 }, (_, index) => ({
  ...person(`checker ${index}`),
  key: blake2_256(utf8(`checker ${index}//compute`)),
}));

/** The validators of a simulation. */
export const membersOf = (count: number): readonly StakeMember[] => MEMBERS.slice(0, count);

// ---- cheap luck

/** What an authoring key draws: known to whoever knows the key's name, which nobody here makes use of. */
function drawn(key: Bytes, message: Bytes) {
  const output = blake2_256(concat(utf8('draw'), key, message));
  return { output, proof: concat(output, output) };
}

export const isDrawn: VrfVerifier = ({ output, proof }, message, key) => {
  const due = drawn(key, message);
  return equal(output, due.output) && equal(proof, due.proof);
};

/** A member's keys, as the author machine asks for them. */
export function authoringKeys({ keySets }: StakeMember): AuthoringKey[] {
  return keySets.map(({ authoring }) => ({
    publicKey: authoring.publicKey,
    sign: (message: Bytes) => authoring.sign(message),
    vrf: (message: Bytes) => drawn(authoring.publicKey, message),
  }));
}

/** Whatever is said of work is true: what is trained is no affair of this simulator. */
export const TRANSCRIPT = blake2_256(utf8('transcript'));
const TRUSTING: Referee = {
  transcript: () => TRANSCRIPT,
  opensState: () => true,
  opensOperands: () => true,
  registration: () => true,
};

// ---- rules

function specOf(members: number): RuntimeSpec {
  return {
    ...DEFAULT_SPEC,
    blockTimeMs: BLOCK_MS,
    eraBlocks: SESSION_BLOCKS * SESSIONS_PER_ERA,
    epochSlots: 5,
    settleDepth: 3,
    profile: 0,
    rewards: { ...DEFAULT_SPEC.rewards, releaseFactor: 2n ** 64n / 58n, minWorkCu: 352n, referenceCu: 352n },
    staking: {
      ...DEFAULT_SPEC.staking,
      sessionBlocks: SESSION_BLOCKS,
      sessionsPerEra: SESSIONS_PER_ERA,
      bondingEras: 5,
      // Of an odd number one has his seat by lot; of an even one all are voted for.
      seats: members + 1 - (members % 2),
      lots: 1,
      minBond: MIN_BOND * UNIT,
      maxCandidates: 32,
      maxVoters: 1_000,
      bootstrapTarget: 0n,
      bootstrapEras: 0,
      splitsPay: true,
      boostFloorCu: 352n,
    },
  };
}

const HOST: Host = {
  verify: remembering(SIGNATURES.verify),
  verifyEd25519: isSigned,
  referee: TRUSTING,
};

/** A seal, checked once for all nodes. */
export const isSealed: Verifier = (value, message, key) => HOST.verify({ type: 'Sr25519', value }, message, key);

const RUNTIMES = new Map<number, Runtime>();

/** The runtime of a chain with so many validators. */
export function stakeRuntime(members: number, { pallets, host }: WorldChanges): Runtime {
  const make = (list: readonly PalletSource[], by: Host) =>
    createRuntime({ pallets: list, spec: specOf(members), host: by });
  if (pallets !== undefined || host !== undefined) {
    return make(pallets?.(SLOT_PALLETS) ?? SLOT_PALLETS, host?.(HOST) ?? HOST);
  }
  const runtime = RUNTIMES.get(members) ?? make(SLOT_PALLETS, HOST);
  RUNTIMES.set(members, runtime);
  return runtime;
}

/** Block 0; `weak`: the numbers of those who have little at stake. */
export function stakeGenesis(runtime: Runtime, members: readonly StakeMember[], weak: ReadonlySet<number>): Genesis {
  const address = ({ account }: Person) => ss58Encode(account, 42);
  const listed = ({ account, key }: (typeof MINERS)[number]) => ({
    account: toHex(account),
    computeKey: toHex(key),
  });
  const units = (amount: bigint) => (amount * UNIT).toString();
  const bondOf = (index: number) => (weak.has(index) ? WEAK_BOND : BOND + 7n * BigInt(index));
  const votes = (index: number) => [index, index + 1].map((i) => address(members[i % members.length] as StakeMember));
  const state = StateTree.from(
    runtime.genesis({
      balances: {
        balances: [
          ...members.map((one, index) => [address(one), weak.has(index) ? units(2n * WEAK_BOND) : String(ENDOWMENT)]),
          ...ELECTORS.map((one) => [address(one), units(2n * VOTER_BOND)]),
          ...MINERS.map((one) => [address(one), units(10n)]),
        ],
      },
      session: {
        keys: members.map((one) => {
          const { grandpa, authoring, compute } = one.keySets[0].keys;
          const keys = { grandpa: toHex(grandpa), authoring: toHex(authoring), compute: toHex(compute) };
          return [address(one), address(one), keys];
        }),
      },
      staking: {
        stakers: [
          ...members.map((one, index) => [address(one), units(bondOf(index)), 'Validator']),
          ...ELECTORS.map((one, index) => [address(one), units(VOTER_BOND), { Nominator: votes(index) }]),
        ],
        bootstrap: [],
      },
      grandpa: { authorities: [] },
      slots: { authorities: [] },
      computePow: { authors: MINERS.slice(0, -1).map(listed) },
      jobs: { publicJobs: [JOB], checkers: CHECKERS.map(listed) },
      rewards: { pool: units(1_000_000n) },
    }),
  );
  return genesisOf(state);
}

const named = (what: string) => toHex(blake2_256(utf8(what)));

/** A job of two fragments a round, four segments each. */
const JOB = {
  index: 0,
  stepGraph: named('step graph'),
  evalGraph: named('eval graph'),
  initRoot: named('weights'),
  initLoss: 0,
  dataset: named('records'),
  holdout: named('held out'),
  recordBytes: 65,
  nRecords: 1_000,
  nHoldout: 64,
  params: 1_000,
  steps: 20,
  segmentSteps: 5,
  batch: 8,
  profile: 0,
  minedNodes: [{ m: 2_048, n: 2_048, k: 2_048 }],
  lrKnots: [{ step: 0, bits: 0 }],
  outerLr: 0x3f333333,
  outerMomentum: 0x3f666666,
  fragmentsPerRound: 2,
  stagger: 0,
  gatePpm: 20_000,
};

/** What the holder of a compute or vote key says. */
export const sayWith = signVote;
