/**
 * # Requests: what was asked of whom, and until when an answer counts.
 *
 * Always true: a peer has at most MAX_OPEN requests open, every request ends exactly once (answered, failed, expired or
 * its peer gone), and an answer to an ended request is nothing.
 */
import type { Millis, PeerId } from './messages.ts';

/** Two, so that a peer's line is never idle while one answer is checked. */
export const MAX_OPEN = 2;
/** 64 blocks of profile 1 are 2.1 MB: 8 s asks for 0.3 MB/s. */
export const REQUEST_TIMEOUT_MS = 8_000;

export interface OpenRequest<P> {
  readonly id: number;
  readonly peer: PeerId;
  readonly deadline: Millis;
  readonly purpose: P;
}

export class Requests<P> {
  private readonly open = new Map<number, OpenRequest<P>>();
  private nextId = 1;

  /** Opens a request; the caller has checked `hasRoom`. */
  ask(now: Millis, peer: PeerId, purpose: P): number {
    const id = this.nextId++;
    this.open.set(id, { id, peer, deadline: now + REQUEST_TIMEOUT_MS, purpose });
    return id;
  }

  /** Ends a request; undefined when it has ended already. */
  end(id: number): OpenRequest<P> | undefined {
    const request = this.open.get(id);
    if (request !== undefined) this.open.delete(id);
    return request;
  }

  /** Ends all requests whose time is over. */
  expire(now: Millis): OpenRequest<P>[] {
    return this.endWhere((request) => request.deadline <= now);
  }

  /** Ends all requests to a peer that is gone. */
  drop(peer: PeerId): OpenRequest<P>[] {
    return this.endWhere((request) => request.peer === peer);
  }

  /** Requests that are open, in the order in which they were asked. */
  all(): OpenRequest<P>[] {
    return [...this.open.values()];
  }

  hasRoom(peer: PeerId): boolean {
    return this.countOf(peer) < MAX_OPEN;
  }

  countOf(peer: PeerId): number {
    let count = 0;
    for (const request of this.open.values()) if (request.peer === peer) count++;
    return count;
  }

  get nextDeadline(): Millis | undefined {
    let earliest: Millis | undefined;
    for (const { deadline } of this.open.values()) {
      if (earliest === undefined || deadline < earliest) earliest = deadline;
    }
    return earliest;
  }

  private endWhere(matches: (request: OpenRequest<P>) => boolean): OpenRequest<P>[] {
    const ended = [...this.open.values()].filter(matches);
    for (const { id } of ended) this.open.delete(id);
    return ended;
  }
}
