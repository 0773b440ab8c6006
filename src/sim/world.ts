/**
 * # World: what all nodes of a simulation agree on: rules, genesis, people, and luck that costs nothing.
 *
 * Always true: what is a function of its arguments (the execution of a block, whether a signature holds) is computed
 * once and remembered, so that seven nodes cost little more than one; every block is executed with every pallet's
 * invariant checked. There are two kinds: chains by work (work-world.ts) and chains of stake (stake-world.ts).
 */
import { type Bytes, concat, equal, toHex } from '../base/bytes.ts';
import type { Work } from '../base/work.ts';
import type { DoubleProof } from '../consensus/accusation.ts';
import type { DifficultyRules, Millis } from '../consensus/difficulty.ts';
import type { AuthoritySet } from '../consensus/finality/grandpa.ts';
import type { Verify } from '../consensus/finality/round.ts';
import type { VoterSet } from '../consensus/finality/voter-set.ts';
import type { ConsensusRules } from '../consensus/rules.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { headerHash } from '../primitives/header.ts';
import type { AuthorityList } from '../primitives/justification.ts';
import type { PalletSource } from '../runtime/calls.ts';
import type { sealAuthor } from '../runtime/compute-view.ts';
import type { Host } from '../runtime/host.ts';
import type { ExecutionResult, Runtime } from '../runtime/runtime.ts';
import type { Genesis } from '../state/chain/load.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { StateTree } from '../state/tree.ts';
import type { Dice } from './dice.ts';
import type { SimNode } from './node.ts';
import type { Authoring } from './parts.ts';

/** Where virtual time begins: where slots, sessions and eras do, too. */
export const START: Millis = 1_700_000_000_000;
/** The block time: what the chain aims at from one block to the next. */
export const BLOCK_MS: Millis = 6_000;
/** The most nodes of a simulation. */
export const MAX_NODES = 10;

export const CHAINS = ['work', 'stake'] as const;
export type ChainKind = (typeof CHAINS)[number];

/** One node's place in the world. */
export interface Member {
  readonly name: string;
  readonly account: Bytes;
  /** The keys of its votes, all that it will ever have. */
  readonly voteKeys: readonly [Bytes, ...Bytes[]];
}

/** Who votes, and under which number. */
export interface NamedSet {
  readonly setId: bigint;
  readonly voters: VoterSet;
}

/** What is wrong with a block that was executed. */
export interface Judgement {
  readonly violation: 'innocent' | 'unpaid' | 'seats' | 'boost' | 'difficulty';
  readonly detail: string;
}

/** What a plan with planted bugs puts in the place of the right rules. */
export interface WorldChanges {
  /** Of chains by work: who an author is, and what his stake adds to his tickets; what the schedule aims at. */
  readonly sealAuthor?: (production: typeof sealAuthor) => typeof sealAuthor;
  readonly difficulty?: (rules: DifficultyRules) => DifficultyRules;
  readonly authorities?: (list: AuthorityList) => AuthorityList;
  readonly verify?: Verify;
  /** Of chains of stake. */
  readonly pallets?: (pallets: readonly PalletSource[]) => readonly PalletSource[];
  readonly host?: (host: Host) => Host;
}

/** What came of the economy of a run. */
export interface Economy {
  readonly eras: number;
  readonly elections: number;
  readonly slashes: number;
  readonly certificates: number;
}

export interface World {
  readonly members: readonly Member[];
  readonly runtime: Runtime;
  readonly rules: ConsensusRules;
  readonly genesis: Genesis;
  /** Signatures of votes are plain: 64 bytes that only who holds the key should make. */
  readonly verify: Verify;
  /** The set that votes on what stands on a block with this state: asked where nothing is recorded. */
  firstSet(state: StateTree): AuthoritySet;
  /** The set that decides on a block, and the one that votes once it is final: as the chain says, not the gadget. */
  setOf(store: ChainStore, block: BlockRef): NamedSet;
  setAfter(store: ChainStore, block: BlockRef): NamedSet;
  authoring(node: SimNode): Authoring;
  /** What somebody sends to a node, the `count`-th time. */
  traffic(node: SimNode, dice: Dice, count: number): readonly Bytes[];
  /** The extrinsic that accuses a voter or an author; undefined where nothing on this chain could hear it. */
  accusation(store: ChainStore, proof: DoubleProof): Bytes | undefined;
  /** A node has imported a block; what is wrong with what it did, if anything. */
  imported(store: ChainStore, block: BlockRef): Judgement | undefined;
  /** Lies about others, for who frames them. */
  slander(node: SimNode, dice: Dice): Bytes | undefined;
  readonly economy: Economy;
}

/** Whether the holder of a vote key has said it. */
export const isSigned: Verify = (signature, message, id) => equal(signature, signVote(id, message));

/** What the holder of a vote key says of a message. */
export function signVote(id: Bytes, message: Bytes): Bytes {
  const half = blake2_256(concat(id, message));
  return concat(half, half);
}

/** Results of the last so many executions and signatures are kept: forks are short. */
const KEPT = 1_024;

/** Signatures of extrinsics, each checked once. */
export function remembering(verify: Host['verify']): Host['verify'] {
  const known = new Map<string, boolean>();
  return (signature, message, account) => {
    const key = `${toHex(signature.value)}${toHex(account)}${toHex(blake2_256(message))}`;
    const answer = known.get(key);
    if (answer !== undefined) return answer;
    const holds = verify(signature, message, account);
    remember(known, key, holds);
    return holds;
  };
}

/** A runtime as consensus uses it; each block is executed once, with every pallet's invariant: a broken one throws. */
export function checked(runtime: Runtime): ConsensusRules['runtime'] {
  const executed = new Map<string, ExecutionResult>();
  return {
    Call: runtime.Call,
    builder: runtime.builder,
    *executing(state, block, parent): Work<ExecutionResult> {
      const key = toHex(headerHash(block.header));
      const known = executed.get(key);
      if (known !== undefined) {
        yield;
        return known;
      }
      const result = yield* runtime.executing(state, block, parent, { check: true });
      remember(executed, key, result);
      return result;
    },
  };
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value);
  if (map.size <= KEPT) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
