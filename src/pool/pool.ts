/**
 * # Pool: extrinsics that wait for a block.
 *
 * Always true: an entry was found valid by the runtime on the best chain of its time, and is looked at again after
 * every new head, some at a time; what a lost branch held comes back; everything is bounded (graph.ts, watch.ts,
 * bans.ts), and who floods evicts the cheapest, himself first. The pool decides nothing about blocks: the builder
 * tries what `ready` yields and says what failed.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { decodeExtrinsic } from '../primitives/extrinsic.ts';
import type { TransactionValidityError } from '../runtime/errors.ts';
import type { Validity } from '../runtime/runtime.ts';
import { nonceTag } from '../runtime/validity.ts';
import { Bans, type Millis } from './bans.ts';
import {
  type AuthorError,
  authorError,
  isNeverValid,
  type PoolFault,
  tooLowPriority,
  validityError,
} from './errors.ts';
import { type Changes, DEFAULT_LIMITS, type Entry, Graph, type PoolLimits } from './graph.ts';
import { Parked } from './parked.ts';
import { type Notice, type WatchEvent, Watches } from './watch.ts';

/** Entries that are validated again after a new head: 128 x 0.2 ms is 1 % of a block time of 3 s. */
const REVALIDATED_PER_HEAD = 128;
/** Extrinsics of one gossip message, and their bytes unless it is a single one: half of what a message may be. */
const GOSSIP_BATCH = 256;
const GOSSIP_BYTES = 1_048_576;
/**
 * What is ours and still waits is told again at every fourth height: gossip may be lost, while a connection moves or by
 * a quota, and nobody else would tell. One batch a time, the best first.
 */
const RETELL_BLOCKS = 4;

export interface PoolWorld {
  /** Judges an extrinsic on the state of the best block. */
  validate(extrinsic: Bytes): Validity;
  bestNumber(): number;
}

export interface PoolBlock {
  readonly hash: Bytes;
  readonly number: number;
  readonly extrinsics: readonly Bytes[];
}

export type PoolInput =
  /** `request` names the answer; `watch` opens a watch of this name. */
  | { readonly type: 'submit'; readonly request: number; readonly extrinsic: Bytes; readonly watch?: string }
  | { readonly type: 'unwatch'; readonly watch: string }
  | { readonly type: 'gossip'; readonly peer: string; readonly extrinsics: readonly Bytes[] }
  /** These peers were sent these extrinsics. */
  | { readonly type: 'broadcasted'; readonly hashes: readonly Bytes[]; readonly peers: readonly string[] }
  /** The best block changed: newest retracted first, oldest enacted first. */
  | { readonly type: 'head'; readonly retracted: readonly PoolBlock[]; readonly enacted: readonly PoolBlock[] }
  | { readonly type: 'finalized'; readonly blocks: readonly Bytes[] }
  /** The builder found these invalid on top of the best block. */
  | { readonly type: 'invalid'; readonly hashes: readonly Bytes[] };

export type PoolEffect =
  | {
      readonly type: 'answer';
      readonly request: number;
      readonly outcome: { readonly hash: Bytes } | { readonly error: AuthorError };
    }
  | ({ readonly type: 'notice' } & Notice)
  /** `repeat` is 0 for news, and the height for what was told before, perhaps to nobody. */
  | { readonly type: 'gossip'; readonly extrinsics: readonly Bytes[]; readonly repeat: number }
  | { readonly type: 'report'; readonly peer: string; readonly fault: PoolFault };

export class Pool {
  private readonly world: PoolWorld;
  private readonly graph: Graph;
  private readonly watches = new Watches();
  private readonly bans = new Bans();
  private readonly parked = new Parked();
  private seq = 0;
  /** Arrival of the last entry that was validated again. */
  private cursor = -1;
  private out: PoolEffect[] = [];
  private fresh: Bytes[] = [];

  constructor(world: PoolWorld, limits: PoolLimits = DEFAULT_LIMITS) {
    this.world = world;
    this.graph = new Graph(limits);
  }

  step(now: Millis, input: PoolInput): readonly PoolEffect[] {
    this.out = [];
    this.fresh = [];
    this.take(now, input);
    const repeat = input.type === 'head' && input.retracted.length > 0 ? this.world.bestNumber() : 0;
    for (const extrinsics of batches(this.fresh)) this.out.push({ type: 'gossip', extrinsics, repeat });
    if (input.type === 'head') this.retell();
    return this.out;
  }

  /** What a block may hold, best first, as it stands when the first one is asked for: a builder takes its time. */
  *ready(): Generator<{ readonly hash: Bytes; readonly bytes: Bytes }> {
    yield* this.graph.bestFirst();
  }

  /** Everything that waits, ready first, for putting announced blocks together. */
  extrinsics(): Iterable<{ readonly hash: Bytes; readonly bytes: Bytes }> {
    return this.graph.entries();
  }

  /** As `author_pendingExtrinsics` lists them. */
  pending(): Bytes[] {
    return [...this.graph.bestFirst()].map((entry) => entry.bytes);
  }

  get counts(): { readonly ready: number; readonly future: number; readonly bytes: number } {
    return this.graph.counts;
  }

  has(hash: Bytes): boolean {
    return this.graph.get(toHex(hash)) !== undefined;
  }

  /** The nonce that an account signs with next, given the one in the state of the best block. */
  nextNonce(account: Bytes, inState: number): number {
    let nonce = inState;
    while (this.graph.provides(toHex(nonceTag(account, nonce)))) nonce++;
    return nonce;
  }

  private take(now: Millis, input: PoolInput): void {
    switch (input.type) {
      case 'submit':
        this.submit(now, input);
        return;
      case 'unwatch':
        this.watches.close(input.watch);
        return;
      case 'gossip':
        this.gossiped(now, input.peer, input.extrinsics);
        return;
      case 'broadcasted':
        for (const hash of input.hashes) this.tell(toHex(hash), { type: 'broadcast', peers: input.peers });
        return;
      case 'head':
        this.head(now, input.retracted, input.enacted);
        return;
      case 'finalized':
        this.notify(this.watches.finalized(new Set(input.blocks.map((hash) => toHex(hash)))));
        return;
      case 'invalid':
        for (const hash of input.hashes) this.revalidate(now, toHex(hash), true);
        return;
    }
  }

  private retell(): void {
    const repeat = this.world.bestNumber();
    if (repeat % RETELL_BLOCKS !== 0) return;
    const told = new Set(this.fresh);
    const waiting: Bytes[] = [];
    for (const { ours, propagate, bytes } of this.graph.bestFirst()) {
      if (ours && propagate && !told.has(bytes)) waiting.push(bytes);
      if (waiting.length === GOSSIP_BATCH) break;
    }
    const [extrinsics] = batches(waiting);
    if (extrinsics !== undefined) this.out.push({ type: 'gossip', extrinsics, repeat });
  }

  private submit(now: Millis, input: Extract<PoolInput, { type: 'submit' }>): void {
    const { request, watch } = input;
    // The answer comes before the first notice: a client learns the name of its subscription from it.
    const at = this.out.length;
    const outcome = this.admit(now, input.extrinsic, watch);
    this.out.splice(at, 0, { type: 'answer', request, outcome });
  }

  private admit(
    now: Millis,
    extrinsic: Bytes,
    watch: string | undefined,
  ): { readonly hash: Bytes } | { readonly error: AuthorError } {
    if (watch !== undefined && this.watches.isFull) return { error: authorError('Other', 'too many watches') };
    const hash = blake2_256(extrinsic);
    const key = toHex(hash);
    const checked = this.check(now, key, extrinsic, 'client');
    if ('error' in checked) return { error: checked.error };
    if (watch !== undefined) this.watches.open(watch, key);
    const error = this.place(checked.entry);
    if (error === undefined) return { hash };
    if (watch !== undefined) this.watches.close(watch);
    return { error };
  }

  private gossiped(now: Millis, peer: string, extrinsics: readonly Bytes[]): void {
    for (const extrinsic of extrinsics) {
      const key = toHex(blake2_256(extrinsic));
      if (this.graph.get(key) !== undefined || this.parked.has(key) || this.bans.isBanned(now, key)) continue;
      if (!this.bans.allows(now, peer)) {
        // The rest of the batch is not looked at: it costs its sender one report, and us nothing.
        this.out.push({ type: 'report', peer, fault: 'TooMany' });
        return;
      }
      this.hear(now, peer, key, extrinsic);
    }
  }

  private hear(now: Millis, peer: string, key: string, extrinsic: Bytes): void {
    const checked = this.check(now, key, extrinsic, 'peer');
    if ('entry' in checked) {
      this.place(checked.entry);
      return;
    }
    if (checked.early) this.parked.add(key, extrinsic, this.world.bestNumber());
    if (checked.error.name === 'BadFormat') this.out.push({ type: 'report', peer, fault: 'NotAnExtrinsic' });
    if (checked.never) {
      this.bans.ban(now, key);
      this.out.push({ type: 'report', peer, fault: 'NeverValid' });
    }
  }

  /** Everything that needs no place in the pool: form, bans, and what the runtime says. */
  private check(now: Millis, key: string, bytes: Bytes, from: Source): { readonly entry: Entry } | Refusal {
    const refuse = (error: AuthorError): Refusal => ({ error, never: false, early: false });
    if (this.graph.get(key) !== undefined) return refuse(authorError('AlreadyImported', key));
    const isNew = from === 'client' || from === 'peer';
    if (isNew && this.bans.isBanned(now, key)) return refuse(authorError('TemporarilyBanned'));
    const valid = this.world.validate(bytes);
    if (!valid.ok) {
      if (valid.malformed) return refuse(authorError('BadFormat'));
      const { error } = valid;
      return { error: validityError(error), never: isNeverValid(error), early: isEarly(bytes, error) };
    }
    if (valid.provides.length === 0) return refuse(authorError('NoTagsProvided'));
    return {
      entry: {
        key,
        hash: blake2_256(bytes),
        bytes,
        sender: senderOf(bytes),
        priority: valid.priority,
        requires: valid.requires.map((tag) => toHex(tag)),
        provides: valid.provides.map((tag) => toHex(tag)),
        validTill: this.world.bestNumber() + Number(valid.longevity),
        propagate: valid.propagate,
        ours: from === 'client' || from === 'block',
        seq: this.seq++,
      },
    };
  }

  private place(entry: Entry): AuthorError | undefined {
    const placed = this.graph.insert(entry);
    switch (placed.type) {
      case 'cycle':
        return authorError('CycleDetected');
      case 'tooLowPriority':
        return tooLowPriority(placed.old, entry.priority);
      case 'full':
        this.moved(placed.changes, entry.hash);
        return authorError('ImmediatelyDropped', "The transaction couldn't enter the pool because of the limit");
      case 'future':
        this.tell(entry.key, { type: 'future' });
        this.moved(placed.changes, entry.hash);
        return undefined;
      case 'ready':
        this.moved(placed.changes, entry.hash);
        return undefined;
    }
  }

  private head(now: Millis, retracted: readonly PoolBlock[], enacted: readonly PoolBlock[]): void {
    for (const block of retracted) {
      for (const extrinsic of block.extrinsics) {
        this.notify(this.watches.retracted(toHex(blake2_256(extrinsic)), block.hash));
      }
    }
    const included = new Set<string>();
    // While blocks are fetched nothing waits, and reading full ones again takes tens of milliseconds each.
    if (retracted.length > 0 || !this.isEmpty) for (const block of enacted) this.enact(block, included);
    const number = this.world.bestNumber();
    // Oldest first: what a sender signed first is valid first.
    for (const block of [...retracted].reverse()) {
      for (const extrinsic of block.extrinsics) this.comeBack(now, extrinsic, included);
    }
    this.unpark(now);
    for (const entry of [...this.graph.entries()]) if (entry.validTill <= number) this.discard(now, entry.key);
    for (const key of this.nextToRevalidate()) this.revalidate(now, key, false);
    this.notify(this.watches.reached(number));
  }

  private get isEmpty(): boolean {
    const { ready, future } = this.graph.counts;
    return ready + future === 0 && this.parked.isEmpty && this.watches.isEmpty;
  }

  private enact(block: PoolBlock, included: Set<string>): void {
    const at = { block: block.hash, blockKey: toHex(block.hash), number: block.number };
    for (const extrinsic of block.extrinsics) {
      const hash = blake2_256(extrinsic);
      const key = toHex(hash);
      included.add(key);
      this.parked.remove(key);
      const entry = this.graph.get(key);
      const tags = entry?.provides ?? tagsOf(extrinsic);
      this.graph.settle(key);
      this.notify(this.watches.included(key, at));
      // Another one with the same nonce or assignment is in a block: this one never will be.
      for (const tag of tags) {
        for (const rival of this.graph.withTag(tag)) {
          this.graph.settle(rival.key);
          this.tell(rival.key, { type: 'usurped', by: hash });
        }
      }
      this.moved(this.graph.satisfy(tags), hash);
    }
  }

  private comeBack(now: Millis, extrinsic: Bytes, included: ReadonlySet<string>): void {
    const key = toHex(blake2_256(extrinsic));
    if (included.has(key) || this.graph.get(key) !== undefined) return;
    const checked = this.check(now, key, extrinsic, 'block');
    if ('error' in checked && checked.early) {
      this.parked.add(key, extrinsic, this.world.bestNumber());
      return;
    }
    // An inherent, or what the new branch made invalid: only who watches it wants to know.
    const error = 'error' in checked ? checked.error : this.place(checked.entry);
    if (error !== undefined) this.tell(key, { type: error.name === 'InvalidTransaction' ? 'invalid' : 'dropped' });
  }

  /** Tries again what was too early, oldest first: one may have waited for another. */
  private unpark(now: Millis): void {
    for (const { key, bytes } of this.parked.due(this.world.bestNumber())) {
      const checked = this.check(now, key, bytes, 'parked');
      if ('error' in checked && checked.early) continue;
      this.parked.remove(key);
      if ('entry' in checked) this.place(checked.entry);
      else if (checked.error.name !== 'AlreadyImported') this.tell(key, { type: 'invalid' });
    }
  }

  /** In a circle by arrival, so that each entry's turn comes. */
  private nextToRevalidate(): string[] {
    const entries = [...this.graph.entries()].sort((a, b) => a.seq - b.seq);
    const after = entries.filter((entry) => entry.seq > this.cursor);
    const chosen = [...after, ...entries.slice(0, entries.length - after.length)].slice(0, REVALIDATED_PER_HEAD);
    this.cursor = chosen.at(-1)?.seq ?? -1;
    return chosen.map((entry) => entry.key);
  }

  /** Asks the runtime again; `suspected` by the builder, so that what is only too early now may stay. */
  private revalidate(now: Millis, key: string, suspected: boolean): void {
    const entry = this.graph.get(key);
    if (entry === undefined) return;
    const validity = this.world.validate(entry.bytes);
    if (!validity.ok) {
      const { error } = validity;
      if (isEarly(entry.bytes, error)) this.park(entry);
      else if (error.value.type !== 'Future' || !suspected) this.discard(now, key);
      return;
    }
    const requires = validity.requires.map((tag) => toHex(tag));
    if (!this.graph.isReady(key) || requires.every((tag) => entry.requires.includes(tag) && this.graph.provides(tag))) {
      return;
    }
    // A branch took its predecessor away, or gave it back: it has a new place, and only a worse one is news.
    const moved: Entry = { ...entry, requires };
    this.graph.settle(key);
    const placed = this.graph.insert(moved);
    if (placed.type === 'ready') {
      this.moved({ ...placed.changes, ready: placed.changes.ready.filter((one) => one !== moved) }, entry.hash);
    } else if (placed.type === 'future') {
      this.tell(key, { type: 'future' });
      this.moved(this.graph.lost(entry.provides), undefined);
      this.moved(placed.changes, entry.hash);
    } else {
      this.tell(key, { type: 'dropped' });
    }
  }

  private park(entry: Entry): void {
    const changes = this.graph.remove(entry.key);
    this.parked.add(entry.key, entry.bytes, this.world.bestNumber());
    this.tell(entry.key, { type: 'future' });
    this.moved(changes, undefined);
  }

  private discard(now: Millis, key: string): void {
    this.bans.ban(now, key);
    const changes = this.graph.remove(key);
    this.tell(key, { type: 'invalid' });
    this.moved(changes, undefined);
  }

  private moved(changes: Changes, by: Bytes | undefined): void {
    for (const entry of changes.usurped) {
      if (by !== undefined) this.tell(entry.key, { type: 'usurped', by });
    }
    for (const entry of changes.ready) {
      this.tell(entry.key, { type: 'ready' });
      if (entry.propagate) this.fresh.push(entry.bytes);
    }
    for (const entry of changes.future) this.tell(entry.key, { type: 'future' });
    for (const entry of changes.dropped) this.tell(entry.key, { type: 'dropped' });
  }

  private tell(key: string, event: WatchEvent): void {
    this.notify(this.watches.tell(key, event));
  }

  private notify(notices: readonly Notice[]): void {
    for (const notice of notices) this.out.push({ type: 'notice', ...notice });
  }
}

/** Who brings an extrinsic: a client, a peer, a block that left the chain, or the parked ones. */
type Source = 'client' | 'peer' | 'block' | 'parked';

interface Refusal {
  readonly error: AuthorError;
  /** It can never be valid. */
  readonly never: boolean;
  /** It may be valid some blocks later. */
  readonly early: boolean;
}

/** As many extrinsics as one message holds, in order. */
function batches(extrinsics: readonly Bytes[]): Bytes[][] {
  const out: Bytes[][] = [];
  let room = 0;
  for (const extrinsic of extrinsics) {
    const last = out.at(-1);
    room -= extrinsic.length;
    if (last !== undefined && last.length < GOSSIP_BATCH && room >= 0) {
      last.push(extrinsic);
      continue;
    }
    out.push([extrinsic]);
    room = GOSSIP_BYTES - extrinsic.length;
  }
  return out;
}

/** Whether this is a bare extrinsic that only comes too soon; a signed one says by its nonce what it waits for. */
function isEarly(extrinsic: Bytes, error: TransactionValidityError): boolean {
  return error.value.type === 'Future' && senderOf(extrinsic) === undefined;
}

/** Hex of the signer, undefined for a bare extrinsic. */
function senderOf(extrinsic: Bytes): string | undefined {
  const address = decodeExtrinsic(extrinsic).signed?.address;
  return address?.type === 'Id' ? toHex(address.value) : undefined;
}

/** What an extrinsic of a block provides as far as its bytes say: a signed one its nonce, a bare one nothing. */
function tagsOf(extrinsic: Bytes): string[] {
  const { signed } = decodeExtrinsic(extrinsic);
  return signed?.address.type === 'Id' ? [toHex(nonceTag(signed.address.value, signed.extra.nonce))] : [];
}
