/**
 * # Dialer: whom to call next, and how long to wait after a call that failed.
 *
 * Always true: reserved peers and bootnodes are called for ever, at most every 5 s, so that a node that was killed is
 * back within seconds of its restart whichever side starts; learned peers (anchors of the last run, and whom others
 * told of) are forgotten when they do not answer. Of learned peers at most two are called in one network of addresses,
 * and the network is drawn by lot before the peer: a thousand addresses of one count as one (docs/spec/wire.md).
 */
import { bucketOf, hasRoom, LOCAL } from './buckets.ts';
import type { Located } from './discovery.ts';

export type Source = 'reserved' | 'anchor' | 'bootnode' | 'discovered';

/** First wait after a failure; each further failure doubles it. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS: Readonly<Record<Source, number>> = {
  reserved: 5_000,
  bootnode: 5_000,
  anchor: 120_000,
  discovered: 120_000,
};
/** Learned peers are dropped after this many failures in a row. */
const MAX_FAILURES = 6;
/** Learned peers; whoever floods us with addresses of peers pushes out only those of the most crowded network. */
const MAX_LEARNED = 256;
const MAX_ADDRESSES = 4;
/** Calls at a time. */
const MAX_DIALING = 8;
/** Peers of the last run that are called first. */
export const MAX_ANCHORS = 8;

/** The strongest reason counts; a bootnode that is an anchor too is called for ever. */
const RANK: Readonly<Record<Source, number>> = { reserved: 3, bootnode: 2, anchor: 1, discovered: 0 };
/** Who is called first: an attacker who waits for our restart meets those who were here before him. */
const TURNS: readonly Source[] = ['anchor', 'bootnode', 'discovered'];

interface Place {
  readonly address: string;
  readonly bucket: string;
}

interface Target {
  readonly peer: string;
  source: Source;
  /** Multiaddrs with /p2p/<peer>, the newest first, at most MAX_ADDRESSES. */
  places: readonly Place[];
  failures: number;
  /** It answered once under this name; what others only tell of is forgotten before it. */
  answered: boolean;
  /** Not before, in milliseconds. */
  nextAt: number;
  /** Where it is being called. */
  dialing: { readonly bucket: string } | undefined;
}

export interface Call {
  readonly peer: string;
  /** Of a learned peer only those of one bucket: it cannot be counted in one network and answer in another. */
  readonly addresses: readonly string[];
}

export interface Slots {
  /** Whether the peer is connected already. */
  connected(peer: string): boolean;
  banned(peer: string): boolean;
  /** Outbound connections that may still be opened to peers that are not reserved. */
  readonly free: number;
  /** The outbound connections that there are, and where their other ends are. */
  readonly outbound: readonly Located[];
}

export class Dialer {
  private readonly targets = new Map<string, Target>();
  private readonly random: () => number;

  /** `random` is in [0, 1); it spreads the calls of nodes that were started together, and draws whom to call. */
  constructor(random: () => number) {
    this.random = random;
  }

  /** Learns an address. A peer keeps the strongest reason for which it was added. */
  add(peer: string, address: string | undefined, source: Source): void {
    let target = this.targets.get(peer);
    if (target === undefined) {
      target = { peer, source, places: [], failures: 0, answered: false, nextAt: 0, dialing: undefined };
      this.targets.set(peer, target);
    }
    if (RANK[source] > RANK[target.source]) target.source = source;
    if (address !== undefined && target.places[0]?.address !== address) {
      // What the operator wrote, and where it answered, stays in front of what peers tell.
      const others = target.places.filter((known) => known.address !== address);
      const isFirst = source === 'discovered' && (target.source !== 'discovered' || target.answered);
      const first = isFirst ? others.slice(0, 1) : [];
      target.places = [...first, placeOf(address), ...others.slice(first.length)].slice(0, MAX_ADDRESSES);
    }
    if (source === 'discovered') this.makeRoom();
  }

  /** No longer reserved: an ordinary peer from now on. */
  demote(peer: string): void {
    const target = this.targets.get(peer);
    if (target !== undefined && target.source === 'reserved') target.source = 'discovered';
  }

  /** Whether nobody but peers, now or in an earlier run, spoke for this one. */
  isLearned(peer: string): boolean {
    const target = this.targets.get(peer);
    return target === undefined || learned(target);
  }

  /** Marks and returns whom to call now: reserved ones, then anchors, bootnodes and others while slots are free. */
  due(now: number, slots: Slots): Call[] {
    const calls: Call[] = [];
    const taken = this.taken(slots.outbound);
    let dialing = 0;
    let free = slots.free;
    for (const target of this.targets.values()) {
      if (target.dialing === undefined) continue;
      dialing++;
      if (target.source !== 'reserved') free--;
    }
    const ready = this.ready(now, slots);
    const call = (target: Target, bucket: string, addresses: readonly string[]): void => {
      target.dialing = { bucket };
      if (learned(target)) taken.set(bucket, (taken.get(bucket) ?? 0) + 1);
      calls.push({ peer: target.peer, addresses });
      dialing++;
    };
    for (const target of ready.filter(({ source }) => source === 'reserved').sort(byFailures)) {
      if (dialing < MAX_DIALING) call(target, LOCAL, addressesOf(target.places));
    }
    for (const source of TURNS) {
      const waiting = new Set(ready.filter((target) => target.source === source));
      while (dialing < MAX_DIALING && free > 0) {
        const chosen = source === 'bootnode' ? this.anyOf(waiting) : this.spread(waiting, taken);
        if (chosen === undefined) break;
        waiting.delete(chosen.target);
        call(chosen.target, chosen.bucket, chosen.addresses);
        free--;
      }
    }
    return calls;
  }

  /**
   * The learned peer to hang up on, so that another has its slot: drawn by lot, and not called again for two minutes.
   * Undefined while a slot is free, or where nobody else could be called.
   */
  makeWay(now: number, slots: Slots): string | undefined {
    if (slots.free > 0) return undefined;
    const leaving = this.draw(slots.outbound.filter(({ peer }) => this.isLearned(peer)));
    if (leaving === undefined) return undefined;
    const taken = this.taken(slots.outbound.filter((one) => one !== leaving));
    const others = this.ready(now, slots).filter(({ source }) => source !== 'reserved');
    const isCallable = (target: Target): boolean =>
      target.source === 'bootnode' || target.places.some(({ bucket }) => hasRoom(bucket, taken));
    if (!others.some(isCallable)) return undefined;
    const target = this.targets.get(leaving.peer);
    if (target !== undefined) {
      target.source = 'discovered';
      target.nextAt = now + LONGEST_WAIT_MS.discovered;
    }
    return leaving.peer;
  }

  /** The call ended, answered at `at`. A success waits all the same before the next call, should the peer hang up. */
  ended(peer: string, ok: boolean, now: number, at?: string): void {
    const target = this.targets.get(peer);
    if (target === undefined) return;
    target.dialing = undefined;
    if (!ok) target.failures++;
    if (at !== undefined && learned(target)) {
      target.answered = true;
      const others = target.places.filter(({ address }) => address !== at);
      target.places = [placeOf(at), ...others].slice(0, MAX_ADDRESSES);
    }
    if (learned(target) && target.failures >= MAX_FAILURES) {
      this.targets.delete(peer);
      return;
    }
    const wait = Math.min(FIRST_WAIT_MS * 2 ** Math.min(target.failures, 20), LONGEST_WAIT_MS[target.source]);
    target.nextAt = Math.max(target.nextAt, now + wait * (0.75 + this.random() / 2));
  }

  /** Calls in a row that the peer did not answer. */
  failures(peer: string): number {
    return this.targets.get(peer)?.failures ?? 0;
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

  /** Forgets a learned peer: it is of another chain, or ourselves. Others stay, at their longest wait. */
  wrong(peer: string, now: number): void {
    const target = this.targets.get(peer);
    if (target === undefined) return;
    if (learned(target)) this.targets.delete(peer);
    else target.nextAt = now + LONGEST_WAIT_MS[target.source];
  }

  get size(): number {
    return this.targets.size;
  }

  private ready(now: number, slots: Slots): Target[] {
    return [...this.targets.values()]
      .filter((target) => target.dialing === undefined && target.nextAt <= now && target.places.length > 0)
      .filter((target) => !slots.connected(target.peer) && !slots.banned(target.peer));
  }

  /** Learned peers by bucket: those that we are connected to, and those that are being called. */
  private taken(outbound: readonly Located[]): Map<string, number> {
    const taken = new Map<string, number>();
    const count = (bucket: string) => taken.set(bucket, (taken.get(bucket) ?? 0) + 1);
    for (const { peer, address } of outbound) if (this.isLearned(peer)) count(bucketOf(address));
    for (const target of this.targets.values()) {
      if (target.dialing !== undefined && learned(target)) count(target.dialing.bucket);
    }
    return taken;
  }

  /** Any of those who failed least often: not always the same bootnode. */
  private anyOf(waiting: Iterable<Target>): Chosen | undefined {
    const target = this.draw(calmest([...waiting]));
    return target && { target, bucket: LOCAL, addresses: addressesOf(target.places) };
  }

  /** A bucket by lot among those in which fewest are called, then one of its peers. */
  private spread(waiting: Iterable<Target>, taken: ReadonlyMap<string, number>): Chosen | undefined {
    const buckets = new Map<string, Target[]>();
    for (const target of waiting) {
      const places = new Set(target.places.map(({ bucket }) => bucket));
      for (const bucket of places) if (hasRoom(bucket, taken)) into(buckets, bucket, target);
    }
    // Nobody in the local bucket keeps another from it.
    const crowd = (bucket: string): number => (bucket === LOCAL ? 0 : (taken.get(bucket) ?? 0));
    const least = Math.min(...[...buckets.keys()].map(crowd));
    const bucket = this.draw([...buckets.keys()].filter((one) => crowd(one) === least));
    const target = bucket === undefined ? undefined : this.draw(calmest(buckets.get(bucket) ?? []));
    if (bucket === undefined || target === undefined) return undefined;
    return { target, bucket, addresses: addressesOf(target.places.filter((place) => place.bucket === bucket)) };
  }

  private draw<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)];
  }

  /** Forgets one of the most crowded bucket, of those who never answered if there are any; anchors stay. */
  private makeRoom(): void {
    const known = [...this.targets.values()].filter(({ source }) => source === 'discovered');
    if (known.length <= MAX_LEARNED) return;
    const idle = known.filter(({ dialing }) => dialing === undefined);
    const hearsay = idle.filter(({ answered }) => !answered);
    const crowds = new Map<string, Target[]>();
    for (const target of hearsay.length > 0 ? hearsay : idle) {
      into(crowds, target.places[0]?.bucket ?? LOCAL, target);
    }
    const most = Math.max(...[...crowds.values()].map(({ length }) => length));
    const crowd = this.draw([...crowds.values()].filter(({ length }) => length === most)) ?? [];
    const failures = Math.max(...crowd.map((target) => target.failures));
    const worst = this.draw(crowd.filter((target) => target.failures === failures));
    if (worst !== undefined) this.targets.delete(worst.peer);
  }
}

interface Chosen {
  readonly target: Target;
  readonly bucket: string;
  readonly addresses: readonly string[];
}

function placeOf(address: string): Place {
  return { address, bucket: bucketOf(address) };
}

function addressesOf(places: readonly Place[]): string[] {
  return places.map(({ address }) => address);
}

function learned({ source }: Target): boolean {
  return source === 'discovered' || source === 'anchor';
}

function into(buckets: Map<string, Target[]>, bucket: string, target: Target): void {
  const there = buckets.get(bucket);
  if (there === undefined) buckets.set(bucket, [target]);
  else there.push(target);
}

function byFailures(a: Target, b: Target): number {
  return a.failures - b.failures;
}

function calmest(targets: readonly Target[]): Target[] {
  const least = Math.min(...targets.map(({ failures }) => failures));
  return targets.filter(({ failures }) => failures === least);
}
