/**
 * # Peers: how each one stands, and whom to ask.
 *
 * Always true: at most MAX_PEERS are kept; a peer that failed is left alone for a time that grows with its failures,
 * so a silent one costs one timeout, not one per request.
 */
import { type Bytes, equal } from '../base/bytes.ts';
import type { Millis, PeerId, Status } from './messages.ts';

/** The network layer holds fewer connections; this is its bound stated again where memory is used. */
const MAX_PEERS = 256;
/** A status is asked for again after this: announcements say what is new, this says what was missed. */
export const STATUS_EVERY_MS = 10_000;
const STATUS_TIMEOUT_MS = 5_000;
const AVOID_STEP_MS = 5_000;
const MAX_AVOID_MS = 120_000;
const DISTRUST_MS = 600_000;

/** What a peer is reported for: a sentence, and what it does to its score (the network drops it at -100). */
export const SYNC_FAULTS = {
  OtherGenesis: ['it follows another chain', -100],
  OtherCheckpoint: ['its chain is without the checkpoint of the chain spec', -100],
  OtherFinality: ['its chain leaves ours below our last finalized block', -30],
  TimedOut: ['it did not answer in time', -5],
  BrokenHeaders: ['its headers are not a chain', -40],
  NotAsked: ['it answered with blocks that were not asked for', -40],
  ShortAnswers: ['it answers with fewer blocks than it has, again and again', -20],
  WrongBody: ['a body or an opening is not the one that the header names', -40],
  WrongProof: ['its proof of finality does not hold', -60],
  ShortProof: ['it claims more final blocks than it proves', -20],
  WrongChunk: ['a part of a state is not what its root says', -60],
  BadChain: ['its chain holds an invalid block', -60],
  BadAnnouncement: ['it announced a header that can never be valid', -60],
} as const satisfies Record<string, readonly [sentence: string, score: number]>;
export type SyncFault = keyof typeof SYNC_FAULTS;

export interface Peer {
  readonly id: PeerId;
  status: Status | undefined;
  /** When its status is asked for next. */
  askAt: Millis;
  /** It is not asked for blocks before this. */
  avoidUntil: Millis;
  /** In a row; a good answer ends the row. */
  failures: number;
  /** It knows of a final block that we lack, and was not followed since. */
  hasProven: boolean;
  /** Answers that were shorter than they could have been, in a row. */
  shortAnswers: number;
}

export class Peers {
  private readonly byId = new Map<PeerId, Peer>();

  /** False when there is no room. */
  add(now: Millis, id: PeerId): boolean {
    if (this.byId.has(id)) return true;
    if (this.byId.size >= MAX_PEERS) return false;
    this.byId.set(id, {
      id,
      status: undefined,
      askAt: now,
      avoidUntil: 0,
      failures: 0,
      hasProven: false,
      shortAnswers: 0,
    });
    return true;
  }

  remove(id: PeerId): void {
    this.byId.delete(id);
  }

  get(id: PeerId): Peer | undefined {
    return this.byId.get(id);
  }

  /** Sorted by id: the same peers give the same choice. */
  all(): Peer[] {
    return [...this.byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Those whose status is due; each is due again after the timeout, or after STATUS_EVERY_MS once it answers. */
  dueForStatus(now: Millis): Peer[] {
    const due = this.all().filter((peer) => peer.askAt <= now);
    for (const peer of due) peer.askAt = now + STATUS_TIMEOUT_MS;
    return due;
  }

  /** Asks for its status at the next step, unless one is under way. */
  hurry(now: Millis, id: PeerId): void {
    const peer = this.byId.get(id);
    if (peer !== undefined && peer.askAt > now + STATUS_TIMEOUT_MS) peer.askAt = now;
  }

  /** Takes what a peer says of itself; false when it is of another chain. */
  heard(now: Millis, id: PeerId, status: Status, genesis: Bytes): boolean {
    const peer = this.byId.get(id);
    if (peer === undefined) return true;
    peer.askAt = now + STATUS_EVERY_MS;
    if (!equal(status.genesis, genesis)) return false;
    peer.status = status;
    return true;
  }

  succeeded(id: PeerId): void {
    const peer = this.byId.get(id);
    if (peer !== undefined) peer.failures = 0;
  }

  failed(now: Millis, id: PeerId): void {
    const peer = this.byId.get(id);
    if (peer === undefined) return;
    peer.failures++;
    this.avoid(now, id, Math.min(peer.failures * AVOID_STEP_MS, MAX_AVOID_MS));
  }

  /** Leaves a peer alone for ten minutes whose chain is false, or who told what is. */
  distrust(now: Millis, id: PeerId): void {
    this.avoid(now, id, DISTRUST_MS);
  }

  private avoid(now: Millis, id: PeerId, ms: Millis): void {
    const peer = this.byId.get(id);
    if (peer !== undefined) peer.avoidUntil = Math.max(peer.avoidUntil, now + ms);
  }

  /** It knows of a final block that we lack. */
  proven(id: PeerId): void {
    const peer = this.byId.get(id);
    if (peer !== undefined) peer.hasProven = true;
  }

  /** It was followed: whatever it had is here, or it did not have it. */
  pursued(id: PeerId): void {
    const peer = this.byId.get(id);
    if (peer !== undefined) peer.hasProven = false;
  }

  /**
   * The peer to follow, as high as `least`: one that knows of a final block that we lack, otherwise the one with the
   * most accumulated difficulty above `ours`, the lesser id among equals.
   */
  lead(now: Millis, ours: bigint, least: number): Peer | undefined {
    let lead: Peer | undefined;
    for (const peer of this.all()) {
      if (peer.status === undefined || peer.avoidUntil > now || peer.status.bestNumber < least) continue;
      if (peer.hasProven) return peer;
      if (peer.status.totalDifficulty <= ours) continue;
      const most = lead?.status?.totalDifficulty;
      if (most === undefined || peer.status.totalDifficulty > most) lead = peer;
    }
    return lead;
  }

  /** When the next of those that are left alone may be asked again. */
  nextUsable(now: Millis): Millis | undefined {
    const later = [...this.byId.values()].map(({ avoidUntil }) => avoidUntil).filter((until) => until > now);
    return later.length === 0 ? undefined : Math.min(...later);
  }

  get nextStatusAt(): Millis | undefined {
    let earliest: Millis | undefined;
    for (const { askAt } of this.byId.values()) if (earliest === undefined || askAt < earliest) earliest = askAt;
    return earliest;
  }
}
