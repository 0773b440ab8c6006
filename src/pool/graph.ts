/**
 * # Graph: what waits, ordered by what it needs.
 *
 * Always true: an entry is ready when every tag that it requires is provided by a ready entry or by the chain itself,
 * otherwise it is future; two ready entries never provide one tag; every iteration is by priority, then by arrival,
 * and never before what an entry requires. Both sides are bounded by count and bytes, senders by count.
 */
import type { Bytes } from '../base/bytes.ts';
import { bestFirst } from './order.ts';

export interface PoolLimits {
  readonly readyCount: number;
  readonly readyBytes: number;
  readonly futureCount: number;
  readonly futureBytes: number;
  /** Ready and future together, of one account. */
  readonly perSender: number;
  readonly futurePerSender: number;
}

/** Substrate's defaults: 8,192 and 20 MiB, a tenth of it future. One account fills an eighth at most. */
export const DEFAULT_LIMITS: PoolLimits = {
  readyCount: 8_192,
  readyBytes: 20 * 1024 * 1024,
  futureCount: 819,
  futureBytes: 2 * 1024 * 1024,
  perSender: 1_024,
  futurePerSender: 64,
};

/** An extrinsic with what the runtime said of it. */
export interface Entry {
  /** Hex of the hash. */
  readonly key: string;
  readonly hash: Bytes;
  readonly bytes: Bytes;
  /** Hex of the account; undefined for a bare extrinsic. */
  readonly sender: string | undefined;
  readonly priority: bigint;
  readonly requires: readonly string[];
  readonly provides: readonly string[];
  /** The first block in which it is too old; Infinity where it does not age. */
  readonly validTill: number;
  readonly propagate: boolean;
  /** A client of this node sent it, or it came back with a lost block: we see to it that others know of it. */
  readonly ours: boolean;
  /** Order of arrival: unique, and older is less. */
  readonly seq: number;
}

export type Placed =
  | { readonly type: 'ready' | 'future'; readonly changes: Changes }
  | { readonly type: 'tooLowPriority'; readonly old: bigint }
  | { readonly type: 'cycle' }
  | { readonly type: 'full'; readonly changes: Changes };

/** What else an insertion moved. */
export interface Changes {
  /** Became ready: the new one and what waited for it, in order. */
  readonly ready: Entry[];
  /** Had to wait again, because what they required is gone. */
  readonly future: Entry[];
  /** Replaced by the new one. */
  readonly usurped: Entry[];
  /** Fell out because there was no room, or because another took their place while they waited. */
  readonly dropped: Entry[];
}

export class Graph {
  private readonly limits: PoolLimits;
  private readonly ready = new Map<string, Entry>();
  /** Which ready entry provides a tag. */
  private readonly providers = new Map<string, Entry>();
  /** Ready entries by the tags that they require. */
  private readonly requirers = new Map<string, Set<Entry>>();
  private readonly future = new Map<string, Entry>();
  /** Tags that future entries still miss. */
  private readonly missing = new Map<string, Set<string>>();
  /** Future entries by the tags that they wait for. */
  private readonly waiting = new Map<string, Set<string>>();
  private readonly senders = new Map<string, { ready: number; future: number }>();
  private readyBytes = 0;
  private futureBytes = 0;

  constructor(limits: PoolLimits) {
    this.limits = limits;
  }

  get(key: string): Entry | undefined {
    return this.ready.get(key) ?? this.future.get(key);
  }

  isReady(key: string): boolean {
    return this.ready.has(key);
  }

  /** Whether a ready entry provides this tag. */
  provides(tag: string): boolean {
    return this.providers.has(tag);
  }

  get counts(): { readonly ready: number; readonly future: number; readonly bytes: number } {
    return { ready: this.ready.size, future: this.future.size, bytes: this.readyBytes + this.futureBytes };
  }

  /** All entries, ready ones first, each side in order of arrival. */
  *entries(): Generator<Entry> {
    yield* this.ready.values();
    yield* this.future.values();
  }

  /** Ready entries, the best first, none before what it requires. */
  bestFirst(): Generator<Entry> {
    return bestFirst(this.ready.values(), this.providers);
  }

  /**
   * Takes an entry in. It replaces ready ones that provide the same tags only with a higher priority than theirs
   * together. A required tag that no ready entry provides is one that it waits for.
   */
  insert(entry: Entry): Placed {
    if (entry.requires.some((tag) => entry.provides.includes(tag))) return { type: 'cycle' };
    const changes: Changes = { ready: [], future: [], usurped: [], dropped: [] };
    if (!this.hasRoomForSender(entry)) return { type: 'full', changes };
    const unmet = entry.requires.filter((tag) => !this.providers.has(tag));
    if (unmet.length > 0) return this.wait(entry, unmet, changes);
    if (this.closesCycle(entry)) return { type: 'cycle' };
    const old = this.makeReady(entry, changes);
    if (old !== undefined) return { type: 'tooLowPriority', old };
    this.promote(entry.provides, changes);
    this.enforceReady(changes);
    return changes.dropped.includes(entry) ? this.undoDrop(entry, changes) : { type: 'ready', changes };
  }

  /** Takes an entry out because it is in a block: what it provided is provided by the chain now. */
  settle(key: string): void {
    this.take(key);
  }

  /** Tags that the chain provides now: what waited for them may become ready. */
  satisfy(tags: readonly string[]): Changes {
    const changes: Changes = { ready: [], future: [], usurped: [], dropped: [] };
    this.promote(tags, changes);
    this.enforceReady(changes);
    return changes;
  }

  /** Takes an entry out because it is worthless: what required it waits again. */
  remove(key: string): Changes {
    return this.lost(this.take(key)?.provides ?? []);
  }

  /** Tags that nobody provides any more: what required them waits again. */
  lost(tags: readonly string[]): Changes {
    const changes: Changes = { ready: [], future: [], usurped: [], dropped: [] };
    this.demote(tags, changes);
    return changes;
  }

  /** Entries that provide this tag, on either side. */
  withTag(tag: string): Entry[] {
    const out: Entry[] = [];
    const ready = this.providers.get(tag);
    if (ready !== undefined) out.push(ready);
    for (const entry of this.future.values()) if (entry.provides.includes(tag)) out.push(entry);
    return out;
  }

  private makeReady(entry: Entry, changes: Changes): bigint | undefined {
    const rivals = this.rivalsOf(entry);
    const old = rivals.reduce((sum, rival) => sum + rival.priority, 0n);
    if (rivals.length > 0 && entry.priority <= old) return old;
    for (const rival of rivals) {
      this.take(rival.key);
      changes.usurped.push(rival);
    }
    this.putReady(entry);
    changes.ready.push(entry);
    for (const rival of rivals) this.demote(rival.provides, changes);
    return undefined;
  }

  /**
   * Whether something that the entry requires, however indirectly, requires what it provides, or would be replaced by
   * it. Only worth a walk where something ready requires its tags or provides them: not for a plain next nonce.
   */
  private closesCycle(entry: Entry): boolean {
    const ends = new Set<Entry>(this.rivalsOf(entry));
    for (const tag of entry.provides) for (const requirer of this.requirers.get(tag) ?? []) ends.add(requirer);
    if (ends.size === 0) return false;
    const seen = new Set<Entry>();
    const stack = [entry];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      for (const tag of at.requires) {
        const provider = this.providers.get(tag);
        if (provider === undefined || seen.has(provider)) continue;
        if (ends.has(provider)) return true;
        seen.add(provider);
        stack.push(provider);
      }
    }
    return false;
  }

  /** Ready entries that provide what this one does. */
  private rivalsOf(entry: Entry): Entry[] {
    const rivals = new Set<Entry>();
    for (const tag of entry.provides) {
      const rival = this.providers.get(tag);
      if (rival !== undefined) rivals.add(rival);
    }
    return [...rivals];
  }

  private wait(entry: Entry, unmet: readonly string[], changes: Changes): Placed {
    const twin = this.twinOf(entry);
    if (twin !== undefined) {
      if (entry.priority <= twin.priority) return { type: 'tooLowPriority', old: twin.priority };
      this.take(twin.key);
      changes.usurped.push(twin);
    }
    this.putFuture(entry, unmet);
    this.enforceFuture(changes);
    return changes.dropped.includes(entry) ? this.undoDrop(entry, changes) : { type: 'future', changes };
  }

  /** What could not stay was never in; what it displaced is told nevertheless. */
  private undoDrop(entry: Entry, changes: Changes): Placed {
    changes.dropped.splice(changes.dropped.indexOf(entry), 1);
    return { type: 'full', changes };
  }

  private promote(tags: readonly string[], changes: Changes): void {
    const queue = [...tags];
    for (let tag = queue.shift(); tag !== undefined; tag = queue.shift()) {
      for (const key of [...(this.waiting.get(tag) ?? [])]) {
        const missing = this.missing.get(key);
        missing?.delete(tag);
        if (missing === undefined || missing.size > 0) continue;
        const entry = this.take(key) as Entry;
        if (!this.closesCycle(entry) && this.makeReady(entry, changes) === undefined) queue.push(...entry.provides);
        else changes.dropped.push(entry);
      }
      this.waiting.delete(tag);
    }
  }

  /** Ready entries that required one of these tags, which nobody provides any more, wait again; and so on. */
  private demote(tags: readonly string[], changes: Changes): void {
    const gone = new Set(tags.filter((tag) => !this.providers.has(tag)));
    while (gone.size > 0) {
      this.missAgain(gone);
      const dependents = new Set<Entry>();
      for (const tag of gone) for (const entry of this.requirers.get(tag) ?? []) dependents.add(entry);
      const next = new Set<string>();
      for (const entry of dependents) {
        this.take(entry.key);
        this.putFuture(
          entry,
          entry.requires.filter((tag) => gone.has(tag)),
        );
        changes.future.push(entry);
        for (const tag of entry.provides) next.add(tag);
      }
      gone.clear();
      for (const tag of next) if (!this.providers.has(tag)) gone.add(tag);
    }
    this.enforceFuture(changes);
  }

  /** Future entries that had counted on one of these tags wait for it again. */
  private missAgain(gone: ReadonlySet<string>): void {
    for (const entry of this.future.values()) {
      for (const tag of entry.requires) {
        if (!gone.has(tag)) continue;
        this.missing.get(entry.key)?.add(tag);
        index(this.waiting, tag, entry.key);
      }
    }
  }

  private enforceReady(changes: Changes): void {
    while (this.ready.size > this.limits.readyCount || this.readyBytes > this.limits.readyBytes) {
      const worst = least(this.ready.values());
      this.take(worst.key);
      changes.dropped.push(worst);
      this.demote(worst.provides, changes);
    }
  }

  private enforceFuture(changes: Changes): void {
    while (this.future.size > this.limits.futureCount || this.futureBytes > this.limits.futureBytes) {
      const worst = least(this.future.values());
      this.take(worst.key);
      changes.dropped.push(worst);
    }
  }

  /** A future entry that provides what this one does. */
  private twinOf(entry: Entry): Entry | undefined {
    return [...this.future.values()].find((other) => other.provides.some((tag) => entry.provides.includes(tag)));
  }

  /** One that would take the place of another of its sender needs no room of its own. */
  private hasRoomForSender(entry: Entry): boolean {
    const { sender } = entry;
    if (sender === undefined) return true;
    const { perSender, futurePerSender } = this.limits;
    const { ready, future } = this.senders.get(sender) ?? { ready: 0, future: 0 };
    const isNext = entry.requires.every((tag) => this.providers.has(tag));
    if (ready + future < perSender && (isNext || future < futurePerSender)) return true;
    return isNext
      ? this.rivalsOf(entry).some((rival) => rival.sender === sender)
      : this.twinOf(entry)?.sender === sender;
  }

  private putReady(entry: Entry): void {
    this.ready.set(entry.key, entry);
    for (const tag of entry.provides) this.providers.set(tag, entry);
    for (const tag of entry.requires) index(this.requirers, tag, entry);
    this.readyBytes += entry.bytes.length;
    this.count(entry, 'ready', 1);
  }

  private putFuture(entry: Entry, unmet: readonly string[]): void {
    this.future.set(entry.key, entry);
    this.missing.set(entry.key, new Set(unmet));
    for (const tag of unmet) index(this.waiting, tag, entry.key);
    this.futureBytes += entry.bytes.length;
    this.count(entry, 'future', 1);
  }

  private take(key: string): Entry | undefined {
    const ready = this.ready.get(key);
    if (ready !== undefined) {
      this.ready.delete(key);
      for (const tag of ready.provides) if (this.providers.get(tag) === ready) this.providers.delete(tag);
      for (const tag of ready.requires) unindex(this.requirers, tag, ready);
      this.readyBytes -= ready.bytes.length;
      this.count(ready, 'ready', -1);
      return ready;
    }
    const future = this.future.get(key);
    if (future === undefined) return undefined;
    this.future.delete(key);
    for (const tag of this.missing.get(key) ?? []) unindex(this.waiting, tag, key);
    this.missing.delete(key);
    this.futureBytes -= future.bytes.length;
    this.count(future, 'future', -1);
    return future;
  }

  private count(entry: Entry, side: 'ready' | 'future', by: number): void {
    if (entry.sender === undefined) return;
    const count = this.senders.get(entry.sender) ?? { ready: 0, future: 0 };
    count[side] += by;
    if (count.ready + count.future === 0) this.senders.delete(entry.sender);
    else this.senders.set(entry.sender, count);
  }
}

function index<T>(sets: Map<string, Set<T>>, tag: string, value: T): void {
  const set = sets.get(tag);
  if (set === undefined) sets.set(tag, new Set([value]));
  else set.add(value);
}

function unindex<T>(sets: Map<string, Set<T>>, tag: string, value: T): void {
  const set = sets.get(tag);
  set?.delete(value);
  if (set?.size === 0) sets.delete(tag);
}

/** The entry that the pool misses least: lowest priority, the latest of equals. */
function least(entries: Iterable<Entry>): Entry {
  let worst: Entry | undefined;
  for (const entry of entries) {
    if (worst === undefined || entry.priority < worst.priority) worst = entry;
    else if (entry.priority === worst.priority && entry.seq > worst.seq) worst = entry;
  }
  return worst as Entry;
}
