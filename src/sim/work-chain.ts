/**
 * # Work chain: a chain by work, and the people who mine on it.
 *
 * Always true: who votes is no affair of stake here, so that what the watch expects of a set is known from its number
 * alone. What is at stake adds to work, by the rules of every chain: the pallets of stake, work and pay are the real
 * ones. Nobody trains: a block that was won counts as a certificate.
 */
import { type Bytes, toHex, utf8 } from '../base/bytes.ts';
import { u32 } from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { type Keypair, keypairFromSeed } from '../crypto/keypair.ts';
import { ss58Encode } from '../crypto/ss58.ts';
import { type AuthorityList, GRANDPA_ENGINE, GrandpaLog } from '../primitives/justification.ts';
import { readSealed } from '../primitives/pow.ts';
import type { PalletSource } from '../runtime/calls.ts';
import { genesisOf } from '../runtime/genesis.ts';
import { SIGNATURES } from '../runtime/host.ts';
import { rules } from '../runtime/pallet.ts';
import { ComputePow } from '../runtime/pallets/compute-pow.ts';
import { creditWork, Rewards } from '../runtime/pallets/rewards.ts';
import { Staking } from '../runtime/pallets/staking.ts';
import { CORE_PALLETS } from '../runtime/pallets.ts';
import { createRuntime } from '../runtime/runtime.ts';
import { DEFAULT_SPEC } from '../runtime/spec.ts';
import type { Genesis } from '../state/chain/load.ts';
import { StateTree } from '../state/tree.ts';
import { keepNote, LotteryDeclared, recordWin } from './lottery.ts';
import { BLOCK_MS, MAX_NODES, type Member, remembering } from './world.ts';

/** So hard that the schedule may move far both ways; all miners together find one block in the block time. */
export const INITIAL_DIFFICULTY = 1n << 32n;
const UNIT = 1_000_000_000_000n;
const ENDOWMENT = 1_000n * UNIT;
/** Short, so that stake counts from block 9 on. */
const ERA_BLOCKS = 6;
const SETTLE_DEPTH = 2;
/** CU of a block that was won: a 24th of it counts in each of 24 eras, and who won none counts as if it were one. */
const WIN_CU = 24_000n;
const FLOOR_CU = 1_000n;
/** What members bond, in turn: most of it, nothing, so little that few wins may be boosted, a fair share, less. */
const BONDS = [400n, 0n, 10n, 200n, 90n];

/** A miner with his node. */
export interface WorkMember extends Member {
  readonly fragment: Bytes;
  readonly computeKey: Keypair;
  /** Units that he bonds in block 0, and leaves there. */
  readonly bond: bigint;
}

/** A set of voters lasts so many blocks, and ends so many above the block that says who comes next. */
const SESSION_BLOCKS = 12;
const CHANGE_DELAY = 2;
/** No weight is above it. */
export const MAX_WEIGHT = 12n;

/** The set that decides on a block of this height. */
export function setOf(height: number): bigint {
  return BigInt(Math.max(0, Math.floor((height - CHANGE_DELAY - 1) / SESSION_BLOCKS)));
}

/** The set that votes once a block of this height is final. */
export function setAfter(height: number): bigint {
  return BigInt(Math.max(0, Math.floor((height - CHANGE_DELAY) / SESSION_BLOCKS)));
}

/** The weight of a member's votes in a set: it differs, so that heads are not mistaken for stake, and changes. */
function weightOf(member: number, setId: bigint): bigint {
  return MAX_WEIGHT - ((BigInt(member) + setId) % 3n);
}

/** The k-th member of any simulation. */
function member(index: number): WorkMember {
  const name = `n${index}`;
  return {
    name,
    account: keypairFromSeed('ed25519', blake2_256(utf8(name))).publicKey,
    fragment: blake2_256(utf8(`fragment of ${name}`)),
    computeKey: keypairFromSeed('ed25519', blake2_256(utf8(`${name}//compute`))),
    voteKeys: [blake2_256(utf8(`${name}//grandpa`))],
    bond: (BONDS[index % BONDS.length] ?? 0n) * UNIT,
  };
}

const Lottery = rules(LotteryDeclared, {
  genesis: {
    config: { members: u32 },
    build(at, { members }) {
      at.state.Members.put(members);
    },
  },
  calls: { note: keepNote },
  hooks: {
    on_initialize(at) {
      const session = at.block.number / SESSION_BLOCKS;
      if (Number.isInteger(session)) {
        const next = authoritiesOf(at.state.Members.get(), BigInt(session));
        const data = GrandpaLog.enc({ type: 'ScheduledChange', value: { next, delay: CHANGE_DELAY } });
        at.log({ type: 'Consensus', value: { engine: GRANDPA_ENGINE, data } });
      }
      recordWin(at);
      const { header } = at.block.parent;
      if (header.number > 0) creditWork(at, readSealed(header).preRuntime.author, WIN_CU);
    },
  },
});

const NO_REFEREE = {
  transcript: () => new Uint8Array(32),
  opensState: () => false,
  opensOperands: () => false,
  registration: () => false,
};

/** The runtime of all simulations, and the most members that any of them has. */
export const runtime = createRuntime({
  pallets: [...CORE_PALLETS, Staking, ComputePow, Rewards, Lottery] as unknown as readonly PalletSource[],
  spec: {
    ...DEFAULT_SPEC,
    blockTimeMs: BLOCK_MS,
    initialDifficulty: INITIAL_DIFFICULTY,
    profile: 0,
    eraBlocks: ERA_BLOCKS,
    settleDepth: SETTLE_DEPTH,
    // Nobody stands for election: these only say how long an era of stake is.
    staking: {
      ...DEFAULT_SPEC.staking,
      sessionBlocks: ERA_BLOCKS / 2,
      sessionsPerEra: 2,
      minBond: UNIT,
      boostFloorCu: FLOOR_CU,
    },
  },
  host: { ...SIGNATURES, verify: remembering(SIGNATURES.verify), referee: NO_REFEREE },
});
const MEMBERS = Array.from({ length: MAX_NODES }, (_, index) => member(index));
export const PAYER = keypairFromSeed('ed25519', blake2_256(utf8('payer')));

/** The members of a simulation. */
export const membersOf = (count: number): readonly WorkMember[] => MEMBERS.slice(0, count);

/** Who votes in a set of so many members. */
export function authoritiesOf(members: number, setId: bigint): AuthorityList {
  return MEMBERS.slice(0, members).map(({ voteKeys: [key] }, index): [Bytes, bigint] => [key, weightOf(index, setId)]);
}

const GENESES = new Map<number, Genesis>();

/** Block 0 of a chain with so many members. */
export function workGenesis(members: number): Genesis {
  const known = GENESES.get(members);
  if (known !== undefined) return known;
  const people = membersOf(members);
  const address = (account: Bytes) => ss58Encode(account, 42);
  const accounts = [PAYER.accountId, ...people.map(({ account }) => account)];
  const bonding = people.filter(({ bond }) => bond > 0n);
  const state = StateTree.from(
    runtime.genesis({
      balances: { balances: accounts.map((account) => [address(account), ENDOWMENT.toString()]) },
      staking: {
        stakers: bonding.map(({ account, bond }) => [address(account), bond.toString(), 'Idle']),
        bootstrap: [],
      },
      computePow: {
        authors: people.map(({ account, computeKey }) => {
          return { account: toHex(account), computeKey: toHex(computeKey.publicKey) };
        }),
      },
      rewards: { pool: ENDOWMENT.toString() },
      lottery: { members },
    }),
  );
  const genesis = genesisOf(state);
  GENESES.set(members, genesis);
  return genesis;
}
