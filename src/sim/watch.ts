/**
 * # Watch: what must never happen, looked for after every step.
 *
 * Always true: it reads what nodes do and changes nothing; the first violation that it finds is the one that is told.
 */

import { must } from '../base/assert.ts';
import { type Bytes, equal, toHex } from '../base/bytes.ts';
import type { ChainEffect } from '../consensus/chain.ts';
import type { Millis } from '../consensus/difficulty.ts';
import { JUSTIFICATION_FAULTS, verifyJustification } from '../consensus/finality/justification.ts';
import { GadgetMessage } from '../consensus/finality/message.ts';
import type { Round, SignedVote } from '../consensus/finality/round.ts';
import type { VoterSet } from '../consensus/finality/voter-set.ts';
import type { Watermark } from '../consensus/finality/watermark.ts';
import { metaOf } from '../consensus/meta.ts';
import { MAX_DRIFT_MS } from '../consensus/rules.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { Header } from '../primitives/header.ts';
import { voteMessage } from '../primitives/justification.ts';
import { readSlotSealed } from '../primitives/slots.ts';
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { SimNode } from './node.ts';
import { isSigned, type Member, type NamedSet, type World } from './world.ts';

/** What a system may do wrong, whatever goes wrong around it (a fault, plan.ts): name -> sentence. */
export const VIOLATIONS = {
  conflict: 'two honest nodes finalized conflicting blocks',
  reverted: 'a node lost a block that it had finalized and synced',
  twoVotes: 'an honest voter signed two votes of one set, round and stage',
  unfaithful: 'an honest voter prevoted off the estimate, or precommitted to what has no supermajority of prevotes',
  threw: 'a machine threw',
  unbounded: 'a container grew beyond its bound',
  framed: 'evidence names a voter who did nothing wrong',
  future: 'a block from beyond the clock became the head of an honest node',
  difficulty: 'a node follows a block whose difficulty the schedule does not give',
  unproven: 'a block was finalized without the precommits of a supermajority of its set',
  set: 'a node votes in another set than its chain says, or with other weights',
  boost: 'stake adds more to the work of an author, or more often, than the rules allow',
  heads: 'honest nodes had not one head in the healed phase',
  finality: 'finality had not caught up in the healed phase',
  twoSeals: 'an honest author sealed two blocks of one slot',
  innocent: 'somebody who did nothing wrong was slashed',
  unpaid: 'a slash took less than was at stake',
  seats: 'votes, seats and what is bonded do not agree',
  unseen: 'an honest node took two blocks of one slot and author, and did not say so',
  unslashed: 'evidence that an honest node found had cost nothing in the healed phase',
  unnamed: 'finality broke, and the evidence names no more than the tolerated weight',
} as const;
export type ViolationName = keyof typeof VIOLATIONS;

export interface Found {
  readonly violation: ViolationName;
  readonly node: string;
  readonly detail: string;
  readonly at: Millis;
}

/** What a machine may hold: the bounds that its file states. */
const BOUNDS = { waiting: 512, ready: 8_192, future: 8_192, queuedBytes: 512 * 1024 * 1024 };
/** Every step would cost more than the machines. */
const LOOK_EVERY = 8;

/** Evidence that an honest node found. */
interface Evidence {
  readonly node: SimNode;
  readonly extrinsic: Bytes;
  readonly at: Millis;
  readonly crashes: number;
}

export class Watch {
  found: Found | undefined;
  /** Heights finalized by an honest node, and by what. */
  readonly final = new Map<number, { readonly key: string; readonly by: string }>();
  /** Whether two nodes finalized conflicting blocks; more than that is a violation where no more is tolerated. */
  conflict: Found | undefined;
  private readonly world: World;
  private readonly now: () => Millis;
  /** The vote of each place, by who may only cast one. */
  private readonly cast = new Map<string, string>();
  private readonly guilty = new Set<string>();
  /** What honest authors sealed: one entry for each of their blocks. */
  private readonly seals = new Map<string, string>();
  private readonly evidence: Evidence[] = [];
  /** By node, life, author and slot: a block that was taken, and where two were noticed. */
  private readonly taken = new Map<string, string>();
  private readonly noticed = new Set<string>();
  private steps = 0;
  /** The votes that were persisted and not said yet. */
  private readonly fresh = new Map<SimNode, Watermark>();
  private readonly syncedHeight = new Map<string, number>();

  constructor(world: World, now: () => Millis) {
    this.world = world;
    this.now = now;
  }

  report(violation: ViolationName, node: string, detail: string): void {
    this.found ??= { violation, node, detail, at: this.now() };
  }

  /** How many two of their own votes convict. */
  get convicted(): number {
    return this.guilty.size;
  }

  /** A message left a node, vice or not: votes that verify are evidence. */
  left(bytes: Bytes): void {
    const said = GadgetMessage.dec(bytes);
    if (said.type !== 'Vote') return;
    const { vote } = said.value;
    const message = voteMessage(vote.stage, vote.target, vote.round, vote.setId);
    if (isSigned(vote.signature, message, vote.id)) this.witness(vote);
  }

  chain(node: SimNode, effect: ChainEffect): void {
    if (!this.isHonest(node)) return;
    if (effect.type === 'finalized') {
      this.finalized(node, effect.blocks);
      const target = effect.blocks.at(-1);
      if (target !== undefined) this.judged(node, target, effect.justification);
      this.setOf(node);
    }
    if (effect.type === 'head') this.head(node, effect.best);
    // What is said again after a restart, its voter may no longer be able to account for.
    if (effect.type === 'persist') this.fresh.set(node, effect.mark);
    if (effect.type === 'broadcast') this.votes(node, effect.message);
    if (effect.type === 'equivocation') this.accused(node, toHex(effect.proof.id));
    if (effect.type === 'sealedTwice') {
      this.accused(node, toHex(readSlotSealed(effect.proof.first).author));
      this.noticed.add(turnOf(node, Header.enc(effect.proof.first)));
    }
    if (effect.type === 'imported' && effect.isNew) this.imported(node, effect);
    if (effect.type === 'announce') this.sealed(node, effect.block.header);
  }

  /** A disk has synced: what was final then must never be lost. */
  synced(node: SimNode, final: number): void {
    this.syncedHeight.set(node.name, final);
  }

  /** Whoever puts a backup in place gives up what is newer; his votes he must not give again all the same. */
  restored(node: SimNode): void {
    this.syncedHeight.delete(node.name);
  }

  /** A node starts from its disk. */
  started(node: SimNode): void {
    const { settled } = node.machines.store;
    const least = this.syncedHeight.get(node.name) ?? 0;
    if (settled.number < least) this.report('reverted', node.name, `#${settled.number} after #${least}`);
    const known = this.final.get(settled.number);
    if (this.isHonest(node) && known !== undefined && known.key !== toHex(settled.hash)) {
      this.report('reverted', node.name, `another #${settled.number} after a restart`);
    }
  }

  stepped(node: SimNode): void {
    // A container that grows without bound is still beyond it a few steps later.
    if (++this.steps % LOOK_EVERY !== 0) return;
    const { chain, pool, store } = node.machines;
    const { ready, future } = pool.counts;
    const held = { waiting: chain.waitingCount, ready, future, queuedBytes: store.stats().queuedBytes };
    for (const [name, bound] of Object.entries(BOUNDS)) {
      const size = held[name as keyof typeof held];
      if (size > bound) this.report('unbounded', node.name, `${name}: ${size} of ${bound}`);
    }
  }

  /** Evidence against somebody is on its way to the chain. */
  accuses(node: SimNode, _proof: unknown, extrinsic: Bytes | undefined): void {
    if (!this.isHonest(node) || this.world.rules.slots === undefined) return;
    if (extrinsic === undefined) {
      this.report('unslashed', node.name, 'nobody is known as the owner of the key');
      return;
    }
    this.evidence.push({ node, extrinsic, at: this.now(), crashes: node.crashes });
  }

  /**
   * What was found until then must be on the chain: it takes none of it any more, and of what was found in the healed
   * phase because it has it. Earlier evidence may as well be too old, or of a branch that lost.
   */
  judgeEvidence(healsAt: Millis, until: Millis): void {
    for (const { node, extrinsic, at, crashes } of this.evidence) {
      // What a node knew when it crashed is lost with its pool.
      if (at > until || node.crashes !== crashes) continue;
      const { store } = node.machines;
      const view = must(store.view(store.best.hash), 'the best block has its state');
      const { runtime } = this.world;
      const validity = runtime.validate(view, extrinsic, store.best);
      const error = validity.ok ? 'valid still' : validity.error.value.type;
      if (validity.ok || (at > healsAt && error !== 'Stale')) {
        this.report('unslashed', node.name, `found after ${Math.floor(at / 1_000)} s: ${error}`);
      }
    }
  }

  private imported(node: SimNode, block: BlockRef): void {
    const { store } = node.machines;
    const header = store.header(block.hash);
    // What it finalized may have dropped the branch of a block in the step that imported it.
    if (header === undefined) return;
    const judgement = this.world.imported(store, block);
    if (judgement !== undefined) this.report(judgement.violation, node.name, `#${block.number}: ${judgement.detail}`);
    if (this.world.rules.slots === undefined) return;
    const place = turnOf(node, header);
    const before = this.taken.get(place);
    this.taken.set(place, toHex(block.hash));
    if (before !== undefined && !this.noticed.has(place)) this.report('unseen', node.name, `#${block.number}`);
  }

  private sealed(node: SimNode, bytes: Bytes): void {
    if (this.world.rules.slots === undefined) return;
    const { author, slot } = readSlotSealed(Header.dec(bytes));
    const place = `${toHex(author)}/${slot}`;
    const hash = toHex(blake2_256(bytes));
    const before = this.seals.get(place);
    if (before !== undefined && before !== hash) this.report('twoSeals', node.name, `slot ${slot}`);
    this.seals.set(place, hash);
  }

  private witness(vote: SignedVote): void {
    const id = toHex(vote.id);
    const target = toHex(vote.target.hash);
    if (vote.stage === 'primaryPropose') return;
    const place = `${id}/${vote.setId}/${vote.round}/${vote.stage}`;
    const before = this.cast.get(place);
    if (before === undefined) this.cast.set(place, target);
    else if (before !== target) this.doubled(id, `${vote.stage} of round ${vote.round}`);
  }

  /** The rules of a voter, seen from outside: what it may say follows from the votes that it has heard. */
  private votes(node: SimNode, message: Bytes): void {
    const said = GadgetMessage.dec(message);
    const state = node.machines.finality.state?.();
    if (said.type !== 'Vote' || state === undefined || said.value.vote.setId !== state.setId) return;
    const { vote } = said.value;
    const [before, current] = state.rounds;
    const fresh = this.fresh.get(node);
    this.fresh.delete(node);
    if (fresh?.round !== vote.round || fresh.stage !== vote.stage) return;
    if (before === undefined || current?.number !== vote.round) return;
    const { store } = node.machines;
    if (vote.stage === 'prevote') {
      const { estimate, completable } = before.state;
      const isOpen = completable && estimate !== undefined && estimate.number > store.settled.number;
      if (isOpen && standsOn(store, vote.target, estimate) === false) {
        this.report('unfaithful', node.name, `prevotes #${vote.target.number} in round ${vote.round}`);
      }
    }
    if (vote.stage === 'precommit') {
      const { setId, voters } = this.world.setAfter(store, store.settled);
      const weight = setId === state.setId ? support(store, current, voters, vote.target) : undefined;
      if (weight !== undefined && weight < voters.threshold) {
        this.report('unfaithful', node.name, `precommits to #${vote.target.number} by a prevote weight of ${weight}`);
      }
    }
  }

  private doubled(id: string, what: string): void {
    this.guilty.add(id);
    const name = this.nameOf(id);
    if (!this.isVicious(id)) this.report('twoVotes', name, what);
  }

  private accused(node: SimNode, id: string): void {
    if (!this.isVicious(id)) this.report('framed', node.name, `accuses ${this.nameOf(id)}`);
  }

  private finalized(node: SimNode, blocks: readonly BlockRef[]): void {
    for (const { hash, number } of blocks) {
      const key = toHex(hash);
      const known = this.final.get(number);
      if (known === undefined) {
        this.final.set(number, { key, by: node.name });
      } else if (known.key !== key) {
        const detail = `#${number}: ${key.slice(0, 10)} against ${known.key.slice(0, 10)} of ${known.by}`;
        this.conflict ??= { violation: 'conflict', node: node.name, detail, at: this.now() };
        return;
      }
    }
  }

  /** The set in which a node votes is the one that its chain says, with the weight of its stake. */
  private setOf(node: SimNode): void {
    const { finality, store } = node.machines;
    const state = finality.state?.();
    if (state === undefined) return;
    const due = this.world.setAfter(store, store.settled);
    const after = `after #${store.settled.number}`;
    if (state.setId !== due.setId) this.report('set', node.name, `${state.setId} of ${due.setId} ${after}`);
    else if (!isSame(state.voters, due)) this.report('set', node.name, `other weights in set ${due.setId} ${after}`);
  }

  private judged(node: SimNode, target: BlockRef, justification: Bytes | undefined): void {
    const rules = { ...this.world.setOf(node.machines.store, target), verify: isSigned, target };
    const verdict = justification && verifyJustification(justification, rules);
    if (verdict?.ok === true) return;
    const detail = `#${target.number}: ${verdict === undefined ? 'no proof' : JUSTIFICATION_FAULTS[verdict.fault]}`;
    this.report('unproven', node.name, detail);
  }

  private head(node: SimNode, best: BlockRef): void {
    const { timestamp } = metaOf(node.machines.store, best.hash);
    // What it took before its clock was set right stays what it knows.
    const ahead = timestamp - (node.now + node.mostSkewMs);
    if (ahead > MAX_DRIFT_MS) this.report('future', node.name, `#${best.number} is ${ahead} ms ahead`);
  }

  private isHonest(node: SimNode): boolean {
    return !this.vicious.has(node.name);
  }

  private isVicious(id: string): boolean {
    return this.world.members.some((one) => this.vicious.has(one.name) && keysOf(one).includes(id));
  }

  readonly vicious = new Set<string>();

  private nameOf(id: string): string {
    return this.world.members.find((one) => keysOf(one).includes(id))?.name ?? id;
  }
}

/** An author's turn as one life of a node knows it. */
function turnOf({ name, crashes }: SimNode, header: Bytes): string {
  const { author, slot } = readSlotSealed(Header.dec(header));
  return `${name}/${crashes}/${toHex(author)}/${slot}`;
}

/** What evidence may name somebody by: the keys of his votes, or his account. */
function keysOf({ voteKeys, account }: Member): string[] {
  return [...voteKeys, account].map(toHex);
}

function isSame(voters: VoterSet, due: NamedSet): boolean {
  if (voters.voters.length !== due.voters.voters.length) return false;
  return voters.voters.every(({ id, weight }) => due.voters.get(id)?.weight === weight);
}

/** Whether a block stands on another; undefined where one of them is not known any more. */
function standsOn(store: ChainStore, block: BlockRef, above: BlockRef): boolean | undefined {
  let { hash, number } = block;
  if (store.number(hash) !== number || store.number(above.hash) !== above.number) return undefined;
  for (; number > above.number; number--) {
    const parent = store.parent(hash);
    if (parent === undefined) return undefined;
    hash = parent;
  }
  return number === above.number && equal(hash, above.hash);
}

/** Weight of those who prevoted for a block or above it, or twice; undefined where a vote cannot be placed any more. */
function support(store: ChainStore, round: Round, voters: VoterSet, block: BlockRef): bigint | undefined {
  const cast = new Map<string, SignedVote[]>();
  for (const vote of round.votes('prevote')) cast.set(toHex(vote.id), [...(cast.get(toHex(vote.id)) ?? []), vote]);
  let weight = 0n;
  for (const [first, second] of cast.values()) {
    const stands = second !== undefined || (first !== undefined && standsOn(store, first.target, block));
    if (stands === undefined) return undefined;
    if (stands && first !== undefined) weight += voters.get(first.id)?.weight ?? 0n;
  }
  return weight;
}
