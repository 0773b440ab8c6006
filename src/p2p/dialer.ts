/**
 * # Dialer: whom to call next, and how long to wait after a call that failed.
 *
 * Always true: reserved peers and bootnodes are called for ever, at most every 5 s, so that a node that was killed is
 * back within seconds of its restart whichever side starts; discovered peers are forgotten when they do not answer.
 */

export type Source = 'reserved' | 'bootnode' | 'discovered';

/** First wait after a failure; each further failure doubles it. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS: Readonly<Record<Source, number>> = { reserved: 5_000, bootnode: 5_000, discovered: 120_000 };
/** Discovered peers are dropped after this many failures in a row. */
const MAX_FAILURES = 6;
/** Peers of each kind; whoever floods us with addresses of peers pushes out only discovered ones. */
const MAX_DISCOVERED = 256;
const MAX_ADDRESSES = 4;
/** Calls at a time. */
const MAX_DIALING = 8;

export interface Target {
  readonly peer: string;
  source: Source;
  /** Multiaddrs with /p2p/<peer>, the newest first, at most MAX_ADDRESSES. */
  addresses: string[];
  failures: number;
  /** Not before, in milliseconds. */
  nextAt: number;
  dialing: boolean;
}

export interface Slots {
  /** Whether the peer is connected already. */
  connected(peer: string): boolean;
  banned(peer: string): boolean;
  /** Outbound connections that may still be opened to peers that are not reserved. */
  readonly free: number;
}

export class Dialer {
  private readonly targets = new Map<string, Target>();
  private readonly random: () => number;

  /** `random` is in [0, 1); it spreads the calls of nodes that were started together. */
  constructor(random: () => number) {
    this.random = random;
  }

  /** Learns an address. A peer keeps the strongest reason for which it was added. */
  add(peer: string, address: string | undefined, source: Source): void {
    let target = this.targets.get(peer);
    if (target === undefined) {
      if (source === 'discovered') this.makeRoom();
      target = { peer, source, addresses: [], failures: 0, nextAt: 0, dialing: false };
      this.targets.set(peer, target);
    }
    if (rank(source) > rank(target.source)) target.source = source;
    if (address === undefined || target.addresses[0] === address) return;
    // What the operator wrote stays in front of what peers tell.
    const others = target.addresses.filter((known) => known !== address);
    const first = source === 'discovered' && target.source !== 'discovered' ? others.slice(0, 1) : [];
    target.addresses = [...first, address, ...others.slice(first.length)].slice(0, MAX_ADDRESSES);
  }

  /** No longer reserved: an ordinary peer from now on. */
  demote(peer: string): void {
    const target = this.targets.get(peer);
    if (target !== undefined && target.source === 'reserved') target.source = 'discovered';
  }

  /** Marks and returns the targets to call now: reserved ones first, the others while slots are free. */
  due(now: number, slots: Slots): Target[] {
    let dialing = 0;
    let free = slots.free;
    for (const target of this.targets.values()) {
      if (!target.dialing) continue;
      dialing++;
      if (target.source !== 'reserved') free--;
    }
    const ready = [...this.targets.values()]
      .filter((target) => !target.dialing && target.nextAt <= now && target.addresses.length > 0)
      .filter((target) => !slots.connected(target.peer) && !slots.banned(target.peer))
      .sort((a, b) => rank(b.source) - rank(a.source) || a.failures - b.failures);
    const chosen: Target[] = [];
    for (const target of ready) {
      if (dialing >= MAX_DIALING) break;
      if (target.source !== 'reserved' && free-- <= 0) break;
      target.dialing = true;
      dialing++;
      chosen.push(target);
    }
    return chosen;
  }

  /** The call ended. A success waits all the same before the next call, should the peer hang up at once. */
  ended(peer: string, ok: boolean, now: number): void {
    const target = this.targets.get(peer);
    if (target === undefined) return;
    target.dialing = false;
    if (!ok) target.failures++;
    if (target.source === 'discovered' && target.failures >= MAX_FAILURES) {
      this.targets.delete(peer);
      return;
    }
    const wait = Math.min(FIRST_WAIT_MS * 2 ** Math.min(target.failures, 20), LONGEST_WAIT_MS[target.source]);
    target.nextAt = now + wait * (0.75 + this.random() / 2);
  }

  /** The peer proved to be one of ours. */
  proved(peer: string): void {
    const target = this.targets.get(peer);
    if (target !== undefined) target.failures = 0;
  }

  /** The connection is gone: call again soon, but not both sides in the same instant. */
  lost(peer: string, now: number): void {
    const target = this.targets.get(peer);
    if (target !== undefined) target.nextAt = Math.max(target.nextAt, now + FIRST_WAIT_MS * this.random());
  }

  /** Forgets a discovered peer: it is of another chain, or ourselves. Others stay, at their longest wait. */
  wrong(peer: string, now: number): void {
    const target = this.targets.get(peer);
    if (target === undefined) return;
    if (target.source === 'discovered') this.targets.delete(peer);
    else target.nextAt = now + LONGEST_WAIT_MS[target.source];
  }

  get size(): number {
    return this.targets.size;
  }

  private makeRoom(): void {
    const discovered = [...this.targets.values()].filter((target) => target.source === 'discovered');
    if (discovered.length < MAX_DISCOVERED) return;
    const worst = discovered.reduce((a, b) => (b.failures > a.failures ? b : a));
    this.targets.delete(worst.peer);
  }
}

function rank(source: Source): number {
  return source === 'reserved' ? 2 : source === 'bootnode' ? 1 : 0;
}
