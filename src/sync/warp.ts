/**
 * # Warp: a final block and its state from peers, in place of all blocks before it.
 *
 * Always true: nothing is believed before it is proven: a block by the votes of the set that genesis leads to, a state
 * by its root, a body by its header. What is held is the state so far and at most two answers; a peer that lies, stalls
 * or drips loses score and is left alone, and the next one goes on where it stopped.
 *
 * Phases: proof (of the peer that claims most), link (headers down to the checkpoint of the chain spec, where there is
 * one), state and body (from whomever). A block whose state nobody keeps any more is given up for a newer one.
 */
import { assert, must } from '../base/assert.ts';
import { type Bytes, equal } from '../base/bytes.ts';
import type { Header } from '../primitives/header.ts';
import { WARP_BYTES, type WarpProof } from '../primitives/warp.ts';
import type { StateTree } from '../state/tree.ts';
import { CHUNK_LIMITS } from '../state/trie/chunk.ts';
import { orderedRoot } from '../state/trie/root.ts';
import type { BlocksRequest, BlocksResponse, Millis, PeerId, StateRequest, StateResponse, Status } from './messages.ts';
import { Fields, headerHash, linkOf, MAX_BLOCKS, type WarpRequest, type WarpResponse } from './messages.ts';
import { type Peer, Peers, type SyncFault } from './peers.ts';
import type { Checkpoint } from './pursuit.ts';
import { type OpenRequest, Requests } from './requests.ts';
import { StateIntake } from './state-intake.ts';

/** A question that is not answered by then is put to a second peer as well. */
const HEDGE_MS = 2_000;
/** At most this many questions of one kind are open: the second for the case that the first is never answered. */
const MAX_ASKED = 2;
/** A proof that ends this far below what others claim is asked for again, of them. */
const BEHIND = 256;
/** Headers between a checkpoint and the next proven block; sets last for fewer. */
const MAX_LINK = 65_536;
/** A piece of a proof that is neither the last nor has so many fragments is a drip, unless it is full (WARP_BYTES). */
const LEAST_FRAGMENTS = 16;
/** That nobody proves anything is believed after this: then all blocks are fetched. */
const NOTHING_MS = 10_000;

/** A block that is proven final. */
export interface WarpBlock {
  readonly number: number;
  readonly hash: Bytes;
  readonly bytes: Bytes;
  readonly header: Header;
  readonly justification: Bytes;
}

/** What the machine asks of consensus; S is how far a proof has led. */
export interface WarpWorld<S extends { readonly setId: bigint }> {
  readonly genesis: Bytes;
  readonly begin: S;
  readonly checkpoint?: Checkpoint | undefined;
  /** What a piece of a proof leads to; undefined when it does not hold. */
  follow(from: S, proof: WarpProof): { readonly state: S; readonly proven: readonly WarpBlock[] } | undefined;
}

export type WarpInput =
  | { readonly type: 'connected' | 'disconnected'; readonly peer: PeerId }
  | { readonly type: 'status'; readonly peer: PeerId; readonly status: Status }
  | { readonly type: 'proof'; readonly request: number; readonly proof: WarpResponse }
  | { readonly type: 'chunk'; readonly request: number; readonly chunk: StateResponse }
  | { readonly type: 'blocks'; readonly request: number; readonly blocks: BlocksResponse }
  /** No answer, or one that does not decode. */
  | { readonly type: 'failed'; readonly request: number }
  | { readonly type: 'tick' };

/** What a warp ends with. */
export interface Warped extends WarpBlock {
  readonly body: readonly Bytes[];
  readonly opening: Bytes | undefined;
  readonly state: StateTree;
}

export type WarpEffect =
  | { readonly type: 'askStatus'; readonly peer: PeerId }
  | { readonly type: 'askProof'; readonly peer: PeerId; readonly request: number; readonly ask: WarpRequest }
  | { readonly type: 'askState'; readonly peer: PeerId; readonly request: number; readonly ask: StateRequest }
  | { readonly type: 'askBlocks'; readonly peer: PeerId; readonly request: number; readonly ask: BlocksRequest }
  | { readonly type: 'report'; readonly peer: PeerId; readonly fault: SyncFault }
  /** The last effect; undefined when genesis is the newest block that anybody proves. */
  | { readonly type: 'done'; readonly warped: Warped | undefined };

export interface WarpProgress {
  readonly phase: 'proof' | 'link' | 'state' | 'body' | 'done';
  /** Sets whose proofs were followed. */
  readonly sets: bigint;
  readonly target: number | undefined;
  readonly keys: number;
  readonly bytes: number;
}

/** `at` names what was wanted, so that an answer to an older question is nothing. */
interface Purpose {
  readonly at: object;
  readonly askedAt: Millis;
}

type Goal<S> =
  | { readonly phase: 'proof'; readonly state: S }
  | { readonly phase: 'link'; readonly target: WarpBlock; readonly next: Bytes; readonly number: number }
  | { readonly phase: 'state'; readonly target: WarpBlock; readonly intake: StateIntake }
  | { readonly phase: 'body'; readonly target: WarpBlock; readonly intake: StateIntake }
  | { readonly phase: 'done' };

export class Warp<S extends { readonly setId: bigint }> {
  private readonly world: WarpWorld<S>;
  private readonly peers = new Peers();
  private readonly requests = new Requests<Purpose>();
  /** What is wanted now; another object with every step forward. */
  private goal: Goal<S>;
  /** How far proofs have led; kept when a target is given up. */
  private state: S;
  /** The first proven block at or above the checkpoint, once the proof passed it. */
  private above: WarpBlock | undefined;
  private isLinked: boolean;
  /** Peers that do not have what is wanted now. */
  private readonly without = new Set<PeerId>();
  /** Peers that do not prove what they claim. */
  private readonly doubted = new Set<PeerId>();
  /** Who gave the pieces that led to `state`. */
  private readonly provers = new Set<PeerId>();
  /** The highest block that they proved. */
  private highest: WarpBlock | undefined;
  private startedAt: Millis | undefined;
  private dueAt: Millis | undefined;
  private out: WarpEffect[] = [];

  constructor(world: WarpWorld<S>) {
    this.world = world;
    this.state = world.begin;
    this.goal = { phase: 'proof', state: world.begin };
    this.isLinked = world.checkpoint === undefined;
  }

  progress(): WarpProgress {
    const { goal } = this;
    const count = 'intake' in goal ? goal.intake.count : { keys: 0, bytes: 0 };
    const target = 'target' in goal ? goal.target.number : undefined;
    return { phase: goal.phase, sets: this.state.setId - this.world.begin.setId, target, ...count };
  }

  /** When a step is due even if nothing comes in. */
  wakeAt(): Millis | undefined {
    return this.dueAt;
  }

  step(now: Millis, input: WarpInput): readonly WarpEffect[] {
    this.out = [];
    if (this.goal.phase === 'done') return this.out;
    this.startedAt ??= now;
    this.take(now, input);
    for (const request of this.requests.expire(now)) {
      this.report(request.peer, 'TimedOut');
      this.lost(now, request.peer);
    }
    this.giveUp();
    this.ask(now);
    for (const peer of this.peers.dueForStatus(now)) this.out.push({ type: 'askStatus', peer: peer.id });
    this.dueAt = this.nextDue(now);
    return this.out;
  }

  private nextDue(now: Millis): Millis | undefined {
    if (this.goal.phase === 'done') return undefined;
    const hedges = this.requests.all().map(({ purpose }) => purpose.askedAt + HEDGE_MS);
    const times = [this.requests.nextDeadline, this.peers.nextStatusAt, this.peers.nextUsable(now), ...hedges];
    const due = times.filter((time) => time !== undefined && time > now);
    return due.length === 0 ? undefined : Math.min(...(due as Millis[]));
  }

  private take(now: Millis, input: WarpInput): void {
    switch (input.type) {
      case 'connected':
        this.peers.add(now, input.peer);
        return;
      case 'disconnected':
        this.peers.remove(input.peer);
        this.requests.drop(input.peer);
        this.without.delete(input.peer);
        this.doubted.delete(input.peer);
        return;
      case 'status':
        if (!this.peers.heard(now, input.peer, input.status, this.world.genesis))
          this.report(input.peer, 'OtherGenesis');
        return;
      case 'failed': {
        const request = this.requests.end(input.request);
        if (request !== undefined) this.lost(now, request.peer);
        return;
      }
      case 'proof':
      case 'chunk':
      case 'blocks':
        this.answered(now, input);
        return;
      case 'tick':
        return;
    }
  }

  private lost(now: Millis, peer: PeerId): void {
    this.peers.failed(now, peer);
    // What it claims holds nobody up.
    if (this.goal.phase === 'proof') this.doubted.add(peer);
  }

  private answered(now: Millis, input: Extract<WarpInput, { type: 'proof' | 'chunk' | 'blocks' }>): void {
    const request = this.requests.end(input.request);
    // Somebody else's answer to the same question came first: nothing is wrong with this one.
    if (request === undefined || request.purpose.at !== this.goal) return;
    const { goal } = this;
    const { peer } = request;
    if (input.type === 'proof' && goal.phase === 'proof') this.proofCame(now, peer, goal.state, input.proof);
    else if (input.type === 'chunk' && goal.phase === 'state') this.chunkCame(now, peer, goal, input.chunk);
    else if (input.type === 'blocks' && goal.phase === 'link') this.headersCame(now, peer, goal, input.blocks);
    else if (input.type === 'blocks' && goal.phase === 'body') this.bodyCame(now, peer, goal, input.blocks);
  }

  // ---- proof

  private proofCame(now: Millis, peer: PeerId, from: S, proof: WarpResponse): void {
    const led = proof === undefined ? undefined : this.world.follow(from, proof);
    if (proof === undefined || led === undefined) {
      this.doubted.add(peer);
      this.peers.failed(now, peer);
      const isOwn = from === this.world.begin || (this.provers.size === 1 && this.provers.has(peer));
      if (proof !== undefined && isOwn) this.report(peer, 'WrongProof');
      // Voters of the past may have led us astray with somebody else's pieces: from the beginning, then.
      if (proof !== undefined && !isOwn) this.forget();
      return;
    }
    const { checkpoint } = this.world;
    if (led.proven.length > 0) this.provers.add(peer);
    this.highest = led.proven.at(-1) ?? this.highest;
    this.state = led.state;
    this.goal = { phase: 'proof', state: led.state };
    if (checkpoint !== undefined) this.above ??= led.proven.find(({ number }) => number >= checkpoint.number);
    if (!proof.finished) {
      if (proof.fragments.length < LEAST_FRAGMENTS && !isLong(proof)) this.blame(now, peer, 'ShortAnswers');
      return;
    }
    this.proven(now, peer, this.highest);
  }

  /** The end of a peer's proof; it counts if nobody who can be believed claims much more. */
  private proven(now: Millis, peer: PeerId, target: WarpBlock | undefined): void {
    const least = this.world.checkpoint?.number ?? 0;
    const reached = target?.number ?? 0;
    const claimed = this.peers.get(peer)?.status?.finalizedNumber ?? 0;
    this.doubted.add(peer);
    if (claimed > reached + BEHIND) this.report(peer, 'ShortProof');
    if (target !== undefined && reached >= least && this.claims() <= reached + BEHIND) {
      this.doubted.clear();
      this.begin(now, target);
      return;
    }
    this.peers.failed(now, peer);
    const isPatient = now >= (this.startedAt ?? now) + NOTHING_MS;
    if (target === undefined && isPatient && this.claims() === 0) this.finish(undefined);
  }

  /** The highest final block that a peer claims which was not asked yet. */
  private claims(): number {
    let most = 0;
    for (const { id, status } of this.peers.all()) {
      if (status !== undefined && !this.doubted.has(id)) most = Math.max(most, status.finalizedNumber);
    }
    return most;
  }

  /** Begins again with genesis. */
  private forget(): void {
    this.state = this.world.begin;
    this.above = undefined;
    this.highest = undefined;
    this.without.clear();
    this.provers.clear();
    this.goal = { phase: 'proof', state: this.state };
  }

  // ---- link

  private begin(now: Millis, target: WarpBlock): void {
    const { checkpoint } = this.world;
    this.without.clear();
    if (this.isLinked || checkpoint === undefined) {
      this.goal = { phase: 'state', target, intake: new StateIntake(target.header.stateRoot) };
      return;
    }
    const { hash, number } = must(this.above, 'a proof that reached the checkpoint passed it');
    this.link(now, { phase: 'link', target, next: hash, number });
  }

  /** Goes on from a header whose hash is known, unless it is the checkpoint or misses it. */
  private link(now: Millis, at: Extract<Goal<S>, { phase: 'link' }>): void {
    const { number, hash } = must(this.world.checkpoint, 'only a checkpoint is linked to');
    this.goal = at;
    if (at.number > number && at.number - number <= MAX_LINK) return;
    this.isLinked = at.number === number && equal(at.next, hash);
    if (this.isLinked) {
      this.begin(now, at.target);
      return;
    }
    // Another chain, finalized by those who voted on this one once: whoever proved it is not of ours.
    for (const id of this.provers) this.report(id, 'OtherCheckpoint');
    for (const id of this.provers) this.peers.distrust(now, id);
    this.forget();
  }

  private headersCame(
    now: Millis,
    peer: PeerId,
    goal: Extract<Goal<S>, { phase: 'link' }>,
    blocks: BlocksResponse,
  ): void {
    let { next, number } = goal;
    const least = must(this.world.checkpoint, 'only a checkpoint is linked to').number;
    for (const { header } of blocks) {
      if (header === undefined || number <= least) break;
      const parent = linkOf(header)?.parent;
      if (!equal(headerHash(header), next) || parent === undefined) {
        this.blame(now, peer, 'BrokenHeaders');
        break;
      }
      next = parent;
      number--;
    }
    if (number === goal.number) this.lacks(now, peer);
    else this.link(now, { ...goal, next, number });
  }

  // ---- state and body

  private chunkCame(now: Millis, peer: PeerId, goal: Extract<Goal<S>, { phase: 'state' }>, chunk: StateResponse): void {
    if (chunk === undefined) {
      this.lacks(now, peer);
      return;
    }
    const before = goal.intake.count;
    if (goal.intake.take(chunk) !== undefined) {
      this.blame(now, peer, 'WrongChunk');
      this.peers.distrust(now, peer);
      return;
    }
    const { keys, bytes } = goal.intake.count;
    const isDrip = bytes - before.bytes < CHUNK_LIMITS.bytes && keys - before.keys < CHUNK_LIMITS.entries;
    if (!chunk.complete && isDrip) this.blame(now, peer, 'ShortAnswers');
    else this.peers.succeeded(peer);
    this.without.clear();
    this.goal = goal.intake.isComplete ? { ...goal, phase: 'body' } : { ...goal };
  }

  private bodyCame(now: Millis, peer: PeerId, goal: Extract<Goal<S>, { phase: 'body' }>, blocks: BlocksResponse): void {
    const { target, intake } = goal;
    const [data] = blocks;
    if (data?.body === undefined) {
      this.lacks(now, peer);
      return;
    }
    if (!equal(orderedRoot(data.body), target.header.extrinsicsRoot)) {
      this.blame(now, peer, 'WrongBody');
      this.peers.distrust(now, peer);
      return;
    }
    this.finish({ ...target, body: data.body, opening: data.opening, state: intake.tree() });
  }

  private lacks(now: Millis, peer: PeerId): void {
    this.without.add(peer);
    this.peers.failed(now, peer);
  }

  private finish(warped: Warped | undefined): void {
    this.goal = { phase: 'done' };
    this.out.push({ type: 'done', warped });
  }

  /** When all who are there lack what is wanted, a newer block is: they keep the states of the newest ones. */
  private giveUp(): void {
    const { goal } = this;
    if (goal.phase !== 'state' && goal.phase !== 'body' && goal.phase !== 'link') return;
    const known = this.peers.all().filter(({ status }) => status !== undefined);
    if (known.length === 0 || known.some(({ id }) => !this.without.has(id))) return;
    this.without.clear();
    this.goal = { phase: 'proof', state: this.state };
  }

  // ---- asking

  private ask(now: Millis): void {
    const { goal } = this;
    if (goal.phase === 'done') return;
    const open = this.requests.all().filter(({ purpose }) => purpose.at === goal);
    if (open.length >= MAX_ASKED || open.some(({ purpose }) => now < purpose.askedAt + HEDGE_MS)) return;
    const peer = this.source(now, goal, open);
    if (peer === undefined) return;
    const request = this.requests.ask(now, peer.id, { at: goal, askedAt: now });
    switch (goal.phase) {
      case 'proof':
        this.out.push({ type: 'askProof', peer: peer.id, request, ask: { setId: goal.state.setId } });
        return;
      case 'state': {
        const { target, intake } = goal;
        this.out.push({ type: 'askState', peer: peer.id, request, ask: { block: target.hash, after: intake.after } });
        return;
      }
      case 'link':
        this.out.push({
          type: 'askBlocks',
          peer: peer.id,
          request,
          ask: fromHash(goal.next, Fields.header, MAX_BLOCKS),
        });
        return;
      case 'body': {
        const fields = Fields.body | Fields.opening;
        this.out.push({ type: 'askBlocks', peer: peer.id, request, ask: fromHash(goal.target.hash, fields, 1) });
        return;
      }
    }
  }

  /** A proof is asked of who claims most and was not asked yet, everything else of who was asked least. */
  private source(now: Millis, goal: Goal<S>, open: readonly OpenRequest<Purpose>[]): Peer | undefined {
    assert(goal.phase !== 'done', 'nothing is asked at the end');
    let best: Peer | undefined;
    const usable = this.peers.all().filter(({ id, status, avoidUntil }) => {
      const isFree = this.requests.hasRoom(id) && !open.some(({ peer }) => peer === id);
      return status !== undefined && avoidUntil <= now && isFree && !this.without.has(id);
    });
    for (const peer of usable) {
      if (goal.phase === 'proof' && this.doubted.has(peer.id)) continue;
      if (best === undefined || isBefore(peer, best, goal.phase === 'proof')) best = peer;
    }
    // Everybody was asked, and nobody proved enough: perhaps they do now.
    if (best === undefined && goal.phase === 'proof' && usable.length > 0)
      for (const { id } of usable) this.doubted.delete(id);
    return best ?? (goal.phase === 'proof' ? usable[0] : undefined);
  }

  private blame(now: Millis, peer: PeerId, fault: SyncFault): void {
    this.peers.failed(now, peer);
    this.report(peer, fault);
  }

  private report(peer: PeerId, fault: SyncFault): void {
    this.out.push({ type: 'report', peer, fault });
  }
}

function isBefore(a: Peer, b: Peer, byClaim: boolean): boolean {
  if (byClaim) return (a.status?.finalizedNumber ?? 0) > (b.status?.finalizedNumber ?? 0);
  return a.failures < b.failures;
}

function fromHash(value: Bytes, fields: number, max: number): BlocksRequest {
  return { fields, from: { type: 'Hash', value }, descending: true, max };
}

/** Whether a piece of a proof ends here because it holds as much as an answer may. */
function isLong({ fragments }: WarpProof): boolean {
  let bytes = 0;
  for (const { header, justification } of fragments) bytes += header.length + justification.length;
  return bytes >= WARP_BYTES;
}
