/**
 * # Peer book: who may connect: reputation, bans and slots.
 *
 * Always true: a banned peer has no connection; inbound peers never take the slots of outbound ones, so whoever fills
 * our inbound slots still does not choose all our neighbours. Scores drift back to 0, bans end by themselves, and
 * both lists are bounded.
 */

/** At or below this score a peer is hung up and banned. */
export const BAN_THRESHOLD = -100;
const MAX_SCORE = 50;
/** A score moves one point towards 0 in this time: a full ban's worth is forgiven in about 17 minutes. */
const FORGIVE_MS = 10_000;
/** The first ban; each later one of the same peer is twice as long. Short, because an honest node can be misjudged. */
const FIRST_BAN_MS = 60_000;
const LONGEST_BAN_MS = 3_600_000;
/** Strikes are remembered this long after a ban. */
const STRIKE_MEMORY_MS = 3_600_000;
/** Scores and bans kept; a flood of identities pushes out the oldest entries, each at the price of a handshake. */
const MAX_SCORES = 1_024;
const MAX_BANS = 1_024;

export interface SlotLimits {
  readonly inPeers: number;
  readonly reservedOnly: boolean;
  /** Open sockets of one address, handshakes included; loopback is exempt, since a devnet shares it. */
  readonly perIp: number;
}

export type Refusal = 'banned' | 'reserved only' | 'no inbound slot';

interface Ban {
  readonly until: number;
  readonly strikes: number;
}

export class PeerBook {
  private readonly limits: SlotLimits;
  private readonly scores = new Map<string, { score: number; at: number }>();
  private readonly bans = new Map<string, Ban>();
  private readonly sockets = new Map<string, number>();
  /** Peers that the operator named; they need no slot, but can be banned. */
  readonly reserved = new Set<string>();

  constructor(limits: SlotLimits) {
    this.limits = limits;
  }

  /** The peer's score now. */
  score(peer: string, now: number): number {
    const entry = this.scores.get(peer);
    if (entry === undefined) return 0;
    const forgiven = (now - entry.at) / FORGIVE_MS;
    return entry.score < 0 ? Math.min(0, entry.score + forgiven) : Math.max(0, entry.score - forgiven);
  }

  /** Adds `delta` to the score; true when that bans the peer. */
  report(peer: string, delta: number, now: number): boolean {
    if (!Number.isFinite(delta)) return false;
    const score = Math.min(this.score(peer, now) + delta, MAX_SCORE);
    this.scores.delete(peer);
    if (score <= BAN_THRESHOLD) {
      this.ban(peer, now);
      return true;
    }
    bound(this.scores, MAX_SCORES - 1);
    this.scores.set(peer, { score, at: now });
    return false;
  }

  banned(peer: string, now: number): boolean {
    const ban = this.bans.get(peer);
    return ban !== undefined && now < ban.until;
  }

  /** Why this peer may not connect to us, or undefined. `inbound` counts other peers that connected to us. */
  refuseInbound(peer: string, inbound: number, now: number): Refusal | undefined {
    if (this.banned(peer, now)) return 'banned';
    if (this.reserved.has(peer)) return undefined;
    if (this.limits.reservedOnly) return 'reserved only';
    if (inbound >= this.limits.inPeers) return 'no inbound slot';
    return undefined;
  }

  /** Counts one more socket from `ip`; false when it has too many. Whoever gets true calls `closeSocket` once. */
  openSocket(ip: string): boolean {
    if (isLoopback(ip)) return true;
    const open = this.sockets.get(ip) ?? 0;
    if (open >= this.limits.perIp) return false;
    this.sockets.set(ip, open + 1);
    return true;
  }

  closeSocket(ip: string): void {
    const open = this.sockets.get(ip);
    if (open === undefined) return;
    if (open > 1) this.sockets.set(ip, open - 1);
    else this.sockets.delete(ip);
  }

  private ban(peer: string, now: number): void {
    const before = this.bans.get(peer);
    const strikes = before !== undefined && now < before.until + STRIKE_MEMORY_MS ? before.strikes + 1 : 1;
    const length = Math.min(FIRST_BAN_MS * 2 ** (strikes - 1), LONGEST_BAN_MS);
    this.bans.delete(peer);
    for (const [other, ban] of this.bans) if (ban.until + STRIKE_MEMORY_MS <= now) this.bans.delete(other);
    bound(this.bans, MAX_BANS - 1);
    this.bans.set(peer, { until: now + length, strikes });
  }
}

/** Whether the address is this machine's own. */
export function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1' || ip.startsWith('::ffff:127.');
}

/** Forgets the entries written first until `most` are left. */
function bound(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
