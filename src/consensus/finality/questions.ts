/**
 * # Questions: whom of those who say that they are ahead we ask, where the answers are long.
 *
 * Always true: at most PER_T questions are asked in T, one peer is asked once in T at most, and those who speak are
 * asked in turn: whoever has waited longest, be it that he was never asked. So a peer who says that he is ahead and
 * answers nothing takes only his own turn; with m who speak, each is asked once in m / PER_T of T. At most MAX_PEERS
 * are known, those who spoke in the last FORGET; whoever comes when that many do waits for a place.
 */
import type { Millis } from '../difficulty.ts';

const PER_T = 2;
/** In T: two rounds; who is ahead says so at least once in each. */
const FORGET = 8;
/** A node has at most 50 connections (docs/spec/wire.md, section 4). */
const MAX_PEERS = 64;

interface Asked {
  at: Millis | undefined;
  spoke: Millis;
}

export class Questions {
  private readonly gossipMs: Millis;
  /** In the order in which they are asked next. */
  private readonly peers = new Map<string, Asked>();
  /** When the last PER_T were asked, the longest ago first. */
  private lately: readonly Millis[] = [];

  constructor(gossipMs: Millis) {
    this.gossipMs = gossipMs;
  }

  /** This peer says that it is ahead of us; whom to ask now, which is then asked. */
  next(now: Millis, speaker: string): string | undefined {
    this.hear(now, speaker);
    const [earliest] = this.lately;
    if (this.lately.length === PER_T && earliest !== undefined && now < earliest + this.gossipMs) return undefined;
    for (const [peer, { at, spoke }] of this.peers) {
      if (at !== undefined && now < at + this.gossipMs) continue;
      this.peers.delete(peer);
      this.peers.set(peer, { at: now, spoke });
      this.lately = [...this.lately, now].slice(-PER_T);
      return peer;
    }
    return undefined;
  }

  private hear(now: Millis, speaker: string): void {
    for (const [peer, { spoke }] of this.peers) {
      if (peer !== speaker && now >= spoke + FORGET * this.gossipMs) this.peers.delete(peer);
    }
    const known = this.peers.get(speaker);
    if (known !== undefined) known.spoke = now;
    else if (this.peers.size < MAX_PEERS) this.peers.set(speaker, { at: undefined, spoke: now });
  }
}
