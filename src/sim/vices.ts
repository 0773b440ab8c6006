/**
 * # Vices: how nodes misbehave: what they say, hold back and claim, over machines that are the honest ones.
 *
 * Always true: who has a vice signs with his own keys only; what he forges does not verify.
 */
import { must } from '../base/assert.ts';
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import { GadgetMessage } from '../consensus/finality/message.ts';
import type { SignedVote } from '../consensus/finality/round.ts';
import { parentBlock } from '../consensus/meta.ts';
import { MAX_DRIFT_MS } from '../consensus/rules.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { GrandpaJustification, voteMessage } from '../primitives/justification.ts';
import type { BlockRef } from '../state/store.ts';
import type { SimNode } from './node.ts';
import type { Vice } from './parts.ts';
import { signVote } from './world.ts';

export const ORDINARY_VICES = [
  'equivocate',
  'silent',
  'lag',
  'withhold',
  'selfish',
  'timestamps',
  'hopping',
  'amnesia',
  'forge',
  'flood',
] as const;
/** Where turns and stake are: there is no power to come and go, and more to lie about. */
export const STAKE_VICES = [
  ...ORDINARY_VICES.filter((name) => name !== 'hopping'),
  ...(['equivocate', 'equivocate', 'twice', 'twice', 'twice', 'frame', 'frame'] as const),
] as const;
export type ViceName = (typeof ORDINARY_VICES)[number] | (typeof STAKE_VICES)[number] | 'collude';

/** A vice of a node; `isHealed` says when blocks are no longer held back. */
export function viceOf(name: ViceName, isHealed: () => boolean): Vice {
  switch (name) {
    case 'equivocate':
      return { says: equivocated };
    case 'silent':
      return { says: () => undefined };
    case 'lag':
      return { lagMs: LAG_MS };
    case 'withhold':
      return withholding(isHealed);
    case 'selfish':
      return selfish(isHealed);
    case 'timestamps':
      return { stamps: stamped };
    case 'hopping':
      return { power: (node, difficulty) => hopped(node, difficulty) };
    case 'amnesia':
      return { forgets: true };
    case 'forge':
      return { says: forged };
    case 'twice':
      return { sealsTwice: true };
    case 'frame':
      return { frames: true };
    case 'flood':
      return { says: flooded };
    case 'collude':
      // What traitors say is said for them, to each side what it says itself (simulation.ts).
      return { says: () => undefined };
  }
}

/** Votes come when prevotes and precommits are all but due. */
const LAG_MS = 2_900;

/** A vote of another voter's, or for another block, by a key. */
export function voteOf(id: Bytes, like: SignedVote, target: BlockRef): SignedVote {
  const { stage, round, setId } = like;
  const { hash, number } = target;
  const signature = signVote(id, voteMessage(stage, { hash, number }, round, setId));
  return { stage, target: { hash, number }, round, setId, id, signature };
}

export function messageOf(vote: SignedVote): Bytes {
  return GadgetMessage.enc({ type: 'Vote', value: { repeat: 0, vote } });
}

/** To every other peer a vote for another block than to the rest. */
function equivocated(node: SimNode, to: number, message: Bytes): Bytes {
  const said = GadgetMessage.dec(message);
  if (said.type !== 'Vote' || to % 2 === 0) return message;
  const { vote } = said.value;
  return messageOf(voteOf(vote.id, vote, otherBlock(node, vote.target)));
}

/** A head that is not this block, or else its parent. */
function otherBlock(node: SimNode, block: BlockRef): BlockRef {
  const { store } = node.machines;
  const leaf = store.leaves().find(({ hash }) => !equal(hash, block.hash));
  if (leaf !== undefined) return leaf;
  const parent = block.number === 0 ? undefined : store.parent(block.hash);
  return parent === undefined ? block : { hash: parent, number: block.number - 1 };
}

/** Words in the name of others that they never signed: votes, records of rounds, proofs. */
function forged(node: SimNode, to: number, message: Bytes): Bytes {
  const said = GadgetMessage.dec(message);
  const keys = node.place.world.members.map(({ voteKeys }) => voteKeys[0]);
  const lie = (like: Pick<SignedVote, 'round' | 'setId'>, stage: SignedVote['stage'], id: Bytes, target: BlockRef) => {
    const { hash, number } = target;
    return { ...like, stage, id, target: { hash, number }, signature: signVote(blake2_256(id), hash) };
  };
  if (said.type === 'CatchUp') {
    const { setId, round } = said.value;
    const other = otherBlock(node, node.machines.store.best);
    const votes = keys.flatMap((id) => STAGES.map((stage) => lie({ round, setId }, stage, id, other)));
    return GadgetMessage.enc({ type: 'CatchUp', value: { setId, round, votes } });
  }
  if (said.type !== 'Vote' || to % 2 === 0) return message;
  const { vote } = said.value;
  const other = otherBlock(node, vote.target);
  if (vote.stage === 'prevote') {
    return messageOf(lie(vote, 'prevote', must(keys[(to + 1) % keys.length], 'a key'), other));
  }
  const precommits = keys.map((id) => {
    const { target, signature } = lie(vote, 'precommit', id, other);
    return { precommit: target, signature, id };
  });
  const commit = { target: { hash: other.hash, number: other.number }, precommits };
  const bytes = GrandpaJustification.enc({ round: vote.round, commit, votesAncestries: [] });
  return GadgetMessage.enc({ type: 'Proof', value: { setId: vote.setId, bytes } });
}

const STAGES = ['prevote', 'precommit'] as const;

/** Votes of its own for rounds that nobody is in. */
function flooded(_node: SimNode, to: number, message: Bytes): Bytes {
  const said = GadgetMessage.dec(message);
  if (said.type !== 'Vote' || to % 2 === 0) return message;
  const { vote } = said.value;
  const round = vote.round + BigInt(1 + to);
  return messageOf(voteOf(vote.id, { ...vote, round }, vote.target));
}

/** Blocks of its own come out so much too late. */
const WITHHELD_BLOCKS = 3;

/** Holds its blocks until the others are this many ahead: what it releases is too late, or turns the chain. */
function withholding(isHealed: () => boolean): Vice {
  return holding(isHealed, (lead) => lead <= -WITHHELD_BLOCKS);
}

/** Eyal and Sirer, 2014: keeps its lead to itself, and releases it when the others are about to catch up. */
function selfish(isHealed: () => boolean): Vice {
  return holding(isHealed, (lead) => lead <= 1);
}

function holding(isHealed: () => boolean, gives: (lead: number) => boolean): Vice {
  const held = new Map<string, BlockRef>();
  const release = (node: SimNode) => {
    const { store } = node.machines;
    for (const { hash } of held.values()) {
      const [header, opening, extrinsics] = [store.header(hash), store.opening(hash), store.body(hash)];
      if (header === undefined || opening === undefined || extrinsics === undefined) continue;
      node.announce({ header, opening, extrinsics, origin: { type: 'own' } });
    }
    held.clear();
  };
  return {
    holds(node, block) {
      if (isHealed()) return false;
      const hash = blake2_256(block.header);
      held.set(toHex(hash), { hash, number: must(node.machines.store.number(hash), 'an imported block') });
      return true;
    },
    hides: (_node, hash) => held.has(toHex(hash)),
    heard(node) {
      if (held.size === 0) return;
      const { store } = node.machines;
      const shown = store.leaves().map((leaf) => {
        let { hash, number } = leaf;
        while (held.has(toHex(hash))) {
          const parent = store.parent(hash);
          if (parent === undefined) break;
          hash = parent;
          number--;
        }
        return number;
      });
      const own = Math.max(...[...held.values()].map(({ number }) => number));
      if (isHealed() || gives(own - Math.max(...shown))) release(node);
    },
  };
}

/** As far ahead as is let in, further than that, or as early as can be. */
function stamped(node: SimNode, now: number): number {
  const { store } = node.machines;
  const { timestamp } = parentBlock(store, store.best.hash);
  const way = store.best.number % 3;
  if (way === 0) return now + MAX_DRIFT_MS;
  return way === 1 ? now + 3 * MAX_DRIFT_MS : timestamp + 1;
}

/** Comes when blocks are cheap, and goes when they are dear. */
function hopped(node: SimNode, difficulty: bigint): number {
  return difficulty <= node.place.world.rules.difficulty.initial ? 4 : 0;
}
